"""hold(), capture(), release(): money set aside in two phases, the only way to promise it to someone.

The triggers move the held column, in the one statement that also asks whether enough is free
(`SET held = held + x WHERE balance - held >= x`); the checks here come first only to refuse in words.
Lock order: the wallet, then the hold.
"""

from __future__ import annotations

from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, transaction

from vinflow.money import Currency, Money, OtherCurrency
from vinflow.wallet.accounts import lock_accounts, require_transaction
from vinflow.wallet.entries import (
    MINOR_MAX,
    PURPOSE_LENGTH_MAX,
    SOURCE_LENGTH_MAX,
    AccountKind,
    AccountRef,
    Entry,
    check_text,
    credit,
    debit,
)
from vinflow.wallet.errors import (
    AccountClosed,
    HoldClosed,
    HoldDiffers,
    InsufficientFunds,
    UnknownHold,
    WalletFrozen,
    WrongEntry,
)
from vinflow.wallet.laws import refuse_while_stopped
from vinflow.wallet.models import Hold, JournalEntry
from vinflow.wallet.posting import post

__all__ = ["capture", "find_hold", "hold", "release"]

CAPTURED = ":captured"  # what a capture's entry adds to the purpose of its hold


def hold(
    *,
    wallet: AccountRef,
    money: Money,
    source: str,
    purpose: str,
    at: datetime,
    using: str = DEFAULT_DB_ALIAS,
) -> Hold:
    """Return a hold on so much of a wallet, made now or found from an earlier time.

    Safe to repeat by (source, purpose), in whatever state the hold is by then.
    Raises HoldDiffers, InsufficientFunds, WalletFrozen, SpendingStopped, AccountClosed, WrongEntry,
    NotInTransaction.
    """
    refuse_while_stopped(using)
    require_transaction(using)
    check_text("source", source, SOURCE_LENGTH_MAX)
    check_text("purpose", purpose, PURPOSE_LENGTH_MAX - len(CAPTURED))
    if wallet.kind is not AccountKind.USER:
        raise WrongEntry(f"{wallet} is no wallet; only a wallet's money is held")
    if not 0 < money.minor <= MINOR_MAX:
        raise WrongEntry(f"{money} cannot be held: an amount is positive and below 2**62")
    account = lock_accounts([(wallet, money.currency)], using=using)[wallet, money.currency]
    existing = find_hold(source, purpose, using=using)
    if existing is None:
        if account.closed_at is not None:
            raise AccountClosed(f"{wallet} is closed")
        if account.frozen_at is not None:
            raise WalletFrozen(f"{wallet} may receive and not spend")
        if account.available < money:
            raise InsufficientFunds(account.available, money)
        row = Hold(account=account, source=source, purpose=purpose, amount_minor=money.minor, held_at=at)
        # IGNORE: a rival's hold of the same key on another wallet must not break this transaction.
        Hold.objects.using(using).bulk_create([row], ignore_conflicts=True)
        existing = find_hold(source, purpose, using=using)
    if existing is None or (existing.account_id, existing.amount_minor) != (account.pk, money.minor):
        raise HoldDiffers(f"{source} {purpose} held another amount or wallet before")
    return existing


def capture(
    hold_id: int,
    *,
    to: AccountRef,
    at: datetime,
    money: Money | None = None,
    memo: str = "",
    using: str = DEFAULT_DB_ALIAS,
) -> JournalEntry:
    """Return the entry that took held money out of its wallet; the rest of the hold is free again.

    money: what to take, all of it unless given. The entry's key is the hold's source and its purpose
    with ":captured". Not repeatable: a second capture raises HoldClosed, and nothing moves.
    Raises UnknownHold, WrongEntry (more than is held), and what post() raises.
    """
    require_transaction(using)
    row = get_hold(hold_id, using=using)
    currency = Currency(row.account.currency)
    held = Money(row.amount_minor, currency)
    taken = held if money is None else money
    if taken.currency is not currency:
        raise OtherCurrency(f"{taken} from a hold of {held}")
    if not 0 < taken.minor <= held.minor:
        raise WrongEntry(f"{taken} from a hold of {held}")
    wallet = row.account.ref
    entry = Entry(row.source, row.purpose + CAPTURED, (debit(wallet, taken), credit(to, taken)), memo)
    with transaction.atomic(using=using):  # a target that refuses leaves the hold as it was
        lock_accounts([(wallet, currency), (to, currency)], using=using)
        close(row, Hold.State.CAPTURED, captured_minor=taken.minor, at=at, using=using)
        return post(entry, at=at, using=using)


def release(hold_id: int, *, at: datetime, using: str = DEFAULT_DB_ALIAS) -> Hold:
    """Return the hold, released: its money is free again.

    Not repeatable: raises HoldClosed when it was captured or released before. Raises UnknownHold.
    """
    require_transaction(using)
    row = get_hold(hold_id, using=using)
    lock_accounts([(row.account.ref, Currency(row.account.currency))], using=using)
    close(row, Hold.State.RELEASED, captured_minor=0, at=at, using=using)
    return row


def find_hold(source: str, purpose: str, *, using: str = DEFAULT_DB_ALIAS) -> Hold | None:
    """Return the hold of this key, or None."""
    return Hold.objects.using(using).filter(source=source, purpose=purpose).first()


def get_hold(hold_id: int, *, using: str) -> Hold:
    """Return a hold with its account. Raises UnknownHold."""
    try:
        return Hold.objects.using(using).select_related("account").get(pk=hold_id)
    except Hold.DoesNotExist:
        raise UnknownHold(f"no hold {hold_id}") from None


def close(row: Hold, state: Hold.State, *, captured_minor: int, at: datetime, using: str) -> None:
    """Move an open hold to its final state, once. Raises HoldClosed when someone was first."""
    open_one = Hold.objects.using(using).filter(pk=row.pk, state=Hold.State.HELD)
    if not open_one.update(state=state, captured_minor=captured_minor, closed_at=at):
        raise HoldClosed(get_hold(row.pk, using=using).state)
    row.state, row.captured_minor, row.closed_at = state, captured_minor, at

"""Accounts: made when first needed, locked in one order, closed and frozen by hand.

Lock order: wallets are locked after everything else a caller locks (payment, attempt, transfer), and
among themselves by id. House accounts are never locked: they carry no balance, so that no row is hot.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db import DEFAULT_DB_ALIAS, transaction

from vinflow.money import Currency
from vinflow.wallet.entries import AccountKind, AccountRef
from vinflow.wallet.errors import NotEmpty, NotInTransaction, WrongEntry
from vinflow.wallet.models import Account
from vinflow.wallet.reading import Columns, by_hand, locking

ACCOUNT = Columns(Account)
READ = f"SELECT {ACCOUNT.of('a')} FROM wallet_account a WHERE"  # noqa: S608
# A part of its own each: the lock belongs to the wallets alone, and their order to their lock.
UNION = "SELECT * FROM ({}) AS wallets UNION ALL SELECT * FROM ({}) AS houses"
NAMED = "(kind = %s AND key = %s AND environment = %s AND currency = %s)"

AccountKey = tuple[AccountRef, Currency]


def require_transaction(using: str) -> None:
    """Return nothing inside transaction.atomic(). Raises NotInTransaction outside."""
    if not transaction.get_connection(using).in_atomic_block:
        raise NotInTransaction("the books are written inside the caller's transaction.atomic()")


def lock_accounts(keys: Iterable[AccountKey], *, using: str = DEFAULT_DB_ALIAS) -> dict[AccountKey, Account]:
    """Return the accounts of these names, made where missing; wallets locked until the commit.

    On SQLite the transaction itself is the lock: it is IMMEDIATE, so it waits for other writers
    when it begins. Raises NotInTransaction.
    """
    require_transaction(using)
    wanted = set(keys)
    found = select(wanted, using=using)
    missing = wanted - found.keys()
    wallets = {key for key in missing if key[0].kind is AccountKind.USER}
    # Wallets are made and locked before any house account is made: whoever waits for a rival's new house
    # account would otherwise hold the very wallet which that rival is about to lock.
    for some in (wallets, missing - wallets):
        if some:
            # IGNORE and not get_or_create: a unique violation would break the caller's transaction.
            Account.objects.using(using).bulk_create(
                [new_account(key) for key in sorted(some)], ignore_conflicts=True
            )
            found |= select(some, using=using)
    return found


def select(keys: set[AccountKey], *, using: str) -> dict[AccountKey, Account]:
    """Return those of the named accounts that exist, in one statement; the wallets are locked by it.

    House accounts are read beside them and never locked. One that is closed while we wait for a wallet
    may be read as open still: the database refuses its line then.
    """
    wallets = sorted(key for key in keys if key[0].kind is AccountKind.USER)
    houses = sorted(key for key in keys if key[0].kind is not AccountKind.USER)
    parts = []
    if wallets:
        parts.append(f"{READ} {' OR '.join([NAMED] * len(wallets))} ORDER BY a.id{locking(using)}")
    if houses:
        parts.append(f"{READ} {' OR '.join([NAMED] * len(houses))}")
    names = [
        part
        for ref, currency in (*wallets, *houses)
        for part in (ref.kind.value, ref.key, ref.environment.value, currency.value)
    ]
    sql = parts[0] if len(parts) == 1 else UNION.format(*parts)
    with by_hand(using) as cursor:
        cursor.execute(sql, names)
        rows = [ACCOUNT.instance(row, using=using) for row in cursor.fetchall()]
    return {(row.ref, Currency(row.currency)): row for row in rows}


def new_account(key: AccountKey) -> Account:
    """Return an unsaved account: a wallet with its owner and nothing in it, or a house account."""
    ref, currency = key
    account = Account(
        kind=ref.kind.value, key=ref.key, environment=ref.environment.value, currency=currency.value
    )
    if ref.kind is AccountKind.USER:
        account.balance_minor = 0
        try:
            account.owner_id = get_user_model()._meta.pk.to_python(ref.key)
        except ValidationError:
            raise WrongEntry(f"{ref.key!r} is no key of a user") from None
    return account


def close_account(
    ref: AccountRef, currency: Currency, *, at: datetime, using: str = DEFAULT_DB_ALIAS
) -> Account:
    """Return the account, closed: no line will be booked on it any more. Repeating changes nothing.

    Raises NotEmpty when it is a wallet that still holds money, NotInTransaction.
    """
    account = lock_accounts([(ref, currency)], using=using)[ref, currency]
    if account.balance_minor:
        raise NotEmpty(f"{account.balance} are left in {ref}")
    if account.closed_at is None:
        account.closed_at = at
        account.save(using=using, update_fields=["closed_at"])
    return account


def freeze_wallet(
    ref: AccountRef, currency: Currency, *, at: datetime, using: str = DEFAULT_DB_ALIAS
) -> Account:
    """Return the wallet, frozen: it receives, it does not spend. Repeating changes nothing."""
    account = lock_accounts([(ref, currency)], using=using)[ref, currency]
    if account.frozen_at is None:
        account.frozen_at = at
        account.save(using=using, update_fields=["frozen_at"])
    return account


def unfreeze_wallet(ref: AccountRef, currency: Currency, *, using: str = DEFAULT_DB_ALIAS) -> Account:
    """Return the wallet, free to spend again."""
    account = lock_accounts([(ref, currency)], using=using)[ref, currency]
    if account.frozen_at is not None:
        account.frozen_at = None
        account.save(using=using, update_fields=["frozen_at"])
    return account

"""Reads that span the ledger's rows. Nothing here writes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS
from django.db.models import Case, CharField, F, QuerySet, Sum, Value, When
from django.db.models.functions import Coalesce

from vinflow.money import Currency, Money
from vinflow.wallet.entries import NORMAL_SIDE, AccountKind, AccountRef, Side
from vinflow.wallet.models import Account, JournalLine

PAGE_MAX = 500


def balances(user: Any, environment: str, *, using: str = DEFAULT_DB_ALIAS) -> list[Money]:
    """Return what a user's wallets hold, one Money for each currency, zero where nothing came yet."""
    held = {row.currency: row.balance for row in wallets(user, environment, using=using)}
    return [held.get(currency.value, Money(0, currency)) for currency in Currency]


def available(user: Any, environment: str, *, using: str = DEFAULT_DB_ALIAS) -> list[Money]:
    """Return what a user may spend now: the balances less the open holds."""
    free = {row.currency: row.available for row in wallets(user, environment, using=using)}
    return [free.get(currency.value, Money(0, currency)) for currency in Currency]


def wallets(user: Any, environment: str, *, using: str = DEFAULT_DB_ALIAS) -> QuerySet[Account]:
    """Return a user's wallets, one row for each currency that was ever used."""
    return Account.objects.using(using).filter(
        kind=AccountKind.USER.value, key=str(user.pk), environment=str(environment)
    )


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One line of a wallet as its owner reads it: money is negative when it went out."""

    seq: int
    entry_id: int
    source: str
    purpose: str
    memo: str
    posted_at: datetime
    business_date: date
    money: Money
    balance: Money
    reverses_id: int | None


def statement(
    user: Any,
    currency: Currency,
    environment: str,
    *,
    before_seq: int | None = None,
    since: date | None = None,
    until: date | None = None,
    limit: int = 50,
    using: str = DEFAULT_DB_ALIAS,
) -> list[StatementRow]:
    """Return a page of a wallet's lines, newest first, each with the balance it left.

    before_seq: the last seq of the page before, so that a page costs the same however long the wallet
    is. since, until: business days in Phnom Penh, both included. limit: 1 to 500 rows.
    """
    if not 1 <= limit <= PAGE_MAX:
        raise ValueError(f"limit is 1 to {PAGE_MAX}, not {limit}")
    # The account first, by its unique name: joining would let the database start from the entries.
    account = wallets(user, environment, using=using).filter(currency=currency.value).first()
    if account is None:
        return []
    rows = JournalLine.objects.using(using).filter(account=account).select_related("entry").order_by("-seq")
    if before_seq is not None:
        rows = rows.filter(seq__lt=before_seq)
    if since is not None:
        rows = rows.filter(entry__business_date__gte=since)
    if until is not None:
        rows = rows.filter(entry__business_date__lte=until)
    return [statement_row(row, currency) for row in rows[:limit]]


def statement_row(line: JournalLine, currency: Currency) -> StatementRow:
    """Return a journal line as a row of its owner's statement."""
    entry = line.entry
    return StatementRow(
        seq=line.seq or 0,
        entry_id=entry.pk,
        source=entry.source,
        purpose=entry.purpose,
        memo=entry.memo,
        posted_at=entry.posted_at,
        business_date=entry.business_date,
        money=line.money if line.side == Side.CREDIT else -line.money,
        balance=Money(line.balance_after or 0, currency),
        reverses_id=entry.reverses_id,
    )


def account_balance(
    ref: AccountRef, currency: Currency, *, until: date | None = None, using: str = DEFAULT_DB_ALIAS
) -> Money:
    """Return what stands on an account by adding up its lines, on the side where it grows.

    So money at the bank and money owed to users are both positive. until: a business day in Phnom Penh,
    included; everything unless given. Linear in the account's lines: wallets have `balances`.
    """
    rows = JournalLine.objects.using(using).filter(
        account__kind=ref.kind.value,
        account__key=ref.key,
        account__environment=ref.environment.value,
        account__currency=currency.value,
    )
    if until is not None:
        rows = rows.filter(entry__business_date__lte=until)
    sums = rows.aggregate(debit=side_sum(Side.DEBIT), credit=side_sum(Side.CREDIT))
    by_debit = int(sums["debit"]) - int(sums["credit"])
    return Money(by_debit if NORMAL_SIDE[ref.kind] is Side.DEBIT else -by_debit, currency)


@dataclass(frozen=True, slots=True)
class AccountSums:
    """What was ever booked on one account; all wallets together are one row, key "", unless asked for."""

    kind: AccountKind
    key: str
    debit: Money
    credit: Money

    @property
    def balance(self) -> Money:
        """What stands on the account, on the side where it grows."""
        by_debit = self.debit - self.credit
        return by_debit if NORMAL_SIDE[self.kind] is Side.DEBIT else -by_debit


@dataclass(frozen=True, slots=True)
class TrialBalance:
    """The sums of one currency: debit equals credit, or the books are broken."""

    currency: Currency
    debit: Money
    credit: Money
    accounts: tuple[AccountSums, ...]

    @property
    def is_balanced(self) -> bool:
        """Whether both sides are the same."""
        return self.debit == self.credit


def trial_balance(
    environment: str,
    *,
    until: date | None = None,
    by_wallet: bool = False,
    using: str = DEFAULT_DB_ALIAS,
) -> dict[Currency, TrialBalance]:
    """Return the trial balance of each currency of an environment. Linear in the lines of the journal.

    until: a business day in Phnom Penh, included. by_wallet: a row for each wallet, not one for all.
    """
    rows = JournalLine.objects.using(using).filter(account__environment=str(environment))
    if until is not None:
        rows = rows.filter(entry__business_date__lte=until)
    key = (
        F("account__key")
        if by_wallet
        else Case(
            When(account__kind=AccountKind.USER.value, then=Value("")),
            default=F("account__key"),
            output_field=CharField(),
        )
    )
    grouped = (
        rows.annotate(whose=key)
        .values("currency", "account__kind", "whose")
        .annotate(debit=side_sum(Side.DEBIT), credit=side_sum(Side.CREDIT))
        .order_by("currency", "account__kind", "whose")
    )
    sums: dict[Currency, list[AccountSums]] = {currency: [] for currency in Currency}
    for row in grouped:
        currency = Currency(row["currency"])
        sums[currency].append(
            AccountSums(
                AccountKind(row["account__kind"]),
                row["whose"],
                Money(int(row["debit"]), currency),
                Money(int(row["credit"]), currency),
            )
        )
    return {currency: add_up(currency, tuple(rows)) for currency, rows in sums.items()}


def add_up(currency: Currency, accounts: tuple[AccountSums, ...]) -> TrialBalance:
    """Return the trial balance of these accounts."""
    zero = Money(0, currency)
    return TrialBalance(
        currency,
        sum((account.debit for account in accounts), zero),
        sum((account.credit for account in accounts), zero),
        accounts,
    )


def side_sum(side: Side) -> Coalesce:
    """Return the aggregate that adds up one side, 0 where there is nothing."""
    return Coalesce(Sum(Case(When(side=side.value, then=F("amount_minor")))), Value(0))

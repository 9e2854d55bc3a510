"""Entry and Line: balanced per currency, or not built at all. Plain Python, no database, no clock.

A line books a positive amount on one side of one account. Money a user may spend stands on the
credit side of the user's wallet (we owe it); money that lies at the bank stands on the debit side
of `bakong:<receiver>` (we own it). So a top-up is: debit bakong, credit user.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vinflow.money import Currency, Money
from vinflow.wallet.errors import Unbalanced, WrongEntry

__all__ = [
    "NORMAL_SIDE",
    "AccountKind",
    "AccountRef",
    "Entry",
    "Environment",
    "Line",
    "Side",
    "bakong_ref",
    "credit",
    "debit",
    "external_ref",
    "receivable_ref",
    "refund_clearing_ref",
    "suspense_ref",
    "unclaimed_ref",
    "user_ref",
    "written_off_ref",
]

SOURCE_LENGTH_MAX = 120
PURPOSE_LENGTH_MAX = 80
KEY_LENGTH_MAX = 80
MEMO_LENGTH_MAX = 500
LINES_MAX = 1_000
MINOR_MAX = 2**62  # a 64-bit column holds it, and one more sum of it


class Environment(StrEnum):
    """Where the money is real and where it is played with; the three never meet in one entry."""

    PRODUCTION = "production"
    SIT = "sit"
    SANDBOX = "sandbox"


class Side(StrEnum):
    """The two sides of an account, as one letter in the database."""

    DEBIT = "D"
    CREDIT = "C"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.CREDIT if self is Side.DEBIT else Side.DEBIT


class AccountKind(StrEnum):
    """The chart of accounts. Only `user` is a wallet with a balance column."""

    USER = "user"
    BAKONG = "bakong"
    SUSPENSE = "suspense"
    UNCLAIMED = "unclaimed"
    RECEIVABLE = "receivable"
    EXTERNAL = "external"
    REFUND_CLEARING = "refund_clearing"
    WRITTEN_OFF = "written_off"


# Which side makes an account grow: what we own on the debit side, what we owe on the credit side.
NORMAL_SIDE: Mapping[AccountKind, Side] = {
    AccountKind.USER: Side.CREDIT,
    AccountKind.BAKONG: Side.DEBIT,
    AccountKind.SUSPENSE: Side.CREDIT,
    AccountKind.UNCLAIMED: Side.CREDIT,
    AccountKind.RECEIVABLE: Side.DEBIT,
    AccountKind.EXTERNAL: Side.CREDIT,
    AccountKind.REFUND_CLEARING: Side.CREDIT,
    AccountKind.WRITTEN_OFF: Side.CREDIT,
}


@dataclass(frozen=True, slots=True, order=True)
class AccountRef:
    """Names an account, whatever its currency: the line's money decides which of the two it is.

    kind: one of AccountKind, as member or text. key: whose it is, "" where there is only one.
    Raises WrongEntry for an unknown kind or environment, or a key that does not fit.
    """

    kind: AccountKind
    key: str
    environment: Environment

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "kind", AccountKind(self.kind))
            object.__setattr__(self, "environment", Environment(self.environment))
        except ValueError as wrong:
            raise WrongEntry(str(wrong)) from None
        check_text("key", self.key, KEY_LENGTH_MAX, empty=self.kind is not AccountKind.USER)

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.key}" if self.key else self.kind.value


def user_ref(user_id: object, environment: str) -> AccountRef:
    """Return the wallet of a user, by the primary key of the site's user model."""
    return AccountRef(AccountKind.USER, str(user_id), Environment(environment))


def bakong_ref(receiver: str, environment: str) -> AccountRef:
    """Return the account that mirrors our own bank account `receiver`."""
    return AccountRef(AccountKind.BAKONG, receiver, Environment(environment))


def suspense_ref(environment: str) -> AccountRef:
    """Return the account of money received and not yet given to anyone."""
    return AccountRef(AccountKind.SUSPENSE, "", Environment(environment))


def unclaimed_ref(environment: str) -> AccountRef:
    """Return the account of money that was received, booked, and then dismissed by two people."""
    return AccountRef(AccountKind.UNCLAIMED, "", Environment(environment))


def receivable_ref(user_id: object, environment: str) -> AccountRef:
    """Return the account of what a user owes us after a claw-back of money already spent."""
    return AccountRef(AccountKind.RECEIVABLE, str(user_id), Environment(environment))


def external_ref(environment: str, key: str = "") -> AccountRef:
    """Return the account of the world outside: spendings, a host's own ledger."""
    return AccountRef(AccountKind.EXTERNAL, key, Environment(environment))


def refund_clearing_ref(environment: str) -> AccountRef:
    """Return the account of refunds on their way between the wallet and the bank."""
    return AccountRef(AccountKind.REFUND_CLEARING, "", Environment(environment))


def written_off_ref(environment: str) -> AccountRef:
    """Return the account of money nobody will ever claim."""
    return AccountRef(AccountKind.WRITTEN_OFF, "", Environment(environment))


@dataclass(frozen=True, slots=True)
class Line:
    """One side of one account, and a positive amount of one currency."""

    account: AccountRef
    side: Side
    money: Money

    def __post_init__(self) -> None:
        given: tuple[object, object] = (self.account, self.money)  # typing promises, callers may not keep
        if not (isinstance(given[0], AccountRef) and isinstance(given[1], Money)):
            raise WrongEntry("a line is an AccountRef, a Side and Money")
        try:
            object.__setattr__(self, "side", Side(self.side))
        except ValueError:
            raise WrongEntry(f"{self.side!r} is no side") from None
        if not 0 < self.money.minor <= MINOR_MAX:
            raise WrongEntry(f"{self.money} on {self.account}: an amount is positive and below 2**62")


def debit(account: AccountRef, money: Money) -> Line:
    """Return a line on the debit side."""
    return Line(account, Side.DEBIT, money)


def credit(account: AccountRef, money: Money) -> Line:
    """Return a line on the credit side."""
    return Line(account, Side.CREDIT, money)


@dataclass(frozen=True, slots=True)
class Entry:
    """A balanced fact: why money moved, and from where to where.

    source, purpose: together the key that makes a posting safe to repeat, chosen by the caller
    ("payment:TXN...", "credited"). lines: two or more; debits equal credits in each currency.
    environment: taken from the lines when empty; it must be that of every line.
    Raises Unbalanced, WrongEntry.
    """

    source: str
    purpose: str
    lines: tuple[Line, ...]
    memo: str = ""
    environment: str = ""

    def __post_init__(self) -> None:
        check_text("source", self.source, SOURCE_LENGTH_MAX)
        check_text("purpose", self.purpose, PURPOSE_LENGTH_MAX)
        check_text("memo", self.memo, MEMO_LENGTH_MAX, empty=True)
        lines: Iterable[Any] = self.lines
        object.__setattr__(self, "lines", tuple(lines))
        if not 2 <= len(self.lines) <= LINES_MAX:
            raise WrongEntry(f"{len(self.lines)} lines; an entry has 2 to {LINES_MAX}")
        environments = {line.account.environment for line in self.lines}
        if len(environments) != 1:
            raise WrongEntry(f"an entry across environments: {', '.join(sorted(environments))}")
        environment = environments.pop()
        if self.environment and self.environment != environment:
            raise WrongEntry(f"an entry of {self.environment!r} with lines of {environment.value!r}")
        object.__setattr__(self, "environment", environment)
        for currency, (debits, credits) in self.sums().items():
            if debits != credits:
                raise Unbalanced(f"{debits} debit, {credits} credit minor units of {currency}")

    def sums(self) -> dict[Currency, tuple[int, int]]:
        """Return minor units of debit and of credit for each currency."""
        sums: dict[Currency, list[int]] = defaultdict(lambda: [0, 0])
        for line in self.lines:
            sums[line.money.currency][line.side is Side.CREDIT] += line.money.minor
        return {currency: (debits, credits) for currency, (debits, credits) in sums.items()}

    def body_hash(self) -> str:
        """Return SHA-256 (64 hex) of what moves: environment and lines in order.

        The memo is not part of it: a repeated posting may word its reason anew.
        """
        return body_hash(
            self.environment,
            [
                (
                    line.account.kind.value,
                    line.account.key,
                    line.side.value,
                    line.money.minor,
                    line.money.currency.value,
                )
                for line in self.lines
            ],
        )

    def opposite(self, *, purpose: str, memo: str = "") -> Entry:
        """Return the entry that undoes this one: the same lines from last to first, sides exchanged.

        Last to first, so that a wallet walks its balances backwards and never dips below zero.
        """
        lines = tuple(Line(line.account, line.side.opposite, line.money) for line in reversed(self.lines))
        return Entry(self.source, purpose, lines, memo, self.environment)


def body_hash(environment: str, lines: list[tuple[str, str, str, int, str]]) -> str:
    """Return SHA-256 (64 hex) of an environment and (kind, key, side, minor, currency) lines."""
    text = json.dumps([str(environment), lines], ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def check_text(name: str, text: object, length_max: int, *, empty: bool = False) -> None:
    """Return nothing when text fits its column. Raises WrongEntry when it is none, or too long."""
    if not isinstance(text, str):
        raise WrongEntry(f"{name} is text, not {type(text).__name__}")
    if not text and not empty:
        raise WrongEntry(f"{name} is empty")
    if len(text) > length_max:
        raise WrongEntry(f"{name} has {len(text)} characters, {length_max} are allowed")
    if "\x00" in text:  # PostgreSQL has no such character, SQLite would cut the text there
        raise WrongEntry(f"{name} holds a null character")

"""What can be wrong with a posting, by what the caller can do about it. Plain Python.

LedgerError (Exception)      nothing was written, unless a docstring below says otherwise
  WrongEntry (ValueError)    the entry breaks its own rules and was never built
    Unbalanced               debits and credits of one currency differ
  WrongUse                   the calling code is wrong: repair it
    NotInTransaction         posting outside transaction.atomic()
    NotConfigured            a setting is missing; .setting names it
    GuardsMissing            the database lacks its triggers; .problems lists them
  Refused                    the books say no; the world may be told
    EntryDiffers             this (source, purpose) was posted before with another body
    InsufficientFunds        the wallet holds less than was asked; .available and .wanted are Money
    AccountClosed            nothing more may be booked on this account
    WalletFrozen             this wallet may receive and not spend
    SpendingStopped          a brake is on: the books do not add up, and nothing is spent until they do
    NotEmpty                 a wallet with money or holds cannot be closed
    AlreadyReversed          an entry is reversed once
    NotReversible            a reversal is not reversed: post a new entry
    HoldDiffers              this (source, purpose) held another amount or wallet
    HoldClosed               the hold was captured or released before; .state says which
    UnknownHold              no such hold
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vinflow.money import Money

__all__ = [
    "AccountClosed",
    "AlreadyReversed",
    "EntryDiffers",
    "GuardsMissing",
    "HoldClosed",
    "HoldDiffers",
    "InsufficientFunds",
    "LedgerError",
    "NotConfigured",
    "NotEmpty",
    "NotInTransaction",
    "NotReversible",
    "Refused",
    "SpendingStopped",
    "Unbalanced",
    "UnknownHold",
    "WalletFrozen",
    "WrongEntry",
    "WrongUse",
]


class LedgerError(Exception):
    """Anything the books refuse."""


class WrongEntry(LedgerError, ValueError):
    """The entry breaks its own rules: a bad name, no lines, an amount that is not positive."""


class Unbalanced(WrongEntry):
    """Debits and credits of one currency differ."""


class WrongUse(LedgerError):
    """The calling code or its set-up is wrong."""


class NotInTransaction(WrongUse):
    """A posting belongs to its caller's transaction; there was none."""


class NotConfigured(WrongUse):
    """A setting is missing or too short."""

    def __init__(self, setting: str, what: str) -> None:
        super().__init__(f"{setting}: {what}")
        self.setting = setting


class GuardsMissing(WrongUse):
    """The database lacks triggers, or has others than ours."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


class Refused(LedgerError):
    """The books say no."""


class EntryDiffers(Refused):
    """This (source, purpose) was posted before with other lines."""


class InsufficientFunds(Refused):
    """The wallet's balance less its holds is smaller than what was asked."""

    def __init__(self, available: Money, wanted: Money) -> None:
        super().__init__(f"{wanted} asked, {available} available")
        self.available = available
        self.wanted = wanted


class AccountClosed(Refused):
    """Nothing more may be booked on this account."""


class WalletFrozen(Refused):
    """This wallet may receive and not spend."""


class SpendingStopped(Refused):
    """A brake is on; receiving goes on."""


class NotEmpty(Refused):
    """A wallet with money or holds cannot be closed."""


class AlreadyReversed(Refused):
    """An entry is reversed once."""


class NotReversible(Refused):
    """A reversal is not reversed: post a new entry."""


class HoldDiffers(Refused):
    """This (source, purpose) held another amount or wallet."""


class HoldClosed(Refused):
    """The hold was captured or released before."""

    def __init__(self, state: str) -> None:
        super().__init__(f"the hold is already {state}")
        self.state = state


class UnknownHold(Refused):
    """No such hold."""

"""What may differ between the books, Bakong and the bank: nine kinds, and how each is told. Plain Python.

Unknown is not missing: an answer that tells nothing is no difference, whatever stands behind it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from vinflow.bakong import CannotTell, Failed, Found, NotFound, Outcome, StaticQr
from vinflow.money import Money
from vinflow.payments.matching import BAD_TRACKING, receiver_accepted, reported_money

__all__ = ["STUCK_AFTER", "Booked", "Finding", "Kind", "closing", "compare", "unbooked"]

STUCK_AFTER = timedelta(hours=1)  # past the moment of the last check: by then every answer is in


class Kind(StrEnum):
    """What a difference is. Each calls for something else, so they are kept apart."""

    PAID_NOT_BOOKED = "paid_not_booked"
    UNKNOWN_TO_BAKONG = "unknown_to_bakong"
    OTHER_AMOUNT = "other_amount"
    OTHER_CURRENCY = "other_currency"
    OTHER_RECEIVER = "other_receiver"
    REFUNDED_SINCE = "refunded_since"
    STUCK_PENDING = "stuck_pending"
    SUSPENSE_WITHOUT_ITEM = "suspense_without_item"
    CLOSING_BALANCE = "closing_balance"


@dataclass(frozen=True, slots=True)
class Booked:
    """What the books say of one transfer.

    money: what the ledger's own line says came. receivers: the account it was booked on and its accepted
    aliases. receiver_stated: false for a dialect whose answers name none. given_back: our own books say
    that it went back.
    """

    hash: str
    money: Money
    receivers: Collection[str]
    receiver_stated: bool = True
    given_back: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference. subject: what it is about, the same at every look. expected: what our books say;
    seen: what the other side says.

    payment_id, transfer_id, attempt_id: our rows behind it, where there are any.
    """

    kind: Kind
    subject: str
    expected: str
    seen: str
    payment_id: int | None = field(default=None, compare=False)
    transfer_id: int | None = field(default=None, compare=False)
    attempt_id: int | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The same difference seen again has the same name; another amount makes another difference."""
        text = "\x1f".join((self.kind.value, self.subject, self.expected, self.seen))
        return hashlib.sha256(text.encode()).hexdigest()


def compare(booked: Booked, said: Outcome) -> tuple[Finding, ...] | None:
    """Return how an answer about a booked transfer differs from the books; None when it tells nothing.

    An empty tuple says that Bakong and the books agree.
    """
    subject = f"transfer:{booked.hash}"
    money = str(booked.money)
    match said:
        case CannotTell() | StaticQr():
            return None
        case NotFound():
            return (Finding(Kind.UNKNOWN_TO_BAKONG, subject, money, "not found"),)
        case Failed():
            return () if booked.given_back else (Finding(Kind.REFUNDED_SINCE, subject, money, "failed"),)
        case Found(transfer=transfer):
            found = []
            came = f"{transfer.amount} {transfer.currency}"
            if transfer.currency != booked.money.currency.value:
                found.append(Finding(Kind.OTHER_CURRENCY, subject, money, came))
            elif reported_money(transfer.amount, transfer.currency) != booked.money:
                found.append(Finding(Kind.OTHER_AMOUNT, subject, money, came))
            if booked.receiver_stated and not receiver_accepted(transfer.to_account, booked.receivers):
                ours = ", ".join(sorted(booked.receivers))
                found.append(Finding(Kind.OTHER_RECEIVER, subject, ours, transfer.to_account or "none"))
            if transfer.tracking_status in BAD_TRACKING and not booked.given_back:
                found.append(Finding(Kind.REFUNDED_SINCE, subject, money, transfer.tracking_status or ""))
            return tuple(found)
    raise AssertionError(said)  # pragma: no cover


def unbooked(md5: str, said: Outcome, known_hashes: Collection[str]) -> tuple[Finding, ...] | None:
    """Return the difference of a QR that Bakong calls paid and the books know nothing of; None: no answer.

    known_hashes: transfers we have, under whatever QR they came.
    """
    match said:
        case CannotTell() | StaticQr():
            return None
        case Found(transfer=transfer) if transfer.hash not in known_hashes:
            came = f"{transfer.amount} {transfer.currency}, {transfer.hash[:8]}"
            return (Finding(Kind.PAID_NOT_BOOKED, f"qr:{md5}", "nothing booked", came),)
        case _:
            return ()


def closing(receiver: str, day: str, ledger: Money, bank: Money, other: Money) -> tuple[Finding, ...]:
    """Return the difference between a ledger account and the bank's closing balance of a day.

    other: what of the bank's balance did not come by this site, as staff said when they entered it.
    """
    if ledger == bank - other:
        return ()
    seen = f"{bank} at the bank"
    if other.minor:
        seen += f", of which {other} from elsewhere"
    return (Finding(Kind.CLOSING_BALANCE, f"bakong:{receiver}:{ledger.currency}:{day}", str(ledger), seen),)


def is_stuck(last_check_at: datetime, *, at: datetime) -> bool:
    """Return whether a payment that is pending still should have had its last word by now."""
    return at - last_check_at > STUCK_AFTER

"""Does this transfer pay this QR? -> Match, or the list of reasons why not. Plain Python.

The API says that a transfer carries this QR's md5. Everything else is judged here, before any
credit: hash, currency, amount, receiver, time, tracking status (NBC Open API, section "checks").
A failed check is a review item with the raw answer kept; never a credit, and never "unpaid".
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from vinflow.money import Currency, Money, MoneyError

__all__ = [
    "BAD_TRACKING",
    "Asked",
    "Difference",
    "Expected",
    "Match",
    "Mismatch",
    "Reason",
    "Reported",
    "differences",
    "judge",
    "reported_money",
]

HASH = re.compile(r"[0-9a-f]{64}")
# Transfers these two words describe have come back or never arrived.
BAD_TRACKING = frozenset({"REFUNDED_BY_RECEIVER", "FAILED_AT_ACH"})
MONEY_MAX = 10**15  # minor units: what a row may hold; beyond it an amount is nonsense, not money
EARLY = timedelta(
    minutes=5
)  # clocks of banks and ours differ; a transfer "before" its QR is no payment of it
IN_TIME = timedelta(seconds=60)  # the payer's app enforces the expiry by its own clock


class Reason(StrEnum):
    """Why a transfer is not credited by itself."""

    HASH_MALFORMED = "hash_malformed"
    CURRENCY_DIFFERS = "currency_differs"
    AMOUNT_DIFFERS = "amount_differs"
    RECEIVER_UNKNOWN = "receiver_unknown"
    BILL_DIFFERS = "bill_differs"
    TOO_EARLY = "too_early"
    TIME_UNKNOWN = "time_unknown"
    SENT_BACK = "sent_back"
    AFTER_WATCH = "after_watch"
    # These are found by those who hold rows, not by judge():
    LATE_HELD = "late_held"
    ALREADY_PAID = "already_paid"
    HASH_SEEN = "hash_seen"
    OVER_CAP = "over_cap"
    CLAIMED_BY_HASH = "claimed_by_hash"
    NOT_CREDITABLE = "not_creditable"
    STATEMENT_LINE = "statement_line"
    LINKED_BY_HAND = "linked_by_hand"
    NO_WORD = "no_word"


@dataclass(frozen=True, slots=True)
class Asked:
    """What the QR asked for, as it was frozen when the QR was shown.

    receivers: accepted accounts, any case. receiver_stated: false for a protocol whose answers
    name no receiver at all. bill_number: compared only where the answer carries one.
    """

    money: Money
    receivers: Collection[str]
    created_at: datetime
    expires_at: datetime
    watch_until: datetime
    receiver_stated: bool = True
    bill_number: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """What Bakong reported. asked_at: when the request that brought this answer was started."""

    hash: str
    amount: Decimal | None
    currency: str
    to_account: str | None
    created_at: datetime | None
    acknowledged_at: datetime | None
    tracking_status: str | None
    asked_at: datetime
    bill_number: str | None = None


@dataclass(frozen=True, slots=True)
class Match:
    """The transfer pays the QR. late: the money was sent after expiry plus a minute."""

    late: bool


@dataclass(frozen=True, slots=True)
class Mismatch:
    """The transfer does not pay the QR by itself; a person decides."""

    reasons: tuple[Reason, ...]


def reported_money(amount: Decimal | None, currency: str) -> Money | None:
    """Return the Money of a reported transfer, or None where it is none of ours.

    None for another currency, a missing, negative or zero amount, and for more decimals than the
    currency has: such an amount is never rounded.
    """
    if amount is None or currency not in list(Currency):
        return None
    try:
        money = Money.from_decimal(amount, Currency(currency))
    except MoneyError:
        return None
    return money if 0 < money.minor <= MONEY_MAX else None


def sent_at(reported: Reported) -> datetime | None:
    """Return when the payer sent the money, as well as the answer says."""
    return reported.created_at or reported.acknowledged_at


def judge(reported: Reported, asked: Asked) -> Match | Mismatch:
    """Return Match when every check holds, else Mismatch with all reasons, in the order checked.

    Late money inside the watch window still matches (late=True): whether it is credited by itself
    is the operator's policy, not a question of whether it pays this QR.
    """
    reasons: list[Reason] = []
    if not HASH.fullmatch(reported.hash):
        reasons.append(Reason.HASH_MALFORMED)
    if reported.currency != asked.money.currency.value:
        reasons.append(Reason.CURRENCY_DIFFERS)
    elif reported_money(reported.amount, reported.currency) != asked.money:
        reasons.append(Reason.AMOUNT_DIFFERS)
    if asked.receiver_stated and not receiver_accepted(reported.to_account, asked.receivers):
        reasons.append(Reason.RECEIVER_UNKNOWN)
    if asked.bill_number and reported.bill_number is not None and reported.bill_number != asked.bill_number:
        reasons.append(Reason.BILL_DIFFERS)
    if reported.tracking_status in BAD_TRACKING:
        reasons.append(Reason.SENT_BACK)
    moment = sent_at(reported)
    late = False
    if moment is None:
        # No date at all: only the moment of our own question can speak for it.
        if reported.asked_at > asked.expires_at:
            reasons.append(Reason.TIME_UNKNOWN)
    elif moment < asked.created_at - EARLY:
        reasons.append(Reason.TOO_EARLY)
    elif moment > asked.watch_until:
        reasons.append(Reason.AFTER_WATCH)
    else:
        late = moment > asked.expires_at + IN_TIME
    return Mismatch(tuple(reasons)) if reasons else Match(late=late)


def receiver_accepted(account: str | None, receivers: Collection[str]) -> bool:
    """Return whether the reported receiver is one of ours (case is ignored, as banks do)."""
    return account is not None and account.casefold() in {receiver.casefold() for receiver in receivers}


class Difference(StrEnum):
    """Why a transfer that Bakong knows is not the one that a person says they sent."""

    HASH = "hash"
    MONEY = "money"
    FROM_ACCOUNT = "from_account"
    FROM_UNSTATED = "from_unstated"
    TO_ACCOUNT = "to_account"
    TOO_EARLY = "too_early"
    SENT_BACK = "sent_back"


@dataclass(frozen=True, slots=True)
class Expected:
    """What a transfer out of our account must look like.

    senders: our accounts. to_account: whose it must reach, "" where nobody knows. since: when the
    money was asked for.
    """

    hash: str
    money: Money
    senders: Collection[str]
    to_account: str
    since: datetime


def differences(
    expected: Expected,
    *,
    hash: str,
    amount: Decimal | None,
    currency: str,
    from_account: str | None,
    to_account: str | None,
    sent_at: datetime | None,
    tracking_status: str | None,
) -> tuple[Difference, ...]:
    """Return in what a reported transfer differs from what should have been sent; () is what it should be.

    A moment that the answer does not carry speaks neither for nor against it.
    """
    said: list[Difference] = []
    if hash != expected.hash:
        said.append(Difference.HASH)
    if reported_money(amount, currency) != expected.money:
        said.append(Difference.MONEY)
    if from_account is None:
        said.append(Difference.FROM_UNSTATED)
    elif not receiver_accepted(from_account, expected.senders):
        said.append(Difference.FROM_ACCOUNT)
    if expected.to_account and not receiver_accepted(to_account, [expected.to_account]):
        said.append(Difference.TO_ACCOUNT)
    if sent_at is not None and sent_at < expected.since - EARLY:
        said.append(Difference.TOO_EARLY)
    if tracking_status in BAD_TRACKING:
        said.append(Difference.SENT_BACK)
    return tuple(said)

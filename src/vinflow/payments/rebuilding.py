"""What the books must say, worked out from evidence alone: one transfer, one line, one payment at a time.

Nothing here reads a journal line or a balance. The evidence is what Bakong reported (copied onto the
transfer for good), what the QR asked for, the last words about each QR, and what people decided.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from vinflow.money import Currency, Money
from vinflow.payments.confirming import asked_of, reported_of
from vinflow.payments.matching import Match, Reason, judge, reported_money
from vinflow.payments.models import (
    Attempt,
    Fate,
    ManualDeposit,
    Payment,
    ReviewItem,
    StatementLine,
    Transfer,
)
from vinflow.payments.states import Status

__all__ = [
    "Expected",
    "Leg",
    "deposit_entry",
    "line_entries",
    "transfer_entries",
    "wrong_evidence",
    "wrong_state",
]

# The person's leg of a credit: their wallet, or the host's own balance where a handler keeps it.
WHO = "who"


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of an entry that must be there. key None: any account of that kind."""

    side: str
    kind: str
    key: str | None
    minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class Expected:
    """One entry that must be there, by its purpose, with two legs."""

    purpose: str
    debit: Leg
    credit: Leg


def _entry(
    purpose: str, money: Money, debit: tuple[str, str | None], credit: tuple[str, str | None]
) -> Expected:
    currency = money.currency.value
    return Expected(
        purpose,
        Leg("D", debit[0], debit[1], money.minor, currency),
        Leg("C", credit[0], credit[1], money.minor, currency),
    )


def transfer_entries(transfer: Transfer, item: ReviewItem | None) -> list[Expected]:
    """Return the entries a transfer must have: none where it was not booked, two where people decided."""
    if not transfer.booked_receiver or transfer.amount_minor is None or transfer.fate == Fate.OPEN:
        return []
    money = Money(transfer.amount_minor, Currency(transfer.currency))
    bakong, suspense = ("bakong", transfer.booked_receiver), ("suspense", "")
    user = transfer.payment.user_id
    who = (WHO, None if user is None else str(user))
    if transfer.fate == Fate.CREDITED and item is None:
        return [_entry("credit", money, bakong, who)]
    entries = [_entry("suspense", money, bakong, suspense)]
    match transfer.fate:
        case Fate.CREDITED:
            entries.append(_entry("credit", money, suspense, who))
        case Fate.EXTRA:
            entries.append(_entry("credit_extra", money, suspense, who))
        case Fate.RETURNED:
            entries.append(_entry("return", money, suspense, ("bakong", None)))
        case Fate.WRITTEN_OFF:
            entries.append(_entry("unclaimed", money, suspense, ("unclaimed", "")))
    return entries


def line_entries(line: StatementLine) -> list[Expected]:
    """Return the entries that a line of a statement must have: none where it was matched from the first."""
    if line.booked_at is None:
        return []
    bakong, suspense = ("bakong", line.receiver), ("suspense", "")
    entries = [_entry("suspense", line.money, bakong, suspense)]
    if line.fate in (StatementLine.Fate.LINKED, StatementLine.Fate.MATCHED):
        entries.append(_entry("handed_over", line.money, suspense, bakong))
    elif line.fate == StatementLine.Fate.WRITTEN_OFF:
        entries.append(_entry("unclaimed", line.money, suspense, ("unclaimed", "")))
    return entries


def deposit_entry(deposit: ManualDeposit) -> Expected:
    """Return the entry that a credited deposit must have."""
    came, given = ("external", deposit.kind), ("user", str(deposit.payer_id))
    return _entry("credit", deposit.money, came, given)


DECIDED = {
    Fate.EXTRA: ReviewItem.Decision.CREDITED,
    Fate.WRITTEN_OFF: ReviewItem.Decision.DISMISSED,
    Fate.IN_REVIEW: ReviewItem.Decision.OPEN,
}


def wrong_evidence(transfer: Transfer, item: ReviewItem | None, line: StatementLine | None) -> Iterator[str]:
    """Yield where a transfer's columns, its raw answer and the people's decision contradict each other."""
    name = f"transfer {transfer.hash[:8]}"
    if "statement_line" in transfer.raw:
        if line is None or (line.source, line.amount_minor, line.currency) != (
            transfer.raw["statement_line"],
            transfer.amount_minor,
            transfer.currency,
        ):
            yield f"{name} was linked from a line of a statement that says otherwise, or is gone"
    else:
        yield from (f"{name}: {fault}" for fault in _wrong_copy(transfer))
    if transfer.fate == Fate.OPEN:
        return
    if transfer.fate == Fate.CREDITED and item is None:
        verdict = judge(reported_of(transfer), asked_of(transfer.payment, transfer.attempt, transfer))
        # An accepted alias may have been taken off the list since: what was accepted then stays so.
        reasons = () if isinstance(verdict, Match) else verdict.reasons
        if against := [reason.value for reason in reasons if reason is not Reason.RECEIVER_UNKNOWN]:
            yield f"{name} was credited by itself, against {', '.join(against)}"
        return
    wanted = {DECIDED.get(Fate(transfer.fate), ReviewItem.Decision.CREDITED)}
    if transfer.fate == Fate.RETURNED:  # by a person, or by the bank itself
        wanted = {ReviewItem.Decision.RETURNED, ReviewItem.Decision.TAKEN_BACK}
    if item is None:
        yield f"{name} is {transfer.fate}, and no review item tells who decided"
    elif item.decision not in wanted:
        yield f"{name} is {transfer.fate}, and people decided: {item.decision or 'nothing yet'}"
    if transfer.fate == Fate.CREDITED and transfer.money != transfer.payment.money:
        yield f"{name} completed a payment of another amount"


def _wrong_copy(transfer: Transfer) -> Iterator[str]:
    """Yield where the columns of a transfer are not what its raw answer says."""
    raw = transfer.raw
    said = str(raw.get("hash") or transfer.hash).lower()
    if said != transfer.hash:
        yield f"its answer is about {said[:8]}"
    for column, key in (
        ("currency", "currency"),
        ("to_account", "toAccountId"),
        ("from_account", "fromAccountId"),
    ):
        if isinstance(raw.get(key), str) and raw[key][: 10 if column == "currency" else 100] != getattr(
            transfer, column
        ):
            yield f"its {column} is not what was answered"
    try:
        amount = Decimal(str(raw["amount"])) if raw.get("amount") is not None else None
        copied = Decimal(transfer.amount_text) if transfer.amount_text else None
    except InvalidOperation:
        amount = copied = None
    if amount is not None and amount != copied:
        yield "its amount is not what was answered"
    money = reported_money(copied, transfer.currency)
    if (None if money is None else money.minor) != transfer.amount_minor:
        yield "its minor units are not what was answered"


def wrong_state(payment: Payment, attempts: Sequence[Attempt], credited: int) -> str:
    """Return why the state of a payment does not follow from the evidence, "" when it does.

    credited: transfers that were credited to it.
    """
    if (payment.status == Status.COMPLETED) != (credited == 1):
        return f"is {payment.status}, with {credited} transfers credited to it"
    if payment.status == Status.CANCELED and payment.canceled_at is None:
        return "is canceled, and nobody withdrew it"
    if payment.status in (Status.EXPIRED, Status.FAILED):
        unheard = [
            attempt.number
            for attempt in attempts
            if attempt.last_negative_at is None or attempt.last_negative_at < attempt.last_check_at
        ]
        if not attempts or unheard:
            return f"is {payment.status}, and Bakong did not say so of every QR after its end"
        failed = max(attempts, key=lambda attempt: attempt.number).last_real_word == "failed"
        if failed != (payment.status == Status.FAILED):
            return f"is {payment.status}, and the last word about its newest QR was another"
    return ""

"""A line in suspense becomes a transfer's money, or is written off; each an entry, none twice.

A line is evidence that money came, and of nothing more: whose it is a person says, and whether that
person is right two people decide at the review desk. Locks: payment, attempt, transfer, review item, line.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from django.db import transaction

from vinflow.payments import announcing
from vinflow.payments.crediting import book_to_suspense
from vinflow.payments.errors import ReviewRefused
from vinflow.payments.matching import HASH, Reason
from vinflow.payments.models import Attempt, Fate, Payment, ReviewItem, StatementLine, Transfer
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, suspense_ref, unclaimed_ref
from vinflow.wallet.posting import post

__all__ = ["book_line", "hand_over", "link", "open_line_of", "write_off"]


def book_line(line: StatementLine, *, at: datetime) -> ReviewItem:
    """Book a line that nobody knows to suspense and ask the desk about it; inside the caller's transaction.

    Once per line: the ledger refuses its source a second time, quietly.
    """
    post(
        Entry(
            source=line.source,
            purpose="suspense",
            lines=(
                debit(bakong_ref(line.receiver, line.environment), line.money),
                credit(suspense_ref(line.environment), line.money),
            ),
            memo=f"on the bank's statement of {line.at:%Y-%m-%d}, not known",
        ),
        at=at,
    )
    item, made = ReviewItem.objects.get_or_create(
        subject=line.source,
        defaults={
            "reasons": [Reason.STATEMENT_LINE.value],
            "evidence": {
                "facts": {
                    "amount_text": line.money.plain,
                    "currency": line.currency,
                    "to_account": line.receiver,
                },
                "at": line.at.isoformat(),
                "reference": line.reference,
                "hash": line.hash,
                "description": line.description,
            },
            "opened_at": at,
        },
    )
    StatementLine.objects.filter(pk=line.pk).update(fate=StatementLine.Fate.SUSPENSE, booked_at=at, item=item)
    line.fate, line.booked_at, line.item = StatementLine.Fate.SUSPENSE, at, item
    if made:
        announcing.review_opened(item)
    return item


def open_line_of(item: ReviewItem) -> StatementLine | None:
    """Return the line of an item that still lies in suspense under its own name."""
    if Reason.STATEMENT_LINE not in item.reasons:
        return None
    return StatementLine.objects.filter(item=item, fate=StatementLine.Fate.SUSPENSE).first()


@transaction.atomic
def link(*, item: ReviewItem, payment: Payment, by: Any, at: datetime, transfer_hash: str = "") -> ReviewItem:
    """Say whose a line of the statement is: it becomes a transfer of that payment; return its item.

    Nothing is given by that: the money stays in suspense, now under the transfer's name, and two people
    decide about it. transfer_hash: Bakong's hash, where the person can name it. Raises ReviewRefused;
    nothing has changed then.
    """
    locked_payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
    attempt = (
        Attempt.objects.select_for_update(of=("self",), no_key=True)
        .filter(payment=locked_payment)
        .order_by("-number")
        .first()
    )
    locked = ReviewItem.objects.select_for_update(of=("self",), no_key=True).get(pk=item.pk)
    line = StatementLine.objects.select_for_update(of=("self",), no_key=True).filter(item=locked).first()
    if locked.decision or line is None or line.fate != StatementLine.Fate.SUSPENSE:
        raise ReviewRefused("this line of the statement does not wait for a payment")
    if attempt is None or locked_payment.environment != line.environment:
        raise ReviewRefused("this payment has no QR that the money could have come by")
    if attempt.receiver.casefold() != line.receiver.casefold():
        raise ReviewRefused("this payment was to be received on another account")
    if locked_payment.user_id is not None and locked_payment.user_id == by.pk:
        raise ReviewRefused("nobody decides about money of their own")
    named = transfer_hash.strip().lower() or line.hash
    if named and not HASH.fullmatch(named):
        raise ReviewRefused("a hash has 64 digits and letters a to f")
    if named and Transfer.objects.filter(hash=named).exists():
        raise ReviewRefused("this hash is known already: its money was counted")
    name = named or hashlib.sha256(line.source.encode()).hexdigest()
    transfer = Transfer.objects.create(
        hash=name,
        attempt=attempt,
        payment=locked_payment,
        environment=line.environment,
        amount_text=line.money.plain,
        amount_minor=line.amount_minor,
        currency=line.currency,
        to_account=attempt.receiver,
        sent_at=line.at,
        external_ref=line.reference,
        raw={"statement_line": line.source, "named_by": by.get_username(), "hash_is_banks": bool(named)},
        asked_at=at,
        stored_at=at,
        processed_at=at,
        fate=Fate.IN_REVIEW,
        reasons=[Reason.LINKED_BY_HAND.value],
    )
    _post_hand_over(line, at=at)
    book_to_suspense(attempt, transfer, line.money, at=at)
    transfer.save(update_fields=["booked_receiver"])
    StatementLine.objects.filter(pk=line.pk).update(fate=StatementLine.Fate.LINKED, transfer=transfer)
    locked.transfer, locked.attempt, locked.payment = transfer, attempt, locked_payment
    locked.reasons = [*locked.reasons, Reason.LINKED_BY_HAND.value]
    locked.save(update_fields=["transfer", "attempt", "payment", "reasons"])
    return locked


def hand_over(attempt: Attempt, transfer: Transfer, *, at: datetime) -> bool:
    """Take a transfer's money out of suspense where a line of a statement brought it there before.

    Inside the caller's transaction, before the transfer itself is booked: else the money would have come
    twice. Only what names the same transfer counts, by its hash or by the bank's reference. Returns
    whether there was such a line; its review item has nothing to decide any more and can be dismissed.
    """
    if transfer.amount_minor is None:
        return False
    lines = StatementLine.objects.select_for_update(of=("self",), no_key=True).filter(
        environment=transfer.environment,
        receiver__iexact=attempt.receiver,
        currency=transfer.currency,
        amount_minor=transfer.amount_minor,
        fate=StatementLine.Fate.SUSPENSE,
    )
    line = lines.filter(hash=transfer.hash).order_by("pk").first()
    if line is None and transfer.external_ref:
        line = lines.filter(hash="", reference=transfer.external_ref).order_by("pk").first()
    if line is None:
        return False
    _post_hand_over(line, at=at)
    StatementLine.objects.filter(pk=line.pk).update(
        fate=StatementLine.Fate.MATCHED, transfer=transfer, matched_by="later"
    )
    return True


def _post_hand_over(line: StatementLine, *, at: datetime) -> None:
    post(
        Entry(
            source=line.source,
            purpose="handed_over",
            lines=(
                debit(suspense_ref(line.environment), line.money),
                credit(bakong_ref(line.receiver, line.environment), line.money),
            ),
            memo="a line of the statement is a transfer's: booked under its own name",
        ),
        at=at,
    )


def write_off(line: StatementLine, *, at: datetime) -> None:
    """Move a line's money to `unclaimed`, as two people decided; inside their transaction."""
    post(
        Entry(
            source=line.source,
            purpose="unclaimed",
            lines=(
                debit(suspense_ref(line.environment), line.money),
                credit(unclaimed_ref(line.environment), line.money),
            ),
            memo="dismissed, from the bank's statement",
        ),
        at=at,
    )
    StatementLine.objects.filter(pk=line.pk).update(fate=StatementLine.Fate.WRITTEN_OFF)

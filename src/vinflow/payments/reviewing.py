"""The odd ones: credit, return, dismiss; who, when, why; two people where the rules say so.

One person proposes. The decision is made at once where one person may make it; otherwise it waits
for another. Nobody decides about money of their own, and nobody approves their own proposal.
Each decision is one transaction: rows locked in the fixed order, the entry, the fates, the trail.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Sum

from vinflow.money import Currency, Money
from vinflow.payments import announcing, conf, settings_store
from vinflow.payments.confirming import adopt_claim
from vinflow.payments.crediting import credit_locked, entry_source, give, lock_for_transfer
from vinflow.payments.errors import ReviewRefused
from vinflow.payments.matching import Reason, receiver_accepted
from vinflow.payments.models import Attempt, Fate, Payment, ReviewItem, Transfer
from vinflow.payments.states import Status
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, suspense_ref, unclaimed_ref
from vinflow.wallet.posting import post

__all__ = ["approve", "needs_two", "propose"]

Decision = ReviewItem.Decision
WHY_LEAST = 3


def needs_two(item: ReviewItem, decision: str, *, at: datetime) -> bool:
    """Return whether a second person must approve this decision.

    Always for a transfer claimed by its hash (a stranger's receipt fits just as well) and for
    dismissing money that was booked; for crediting and returning above what one person's decisions
    of a day may add up to.
    """
    if Reason.CLAIMED_BY_HASH in item.reasons:
        return True
    transfer = item.transfer
    if transfer is None or transfer.money is None:
        return False
    if decision == Decision.DISMISSED:
        return bool(transfer.booked_receiver)
    currency = Currency(transfer.currency)
    # Proposed and decided by one and the same person: what one pair of eyes did within a day.
    alone = ReviewItem.objects.filter(
        decision__in=[Decision.CREDITED, Decision.RETURNED],
        proposed_by__isnull=True,
        decided_at__gt=at - timedelta(days=1),
        transfer__currency=currency.value,
    ).aggregate(total=Sum("transfer__amount_minor"))["total"]
    most = settings_store.cap(settings_store.current(), "one_person_daily_max", currency)
    return Money(int(alone or 0), currency) + transfer.money > most


def propose(
    *, item: ReviewItem, decision: str, by: Any, why: str, at: datetime, returned_hash: str = ""
) -> ReviewItem:
    """Decide about an item, or propose the decision where two people are needed; return the item.

    decision: credited, returned or dismissed. why: kept for good, at least three letters.
    returned_hash: the hash of the transfer by which a person sent the money back, for `returned`.
    Raises ReviewRefused; nothing has changed then. The same proposal again returns quietly.
    """
    if decision not in (Decision.CREDITED, Decision.RETURNED, Decision.DISMISSED):
        raise ReviewRefused(f"{decision!r} is no decision: credited, returned or dismissed")
    if len(why.strip()) < WHY_LEAST:
        raise ReviewRefused("say why: the reason is kept with the decision")
    with transaction.atomic():
        locked, rows = _lock(item)
        _refuse_own(locked, rows, by)
        proposal = {"why": why.strip(), "returned_hash": returned_hash}
        if not needs_two(locked, decision, at=at):
            return _decide(locked, rows, decision, by=by, why=why.strip(), at=at)
        if locked.proposed and (locked.proposed != decision or locked.proposed_by_id != by.pk):
            raise ReviewRefused("another decision is waiting for approval; approve it or let it be withdrawn")
        locked.proposed, locked.proposed_by, locked.proposed_at = decision, by, at
        locked.proposal = proposal
        locked.save(update_fields=["proposed", "proposed_by", "proposed_at", "proposal"])
        return locked


def approve(*, item: ReviewItem, by: Any, at: datetime) -> ReviewItem:
    """Carry out a proposed decision as the second person; return the decided item.

    Raises ReviewRefused for one's own proposal, one's own money, or where nothing is proposed.
    """
    with transaction.atomic():
        locked, rows = _lock(item)
        if not locked.proposed:
            raise ReviewRefused("nothing is proposed for this item")
        if locked.proposed_by_id == by.pk:
            raise ReviewRefused("a second person must approve what you proposed")
        _refuse_own(locked, rows, by)
        return _decide(locked, rows, locked.proposed, by=by, why=str(locked.proposal["why"]), at=at)


Rows = tuple[Payment, Attempt, Transfer]


def _lock(item: ReviewItem) -> tuple[ReviewItem, Rows | None]:
    """Return the open item and its three rows, locked in the fixed order."""
    rows = lock_for_transfer(item.transfer_id) if item.transfer_id is not None else None
    locked = ReviewItem.objects.select_for_update(of=("self",)).get(pk=item.pk)
    if locked.decision:
        raise ReviewRefused(f"this item was {locked.decision} already")
    return locked, rows


def _refuse_own(item: ReviewItem, rows: Rows | None, by: Any) -> None:
    owner = rows[0].user_id if rows is not None else item.payment.user_id if item.payment else None
    if owner is not None and owner == by.pk:
        raise ReviewRefused("nobody decides about money of their own")


def _decide(
    item: ReviewItem, rows: Rows | None, decision: str, *, by: Any, why: str, at: datetime
) -> ReviewItem:
    if rows is None and decision == Decision.CREDITED and Reason.CLAIMED_BY_HASH in item.reasons:
        adopted = adopt_claim(item, at=at)
        if adopted is None:
            raise ReviewRefused("this transfer has been found for another payment meanwhile")
        item.transfer = adopted
        item.save(update_fields=["transfer"])
        _credit(lock_for_transfer(adopted.pk), at=at)
    elif rows is None:
        # A second sighting or a malformed answer: there is no money of its own behind it.
        if decision != Decision.DISMISSED:
            raise ReviewRefused("no money of its own belongs to this item; it can only be dismissed")
    elif decision == Decision.CREDITED:
        _credit(rows, at=at)
    elif decision == Decision.RETURNED:
        _send_back(rows, at=at)
    else:
        _write_off(rows, at=at)
    item.decision, item.decided_by, item.decided_at, item.why = decision, by, at, why
    item.save(update_fields=["decision", "decided_by", "decided_at", "why"])
    announcing.review_decided(item)
    return item


def _credit(rows: Rows, *, at: datetime) -> None:
    """Give what came to the payer, in the currency it came in; it completes an unpaid payment."""
    payment, attempt, transfer = rows
    money = transfer.money
    if money is None:
        raise ReviewRefused("what came is no whole amount of dollars or riel: it cannot be credited")
    if Reason.SENT_BACK in transfer.reasons:
        raise ReviewRefused("this transfer went back to its sender: there is nothing to credit")
    if transfer.booked_receiver:
        source = suspense_ref(payment.environment)
    else:
        accepted = {attempt.receiver, *conf.receivers()}
        if not receiver_accepted(transfer.to_account or None, accepted):
            raise ReviewRefused("the receiver is not one of ours: accept it in the settings first")
        source = bakong_ref(attempt.receiver, payment.environment)
    if payment.status == Status.COMPLETED:
        transfer.fate = Fate.EXTRA
        transfer.booked_receiver = transfer.booked_receiver or attempt.receiver
        transfer.save(update_fields=["fate", "booked_receiver"])
        give(payment, transfer, money, debit_from=source, at=at, purpose="credit_extra")
        return
    late = transfer.sent_at is not None and transfer.sent_at > attempt.expires_at + timedelta(seconds=60)
    credit_locked(payment, attempt, transfer, late=late, at=at, money=money, debit_from=source)


def _send_back(rows: Rows, *, at: datetime) -> None:
    """Book money that a person has sent back at the bank: out of suspense, out of our account."""
    payment, attempt, transfer = rows
    if transfer.booked_receiver and transfer.money is not None:
        post(
            Entry(
                source=entry_source(transfer),
                purpose="return",
                lines=(
                    debit(suspense_ref(payment.environment), transfer.money),
                    credit(bakong_ref(attempt.receiver, payment.environment), transfer.money),
                ),
                memo=f"sent back, {payment.transaction_id}",
            ),
            at=at,
        )
    transfer.fate = Fate.RETURNED
    transfer.save(update_fields=["fate"])


def _write_off(rows: Rows, *, at: datetime) -> None:
    """Move booked money to `unclaimed`; where none was booked, only the item is closed."""
    payment, _attempt, transfer = rows
    if transfer.booked_receiver and transfer.money is not None:
        post(
            Entry(
                source=entry_source(transfer),
                purpose="unclaimed",
                lines=(
                    debit(suspense_ref(payment.environment), transfer.money),
                    credit(unclaimed_ref(payment.environment), transfer.money),
                ),
                memo=f"dismissed, {payment.transaction_id}",
            ),
            at=at,
        )
    transfer.fate = Fate.WRITTEN_OFF
    transfer.save(update_fields=["fate"])

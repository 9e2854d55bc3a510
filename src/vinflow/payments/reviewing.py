"""The odd ones: credit, return, dismiss; who, when, why; two people where the rules say so.

One person proposes. The decision is made at once where one person may make it; otherwise it waits
for another. Nobody decides about money of their own, and nobody approves their own proposal. Money
that is returned waits besides until the transfer that a person sent was seen (sending.py).
Each decision is one transaction: rows locked in the fixed order, the entry, the fates, the trail.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction

from vinflow.payments import announcing, four_eyes, sending
from vinflow.payments.confirming import adopt_claim, repeated
from vinflow.payments.crediting import (
    book_to_suspense,
    credit_locked,
    entry_source,
    give,
    lock_for_transfer,
)
from vinflow.payments.errors import ReviewRefused, SendingRefused
from vinflow.payments.expiring import end_if_settled
from vinflow.payments.matching import BAD_TRACKING, HASH, IN_TIME, Reason, receiver_accepted
from vinflow.payments.models import Attempt, ClawBack, Fate, Payment, ReviewItem, Sending, Transfer
from vinflow.payments.receivers import receivers_for
from vinflow.payments.statements.settling import hand_over, open_line_of, write_off
from vinflow.payments.states import Status
from vinflow.wallet.entries import (
    MEMO_LENGTH_MAX,
    Entry,
    bakong_ref,
    credit,
    debit,
    suspense_ref,
    unclaimed_ref,
)
from vinflow.wallet.posting import post

__all__ = ["approve", "look_up_return", "needs_two", "propose", "withdraw"]

log = logging.getLogger(__name__)

Decision = ReviewItem.Decision
WHY_LEAST, REFERENCE_MAX = 3, 100
PROPOSAL = ("proposed", "proposed_by", "proposed_at", "proposal", "returned_hash", "bank_reference")


def needs_two(item: ReviewItem, decision: str, *, at: datetime, deciding: bool = False) -> bool:
    """Return whether a second person must approve this decision.

    deciding: inside the transaction that decides; otherwise the answer is a hint for a page.

    Always for money that the bank took back itself, as for every claw-back; for a transfer claimed by its
    hash (a stranger's receipt fits just as well); for a line of a statement that a person linked to a
    payment, or that nobody knows; and for dismissing money that was booked. For crediting and returning
    above what one person's decisions of a day may add up to.
    """
    if decision == Decision.TAKEN_BACK:
        return True
    if Reason.CLAIMED_BY_HASH in item.reasons or Reason.LINKED_BY_HAND in item.reasons:
        return True
    if item.transfer is None and open_line_of(item) is not None:
        return True
    transfer = item.transfer
    if transfer is None or transfer.money is None:
        return False
    if decision == Decision.DISMISSED:
        return bool(transfer.booked_receiver)
    return not four_eyes.alone_may(transfer.money, at=at, deciding=deciding)


def propose(
    *,
    item: ReviewItem,
    decision: str,
    by: Any,
    why: str,
    at: datetime,
    returned_hash: str = "",
    returned_reference: str = "",
    bank_reference: str = "",
) -> ReviewItem:
    """Decide about an item, or propose the decision where two people are needed; return the item.

    decision: credited, returned, dismissed or taken_back. why: kept for good, at least three letters.
    returned_hash, returned_reference: the names of the transfer by which a person sent the money back,
    for `returned`; that decision waits until look_up_return has seen it, or a second person vouches.
    bank_reference: for `taken_back`, the bank's own entry by which it took the money; each is named once.
    Raises ReviewRefused; nothing has changed then. The same proposal again returns quietly.
    """
    if decision not in (Decision.CREDITED, Decision.RETURNED, Decision.DISMISSED, Decision.TAKEN_BACK):
        raise ReviewRefused(f"{decision!r} is no decision: credited, returned, dismissed or taken_back")
    if len(why.strip()) < WHY_LEAST:
        raise ReviewRefused("say why: the reason is kept with the decision")
    returned_hash = returned_hash.strip().lower()
    with transaction.atomic():
        locked, rows = _lock(item)
        _refuse_own(locked, rows, by)
        if locked.proposed and (locked.proposed != decision or locked.proposed_by_id != by.pk):
            raise ReviewRefused("another decision is waiting for approval; approve it or withdraw it")
        _check_returned(locked, rows, decision, returned_hash)
        named = _check_taken(locked, rows, decision, bank_reference)
        locked.returned_hash, locked.bank_reference = returned_hash or None, named or None
        sent = decision == Decision.RETURNED and rows is not None and bool(rows[2].booked_receiver)
        if sent and rows is not None:
            _record(locked, rows, returned_hash, returned_reference, by=by, at=at)
        elif not needs_two(locked, decision, at=at, deciding=True):
            return _decide(locked, rows, decision, by=by, why=why.strip(), at=at)
        locked.proposed, locked.proposed_by, locked.proposed_at = decision, by, at
        locked.proposal = {"why": why.strip(), "returned_hash": returned_hash}
        locked.save(update_fields=PROPOSAL)
        return locked


def _check_taken(item: ReviewItem, rows: Rows | None, decision: str, reference: str) -> str:
    """Return the bank's entry by which it took money back, tidied; refuse it where it cannot be one."""
    named = " ".join(reference.split())
    if decision != Decision.TAKEN_BACK:
        if named:
            raise ReviewRefused("an entry by which the bank took money belongs to that decision only")
        return ""
    if rows is None or not rows[2].booked_receiver:
        raise ReviewRefused("no money of this item is in the books: it can only be dismissed")
    if not 0 < len(named) <= REFERENCE_MAX:
        raise ReviewRefused("name the bank's entry by which it took the money")
    used = ReviewItem.objects.filter(bank_reference=named).exclude(pk=item.pk)
    taken = ClawBack.objects.filter(bank_reference=named).exclude(
        decision__in=[ClawBack.Decision.REJECTED, ClawBack.Decision.WITHDRAWN]
    )
    if used.exists() or taken.exists():
        raise ReviewRefused("this entry of the bank is named already: it takes money once")
    return named


def _check_returned(item: ReviewItem, rows: Rows | None, decision: str, returned_hash: str) -> None:
    """Refuse a return without the hash of the transfer that sent the money back, or with a used one."""
    if decision != Decision.RETURNED:
        if returned_hash:
            raise ReviewRefused("a hash of a transfer sent back belongs to a return only")
        return
    booked = rows is not None and bool(rows[2].booked_receiver)
    if not returned_hash and not booked:
        return
    if not HASH.fullmatch(returned_hash):
        raise ReviewRefused("name the transfer that sent the money back: 64 digits and letters a to f")
    used = ReviewItem.objects.filter(returned_hash=returned_hash).exclude(pk=item.pk).exists()
    other = Sending.objects.filter(hash=returned_hash, retracted_at__isnull=True).exclude(item=item)
    if used or other.exists() or Transfer.objects.filter(hash=returned_hash).exists():
        raise ReviewRefused("this hash is known already: each return has a transfer of its own")


def _record(
    item: ReviewItem, rows: Rows, returned_hash: str, reference: str, *, by: Any, at: datetime
) -> None:
    """Record the transfer that a person sent; the same one again is left as it stands."""
    payment, attempt, transfer = rows
    stands = sending.standing(item=item)
    if stands is not None and stands.hash == returned_hash:
        return
    if stands is not None:
        raise ReviewRefused("another transfer is recorded for this return; withdraw it first")
    if transfer.money is None:
        raise ReviewRefused("what came is no whole amount of dollars or riel: it cannot be sent back")
    try:
        sending.record(
            item=item,
            money=transfer.money,
            environment=payment.environment,
            receiver=transfer.booked_receiver or attempt.receiver,
            to_account=transfer.from_account,
            named=returned_hash,
            reference=reference,
            by=by,
            at=at,
        )
    except SendingRefused as refused:
        raise ReviewRefused(str(refused)) from refused


def look_up_return(*, item: ReviewItem, at: datetime, by: Any = None) -> ReviewItem:
    """Ask Bakong about the transfer of a proposed return; return the item, decided where one person may.

    One call, from the staff's purse, with no lock held. What is not seen stays proposed. Raises
    ReviewRefused where no return is waiting.
    """
    asked = sending.standing(item=item)
    if asked is None or item.payment is None:
        raise ReviewRefused("no transfer is recorded for this item")
    if asked.seen_at is None:
        answer = sending.ask(asked, payment=item.payment, since=item.opened_at, by=by)

    @transaction.atomic
    def keep() -> ReviewItem:
        locked, rows = _lock(item)
        stands = sending.standing(item=locked)
        if stands is None or stands.pk != asked.pk or locked.proposed != Decision.RETURNED:
            return locked
        if stands.seen_at is None and not sending.note(stands, answer, at=at):
            return locked
        if needs_two(locked, Decision.RETURNED, at=at, deciding=True):
            return locked
        # Within what one person may do: decided by the one who proposed it, and by nobody else.
        person, why = locked.proposed_by, str(locked.proposal["why"])
        locked.proposed, locked.proposed_by, locked.proposed_at, locked.proposal = "", None, None, {}
        locked.save(update_fields=["proposed", "proposed_by", "proposed_at", "proposal"])
        return _decide(locked, rows, Decision.RETURNED, by=person, why=why, at=at)

    return repeated(keep)


def withdraw(*, item: ReviewItem, by: Any, at: datetime) -> ReviewItem:
    """Take a proposal back, so that another decision can be proposed. Raises ReviewRefused."""
    with transaction.atomic():
        locked, _rows = _lock(item)
        if not locked.proposed:
            raise ReviewRefused("nothing is proposed for this item")
        stands = sending.standing(item=locked)
        if stands is not None:
            try:
                sending.retract(stands, by=by, why="the return was withdrawn", at=at)
            except SendingRefused as refused:
                raise ReviewRefused(str(refused)) from refused
        log.info("proposal withdrawn", extra={"subject": locked.subject, "by": str(by), "at": at.isoformat()})
        locked.proposed, locked.proposed_by, locked.proposed_at = "", None, None
        locked.proposal, locked.returned_hash, locked.bank_reference = {}, None, None
        locked.save(update_fields=PROPOSAL)
        return locked


def approve(*, item: ReviewItem, by: Any, at: datetime, vouch: str = "") -> ReviewItem:
    """Carry out a proposed decision as the second person; return the decided item.

    vouch: where this person saw a returned transfer that Bakong cannot show, in the bank's own
    statement. Raises ReviewRefused for one's own proposal, one's own money, where nothing is
    proposed, and for a return that was neither seen nor vouched for.
    """
    with transaction.atomic():
        locked, rows = _lock(item)
        if not locked.proposed:
            raise ReviewRefused("nothing is proposed for this item")
        if locked.proposed_by_id == by.pk:
            raise ReviewRefused("a second person must approve what you proposed")
        _refuse_own(locked, rows, by)
        stands = sending.standing(item=locked)
        if locked.proposed == Decision.RETURNED and stands is not None and stands.seen_at is None:
            if not vouch.strip():
                raise ReviewRefused("the transfer was not seen yet: look it up, or say where you saw it")
            try:
                sending.vouch(stands, by=by, why=vouch, at=at)
            except SendingRefused as refused:
                raise ReviewRefused(str(refused)) from refused
        return _decide(locked, rows, locked.proposed, by=by, why=str(locked.proposal["why"]), at=at)


Rows = tuple[Payment, Attempt, Transfer]


def _lock(item: ReviewItem) -> tuple[ReviewItem, Rows | None]:
    """Return the open item and its three rows, locked in the fixed order."""
    rows = lock_for_transfer(item.transfer_id) if item.transfer_id is not None else None
    locked = ReviewItem.objects.select_for_update(of=("self",), no_key=True).get(pk=item.pk)
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
        line = open_line_of(item)
        if decision != Decision.DISMISSED:
            raise ReviewRefused(
                "link the line of the statement to a payment first"
                if line is not None
                else "no money of its own belongs to this item; it can only be dismissed"
            )
        if line is not None:
            write_off(line, at=at)
    elif decision == Decision.CREDITED:
        _credit(rows, at=at)
    elif decision == Decision.RETURNED:
        _send_back(rows, item=item, memo=_memo("sent back", item, by, why), at=at)
    elif decision == Decision.TAKEN_BACK:
        words = f"taken back by the bank, {item.bank_reference}"
        _send_back(rows, item=item, memo=_memo(words, item, by, why), at=at)
    else:
        _write_off(rows, memo=_memo("dismissed", item, by, why), at=at)
    item.decision, item.decided_by, item.decided_at, item.why = decision, by, at, why
    item.save(update_fields=["decision", "decided_by", "decided_at", "why", "returned_hash"])
    if item.payment_id is not None:
        end_if_settled(payment_id=item.payment_id, at=at)
    announcing.review_decided(item)
    return item


def _credit(rows: Rows, *, at: datetime) -> None:
    """Give what came to the payer, in the currency it came in.

    The very amount that was asked for completes an unpaid payment. Another amount, or other money, is
    given besides: nobody who waits for "completed" may take a cent for a dollar.
    """
    payment, attempt, transfer = rows
    money = transfer.money
    if money is None:
        raise ReviewRefused("what came is no whole amount of dollars or riel: it cannot be credited")
    if Reason.SENT_BACK in transfer.reasons or transfer.tracking_status in BAD_TRACKING:
        raise ReviewRefused("this transfer went back to its sender: there is nothing to credit")
    if not transfer.booked_receiver:
        accepted = receivers_for(transfer.to_account, attempt.receiver)
        if not receiver_accepted(transfer.to_account or None, accepted):
            raise ReviewRefused("the receiver is not one of ours: accept it in the settings first")
        hand_over(attempt, transfer, at=at)
        book_to_suspense(attempt, transfer, money, at=at)
    source = suspense_ref(payment.environment)
    if payment.status == Status.COMPLETED or money != payment.money:
        transfer.fate = Fate.EXTRA
        transfer.save(update_fields=["fate", "booked_receiver"])
        give(payment, transfer, money, debit_from=source, at=at, purpose="credit_extra")
        return
    late = transfer.sent_at is not None and transfer.sent_at > attempt.expires_at + IN_TIME
    credit_locked(payment, attempt, transfer, late=late, at=at, debit_from=source)


def _memo(what: str, item: ReviewItem, by: Any, why: str) -> str:
    """Return what the entry says of itself: the payment, the people, the reason."""
    names = [person.get_username() for person in (item.proposed_by, by) if person is not None]
    payment = item.payment.transaction_id if item.payment else item.subject
    return f"{what}, {payment}, {' and '.join(dict.fromkeys(names))}: {why}"[:MEMO_LENGTH_MAX]


def _send_back(rows: Rows, *, item: ReviewItem, memo: str, at: datetime) -> None:
    """Book money that a person sent back, or the bank took: out of suspense, out of our account."""
    payment, attempt, transfer = rows
    stands = sending.standing(item=item)
    ours = attempt.receiver if stands is None else sending.account_of(stands)
    if transfer.booked_receiver and transfer.money is not None:
        post(
            Entry(
                source=entry_source(transfer),
                purpose="return",
                lines=(
                    debit(suspense_ref(payment.environment), transfer.money),
                    credit(bakong_ref(ours, payment.environment), transfer.money),
                ),
                memo=memo,
            ),
            at=at,
        )
    transfer.fate = Fate.RETURNED
    transfer.save(update_fields=["fate"])


def _write_off(rows: Rows, *, memo: str, at: datetime) -> None:
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
                memo=memo,
            ),
            at=at,
        )
    transfer.fate = Fate.WRITTEN_OFF
    transfer.save(update_fields=["fate"])

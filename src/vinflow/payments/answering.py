"""Ask about attempts this caller has leased, and act on every answer.

A late answer after a lost lease is harmless: a Found is stored once per hash whoever brings it, and a
NotFound counts by the time its request started. Nothing here holds a lock while the network answers.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from vinflow.bakong import CannotTell, Failed, Found, NotFound, Outcome, StaticQr
from vinflow.bakong import Reason as WhyNot
from vinflow.payments import budgeting, clock, gateways, quota, schedule
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.confirming import file_silence, settle, store_found
from vinflow.payments.expiring import expire_if_over, not_settled
from vinflow.payments.learning import learn_paid, learn_unpaid
from vinflow.payments.leasing import kind_of, plan_next, pressure, put_off
from vinflow.payments.matching import Reason
from vinflow.payments.models import Attempt, Fate, Payment, Transfer
from vinflow.payments.prepared import Prepared
from vinflow.payments.schedule import Look, Pressure
from vinflow.payments.states import Status

__all__ = ["ask", "is_newcomer", "pool_of", "take_answer"]

log = logging.getLogger(__name__)

CLOCKS_AGREE = timedelta(seconds=120)
SILENT_WAIT = timedelta(hours=6)
SILENCE = timedelta(days=1)  # after the last check; then a person is told that nothing can be learnt


def pool_of(attempts: Sequence[Attempt], *, at: datetime) -> Pool:
    """Return the purse of a call: a promised last check pays for whoever rides along in its list."""
    kinds = {kind_of(attempt, at=at) for attempt in attempts}
    if Look.LAST in kinds:
        return Pool.LAST
    return Pool.TAIL if kinds == {Look.TAIL} else Pool.AUTO


_paid_query = Prepared(
    lambda principal: Payment.objects.filter(principal=principal, status=Status.COMPLETED).values_list("pk")[
        :1
    ],
    {"principal": "of a payer"},
)


def is_newcomer(payment: Payment) -> bool:
    """Return whether this payer has never paid; such payers share a part of the day's calls."""
    return not _paid_query.rows({"principal": payment.principal})


def _any_paid_before(attempts: Sequence[Attempt]) -> bool:
    """Return whether one of these payers has paid before: one query for the whole list."""
    principals = {attempt.payment.principal for attempt in attempts}
    return Payment.objects.filter(principal__in=principals, status=Status.COMPLETED).exists()


def _who(attempts: Sequence[Attempt], pool: Pool, *, at: datetime) -> Asking:
    """Return for whom a call about these attempts is made, and from which purse."""
    first = attempts[0]
    lasts = frozenset(attempt.pk for attempt in attempts if kind_of(attempt, at=at) is Look.LAST)
    if len(attempts) == 1:
        newcomer = is_newcomer(first.payment)
        return Asking(pool, (first,), first.payment, first.payment.principal, newcomer, lasts=lasts)
    return Asking(
        pool,
        tuple(attempts),
        newcomer=not _any_paid_before(attempts),
        one=lambda attempt: _who([attempt], pool_of([attempt], at=at), at=at),
        lasts=lasts,
    )


def ask(
    attempts: Sequence[Attempt],
    *,
    pool: Pool,
    at: datetime,
    gateway: gateways.Gateway,
    seen: Pressure | None = None,
) -> dict[int, Outcome]:
    """Ask about attempts this caller has leased, and act on every answer; return outcomes by attempt id.

    One call for many where the gateway allows it, else one. The call is reserved by the client's
    budget hook, which reads for whom it is made. An answer that cannot be acted upon is logged and
    holds up none of the others: their money is stored first, and each is decided by itself.
    """
    who = _who(attempts, pool, at=at)
    with budgeting.asking(who):
        answers = gateway.check([attempt.handle for attempt in attempts])
    outcomes = {attempt.pk: answers[attempt.handle] for attempt in attempts}
    # Money first: whatever happens on the way through the other answers, these are in the inbox then.
    for attempt in sorted(attempts, key=lambda one: not isinstance(outcomes[one.pk], Found)):
        if who.went and attempt.handle not in who.went:
            # The list was closed and one single call went. This one was not asked about: its turn comes
            # yet, and so does the last check it was promised, which the list had taken with it.
            if attempt.set_aside and attempt.pk in who.lasts:
                Attempt.objects.filter(pk=attempt.pk, next_check_at__isnull=False).update(set_aside=True)
            put_off(attempt, at)
            continue
        try:
            take_answer(attempt, outcomes[attempt.pk], started_at=at, gateway=gateway, seen=seen)
        except Exception:
            log.exception("an answer could not be acted upon", extra={"md5": attempt.md5})
            put_off(attempt, at + timedelta(minutes=5))
    return outcomes


def take_answer(
    attempt: Attempt,
    outcome: Outcome,
    *,
    started_at: datetime,
    gateway: gateways.Gateway,
    seen: Pressure | None = None,
) -> None:
    """Act on one outcome: money to confirming, a NotFound to the schedule and perhaps to expiry.

    started_at: when the request was started; a NotFound says nothing about any later moment.
    seen: how scarce calls are, where the caller has looked already.
    """
    match outcome:
        case Found():
            _take_found(attempt, outcome, started_at=started_at)
        case NotFound() | Failed():
            _take_negative(attempt, outcome, started_at=started_at, gateway=gateway, seen=seen)
        case StaticQr():
            log.error("Bakong calls this QR static: it was made wrongly", extra={"md5": attempt.md5})
            _take_unknown(
                attempt, "static_qr", started_at=started_at, again_at=started_at + timedelta(hours=1)
            )
        case CannotTell():
            again = _again(attempt, outcome, started_at, gateway)
            _take_unknown(attempt, outcome.reason, started_at=started_at, again_at=again)


def _take_found(attempt: Attempt, found: Found, *, started_at: datetime) -> None:
    """Store the transfer, end the watch of this QR, and decide about the money now or later."""
    transfer = store_found(attempt=attempt, found=found, asked_at=started_at, at=started_at)
    # This QR has given its answer: asking on would bring the same transfer. What is not decided at once
    # lies in the inbox, which needs no call.
    Attempt.objects.filter(pk=attempt.pk).update(
        last_outcome=found.name,
        last_reason="",
        last_asked_at=started_at,
        checks=F("checks") + 1,
        unanswered=0,
        next_check_at=None,
        set_aside=False,
        leased_until=None,
    )
    if transfer is None or transfer.processed_at is not None:
        return  # an item was opened, or this was heard before and acted upon
    done = settle(transfer_id=transfer.pk, at=started_at)
    if done.fate == Fate.CREDITED and done.sent_at is not None:
        learn_paid((done.sent_at - attempt.created_at).total_seconds())


def _take_negative(
    attempt: Attempt,
    outcome: NotFound | Failed,
    *,
    started_at: datetime,
    gateway: gateways.Gateway,
    seen: Pressure | None,
) -> None:
    settles = outcome.answered_at is None or abs(outcome.answered_at - clock.aligned()) <= CLOCKS_AGREE
    if not settles:
        log.error("Bakong's clock and ours differ by more than two minutes: nothing expires meanwhile")
    seen = seen or pressure(at=started_at, gateway=gateway)
    _note_negative(attempt, outcome, started_at=started_at, settles=settles, seen=seen)
    if attempt.last_check_done and expire_if_over(payment_id=attempt.payment_id, at=started_at):
        learn_unpaid()


_status_query = Prepared(
    lambda payment_id: (
        Payment.objects.select_for_update(no_key=True).filter(pk=payment_id).values_list("status")
    ),
    {"payment_id": -1},
)


@transaction.atomic
def _note_negative(
    attempt: Attempt, outcome: NotFound | Failed, *, started_at: datetime, settles: bool, seen: Pressure
) -> None:
    """Write down that Bakong knows of no money for this QR, and when to look next.

    Under the lock of the payment, as every end of it is: no end comes between the state that is read and
    the word that is written.
    """
    lease = attempt.lease_id
    ((status,),) = _status_query.rows({"payment_id": attempt.payment_id})
    not_ended = status == Status.PENDING
    attempt.refresh_from_db()
    attempt.last_asked_at = max(started_at, attempt.last_asked_at or started_at)
    # A word that settles nothing is worth no more than none: the next one waits twice as long.
    attempt.unanswered = 0 if settles else attempt.unanswered + 1
    attempt.checks += 1
    newest = attempt.last_negative_at is None or started_at >= attempt.last_negative_at
    # The word an ended payment stands on stays as it was: `verify` reads the end from it.
    if newest and not_ended:
        attempt.last_real_word = "failed" if isinstance(outcome, Failed) else "not_found"
    if newest and settles:
        attempt.last_negative_at = started_at
    was_done = attempt.last_check_done
    attempt.last_check_done = not not_settled(attempt)
    if was_done and started_at >= attempt.watch_until - timedelta(seconds=1):
        attempt.tail_done = True
    # Its own money is known already? A transfer that was claimed by its receipt is not this QR's answer.
    known = Transfer.objects.filter(attempt=attempt).values_list("reasons", flat=True)
    paid = any(Reason.CLAIMED_BY_HASH not in reasons for reasons in known)
    attempt.next_check_at = None if paid else plan_next(attempt, at=started_at, pressure=seen)
    Attempt.objects.filter(pk=attempt.pk).update(
        last_outcome=outcome.name,
        last_reason="",
        last_asked_at=attempt.last_asked_at,
        last_negative_at=attempt.last_negative_at,
        last_real_word=attempt.last_real_word,
        last_check_done=attempt.last_check_done,
        set_aside=attempt.set_aside and not attempt.last_check_done,
        tail_done=attempt.tail_done,
        unanswered=attempt.unanswered,
        checks=F("checks") + 1,
    )
    # What was learnt counts whoever holds the lease by now; when to look next is the holder's word.
    Attempt.objects.filter(pk=attempt.pk, lease_id=lease).update(
        next_check_at=attempt.next_check_at, leased_until=None
    )


def _take_unknown(attempt: Attempt, reason: str, *, started_at: datetime, again_at: datetime) -> None:
    """Note that nothing was learnt. No payment comes to a bad end by it, however long it lasts.

    A day after the last check should have settled it a person is told, once: money may be there that
    no answer lets us see. A spent quota tells nobody: the gate is closed, and no question was refused.
    """
    asked = reason != WhyNot.BUDGET
    silent = not attempt.last_check_done and started_at >= attempt.last_check_at + SILENCE
    if silent and asked and reason != WhyNot.QUOTA:
        file_silence(attempt=attempt, told=str(reason), at=started_at)
        # The question has become one of many that were refused: it may not eat the calls of the others.
        again_at = max(again_at, started_at + SILENT_WAIT)
    Attempt.objects.filter(pk=attempt.pk).update(
        last_outcome=CannotTell.name,
        last_reason=str(reason)[:20],
        last_asked_at=started_at if asked else F("last_asked_at"),
        unanswered=F("unanswered") + int(asked),
        checks=F("checks") + int(asked),
    )
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id, next_check_at__isnull=False).update(
        next_check_at=again_at, leased_until=None
    )


def _again(
    attempt: Attempt, outcome: CannotTell, started_at: datetime, gateway: gateways.Gateway
) -> datetime:
    """Return when to ask again after an answer that told nothing."""
    if outcome.reason is WhyNot.QUOTA:
        return budgeting.close_for_quota(gateway.token_id, at=started_at)
    if outcome.reason is WhyNot.BUDGET:
        room = quota.room(gateway.token_id, at=started_at)
        if room.closed_until is not None and room.closed_until > started_at:
            return room.closed_until
        if room.retry_at is not None and room.retry_at > started_at:
            return room.retry_at
        # The day's purse is empty: this QR's own last check is set aside; without one, the reset.
        if attempt.set_aside and attempt.last_check_at > started_at:
            return attempt.last_check_at
        return min(room.ends_at, started_at + timedelta(minutes=15))
    wait = schedule.COOL_DOWN_S * 2 ** min(attempt.unanswered, 5)
    if outcome.retry_after_s is not None:
        wait = max(wait, min(outcome.retry_after_s, 3600.0))
    return started_at + timedelta(seconds=wait)

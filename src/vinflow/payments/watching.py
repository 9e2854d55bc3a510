"""Claim what is due, by lease; ask, in batches where allowed; hand each answer on.

Any number of watchers may run side by side, and the payer's "I have paid" beside them. What keeps
them from each other's feet is in rows: a lease on the attempt, the cool-down of its md5, the budget.
A late answer after a lost lease is harmless: a Found is stored once per hash whoever brings it, and a
NotFound counts by the time its request started. Nothing here holds a lock while the network answers.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db import OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Q

from vinflow.bakong import CannotTell, Failed, Found, NotFound, Outcome, StaticQr
from vinflow.bakong import Reason as WhyNot
from vinflow.payments import budgeting, clock, conf, gateways, schedule, tidying
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.confirming import process_inbox, settle, store_found
from vinflow.payments.expiring import expire_if_over, not_settled, sweep
from vinflow.payments.learning import current_prior, learn_paid, learn_unpaid
from vinflow.payments.models import Attempt, AttemptQuerySet, Fate, Payment, WorkerPulse
from vinflow.payments.schedule import Look, Pressure, Signal, Watched
from vinflow.payments.states import Status

__all__ = ["CheckReport", "StepReport", "check_payment", "plan_next", "run", "stand_in", "step", "wake"]

log = logging.getLogger(__name__)

CLOCKS_AGREE = timedelta(seconds=120)
SIGNALS_KEPT = 6
CLAIMS_MAX = 2  # "I have paid" may open the staff's and claims' purse this often for one QR
CALLS_A_STEP = 20
STAND_IN_EVERY = timedelta(seconds=5)
OPEN_SEEN = 500  # attempts looked at for one list call
TAIL_PATIENCE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step of a watcher did."""

    asked: int
    found: int
    processed: int
    next_due_at: datetime | None


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What became of "I have paid".

    kind: found (credited, or in review), none (Bakong knows nothing yet), wait (asked a moment ago;
    wait_s), later (asked for, but no call is free; at), slow (Bakong cannot tell), done (the payment
    had ended with money before).
    """

    kind: Literal["found", "none", "wait", "later", "slow", "done"]
    at: datetime
    wait_s: int = 0
    outcome: Outcome | None = None


def watched_of(attempt: Attempt) -> Watched:
    """Return an attempt as the schedule sees it."""
    return Watched(
        shown_at=attempt.created_at.timestamp(),
        expires_at=attempt.expires_at.timestamp(),
        watch_until=attempt.watch_until.timestamp(),
        last_negative_started_at=attempt.last_negative_at.timestamp() if attempt.last_negative_at else None,
        signals=tuple((float(moment), Signal(what)) for moment, what in attempt.signals),
        checks=attempt.checks,
        tail_done=attempt.tail_done,
        last_outcome=attempt.last_outcome,
        last_asked_at=attempt.last_asked_at.timestamp() if attempt.last_asked_at else None,
        unanswered=attempt.unanswered,
        grace_s=(attempt.last_check_at - attempt.expires_at).total_seconds(),
    )


def pressure(*, at: datetime, gateway: gateways.Gateway) -> Pressure:
    """Return how scarce calls are now: what automatic checks may still spend, and who will want them."""
    room = budgeting.room(gateway.token_id, at=at)
    waiting = _own(gateway).filter(last_check_done=False).count()
    # While answers fail one after the other, one QR is asked for: a closed list would look like the fault.
    many = room.retry_at is None and gateway.batch_open(at)
    if room.allowed is None or room.free is None:
        return Pressure(free_calls=None, batch_open=many, open=max(1, waiting))
    lately = Attempt.objects.filter(created_at__gt=at - timedelta(days=1)).count()
    left = max(0.0, (room.ends_at - at) / timedelta(days=1))
    return Pressure(
        free_calls=max(0, room.free - budgeting.reserves(room.allowed)[1]),
        arrivals=lately * left,
        batch_open=many,
        open=max(1, waiting),
    )


def plan_next(attempt: Attempt, *, at: datetime, pressure: Pressure) -> datetime | None:
    """Return when to look at an attempt next, None when there is nothing left to look for."""
    moment = schedule.next_look(
        watched_of(attempt), prior=current_prior(), pressure=pressure, at=at.timestamp()
    )
    return None if moment is None else clock.from_epoch(moment)


def claim(
    *, at: datetime, limit: int, gateway: gateways.Gateway, ids: Sequence[int] | None = None
) -> list[Attempt]:
    """Lease due attempts to this caller and return them; no two callers get the same one.

    Only attempts of the gateway's own protocol and environment. ids: claim these, due or not, instead
    of whatever is due. PostgreSQL passes over rows that others have locked; on SQLite the statement
    itself is the lock.
    """
    if ids is not None and not ids:
        return []
    lease = uuid.uuid4().hex
    skip = "FOR UPDATE SKIP LOCKED" if connection.vendor == "postgresql" else ""
    now = connection.ops.adapt_datetimefield_value(at)
    until = connection.ops.adapt_datetimefield_value(at + _lease())
    due = "next_check_at <= %s" if ids is None else f"id IN ({', '.join(['%s'] * len(ids))})"
    # MATERIALIZED: the choice is made once; a subquery with LIMIT may be run again for each row.
    # S608: what is put together here are placeholders and two fixed words, never a value.
    sql = (
        f"WITH due AS MATERIALIZED (SELECT id FROM payments_attempt WHERE {due} "  # noqa: S608
        "AND next_check_at IS NOT NULL AND protocol = %s AND environment = %s "
        "AND (leased_until IS NULL OR leased_until <= %s) "
        f"ORDER BY next_check_at LIMIT %s {skip}) "
        "UPDATE payments_attempt SET leased_until = %s, lease_id = %s "
        "WHERE id IN (SELECT id FROM due) RETURNING id"
    )
    chosen: list[Any] = [now] if ids is None else list(ids)
    with connection.cursor() as cursor:
        own = [gateway.protocol.value, conf.environment().value]
        cursor.execute(sql, [*chosen, *own, now, limit, until, lease])
        claimed = [row[0] for row in cursor.fetchall()]
    rows = Attempt.objects.select_related("payment").filter(pk__in=claimed, lease_id=lease)
    return sorted(rows, key=lambda attempt: attempt.next_check_at or at)


def _lease() -> timedelta:
    """Return how long an attempt is leased: longer than a call with one renewal and one repeat takes."""
    return timedelta(seconds=max(60.0, 4 * conf.timeout_s()))


def _own(gateway: gateways.Gateway) -> AttemptQuerySet:
    """Return the watched attempts that this gateway may be asked about."""
    return Attempt.objects.watched().asked_by(gateway.protocol, conf.environment())


def step(
    *, now: Callable[[], datetime] = clock.aligned, gateway: gateways.Gateway | None = None
) -> StepReport:
    """Do what is due now and return what was done: the inbox first, then calls worth their price."""
    at = now()
    processed = _tended(at)
    gateway = gateway or gateways.current()
    asked = found = 0
    for _ in range(CALLS_A_STEP):
        at = now()
        if not _anything_due(gateway, at=at):
            break  # the usual case, and the cheap one
        seen = pressure(at=at, gateway=gateway)
        batch = (
            _choose_many(seen, at=at, gateway=gateway)
            if seen.batch_open
            else _choose_one(seen, at=at, gateway=gateway)
        )
        if batch is None:
            break
        if not batch:
            continue
        outcomes = ask(batch, pool=_pool(batch, at=at), at=at, gateway=gateway, seen=seen)
        asked += 1
        found += sum(isinstance(outcome, Found) for outcome in outcomes.values())
        if all(isinstance(outcome, CannotTell) for outcome in outcomes.values()):
            break  # no call is to be had, or something is wrong out there: look at the gate again first
    upcoming = _own(gateway).order_by("next_check_at").values_list("next_check_at", flat=True).first()
    return StepReport(asked, found, processed, upcoming)


def _tended(at: datetime) -> int:
    """Work off what needs no call; return how many stored transfers were decided.

    Each part stands alone, so that a fault in one never keeps the others, or the calls, from their turn.
    """
    processed = 0
    try:
        processed = process_inbox(at=at)
    except Exception:
        log.exception("the inbox could not be worked off")
    try:
        budgeting.mark_lost(at=at)
        for _ in range(sweep(at=at)):
            learn_unpaid()
    except Exception:
        log.exception("payments that are over could not be ended")
    return processed


def _anything_due(gateway: gateways.Gateway, *, at: datetime) -> bool:
    """Return whether a look at the prices is worth while: something is due, or many may be owing together."""
    if _own(gateway).filter(next_check_at__lte=at).exists():
        return True
    return gateway.batch_max > 1 and _own(gateway).filter(last_check_done=False)[1:2].exists()


def _choose_one(seen: Pressure, *, at: datetime, gateway: gateways.Gateway) -> list[Attempt] | None:
    """Lease the next due attempt; [] when it was put off at today's price, None when nothing is due."""
    claimed = claim(at=at, limit=1, gateway=gateway)
    if not claimed:
        return None
    (attempt,) = claimed
    # The price may have moved since this look was planned: ask only if it is still worth it.
    moment = plan_next(attempt, at=at, pressure=seen)
    if moment is None:
        _finish_watch(attempt)
    elif moment > at:
        _put_off(attempt, moment)
    elif _is_tail(attempt, at=at) and not schedule.tail_affordable(seen, prior=current_prior()):
        _put_off_tail(attempt, at=at)
    else:
        return claimed
    return []


def _choose_many(seen: Pressure, *, at: datetime, gateway: gateways.Gateway) -> list[Attempt] | None:
    """Lease those worth one list call together; None when no call is worth it now."""
    free = _own(gateway).filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at))
    # Whoever was told nothing, or refused a call, waits for the moment that was set then.
    ready = free.exclude(last_outcome=CannotTell.name, next_check_at__gt=at)
    open_ones = list(ready.order_by("next_check_at")[:OPEN_SEEN])
    prior = current_prior()
    if not schedule.tail_affordable(seen, prior=prior):
        for attempt in [one for one in open_ones if _is_tail(one, at=at)]:
            _put_off_tail(attempt, at=at)
            open_ones.remove(attempt)
    looks = [watched_of(attempt) for attempt in open_ones]
    places = schedule.pick(looks, prior=prior, pressure=seen, at=at.timestamp())
    if places:
        return claim(
            at=at,
            limit=gateway.batch_max,
            gateway=gateway,
            ids=[open_ones[place].pk for place in places[: gateway.batch_max]],
        )
    # Nobody is worth a call alone or together: what was due waits for the moment that will be.
    moment = schedule.next_call(looks, prior=prior, pressure=seen, at=at.timestamp())
    later = (
        max(at + timedelta(seconds=1), clock.from_epoch(moment))
        if moment is not None
        else at + timedelta(minutes=10)
    )
    due = [
        attempt.pk
        for attempt in open_ones
        if attempt.next_check_at is not None and attempt.next_check_at <= at
    ]
    Attempt.objects.filter(pk__in=due, next_check_at__isnull=False).update(next_check_at=later)
    return None


def _is_tail(attempt: Attempt, *, at: datetime) -> bool:
    return _kind(attempt, at=at) is Look.TAIL


def _pool(attempts: Sequence[Attempt], *, at: datetime) -> Pool:
    """Return the purse of a call: a promised last check pays for whoever rides along in its list."""
    kinds = {_kind(attempt, at=at) for attempt in attempts}
    if Look.LAST in kinds:
        return Pool.LAST
    return Pool.TAIL if kinds == {Look.TAIL} else Pool.AUTO


def _kind(attempt: Attempt, *, at: datetime) -> Look:
    return schedule.due_kind(watched_of(attempt), at=at.timestamp())


def is_newcomer(payment: Payment) -> bool:
    """Return whether this payer has never paid; such payers share a part of the day's calls."""
    return not Payment.objects.filter(principal=payment.principal, status=Status.COMPLETED).exists()


def _who(attempts: Sequence[Attempt], pool: Pool, *, at: datetime) -> Asking:
    """Return for whom a call about these attempts is made, and from which purse."""
    first = attempts[0]
    lasts = frozenset(attempt.pk for attempt in attempts if _kind(attempt, at=at) is Look.LAST)
    if len(attempts) == 1:
        newcomer = is_newcomer(first.payment)
        return Asking(pool, (first,), first.payment, first.payment.principal, newcomer, lasts=lasts)
    return Asking(
        pool,
        tuple(attempts),
        newcomer=all(is_newcomer(attempt.payment) for attempt in attempts),
        one=lambda attempt: _who([attempt], _pool([attempt], at=at), at=at),
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
            _put_off(attempt, at)  # the list was closed and one single call went: this one's turn comes yet
            continue
        try:
            take_answer(attempt, outcomes[attempt.pk], started_at=at, gateway=gateway, seen=seen)
        except Exception:
            log.exception("an answer could not be acted upon", extra={"md5": attempt.md5})
            _put_off(attempt, at + timedelta(minutes=5))
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
    lease = attempt.lease_id
    attempt.refresh_from_db()
    attempt.last_asked_at = max(started_at, attempt.last_asked_at or started_at)
    # A word that settles nothing is worth no more than none: the next one waits twice as long.
    attempt.unanswered = 0 if settles else attempt.unanswered + 1
    attempt.checks += 1
    newest = attempt.last_negative_at is None or started_at >= attempt.last_negative_at
    if newest:
        attempt.last_real_word = "failed" if isinstance(outcome, Failed) else "not_found"
        if settles:
            attempt.last_negative_at = started_at
    was_done = attempt.last_check_done
    attempt.last_check_done = not not_settled(attempt)
    if was_done and started_at >= attempt.watch_until - timedelta(seconds=1):
        attempt.tail_done = True
    paid = Payment.objects.filter(pk=attempt.payment_id, transfers__attempt=attempt).exists()
    seen = seen or pressure(at=started_at, gateway=gateway)
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
    if attempt.last_check_done and expire_if_over(payment_id=attempt.payment_id, at=started_at):
        learn_unpaid()


def _take_unknown(attempt: Attempt, reason: str, *, started_at: datetime, again_at: datetime) -> None:
    """Note that nothing was learnt. No payment comes to a bad end by it, however long it lasts."""
    asked = reason != WhyNot.BUDGET
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
        room = budgeting.room(gateway.token_id, at=started_at)
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


def _put_off(attempt: Attempt, moment: datetime) -> None:
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id).update(
        next_check_at=moment, leased_until=None
    )


def _finish_watch(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id).update(
        next_check_at=None, leased_until=None
    )


def _put_off_tail(attempt: Attempt, *, at: datetime) -> None:
    """Let the tail check wait for cheap calls, for a day; then the statement import must find its money."""
    given_up = at > attempt.watch_until + TAIL_PATIENCE
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id).update(
        tail_done=given_up,
        next_check_at=None if given_up else at + timedelta(minutes=10),
        leased_until=None,
    )


def wake(*, payment: Payment, signal: Signal, at: datetime, gateway: gateways.Gateway | None = None) -> None:
    """Raise the turn of a payment's QRs after a sign from its payer. Makes no call itself."""
    gateway = gateway or gateways.current()
    for attempt in _own(gateway).filter(payment=payment):
        attempt.signals = [*attempt.signals, [at.timestamp(), signal.value]][-SIGNALS_KEPT:]
        moment = plan_next(attempt, at=at, pressure=pressure(at=at, gateway=gateway))
        Attempt.objects.filter(pk=attempt.pk, next_check_at__isnull=False).update(
            signals=attempt.signals, next_check_at=moment or attempt.next_check_at
        )


def check_payment(
    *,
    payment: Payment,
    at: datetime,
    pool: Pool = Pool.CLAIM,
    gateway: gateways.Gateway | None = None,
) -> CheckReport:
    """Ask Bakong about a payment now, because a person asks; return what to tell them.

    Under the same lease, cool-down and budget as the watcher. Twice per QR a payer's word opens the
    purse kept for it and is asked at once; after that, and for a host that polls (Pool.AUTO), a call
    is made only when one is due. Staff (Pool.STAFF) may ask at any time.
    """
    if payment.status == Status.COMPLETED:
        return CheckReport("done", at)
    gateway = gateway or gateways.current()
    if pool is Pool.CLAIM:
        wake(payment=payment, signal=Signal.SAID_PAID, at=at, gateway=gateway)
    attempts = Attempt.objects.filter(payment=payment).asked_by(gateway.protocol, conf.environment())
    attempt = attempts.order_by("-number").first()
    if attempt is None or (attempt.next_check_at is None and pool is not Pool.STAFF):
        return CheckReport("none" if attempt is not None else "slow", at)
    cool = timedelta(seconds=schedule.COOL_DOWN_S)
    if attempt.last_asked_at is not None and at - attempt.last_asked_at < cool:
        wait = (attempt.last_asked_at + cool - at).total_seconds()
        return CheckReport("wait", at, wait_s=max(1, int(wait) + 1))
    if pool is Pool.CLAIM and attempt.claims >= CLAIMS_MAX:
        pool = Pool.AUTO
    if pool is Pool.AUTO:
        # No purse of its own: it waits for the moment that is worth a call, like everyone.
        moment = plan_next(attempt, at=at, pressure=pressure(at=at, gateway=gateway))
        if moment is None or moment > at:
            return CheckReport("later", moment or attempt.watch_until)
    if attempt.next_check_at is None:  # staff may ask after the watch is over
        Attempt.objects.filter(pk=attempt.pk).update(next_check_at=at)
    claimed = claim(at=at, limit=1, gateway=gateway, ids=[attempt.pk])
    if not claimed:
        return CheckReport("wait", at, wait_s=5)
    if pool is Pool.CLAIM:
        Attempt.objects.filter(pk=attempt.pk).update(claims=F("claims") + 1)
    if claimed[0].set_aside and _kind(claimed[0], at=at) is Look.LAST:
        pool = Pool.LAST
    outcome = ask(claimed, pool=pool, at=at, gateway=gateway)[attempt.pk]
    match outcome:
        case Found():
            return CheckReport("found", at, outcome=outcome)
        case NotFound() | Failed():
            return CheckReport("none", at, outcome=outcome)
        case CannotTell(reason=WhyNot.BUDGET | WhyNot.QUOTA | WhyNot.THROTTLED):
            again = Attempt.objects.values_list("next_check_at", flat=True).get(pk=attempt.pk)
            return CheckReport("later", again or at, outcome=outcome)
        case _:
            return CheckReport("slow", at, outcome=outcome)


def run(
    *,
    stop: threading.Event,
    worker: str,
    now: Callable[[], datetime] = clock.aligned,
    poll_s: float = 1.0,
) -> None:
    """Step until told to stop; a step that fails is logged and the next one tries again.

    worker: the name under which its pulse is kept, so that the health page knows who is alive.
    """
    pulsed_at: datetime | None = None
    tidied_at: datetime | None = None
    while not stop.is_set():
        try:
            close_old_connections()
            at = now()
            if pulsed_at is None or at - pulsed_at > timedelta(seconds=10) or at < pulsed_at:
                pulse(worker, at=at)
                pulsed_at = at
            step(now=now)
            if tidied_at is None or not timedelta(0) <= at - tidied_at < tidying.EVERY:
                tidied_at = at
                tidying.tidy(at=at)
        except OperationalError:
            log.exception("the database did not answer; the watcher tries again")
            connection.close()
        except Exception:
            log.exception("a step of the watcher failed; it goes on")
        stop.wait(poll_s)
    connection.close()


_standing_in = threading.Lock()
_stood_in_at: datetime | None = None


def stand_in(*, at: datetime) -> bool:
    """Do a worker's step inside a web request; return whether it was done now.

    For hosting without any worker. In one process at most once in five seconds, one at a time; a step
    that fails is logged and the page is answered from what is stored.
    """
    global _stood_in_at
    if not _standing_in.acquire(blocking=False):
        return False
    try:
        if _stood_in_at is not None and timedelta(0) <= at - _stood_in_at < STAND_IN_EVERY:
            return False
        _stood_in_at = at
        step()
        tidying.tidy(at=at)
    except Exception:
        log.exception("a step inside a page's question failed")
    finally:
        _standing_in.release()
    return True


@transaction.atomic
def pulse(worker: str, *, at: datetime) -> None:
    """Note that a watcher is alive."""
    _row, made = WorkerPulse.objects.get_or_create(worker=worker, defaults={"started_at": at, "beat_at": at})
    if not made:
        WorkerPulse.objects.filter(worker=worker).update(beat_at=at, steps=F("steps") + 1)

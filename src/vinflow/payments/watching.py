"""The watcher: what is due is claimed by lease and asked about, in batches where allowed.

Any number of watchers may run side by side, and people who ask beside them. What keeps them from each
other's feet is in rows: a lease on the attempt (leasing.py), the cool-down of its md5, the budget.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import OperationalError, close_old_connections, connection, transaction
from django.db.models import F, Q, QuerySet

from vinflow.bakong import CannotTell, Found
from vinflow.payments import budgeting, clock, conf, gateways, proving, reconciling, schedule, tidying
from vinflow.payments.answering import ask, pool_of
from vinflow.payments.confirming import process_inbox
from vinflow.payments.expiring import sweep
from vinflow.payments.learning import current_prior, learn_unpaid
from vinflow.payments.leasing import (
    claim,
    finish_watch,
    kind_of,
    own_watched,
    plan_next,
    pressure,
    put_off,
    put_off_tail,
    watched_of,
)
from vinflow.payments.models import Attempt, WorkerPulse
from vinflow.payments.prepared import Prepared
from vinflow.payments.schedule import Look, Pressure

__all__ = ["StepReport", "pulse", "run", "stand_in", "step"]

log = logging.getLogger(__name__)

CALLS_A_STEP = 20
NIGHT_WORK_EVERY = timedelta(minutes=1)
STAND_IN_EVERY = timedelta(seconds=5)
OPEN_SEEN = 500  # attempts looked at for one list call


@dataclass(frozen=True, slots=True)
class StepReport:
    """What one step of a watcher did."""

    asked: int
    found: int
    processed: int
    next_due_at: datetime | None


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
        outcomes = ask(batch, pool=pool_of(batch, at=at), at=at, gateway=gateway, seen=seen)
        asked += 1
        found += sum(isinstance(outcome, Found) for outcome in outcomes.values())
        if all(isinstance(outcome, CannotTell) for outcome in outcomes.values()):
            break  # no call is to be had, or something is wrong out there: look at the gate again first
    return StepReport(asked, found, processed, _upcoming(gateway))


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


def _next(protocol: str, environment: str) -> QuerySet[Attempt, tuple[datetime | None]]:
    watched = Attempt.objects.watched().asked_by(protocol, environment)
    return watched.order_by("next_check_at").values_list("next_check_at")[:1]


def _unsettled(protocol: str, environment: str) -> QuerySet[Attempt, tuple[int]]:
    watched = Attempt.objects.watched().asked_by(protocol, environment)
    return watched.filter(last_check_done=False).values_list("pk")[:2]


OWN = {"protocol": "of the gateway", "environment": "of the site"}
_next_query, _unsettled_query = Prepared(_next, OWN), Prepared(_unsettled, OWN)


def _upcoming(gateway: gateways.Gateway) -> datetime | None:
    """Return the moment of the next look that this gateway is wanted for, None when nothing is watched."""
    rows = _next_query.rows(_own(gateway))
    return rows[0][0] if rows else None


def _own(gateway: gateways.Gateway) -> dict[str, str]:
    return {"protocol": gateway.protocol.value, "environment": conf.environment().value}


def _anything_due(gateway: gateways.Gateway, *, at: datetime) -> bool:
    """Return whether a look at the prices is worth while: something is due, or many may be owing together."""
    moment = _upcoming(gateway)
    if moment is None:
        return False
    return moment <= at or (gateway.batch_max > 1 and len(_unsettled_query.rows(_own(gateway))) > 1)


def _choose_one(seen: Pressure, *, at: datetime, gateway: gateways.Gateway) -> list[Attempt] | None:
    """Lease the next due attempt; [] when it was put off at today's price, None when nothing is due."""
    claimed = claim(at=at, limit=1, gateway=gateway)
    if not claimed:
        return None
    (attempt,) = claimed
    # The price may have moved since this look was planned: ask only if it is still worth it.
    moment = plan_next(attempt, at=at, pressure=seen)
    if moment is None:
        finish_watch(attempt)
    elif moment > at:
        put_off(attempt, moment)
    elif _is_tail(attempt, at=at) and not schedule.tail_affordable(seen, prior=current_prior()):
        put_off_tail(attempt, at=at)
    else:
        return claimed
    return []


def _choose_many(seen: Pressure, *, at: datetime, gateway: gateways.Gateway) -> list[Attempt] | None:
    """Lease those worth one list call together; None when no call is worth it now."""
    free = own_watched(gateway).filter(Q(leased_until__isnull=True) | Q(leased_until__lte=at))
    # Whoever was told nothing, or refused a call, waits for the moment that was set then.
    ready = free.exclude(last_outcome=CannotTell.name, next_check_at__gt=at)
    open_ones = list(ready.order_by("next_check_at")[:OPEN_SEEN])
    prior = current_prior()
    if not schedule.tail_affordable(seen, prior=prior):
        for attempt in [one for one in open_ones if _is_tail(one, at=at)]:
            put_off_tail(attempt, at=at)
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
    return kind_of(attempt, at=at) is Look.TAIL


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
    looked_at: datetime | None = None
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
                proving.start(at)
            if looked_at is None or not timedelta(0) <= at - looked_at < NIGHT_WORK_EVERY:
                # While there is more to ask it goes on at the next step; payers come in between.
                looked_at = None if reconciling.work_at_night(at=at) else at
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
        proving.start(at)
        reconciling.work_at_night(at=at, calls=1)
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

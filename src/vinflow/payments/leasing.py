"""What is due, and whose turn it is: attempts as the schedule sees them, leased to one caller at a time."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection

from vinflow.payments import clock, conf, gateways, quota, schedule
from vinflow.payments.learning import current_prior
from vinflow.payments.models import Attempt, AttemptQuerySet, Payment
from vinflow.payments.schedule import Look, Pressure, Signal, Watched
from vinflow.wallet.reading import Columns

__all__ = [
    "claim",
    "finish_watch",
    "kind_of",
    "own_watched",
    "plan_next",
    "pressure",
    "put_off",
    "put_off_tail",
    "watched_of",
]

TAIL_PATIENCE = timedelta(days=1)

# What asking does not look at stays unread; Django fetches it when somebody asks.
ATTEMPT = Columns(Attempt, without=["qr_string", "deeplink"])
PAYMENT = Columns(Payment, without=["metadata", "gateway_response"])
READ_LEASED = (
    f"SELECT {ATTEMPT.of('a')}, {PAYMENT.of('p')} FROM payments_attempt a"  # noqa: S608
    " JOIN payments_payment p ON p.id = a.payment_id WHERE a.lease_id = %s AND a.id IN"
)


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


def own_watched(gateway: gateways.Gateway) -> AttemptQuerySet:
    """Return the watched attempts that this gateway may be asked about."""
    return Attempt.objects.watched().asked_by(gateway.protocol, conf.environment())


def pressure(*, at: datetime, gateway: gateways.Gateway) -> Pressure:
    """Return how scarce calls are now: what automatic checks may still spend, and who will want them."""
    room = quota.room(gateway.token_id, at=at)
    waiting, lately = _crowd(gateway, since=at - timedelta(days=1))
    # While answers fail one after the other, one QR is asked for: a closed list would look like the fault.
    many = room.retry_at is None and gateway.batch_open(at)
    if room.allowed is None or room.free is None:
        return Pressure(free_calls=None, batch_open=many, open=max(1, waiting))
    left = max(0.0, (room.ends_at - at) / timedelta(days=1))
    return Pressure(
        free_calls=max(0, room.free - quota.reserves(room.allowed)[1]),
        arrivals=lately * left,
        batch_open=many,
        open=max(1, waiting),
    )


def _crowd(gateway: gateways.Gateway, *, since: datetime) -> tuple[int, int]:
    """Return how many QRs wait for their last check, and how many were made since a moment."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM payments_attempt WHERE next_check_at IS NOT NULL"
            " AND NOT last_check_done AND protocol = %s AND environment = %s),"
            " (SELECT count(*) FROM payments_attempt WHERE created_at > %s)",
            [
                *(gateway.protocol.value, conf.environment().value),
                connection.ops.adapt_datetimefield_value(since),
            ],
        )
        waiting, lately = cursor.fetchone()
    return waiting, lately


def plan_next(attempt: Attempt, *, at: datetime, pressure: Pressure) -> datetime | None:
    """Return when to look at an attempt next, None when there is nothing left to look for."""
    moment = schedule.next_look(
        watched_of(attempt), prior=current_prior(), pressure=pressure, at=at.timestamp()
    )
    return None if moment is None else clock.from_epoch(moment)


def kind_of(attempt: Attempt, *, at: datetime) -> Look:
    """Return why an attempt would be asked about now: its last check, its tail check, or an ordinary one."""
    return schedule.due_kind(watched_of(attempt), at=at.timestamp())


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
    until = connection.ops.adapt_datetimefield_value(at + lease_time())
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
    return sorted(_leased(claimed, lease), key=lambda attempt: attempt.next_check_at or at)


def _leased(ids: Sequence[int], lease: str) -> list[Attempt]:
    """Return these attempts with their payments, where the lease still holds."""
    if not ids:
        return []
    with connection.cursor() as cursor:
        cursor.execute(f"{READ_LEASED} ({', '.join(['%s'] * len(ids))})", [lease, *ids])
        rows = cursor.fetchall()
    attempts = []
    for row in rows:
        attempt = ATTEMPT.instance(row[: len(ATTEMPT)], using=DEFAULT_DB_ALIAS)
        attempt.payment = PAYMENT.instance(row[len(ATTEMPT) :], using=DEFAULT_DB_ALIAS)
        attempts.append(attempt)
    return attempts


def lease_time() -> timedelta:
    """Return how long an attempt is leased: longer than a call with one renewal and one repeat takes."""
    return timedelta(seconds=max(60.0, 4 * conf.timeout_s()))


def put_off(attempt: Attempt, moment: datetime) -> None:
    """Give a lease back and set the next look; nothing happens where another holds the lease by now."""
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id).update(
        next_check_at=moment, leased_until=None
    )


def finish_watch(attempt: Attempt) -> None:
    """Give a lease back and end the watch: nothing is left to look for."""
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id).update(
        next_check_at=None, leased_until=None
    )


def put_off_tail(attempt: Attempt, *, at: datetime) -> None:
    """Let the tail check wait for cheap calls, for a day; then the statement import must find its money."""
    given_up = at > attempt.watch_until + TAIL_PATIENCE
    Attempt.objects.filter(pk=attempt.pk, lease_id=attempt.lease_id).update(
        tail_done=given_up,
        next_check_at=None if given_up else at + timedelta(minutes=10),
        leased_until=None,
    )

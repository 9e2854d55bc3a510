"""Reserve a call before it is made; fail closed. A call to Bakong is the scarcest thing we have.

One durable transaction adds to the counters of the quota windows and inserts Exchange(started).
So: used calls = exchange rows, always; a crash between reserving and calling loses a call, never
the count; a reserved call is never given back. Who may spend what:

    pool    may spend when, of the day's calls,
    last    the call set aside for this QR when it was shown; always
    claim   "I have paid": more than the staff's reserve is free, within the payer's fair part
    staff   anything is free
    auto    more than the whole reserve is free, and this payer has had no more than a fair part
    tail    as auto, and a tenth of the day is spare besides
    night   as tail: reconciliation, which may take as many nights as it needs

`free` is what is neither used nor set aside. Payers who never paid share a part of the day among
them, so that nobody can drain it with QRs they never pay. Until the hour of reset is learnt, two
windows count side by side: from midnight and from 07:00 in Phnom Penh (midnight UTC).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import cache
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest

from vinflow.payments import conf, quota
from vinflow.payments.errors import InsideTransaction
from vinflow.payments.models import Attempt, CallBudget, Exchange, Payment, TokenState
from vinflow.payments.prepared import Prepared

__all__ = [
    "Asking",
    "Pool",
    "asking",
    "close_for_quota",
    "current_asking",
    "note_answer",
    "reserve",
    "set_aside",
    "token_id",
]

PROBE = timedelta(minutes=10)
FAILURES = 5  # answers in a row that told nothing, before calls are made to wait
LONGEST_WAIT = timedelta(minutes=15)
FAIR_PART = 10  # one payer's calls: a tenth of the day, at least FAIR_LEAST
FAIR_LEAST = 8


class Pool(StrEnum):
    """Which purse a call is paid from."""

    AUTO = "auto"
    LAST = "last"
    CLAIM = "claim"
    STAFF = "staff"
    TAIL = "tail"
    NIGHT = "night"


@dataclass(frozen=True, slots=True)
class Asking:
    """For whom and from which purse calls are made.

    A list call that turns out to be closed is followed by single ones; each of those must be paid
    for by its own QR, not by the crowd. `one` then tells for whom, and only one such call goes out:
    `went` remembers it, and the others come back when their turn is there.
    """

    pool: Pool
    attempts: tuple[Attempt, ...] = ()
    payment: Payment | None = None
    principal: str = ""
    newcomer: bool = False
    one: Callable[[Attempt], Asking] | None = None
    lasts: frozenset[int] = frozenset()  # the attempts whose promised last check this is
    went: list[str] = field(default_factory=list)
    exchanges: list[int] = field(default_factory=list)  # the rows of the calls that were reserved

    def alone(self, handle: str) -> Asking | None:
        """Return for whom a single call about one of many is made; None when one has gone out."""
        if len(self.attempts) < 2 or self.one is None:
            return self
        if self.went:
            return None
        self.went.append(handle)
        return next((self.one(attempt) for attempt in self.attempts if attempt.handle == handle), None)


_asking: ContextVar[Asking | None] = ContextVar("vinflow_asking", default=None)


@contextmanager
def asking(who: Asking) -> Iterator[None]:
    """Say for whom the calls of the body are made; the client's budget hook reads it."""
    token = _asking.set(who)
    try:
        yield
    finally:
        _asking.reset(token)


def current_asking() -> Asking:
    """Return for whom calls are being made here."""
    return _asking.get() or Asking(Pool.STAFF)


def token_id(token: str) -> str:
    """Return the name a token goes by in rows and logs: 16 hex digits of its SHA-256."""
    return hashlib.sha256(token.encode()).hexdigest()[:16]


@cache
def _budgets_query(count: int) -> Prepared:
    """Return the query that locks so many windows of a token."""

    def build(token: str, **days: Any) -> QuerySet[CallBudget, tuple[Any, ...]]:
        these = Q()
        for place in range(count):
            these |= Q(window=days[f"window{place}"], starts_at=days[f"starts{place}"])
        asked = CallBudget.objects.select_for_update().filter(these, token_id=token)
        return asked.order_by("window", "starts_at").values_list()

    holes: dict[str, Any] = {"token": "the token"}
    for place in range(count):
        holes |= {
            f"window{place}": f"window {place}",
            f"starts{place}": datetime(1971, 1, 1 + place, tzinfo=UTC),
        }
    return Prepared(build, holes)


def _locked_budgets(token: str, at: datetime, *, learnt: str) -> list[CallBudget]:
    """Return the rows of the windows at a moment, made if missing, locked in a fixed order.

    learnt: which reset the token has taught us, "" until it has.
    """
    allowed = conf.daily_calls()
    days = quota.windows(at, learnt=learnt)
    values: dict[str, Any] = {"token": token}
    for place, window in enumerate(days):
        values |= {f"window{place}": window.name, f"starts{place}": window.starts_at}
    asked = _budgets_query(len(days))
    locked = asked.instances(CallBudget, values)
    if len(locked) < len(days):  # the first call of a day
        for window in days:
            CallBudget.objects.get_or_create(
                token_id=token,
                window=window.name,
                starts_at=window.starts_at,
                defaults={"ends_at": window.ends_at, "allowed": allowed},
            )
        locked = asked.instances(CallBudget, values)
    for row in locked:
        if row.allowed != allowed:
            # The operator's word counts at once, but never below what is spent already.
            row.allowed = allowed if allowed is None else max(allowed, row.used)
            CallBudget.objects.filter(pk=row.pk).update(allowed=row.allowed)
    return locked


def _newcomers_may(row: CallBudget, *, besides: int = 0) -> bool:
    """Return whether payers who never paid may have one more call of a window.

    What they used and what is promised to their QRs count together. besides: calls beyond their
    share that this purse grants them.
    """
    assert row.allowed is not None
    theirs = quota.aside_for_newcomers(row)
    return row.used_by_newcomers + theirs + 1 <= int(row.allowed * conf.newcomers_share()) + besides


def _may_spend(row: CallBudget, pool: Pool, *, own_aside: bool, newcomer: bool) -> bool:
    if row.allowed is None:
        return True
    if row.used >= row.allowed:
        return False
    if pool is Pool.LAST and own_aside:
        return True
    free = row.allowed - row.used - quota.aside(row)
    staff, whole = quota.reserves(row.allowed)
    least = {
        Pool.LAST: 0,
        Pool.STAFF: 0,
        Pool.CLAIM: staff,
        Pool.AUTO: whole,
        Pool.TAIL: whole + math.ceil(row.allowed * 0.10),
        Pool.NIGHT: whole + math.ceil(row.allowed * 0.10),
    }[pool]
    if free <= least:
        return False
    if newcomer and pool in (Pool.AUTO, Pool.TAIL, Pool.CLAIM):
        return _newcomers_may(row, besides=whole - staff if pool is Pool.CLAIM else 0)
    return True


def reserve(*, who: Asking, token: str, operation: str, request: Any, at: datetime) -> Exchange | None:
    """Reserve one call from the purse of `who`, durably, and return its Exchange(started).

    None refuses: the quota is closed, the purse is empty, or the gateway asked us to wait. Raises
    InsideTransaction when a transaction is open: evidence must survive its rollback, and no lock
    may wait on the network (money rules 5 and 6).
    """
    if connection.in_atomic_block:
        raise InsideTransaction(f"{operation} was asked for inside a transaction")
    with transaction.atomic(durable=True):
        state = _gate(token)
        if not _may_pass(state, who.pool, at=at):
            return None
        rows = _locked_budgets(token, at, learnt=state.quota_reset)
        promised = any(attempt.set_aside and attempt.pk in who.lasts for attempt in who.attempts)
        probing = state.closed_until is not None
        fits = [row for row in rows if _may_spend(row, who.pool, own_aside=promised, newcomer=who.newcomer)]
        # Before the hour of reset is known, a probe needs room in one opinion of the day, else in all.
        if not fits or (len(fits) < len(rows) and not probing):
            return None
        if who.pool in (Pool.AUTO, Pool.CLAIM) and who.principal and not _fair(rows, who.principal):
            return None
        _pass(state, at=at)
        spent = CallBudget.objects.filter(pk__in=[row.pk for row in fits])
        spent.update(used=F("used") + 1, used_by_newcomers=F("used_by_newcomers") + int(who.newcomer))
        exchange = Exchange.objects.create(
            operation=operation,
            payment=who.payment,
            token_id=token,
            pool=who.pool,
            principal=who.principal,
            environment=conf.environment(),
            started_at=at,
            request=request,
        )
        who.exchanges.append(exchange.pk)
        if who.attempts:
            exchange.attempts.add(*who.attempts)
            Attempt.objects.filter(pk__in=who.lasts).update(set_aside=False)
    return exchange


def _fair(rows: Sequence[CallBudget], principal: str) -> bool:
    """Return whether a payer has had fewer calls, asked for or not, than a fair part of the day."""
    if rows[0].allowed is None:
        return True
    most = max(FAIR_LEAST, rows[0].allowed // FAIR_PART)
    had = Exchange.objects.filter(
        token_id=rows[0].token_id,
        principal=principal,
        pool__in=[Pool.AUTO, Pool.CLAIM],
        started_at__gte=min(row.starts_at for row in rows),
    ).count()
    return had < most


_state_query = Prepared(
    lambda token: TokenState.objects.select_for_update().filter(token_id=token).values_list(),
    {"token": "the token"},
)


def _gate(token: str) -> TokenState:
    """Return what the token has taught us, locked; a row is made at its first call."""
    locked = _state_query.instances(TokenState, {"token": token})
    if not locked:
        TokenState.objects.get_or_create(token_id=token)
        locked = _state_query.instances(TokenState, {"token": token})
    return locked[0]


def _may_pass(state: TokenState, pool: Pool, *, at: datetime) -> bool:
    """Return whether a call may be made now: not throttled, not shut, not failing again and again.

    Past a closing time one probe may pass. After FAILURES answers in a row that told nothing, one call
    passes at each of doubling waits; staff may always look.
    """
    if state.throttled_until is not None and state.throttled_until > at:
        return False
    if state.closed_until is not None:
        return state.closed_until <= at
    return pool is Pool.STAFF or state.retry_at is None or state.retry_at <= at


def _pass(state: TokenState, *, at: datetime) -> None:
    """Note that a call goes out: the first to come is the probe, everyone else waits for its answer."""
    if state.closed_until is not None:
        TokenState.objects.filter(pk=state.pk).update(closed_until=at + PROBE, probes=F("probes") + 1)
    elif state.retry_at is not None:
        TokenState.objects.filter(pk=state.pk).update(retry_at=at + _wait(state.failures))


def _wait(failures: int) -> timedelta:
    """Return how long nobody asks after so many answers in a row that told nothing."""
    return min(timedelta(seconds=30 << max(0, min(failures - FAILURES, 10))), LONGEST_WAIT)


def next_opening(at: datetime) -> datetime:
    """Return when to probe after a quota answer: midnight in Phnom Penh and 5 minutes, then 07:05."""
    local = at.astimezone(UTC) + quota.PHNOM_PENH
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    candidates = [
        midnight + timedelta(minutes=5),
        midnight + timedelta(hours=7, minutes=5),
        midnight + timedelta(days=1, minutes=5),
        midnight + timedelta(days=1, hours=7, minutes=5),
    ]
    return next(moment for moment in candidates if moment > local) - quota.PHNOM_PENH


@transaction.atomic
def close_for_quota(token: str, *, at: datetime) -> datetime:
    """Latch the gate after a quota answer; return when it will be probed. Nothing is made unpaid."""
    state = _gate(token)
    until = next_opening(at)
    TokenState.objects.filter(pk=state.pk).update(
        closed_since=state.closed_since or at, closed_until=until, quota_refused_at=at, updated_at=at
    )
    return until


@transaction.atomic
def note_answer(token: str, *, readable: bool, throttled_until: datetime | None, at: datetime) -> None:
    """Note that the gateway answered: open the latch, extend the watch by the time it was closed.

    readable: whether the answer was one of the four words (found, not found, failed, static).
    """
    state = _gate(token)
    changes: dict[str, Any] = {"updated_at": at, "throttled_until": throttled_until}
    if readable:
        changes |= {"last_answer_at": at, "failures": 0, "refused_since": None, "retry_at": None}
        if state.closed_since is not None:
            changes |= {"closed_since": None, "closed_until": None, "probes": 0}
            if state.quota_refused_at is not None:
                changes["quota_reset"] = quota.reset_between(state.quota_refused_at, at) or state.quota_reset
            lost = at - state.closed_since
            Attempt.objects.filter(
                environment=conf.environment(),
                next_check_at__isnull=False,
                watch_until__gt=state.closed_since,
            ).update(watch_until=F("watch_until") + lost)
    else:
        failures = state.failures + 1
        changes |= {"failures": failures, "refused_since": state.refused_since or at}
        if failures >= FAILURES:
            changes["retry_at"] = at + _wait(failures)
    TokenState.objects.filter(pk=state.pk).update(**changes)


def set_aside(*, token: str, last_check_at: datetime, newcomer: bool) -> bool:
    """Return whether a call can be promised to a QR about to be shown; inside the caller's transaction.

    The caller stores the promise on the attempt (set_aside=True) before it commits; the rows stay
    locked until then.
    """
    for row in _locked_budgets(token, last_check_at, learnt=quota.learnt(token)):
        if row.allowed is None:
            continue
        aside = quota.aside(row)
        staff, _whole = quota.reserves(row.allowed)
        if row.allowed - row.used - aside <= staff:
            return False
        if newcomer and not _newcomers_may(row):
            return False
    return True


def _lost(before: datetime) -> QuerySet[Exchange]:
    return Exchange.objects.filter(stage=Exchange.Stage.STARTED, started_at__lt=before)


_lost_query = Prepared(
    lambda before: _lost(before).values_list("pk")[:1], {"before": datetime(1971, 1, 1, tzinfo=UTC)}
)


def mark_lost(*, at: datetime) -> int:
    """Mark calls lost whose process died before their answer; they stay counted. Returns how many.

    What they asked is unknown, not unpaid: the attempts are due again.
    """
    # Longer than any call may take: connecting, a renewal, a repeat, each with its time-out twice.
    before = at - timedelta(seconds=max(300.0, 8 * conf.timeout_s()))
    if not _lost_query.rows({"before": before}):
        return 0  # the usual case, every second: nothing is written then
    return _lost(before).update(stage=Exchange.Stage.LOST, finished_at=Greatest(F("started_at"), at))

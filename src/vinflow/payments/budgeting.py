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
from typing import Any

from django.db import connection, transaction
from django.db.models import Exists, F, OuterRef, QuerySet
from django.db.models.functions import Greatest

from vinflow.payments import conf
from vinflow.payments.errors import InsideTransaction
from vinflow.payments.models import Attempt, CallBudget, Exchange, Payment, TokenState

__all__ = [
    "Asking",
    "Pool",
    "Room",
    "Window",
    "asking",
    "close_for_quota",
    "confirmable",
    "current_asking",
    "note_answer",
    "reserve",
    "reset_between",
    "room",
    "set_aside",
    "token_id",
    "windows",
]

PHNOM_PENH = timedelta(hours=7)  # UTC+7, without summer time
RESETS = {"phnom-penh": PHNOM_PENH, "utc": timedelta(0)}  # opinions of when a quota day begins
EDGE = timedelta(minutes=5)  # clocks differ: a call just after a reset may still count before it
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
class Window:
    """One quota day by one opinion of when it begins."""

    name: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Room:
    """What is left of the day, by the tightest window. None in allowed: no quota.

    aside: calls promised to QRs that are shown. free: neither used nor promised.
    """

    allowed: int | None
    used: int
    aside: int
    ends_at: datetime
    closed_until: datetime | None
    retry_at: datetime | None = None

    @property
    def free(self) -> int | None:
        """Calls neither used nor set aside; None without a quota."""
        return None if self.allowed is None else max(0, self.allowed - self.used - self.aside)


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


def windows(at: datetime, *, learnt: str = "") -> list[Window]:
    """Return the quota windows that a call at this moment may count in, in a fixed order.

    KHQR_QUOTA_RESET: phnom-penh, utc, or auto: then what this token has taught us (learnt), and both
    until it has. Within five minutes after a reset the window before it counts as well.
    """
    said = conf.quota_reset()
    if said == "auto" and learnt:
        said = learnt
    chosen = RESETS if said == "auto" else {said: RESETS[said]}
    found: dict[tuple[str, datetime], Window] = {}
    for name, shift in chosen.items():
        for moment in (at - EDGE, at):
            local = moment.astimezone(UTC) + shift
            start = local.replace(hour=0, minute=0, second=0, microsecond=0) - shift
            found[name, start] = Window(name, start, start + timedelta(days=1))
    return sorted(found.values(), key=lambda window: (window.name, window.starts_at))


def reset_between(refused_at: datetime, answered_at: datetime) -> str:
    """Return which reset reopened the quota, when only one can have; "" when that is not certain.

    refused_at: the last "quota is used up" we heard. answered_at: the first good answer after it. A
    reset within five minutes outside of the two counts as between them: clocks differ.
    """
    first, last = refused_at - EDGE, answered_at + EDGE
    found = []
    for name, shift in RESETS.items():
        local = first.astimezone(UTC) + shift
        reset = local.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1) - shift
        while reset <= last:
            found.append(name)
            reset += timedelta(days=1)
    return found[0] if len(found) == 1 else ""


def _learnt(token: str) -> str:
    """Return the reset that this token has taught us, "" until it has."""
    return TokenState.objects.filter(token_id=token).values_list("quota_reset", flat=True).first() or ""


def reserves(allowed: int) -> tuple[int, int]:
    """Return (staff's reserve, whole reserve) of a day: 5 and 15 of 100."""
    staff = max(1, math.ceil(allowed * 0.05))
    return staff, staff + math.ceil(allowed * 0.10)


def _locked_budgets(token: str, at: datetime, *, learnt: str) -> list[CallBudget]:
    """Return the rows of the windows at a moment, made if missing, locked in a fixed order.

    learnt: which reset the token has taught us, "" until it has.
    """
    allowed = conf.daily_calls()
    rows = []
    for window in windows(at, learnt=learnt):
        row, _made = CallBudget.objects.get_or_create(
            token_id=token,
            window=window.name,
            starts_at=window.starts_at,
            defaults={"ends_at": window.ends_at, "allowed": allowed},
        )
        rows.append(row.pk)
    locked = list(CallBudget.objects.select_for_update().filter(pk__in=rows).order_by("window", "starts_at"))
    for row in locked:
        if row.allowed != allowed:
            # The operator's word counts at once, but never below what is spent already.
            row.allowed = allowed if allowed is None else max(allowed, row.used)
            CallBudget.objects.filter(pk=row.pk).update(allowed=row.allowed)
    return locked


def _promised(row: CallBudget) -> QuerySet[Attempt]:
    """Return the shown QRs to which a call of this window is promised; counted, never remembered."""
    return Attempt.objects.filter(
        set_aside=True,
        environment=conf.environment(),
        last_check_at__gte=row.starts_at,
        last_check_at__lt=row.ends_at,
    )


def _aside(row: CallBudget) -> int:
    """Return how many calls are promised to shown QRs in a window."""
    return _promised(row).count()


def _newcomers_may(row: CallBudget, *, besides: int = 0) -> bool:
    """Return whether payers who never paid may have one more call of a window.

    What they used and what is promised to their QRs count together. besides: calls beyond their
    share that this purse grants them.
    """
    assert row.allowed is not None
    paid_before = Payment.objects.filter(principal=OuterRef("payment__principal"), status="completed")
    theirs = _promised(row).filter(~Exists(paid_before)).count()
    return row.used_by_newcomers + theirs + 1 <= int(row.allowed * conf.newcomers_share()) + besides


def _may_spend(row: CallBudget, pool: Pool, *, own_aside: bool, newcomer: bool) -> bool:
    if row.allowed is None:
        return True
    if row.used >= row.allowed:
        return False
    if pool is Pool.LAST and own_aside:
        return True
    free = row.allowed - row.used - _aside(row)
    staff, whole = reserves(row.allowed)
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


def _gate(token: str) -> TokenState:
    """Return what the token has taught us, locked."""
    TokenState.objects.get_or_create(token_id=token)
    return TokenState.objects.select_for_update().get(token_id=token)


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
    local = at.astimezone(UTC) + PHNOM_PENH
    midnight = local.replace(hour=0, minute=0, second=0, microsecond=0)
    candidates = [
        midnight + timedelta(minutes=5),
        midnight + timedelta(hours=7, minutes=5),
        midnight + timedelta(days=1, minutes=5),
        midnight + timedelta(days=1, hours=7, minutes=5),
    ]
    return next(moment for moment in candidates if moment > local) - PHNOM_PENH


@transaction.atomic
def close_for_quota(token: str, *, at: datetime) -> datetime:
    """Latch the gate after a quota answer; return when it will be probed. Nothing is made unpaid."""
    TokenState.objects.get_or_create(token_id=token)
    state = TokenState.objects.select_for_update().get(token_id=token)
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
    TokenState.objects.get_or_create(token_id=token)
    state = TokenState.objects.select_for_update().get(token_id=token)
    changes: dict[str, Any] = {"updated_at": at, "throttled_until": throttled_until}
    if readable:
        changes |= {"last_answer_at": at, "failures": 0, "refused_since": None, "retry_at": None}
        if state.closed_since is not None:
            changes |= {"closed_since": None, "closed_until": None, "probes": 0}
            if state.quota_refused_at is not None:
                changes["quota_reset"] = reset_between(state.quota_refused_at, at) or state.quota_reset
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
    for row in _locked_budgets(token, last_check_at, learnt=_learnt(token)):
        if row.allowed is None:
            continue
        aside = _aside(row)
        staff, _whole = reserves(row.allowed)
        if row.allowed - row.used - aside <= staff:
            return False
        if newcomer and not _newcomers_may(row):
            return False
    return True


def room(token: str, *, at: datetime) -> Room:
    """Return what is left of the day by the tightest window; writes nothing."""
    allowed = conf.daily_calls()
    state = TokenState.objects.filter(token_id=token).first()
    closed, retry = (state.closed_until, state.retry_at) if state else (None, None)
    tightest: Room | None = None
    for window in windows(at, learnt=state.quota_reset if state else ""):
        row = CallBudget.objects.filter(
            token_id=token, window=window.name, starts_at=window.starts_at
        ).first() or CallBudget(
            token_id=token, window=window.name, starts_at=window.starts_at, ends_at=window.ends_at
        )
        seen = Room(allowed, row.used, _aside(row), window.ends_at, closed, retry)
        if tightest is None or (seen.free or 0) < (tightest.free or 0):
            tightest = seen
    assert tightest is not None
    return tightest


def confirmable(token: str, *, at: datetime) -> int | None:
    """Return how many more QRs can be confirmed today; None without a quota, 0 while closed."""
    left = room(token, at=at)
    if left.closed_until is not None and left.closed_until > at:
        return 0
    if left.allowed is None or left.free is None:
        return None
    return max(0, left.free - reserves(left.allowed)[0])


def mark_lost(*, at: datetime) -> int:
    """Mark calls lost whose process died before their answer; they stay counted. Returns how many.

    What they asked is unknown, not unpaid: the attempts are due again.
    """
    # Longer than any call may take: connecting, a renewal, a repeat, each with its time-out twice.
    longest = timedelta(seconds=max(300.0, 8 * conf.timeout_s()))
    return Exchange.objects.filter(stage=Exchange.Stage.STARTED, started_at__lt=at - longest).update(
        stage=Exchange.Stage.LOST, finished_at=Greatest(F("started_at"), at)
    )

"""The quota's day, and what is left of it. Nothing here writes; budgeting.py spends.

Until the hour of reset is learnt two opinions of the day count side by side, and the tighter one tells
what is left. The watcher reads this before every call, so its numbers come in one statement by hand.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import Count, Exists, OuterRef, QuerySet

from vinflow.payments import conf
from vinflow.payments.models import Attempt, CallBudget, Payment, TokenState
from vinflow.payments.prepared import Prepared
from vinflow.payments.states import Status

__all__ = [
    "EDGE",
    "PHNOM_PENH",
    "Room",
    "Window",
    "aside",
    "aside_for_newcomers",
    "confirmable",
    "learnt",
    "reserves",
    "reset_between",
    "room",
    "windows",
]

PHNOM_PENH = timedelta(hours=7)  # UTC+7, without summer time
RESETS = {"phnom-penh": PHNOM_PENH, "utc": timedelta(0)}  # opinions of when a quota day begins
EDGE = timedelta(minutes=5)  # clocks differ: a call just after a reset may still count before it


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


_state_query = Prepared(
    lambda token: TokenState.objects.filter(token_id=token).values_list(
        "quota_reset", "closed_until", "retry_at"
    ),
    {"token": "the token"},
)


def learnt(token: str) -> str:
    """Return the reset that this token has taught us, "" until it has."""
    rows = _state_query.rows({"token": token})
    return str(rows[0][0]) if rows else ""


def reserves(allowed: int) -> tuple[int, int]:
    """Return (staff's reserve, whole reserve) of a day: 5 and 15 of 100."""
    staff = max(1, math.ceil(allowed * 0.05))
    return staff, staff + math.ceil(allowed * 0.10)


def aside(row: CallBudget) -> int:
    """Return how many calls are promised to shown QRs in a window."""
    ((_used, promises),) = _numbers(row.token_id, [Window(row.window, row.starts_at, row.ends_at)])
    return promises


def _of_newcomers(environment: str, starts_at: datetime, ends_at: datetime) -> QuerySet[Attempt, Any]:
    paid_before = Payment.objects.filter(principal=OuterRef("payment__principal"), status=Status.COMPLETED)
    theirs = Attempt.objects.filter(
        ~Exists(paid_before),
        set_aside=True,
        environment=environment,
        last_check_at__gte=starts_at,
        last_check_at__lt=ends_at,
    )
    return theirs.order_by().values("environment").annotate(promises=Count("pk")).values_list("promises")


_newcomers_query = Prepared(
    _of_newcomers,
    {
        "environment": "of the site",
        "starts_at": datetime(1971, 1, 1, tzinfo=UTC),
        "ends_at": datetime(1971, 1, 2, tzinfo=UTC),
    },
)


def aside_for_newcomers(row: CallBudget) -> int:
    """Return how many of the promised calls are for QRs of payers who never paid."""
    rows = _newcomers_query.rows(
        {"environment": str(conf.environment()), "starts_at": row.starts_at, "ends_at": row.ends_at}
    )
    return int(rows[0][0]) if rows else 0


NUMBERS = (
    'coalesce((SELECT used FROM payments_callbudget WHERE token_id = %s AND "window" = %s'
    " AND starts_at = %s), 0), (SELECT count(*) FROM payments_attempt WHERE set_aside AND environment = %s"
    " AND last_check_at >= %s AND last_check_at < %s)"
)


def _numbers(token: str, days: Sequence[Window]) -> list[tuple[int, int]]:
    """Return (calls used, calls promised to shown QRs) of each of these days; one statement."""
    moment = connection.ops.adapt_datetimefield_value
    environment = str(conf.environment())
    params = [
        value
        for day in days
        for value in (
            *(token, day.name, moment(day.starts_at)),
            *(environment, moment(day.starts_at), moment(day.ends_at)),
        )
    ]
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join([NUMBERS] * len(days))}", params)
        numbers = [int(number) for number in cursor.fetchone()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def room(token: str, *, at: datetime) -> Room:
    """Return what is left of the day by the tightest window; two statements, writes nothing."""
    allowed = conf.daily_calls()
    rows = _state_query.rows({"token": token})
    reset, closed, retry = rows[0] if rows else ("", None, None)
    days = windows(at, learnt=reset)
    rooms = [
        Room(allowed, used, promises, day.ends_at, closed, retry)
        for day, (used, promises) in zip(days, _numbers(token, days), strict=True)
    ]
    return min(rooms, key=lambda one: one.free or 0)


def confirmable(token: str, *, at: datetime) -> int | None:
    """Return how many more QRs can be confirmed today; None without a quota, 0 while closed."""
    left = room(token, at=at)
    if left.closed_until is not None and left.closed_until > at:
        return 0
    if left.allowed is None or left.free is None:
        return None
    return max(0, left.free - reserves(left.allowed)[0])

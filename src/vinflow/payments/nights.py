"""When it is night in Phnom Penh, and which night: the hours for what may wait. Plain Python.

From eleven: by then most of one opinion of the quota day is over, and few pay; until five.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

__all__ = ["BEGINS", "next_night", "night_of"]

PHNOM_PENH = timedelta(hours=7)
BEGINS, ENDS = 23, 5  # hours in Phnom Penh


def night_of(at: datetime) -> date | None:
    """Return the day on whose evening this night began, None by day."""
    local = at + PHNOM_PENH
    if local.hour >= BEGINS:
        return local.date()
    return local.date() - timedelta(days=1) if local.hour < ENDS else None


def next_night(at: datetime) -> datetime:
    """Return when the next night begins; the one after this where it is night now."""
    local = at + PHNOM_PENH
    tonight = local.replace(hour=BEGINS, minute=0, second=0, microsecond=0)
    return (tonight if local < tonight else tonight + timedelta(days=1)) - PHNOM_PENH

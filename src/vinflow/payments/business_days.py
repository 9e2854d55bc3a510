"""Days in Phnom Penh, where a business day begins and ends. Plain Python."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone

__all__ = ["day_begins", "day_of"]

PHNOM_PENH = timezone(timedelta(hours=7))  # without summer time


def day_begins(day: date) -> datetime:
    """Return the moment a business day begins."""
    return datetime.combine(day, time(), PHNOM_PENH).astimezone(UTC)


def day_of(at: datetime) -> date:
    """Return the business day of a moment."""
    return at.astimezone(PHNOM_PENH).date()

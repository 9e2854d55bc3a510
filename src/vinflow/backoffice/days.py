"""Business days in Phnom Penh, and moments for spreadsheets. Nothing here reads a clock."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

__all__ = ["PHNOM_PENH", "Span", "day_of", "iso_local", "read_day", "span_of"]

# Cambodia has kept UTC+7 without summer time since 1920.
PHNOM_PENH = timezone(timedelta(hours=7), "+07:00")

Span = tuple[datetime, datetime]  # from, included; until, not


def day_of(at: datetime) -> date:
    """Return the business day of a moment."""
    return at.astimezone(PHNOM_PENH).date()


def span_of(first: date, last: date) -> Span:
    """Return the moments from the beginning of one day to the end of another."""
    return (
        datetime.combine(first, time.min, PHNOM_PENH),
        datetime.combine(last, time.min, PHNOM_PENH) + timedelta(days=1),
    )


def read_day(text: str) -> date | None:
    """Return the day an <input type=date> wrote, None for anything else."""
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if 2000 <= found.year <= 2100 else None


def iso_local(at: datetime | None) -> str:
    """Return "2025-12-01T14:05:00+07:00", "" for none."""
    return "" if at is None else at.astimezone(PHNOM_PENH).isoformat(timespec="seconds")

"""Moments and spans as people read them: Phnom Penh time, Khmer months, Latin digits.

Django's own Khmer formats are not used: they swap the comma and the point, and know no Phnom Penh.
Nothing here reads a clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from vinflow.money import Currency, Money

__all__ = [
    "PHNOM_PENH",
    "day",
    "exact",
    "hour",
    "iso_local",
    "iso_utc",
    "moment",
    "span",
    "spoken_amount",
]

# Cambodia has kept UTC+7 without summer time since 1920; a fixed offset needs no zone data.
PHNOM_PENH = timezone(timedelta(hours=7), "+07:00")

MONTHS = {
    "en": ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    "km": ["មករា", "កុម្ភៈ", "មីនា", "មេសា", "ឧសភា", "មិថុនា", "កក្កដា", "សីហា", "កញ្ញា", "តុលា", "វិច្ឆិកា", "ធ្នូ"],
}


def _local(at: datetime) -> datetime:
    if at.tzinfo is None:
        raise ValueError("a moment without a zone cannot be shown")
    return at.astimezone(PHNOM_PENH)


def day(at: datetime, language: str) -> str:
    """Return the day in Phnom Penh: "1 Dec 2025", "1 ធ្នូ 2025"."""
    local = _local(at)
    months = MONTHS["km" if language.startswith("km") else "en"]
    return f"{local.day} {months[local.month - 1]} {local.year}"


def hour(at: datetime) -> str:
    """Return the time of day in Phnom Penh: "14:05"."""
    return f"{_local(at):%H:%M}"


def exact(at: datetime) -> str:
    """Return the time of day with its seconds: "14:05:09"; for answers a person waits for."""
    return f"{_local(at):%H:%M:%S}"


def moment(at: datetime, language: str) -> str:
    """Return day and time in Phnom Penh: "1 Dec 2025, 14:05"."""
    return f"{day(at, language)}, {hour(at)}"


def iso_utc(at: datetime) -> str:
    """Return the moment for machines, in UTC: "2025-12-01T07:05:00Z"."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def iso_local(at: datetime) -> str:
    """Return the moment for spreadsheets: "2025-12-01T14:05:00+07:00"."""
    return _local(at).isoformat(timespec="seconds")


def span(milliseconds: int) -> str:
    """Return a countdown "02:31"; never below "00:00", and rounded up, so that 0 means over."""
    seconds = max(0, -(-milliseconds // 1000))
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def spoken_amount(money: Money) -> tuple[str, str]:
    """Return the English sentence for a voice and the number for its hole.

    "$1,250.00" is read out badly by some voices, so hidden text says "1,250.00 US dollars".
    """
    if money.currency is Currency.USD:
        return "{n} US dollars", f"{money.decimal:,.2f}"
    return "{n} riel", f"{money.minor:,}"

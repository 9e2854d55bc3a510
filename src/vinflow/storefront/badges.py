"""One table of status badges: word, colour and shape, the same on every page."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["BADGES", "Badge"]


class Badge(NamedTuple):
    """A status as it is shown: the English word (a message id), the colour's name, the icon's name."""

    word: str
    tone: str
    icon: str


BADGES = {
    "pending": Badge("Waiting", "warn", "clock"),
    "confirming": Badge("Checking", "info", "dots"),
    "completed": Badge("Completed", "success", "tick"),
    "late": Badge("Paid late", "late", "tick-clock"),
    "review": Badge("Under review", "late", "eye"),
    "expired": Badge("Expired", "neutral", "hourglass"),
    "failed": Badge("Failed", "danger", "cross"),
    "canceled": Badge("Canceled", "neutral", "minus"),
}

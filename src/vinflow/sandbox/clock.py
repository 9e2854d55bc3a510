"""The stand-in's own time, which tests move and nobody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from vinflow.sandbox.errors import WrongMoment

__all__ = ["PHNOM_PENH_MS", "Clock", "day_of"]

MOMENT_MS_MAX = 253_370_764_800_000  # the end of the year 9998, a year before datetime's own end
PHNOM_PENH_MS = 7 * 3_600_000  # UTC+7, no summer time


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Clock:
    """A clock that can be moved: base time plus an offset, or standing still.

    base: returns epoch milliseconds; the machine's clock when left out.
    frozen_at_ms: start standing still at this moment, so that a run repeats exactly.
    """

    def __init__(self, *, base: Callable[[], int] = _wall_ms, frozen_at_ms: int | None = None) -> None:
        self._base = base
        self.offset_ms = 0
        self.frozen_at_ms = frozen_at_ms

    def now_ms(self) -> int:
        """Return the present moment in epoch milliseconds."""
        if self.frozen_at_ms is not None:
            return self.frozen_at_ms
        return self._base() + self.offset_ms

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        # Not fromtimestamp(ms / 1000): a float would lose part of a millisecond, and years past 9999 raise.
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=self.now_ms())

    def advance(self, seconds: float) -> None:
        """Move the clock by seconds; a negative number moves it back. Raises WrongMoment; then it stays."""
        try:
            step = round(seconds * 1000)
        except (ValueError, OverflowError):  # not a number, or endless
            raise WrongMoment(f"{seconds!r} seconds") from None
        self._check(self.now_ms() + step)
        if self.frozen_at_ms is not None:
            self.frozen_at_ms += step
        else:
            self.offset_ms += step

    def set_ms(self, moment_ms: int) -> None:
        """Put the clock at moment_ms; it stands still or runs on as it did before. Raises WrongMoment."""
        self._check(moment_ms)
        if self.frozen_at_ms is not None:
            self.frozen_at_ms = moment_ms
        else:
            self.offset_ms = moment_ms - self._base()

    def freeze(self) -> None:
        """Let the clock stand still where it is."""
        self.frozen_at_ms = self.now_ms()

    def run(self) -> None:
        """Let the clock run on from where it stands."""
        if self.frozen_at_ms is not None:
            self.offset_ms = self.frozen_at_ms - self._base()
            self.frozen_at_ms = None

    @staticmethod
    def _check(moment_ms: int) -> None:
        if not 0 <= moment_ms <= MOMENT_MS_MAX:
            raise WrongMoment("the clock goes from 1970 to 9998")


def day_of(moment_ms: int, *, shift_ms: int) -> int:
    """Return the number of the calendar day (days since 1970) at a place shift_ms ahead of UTC."""
    return (moment_ms + shift_ms) // 86_400_000

"""The one clock of the site. Edges read it once and hand the moment down as `at`.

Tests and the demo may move it: VINFLOW_CLOCK_OFFSET_FILE names a file that holds whole seconds to
add. Without that setting there is no way to move it. What it says is the machine's clock corrected
by the database's, so that many machines decide by one clock (see `aligned`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import connection

__all__ = ["aligned", "from_epoch", "in_ms", "now", "used"]

ALIGN_EVERY_S = 60.0
_lock = threading.Lock()
_drift_s = 0.0
_aligned_at: float | None = None
_source: Callable[[], datetime] | None = None


def now() -> datetime:
    """Return the present moment, aware, in UTC."""
    if _source is not None:
        return _source()
    return datetime.fromtimestamp(time.time() + _drift_s + _moved_s(), UTC)


def aligned() -> datetime:
    """Return the present moment after setting our clock by the database's, at most once a minute.

    Decisions are made by one clock: on PostgreSQL the server's, read now and then and kept as a
    difference; SQLite shares ours. A read that takes over a second is not believed.
    """
    global _drift_s, _aligned_at
    if _source is None and connection.vendor == "postgresql":
        with _lock:
            if _aligned_at is None or time.monotonic() - _aligned_at > ALIGN_EVERY_S:
                before = time.time()
                with connection.cursor() as cursor:
                    cursor.execute("SELECT extract(epoch FROM clock_timestamp())")
                    theirs = float(cursor.fetchone()[0])
                took = time.time() - before
                if took < 1.0:
                    _drift_s = theirs - (before + took / 2)
                _aligned_at = time.monotonic()
    return now()


@contextmanager
def used(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` inside the body: for tests and the simulator, which own their time."""
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before


def _moved_s() -> float:
    path = getattr(settings, "VINFLOW_CLOCK_OFFSET_FILE", None)
    if not path:
        return 0.0
    try:
        return float(Path(path).read_text().strip() or 0)
    except FileNotFoundError:
        return 0.0


def from_epoch(seconds: float) -> datetime:
    """Return the aware moment of epoch seconds."""
    return datetime.fromtimestamp(seconds, UTC)


def in_ms(moment: datetime) -> int:
    """Return a moment as whole epoch milliseconds, as tag 99 of a KHQR writes it."""
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)

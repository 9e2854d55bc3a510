"""Brakes on what a person can press: one press in so many seconds, and how long to wait else."""

from __future__ import annotations

import math
from datetime import datetime, timedelta

from django.core.cache import cache

__all__ = ["wait_s"]


def wait_s(name: str, *, every_s: int, at: datetime) -> int:
    """Return 0 and close the door for every_s seconds, or the whole seconds until it opens again.

    name: what is braked, such as "check:TXN…". Kept in the site's cache, so it is shared by the
    processes exactly where the cache is.
    """
    key = f"vinflow:brake:{name}"
    if cache.add(key, (at + timedelta(seconds=every_s)).timestamp(), timeout=every_s):
        return 0
    opens: float | None = cache.get(key)
    if opens is None:  # it opened between the two questions
        return 1
    return min(every_s, max(1, math.ceil(opens - at.timestamp())))

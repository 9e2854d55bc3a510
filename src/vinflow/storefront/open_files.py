"""How many event streams a process may hold: each is a socket, and a process may open so many files."""

from __future__ import annotations

import contextlib
import sys
from typing import Final

if sys.platform != "win32":  # which has no such limit
    import resource

__all__ = ["SPARE", "room_for"]

SPARE: Final = 500  # for the database, the logs, and answers that are no stream


def room_for(streams: int) -> int:
    """Return how many streams this process may hold, at most so many as asked for; never under 0.

    The usual soft limit of 1,024 open files is raised as far as the machine allows. What is left after
    SPARE is the room: at the limit itself a server can accept nobody, not even to say that it is full.
    """
    if sys.platform == "win32":
        return streams
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = streams + SPARE
    if 0 <= soft < needed:  # an infinite limit is a negative number, or a huge one
        most = needed if hard < 0 else min(needed, hard)
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
            soft = most
    return streams if soft < 0 else max(0, min(streams, soft - SPARE))

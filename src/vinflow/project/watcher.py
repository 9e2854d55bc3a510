"""The watcher inside a web process: one thread, from the server's start to its end."""

from __future__ import annotations

import os
import socket
import threading

from vinflow.payments import watching

__all__ = ["InlineWatcher"]

STOP_S_MAX = 2.0  # the server gives its worker three


class InlineWatcher:
    """A thread that looks for transfers. Any number may run: leases keep them apart.

    The thread is a daemon: a call to Bakong that hangs until its own time-out does not hold the process. What
    such a call would have found is found again by the next watcher, once its lease has run out.
    """

    def __init__(self) -> None:
        self._stop = threading.Event()
        name = f"{socket.gethostname()}:{os.getpid()}"
        self._thread = threading.Thread(
            target=watching.run, kwargs={"stop": self._stop, "worker": name}, name="watcher", daemon=True
        )

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Ask it to end after its present step; return when it has, or after two seconds."""
        self._stop.set()
        self._thread.join(STOP_S_MAX)

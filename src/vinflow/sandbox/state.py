"""What every part of the stand-in's state leans on: one lock, one clock, one store, one source of chance.

Everything is under one lock, so that tests may pay from their own thread while the server answers in its own.
Nothing here is random: every hash, id and reference is drawn from the seed and a counter, so that two runs
with the same seed, clock and calls are the same to the byte.
"""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path
from typing import Any

from vinflow.sandbox.clock import Clock
from vinflow.sandbox.store import Store
from vinflow.sandbox.switches import Switches

__all__ = ["State"]


class State:
    """The ground the parts stand on. Each part adds its own to _forget() and _load(), and calls super()."""

    def __init__(
        self, seed: int | str, database: str | Path, clock: Clock | None, settings: Switches | None
    ) -> None:
        self.lock = threading.RLock()
        self.seed = seed
        self.clock = clock or Clock()
        self._start_settings = settings or Switches()
        self._store = Store(database)

    def _forget(self) -> None:
        """Empty this part's memory."""
        self._drawn = 0
        self.switches = self._start_settings

    def _load(self) -> None:
        """Fill this part's memory from the file."""
        self._drawn = self._store.get("meta", "drawn", int) or 0
        saved = self._store.get("meta", "switches", dict[str, Any])
        if saved is not None:
            self.switches = Switches().change(**saved)
        moved = self._store.get("meta", "clock", int)
        if moved is not None and self.clock.frozen_at_ms is None:
            self.clock.offset_ms = moved

    def close(self) -> None:
        """Close the file, when there is one."""
        with self.lock:
            self._store.close()

    def count(self) -> int:
        """Return a number that was never returned before, not even before a restart or a reset."""
        with self.lock:
            self._drawn += 1
            self._store.put("meta", "drawn", self._drawn)
            return self._drawn

    def draw(self, label: str) -> bytes:
        """Return 32 bytes that look random: they follow from the seed, the label and a counter."""
        return hashlib.sha256(f"{self.seed}/{label}/{self.count()}".encode()).digest()

    def digits(self, label: str, length: int) -> str:
        """Return length decimal digits drawn from the seed."""
        return str(int.from_bytes(self.draw(label), "big"))[-length:]

    def switch(self, **changes: Any) -> Switches:
        """Set some switches and return all. Raises WrongSwitch; then nothing has changed."""
        with self.lock:
            self.switches = self.switches.change(**changes)
            self._store.put("meta", "switches", self.switches.as_dict())
            return self.switches

    def advance(self, seconds: float) -> None:
        """Move the stand-in's clock by seconds."""
        with self.lock:
            self.clock.advance(seconds)
            self.keep_clock()

    def keep_clock(self) -> None:
        """Note in the file how far the clock has been moved."""
        with self.lock:
            self._store.put("meta", "clock", self.clock.offset_ms)

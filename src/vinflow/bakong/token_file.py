"""A TokenStore in a file, for processes of one machine that have no database in common."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .tokens import Token

__all__ = ["FileTokenStore"]

POLL_S = 0.02  # file locks have no waiting with a bound


class FileTokenStore:
    """A TokenStore in a file that only its owner may read; a lock file beside it.

    The first token comes from a setting; the file holds what it was renewed to. Whichever ends later is
    current, and a renewed token counts as later than the very token it was renewed from.
    """

    def __init__(self, path: str | os.PathLike[str], token: str | Token | None = None) -> None:
        """path: in a folder that exists; the file need not. token: the one from the settings."""
        self._path = Path(path)
        self._first = Token.parse(token) if isinstance(token, str) else token
        self._threads = threading.Lock()

    def current(self) -> Token | None:
        """Return the token to use now."""
        try:
            kept = json.loads(self._path.read_text("utf-8"))
            token, instead_of = Token.parse(kept["token"]), kept.get("instead_of")
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return self._first  # no file yet, or none that can be read: the setting is still there
        if self._first is None or instead_of == fingerprint(self._first):
            return token
        if token.expires_at is None or self._first.expires_at is None:
            return self._first
        return token if token.expires_at > self._first.expires_at else self._first

    @contextmanager
    def renewing(self, wait_s: float) -> Iterator[bool]:
        """See TokenStore.renewing. The system itself frees the lock of a killed process."""
        ends_s = time.monotonic() + wait_s
        if not (
            self._threads.acquire(timeout=wait_s) if wait_s > 0 else self._threads.acquire(blocking=False)
        ):
            yield False
            return
        try:
            lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                yield locked(lock, ends_s)
            finally:
                os.close(lock)  # which unlocks
        finally:
            self._threads.release()

    def replace(self, old: Token | None, new: Token) -> bool:
        """See TokenStore.replace. The file is written whole or not at all."""
        if self.current() != old:
            return False
        replaced = fingerprint(self._first) if self._first is not None else None
        handle, name = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"token": new.value, "instead_of": replaced}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        return True


def locked(lock: int, ends_s: float) -> bool:
    """Lock an open file; return False when the time is up first."""
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= ends_s:
                return False
            time.sleep(POLL_S)
        else:
            return True


def fingerprint(token: Token) -> str:
    """Return what a token can be recognised by, and not be used by."""
    return hashlib.sha256(token.value.encode()).hexdigest()[:24]

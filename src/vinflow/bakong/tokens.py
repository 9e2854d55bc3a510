"""Tokens and where they are kept. A token is a secret: no repr, message or comparison here shows one."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, Self

import msgspec

from .errors import NotConfigured
from .results import TokenInfo

__all__ = ["MemoryTokenStore", "Token", "TokenStore"]

# Visible ASCII only: anything else in a header line is a mistake or an attack.
HEADER_SAFE = re.compile(r"[\x21-\x7e]{1,4096}")


@dataclass(frozen=True, slots=True)
class Token:
    """A Bearer token and what its payload says. The signature cannot be checked by us.

    id: data.id of the payload (16 hex digits); for a token that is no JWT, "opaque-" and a digest.
    issued_at, expires_at: aware, None when the token does not say. Used for planning only.
    """

    value: str = field(repr=False)
    id: str
    issued_at: datetime | None = None
    expires_at: datetime | None = None

    name = "token"  # as an outcome

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the token in a text; a leading "Bearer " is dropped.

        Raises NotConfigured when it is empty or could not stand in a header line.
        """
        if not isinstance(text, str):
            raise NotConfigured("token", f"a token is text, not {type(text).__name__}")
        value = text.strip()
        if value[:7].lower() == "bearer ":
            value = value[7:].strip()
        if not HEADER_SAFE.fullmatch(value):
            raise NotConfigured("token", "empty, too long, or with characters that no token has")
        claims = jwt_claims(value)
        data = claims.get("data")
        token_id = data.get("id") if isinstance(data, dict) else None
        if not isinstance(token_id, str) or not re.fullmatch(r"[\w.-]{1,64}", token_id):
            token_id = "opaque-" + hashlib.sha256(value.encode()).hexdigest()[:12]
        return cls(value, token_id, moment(claims.get("iat")), moment(claims.get("exp")))

    @property
    def info(self) -> TokenInfo:
        """What may be told of it."""
        return TokenInfo(self.id, self.issued_at, self.expires_at)

    def seconds_left(self, now_s: float) -> float | None:
        """Seconds until it ends, negative when it has, None when it does not say."""
        return None if self.expires_at is None else self.expires_at.timestamp() - now_s


def jwt_claims(value: str) -> dict[str, Any]:
    """Return the payload of a JWT, {} when it is none. Nothing is verified."""
    parts = value.split(".")
    if len(parts) != 3:
        return {}
    try:
        # base64url as JWTs write it: without padding
        payload = base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4))
        claims = msgspec.json.decode(payload)
    except (ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def moment(seconds: object) -> datetime | None:
    """Return the aware moment of epoch seconds, None when it is no sensible number."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return None
    if not 0 < seconds < 32_503_680_000:  # the year 3000; NaN fails this too
        return None
    return datetime.fromtimestamp(seconds, UTC)


class TokenStore(Protocol):
    """Where the one current token lives, shared by whoever uses it: threads, tasks, processes, machines.

    All three are called rarely (at the start, about once a minute, and around a renewal), and by the
    async client from a worker thread of its own, always the same one.
    """

    def current(self) -> Token | None:
        """Return the token to use now, None when there is none yet."""
        ...

    def renewing(self, wait_s: float) -> AbstractContextManager[bool]:
        """Return a lock that one renewer at a time holds, across everyone who shares the store.

        Entering gives True when the lock is held; False when *wait_s* ran out, and then nothing is held.
        wait_s 0: try once. The holder makes at most two requests before leaving, so a lock that was
        never left (a killed process) may be taken over after two minutes.
        """
        ...

    def replace(self, old: Token | None, new: Token) -> bool:
        """Make *new* the current token if *old* still is; return whether it was done.

        *new* has been used successfully before this is called. The change is durable on return.
        """
        ...


class MemoryTokenStore:
    """A TokenStore for one process: threads and tasks share it."""

    def __init__(self, token: str | Token | None = None) -> None:
        """token: the first token, None to have the client ask for one by e-mail."""
        self._token = Token.parse(token) if isinstance(token, str) else token
        self._renewing = threading.Lock()
        self._guard = threading.Lock()

    def current(self) -> Token | None:
        """Return the token to use now."""
        return self._token

    @contextmanager
    def renewing(self, wait_s: float) -> Iterator[bool]:
        """See TokenStore.renewing."""
        held = (
            self._renewing.acquire(timeout=wait_s) if wait_s > 0 else self._renewing.acquire(blocking=False)
        )
        try:
            yield held
        finally:
            if held:
                self._renewing.release()

    def replace(self, old: Token | None, new: Token) -> bool:
        """See TokenStore.replace."""
        with self._guard:
            if self._token != old:
                return False
            self._token = new
            return True

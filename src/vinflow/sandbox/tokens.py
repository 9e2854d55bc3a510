"""Bearer tokens as Bakong issues them: JSON Web Tokens signed with HMAC-SHA256, written out by hand.

The shape is what real tokens show: header {"alg","typ"}, payload {"data":{"id": 16 hex}, "iat", "exp"},
90 days between the two. A hosted token also names its merchant, so that the token alone decides which
dialect is spoken, even to a stand-in that has been restarted since.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from dataclasses import dataclass
from functools import lru_cache

import msgspec

__all__ = ["LIFE_S", "MARK", "Claims", "issue", "read"]

LIFE_S = 7_776_000  # 90 days; tokens of 2021 to 2023 had 93
MARK = {"sandbox": "53424f58", "sit": "5349545f", "production": "50524f44"}  # first half of a token's id

_HEADER = b'{"alg":"HS256","typ":"JWT"}'
_LONGEST = 4096  # longer than any token of ours; keeps the work on nonsense small


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says: who it is, from when to when (epoch seconds), and whose merchant it is, if any."""

    id: str
    issued_s: int
    expires_s: int
    merchant: str | None = None

    @property
    def environment(self) -> str | None:
        """The environment marked in the id, None for an id that carries no mark of ours."""
        for name, mark in MARK.items():
            if self.id.startswith(mark):
                return name
        return None


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def _raw(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


def _sign(secret: bytes, signed: str) -> bytes:
    return hmac.new(secret, signed.encode("ascii"), hashlib.sha256).digest()


def issue(claims: Claims, secret: bytes) -> str:
    """Return the token of these claims: three base64url parts, about 172 characters."""
    data: dict[str, str] = {"id": claims.id}
    if claims.merchant is not None:
        data["merchant"] = claims.merchant
    payload = msgspec.json.encode({"data": data, "iat": claims.issued_s, "exp": claims.expires_s})
    signed = f"{_text(_HEADER)}.{_text(payload)}"
    return f"{signed}.{_text(_sign(secret, signed))}"


@lru_cache(
    maxsize=1000
)  # a shop shows the same token at every call, and the signature costs more than the answer
def read(token: str, secret: bytes) -> Claims | None:
    """Return what a token says when its signature is ours, else None. Its time is not looked at."""
    if len(token) > _LONGEST or not token.isascii() or token.count(".") != 2:
        return None
    signed, _, signature = token.rpartition(".")
    try:
        if not hmac.compare_digest(_raw(signature), _sign(secret, signed)):
            return None
        header, payload = (msgspec.json.decode(_raw(part)) for part in signed.split("."))
        if header["alg"] != "HS256":
            return None
        data = payload["data"]
        merchant = data.get("merchant")
        return Claims(
            str(data["id"]),
            int(payload["iat"]),
            int(payload["exp"]),
            None if merchant is None else str(merchant),
        )
    except (
        ValueError,
        binascii.Error,
        KeyError,
        TypeError,
        AttributeError,
        msgspec.DecodeError,
        RecursionError,
    ):
        return None

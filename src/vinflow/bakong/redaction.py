"""What must never be stored is taken out at the door, before anything reads or keeps an answer."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import Any

from .tokens import Token

__all__ = ["clean_answer", "clean_request"]

GONE = "[redacted]"
SECRET_LENGTH_MIN = 16  # "test" is no secret, and taking it out everywhere would spoil the answer
# Any JWT, not only ours: a server may echo an older token, or another shop's.
JWT = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


# What a renewal gives, also when it is no JWT and so no token to us.
TOKEN_FIELD = re.compile(rb'("token"\s*:\s*)"(?:[^"\\]|\\.)*"')


def clean_answer(body: bytes, token: Token | None, email: str | None) -> bytes:
    """Return the body of an answer without tokens and without the e-mail, however they were echoed."""
    if token is not None and len(token.value) >= SECRET_LENGTH_MIN:
        body = body.replace(token.value.encode(), GONE.encode())
    if b'"token"' in body:
        body = TOKEN_FIELD.sub(rb'\1"' + GONE.encode() + b'"', body)
    if b"eyJ" in body:
        body = JWT.sub(GONE.encode(), body)
    if email is not None and (found := email_pattern(email)).search(body):
        body = found.sub(GONE.encode(), body)
    return body


@lru_cache(maxsize=16)
def email_pattern(email: str) -> re.Pattern[bytes]:
    """Return a pattern of an e-mail in any case, with its @ plain, escaped in JSON, or in a URL."""
    name, _, host = email.partition("@")
    at = rb"(?:@|\\+u0040|%40|&#64;)"
    # Bounded, so that the account "shop@bank" is not found inside another one.
    whole = rb"(?<![\w.+-])" + re.escape(name.encode()) + at + re.escape(host.encode()) + rb"(?![\w-])"
    return re.compile(whole, re.I)


def clean_request(body: Any) -> Any:
    """Return the body of a request fit to be stored: the e-mail of a renewal out, an amount as text."""
    if not isinstance(body, dict):
        return body
    kept = {key: GONE if key == "email" else value for key, value in body.items()}
    return {key: str(value) if isinstance(value, Decimal) else value for key, value in kept.items()}

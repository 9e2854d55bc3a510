"""Faults on order: which call, how many times, and what the other side sees instead of the answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from vinflow.sandbox.answers import (
    Answer,
    Manner,
    cloudfront_page,
    failure,
    json_answer,
    nginx_page,
)
from vinflow.sandbox.errors import WrongFault

__all__ = ["ITEM_STYLES", "STYLES", "Fault"]

ITEM_STYLES = ("SERVICE_FAILED", "EMPTY_SUCCESS")  # what one item of a list answer can be made to say
DELAY_S_MAX = 600.0
BIG = b" " * 1_100_000  # over the mebibyte that a careful client reads


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong. Frozen; once() returns what is left of it.

    call: a call's name ("check_transaction_by_md5"), "*" for all ten.
    style: one of STYLES. times: how often it strikes, None until cleared.
    status, code, message, retry_after_s, location, body: details that some styles read.
    delay_s: real seconds before the answer; with the style "slow" the true answer follows.
    skip: how many matching calls pass untouched first.
    """

    call: str = "*"
    style: str = "nginx"
    times: int | None = None
    status: int | None = None
    code: int | None = None
    message: str | None = None
    retry_after_s: int | None = None
    location: str | None = None
    body: str | None = None
    content_type: str = "application/json"
    delay_s: float = 0.0
    skip: int = 0
    id: int = 0

    def checked(self, calls: frozenset[str]) -> Self:
        """Return itself when its call and numbers make sense. Raises WrongFault."""
        if self.call != "*" and self.call not in calls:
            raise WrongFault(f"no call is named {self.call!r}")
        if self.style not in STYLES:
            raise WrongFault(f"no style is named {self.style!r}; there are {', '.join(sorted(STYLES))}")
        whole = {
            "times": (self.times, 1, 1_000_000),
            "status": (self.status, 200, 599),
            "code": (self.code, -1_000_000, 1_000_000),
            "retry_after_s": (self.retry_after_s, 0, 1_000_000),
            "skip": (self.skip, 0, 1_000_000),
        }
        for name, (value, least, most) in whole.items():
            if value is not None and (type(value) is not int or not least <= value <= most):
                raise WrongFault(f"{name} is a whole number from {least} to {most}, not {value!r}")
        if type(self.delay_s) not in (int, float) or not 0 <= self.delay_s <= DELAY_S_MAX:
            raise WrongFault(f"delay_s is 0 to {DELAY_S_MAX:g} seconds, not {self.delay_s!r}")
        for name, text in (
            ("message", self.message),
            ("location", self.location),
            ("body", self.body),
            ("content_type", self.content_type),
        ):
            if text is not None and not isinstance(text, str):
                raise WrongFault(f"{name} is text, not {text!r}")
        for text in (self.location, self.content_type):
            # these two become header lines
            if text is not None and (not text.isascii() or any(ord(c) < 32 or ord(c) == 127 for c in text)):
                raise WrongFault(f"{text!r} cannot stand in a header")
        return self

    def once(self) -> Self | None:
        """Return what is left after one matching call, None when it is used up."""
        if self.skip:
            return replace(self, skip=self.skip - 1)
        if self.times is None:
            return self
        return replace(self, times=self.times - 1) if self.times > 1 else None

    def answer(self, true: Callable[[], Answer]) -> Answer:
        """Return the spoilt answer. true: makes the answer that would have been, for styles that need it."""
        return replace(STYLES[self.style](self, true), delay_s=float(self.delay_s))

    def as_dict(self) -> dict[str, Any]:
        """Return the fault's details that are set, by name."""
        return {
            name: value for name in self.__dataclass_fields__ if (value := getattr(self, name)) is not None
        }


def _page(fault: Fault, true: Callable[[], Answer]) -> Answer:
    status = fault.status or 403
    wait = () if fault.retry_after_s is None else (("retry-after", str(fault.retry_after_s)),)
    return nginx_page(status, wait)


def _cloudfront(fault: Fault, true: Callable[[], Answer]) -> Answer:
    return cloudfront_page(fault.status or 403)


def _code(fault: Fault, true: Callable[[], Answer]) -> Answer:
    return failure(1 if fault.code is None else fault.code, status=fault.status or 200, message=fault.message)


def _unauthorized(fault: Fault, true: Callable[[], Answer]) -> Answer:
    return failure(6, status=fault.status or 401, message=fault.message)


def _quota(fault: Fault, true: Callable[[], Answer]) -> Answer:
    return failure(17, status=fault.status or 200, message=fault.message, quota=100)


def _throttled(fault: Fault, true: Callable[[], Answer]) -> Answer:
    wait = () if fault.retry_after_s is None else (("retry-after", str(fault.retry_after_s)),)
    return nginx_page(fault.status or 429, wait)


def _redirect(fault: Fault, true: Callable[[], Answer]) -> Answer:
    return nginx_page(fault.status or 302, (("location", fault.location or "https://elsewhere.invalid/"),))


def _raw(fault: Fault, true: Callable[[], Answer]) -> Answer:
    body = (fault.body or "").encode("utf-8", "replace")
    return Answer(fault.status or 200, body, fault.content_type)


def _login(fault: Fault, true: Callable[[], Answer]) -> Answer:
    page = (
        "<!doctype html><title>Log in</title><form method=post><input name=user><input name=password></form>"
    )
    return Answer(fault.status or 200, page.encode(), "text/html; charset=utf-8")


def _truncated(fault: Fault, true: Callable[[], Answer]) -> Answer:
    whole = true()
    return replace(whole, body=whole.body[: len(whole.body) // 2])


def _as_text(fault: Fault, true: Callable[[], Answer]) -> Answer:
    whole = true()
    body = whole.body.replace(b'"responseCode":0', b'"responseCode":"0"')
    return replace(whole, body=body.replace(b'"responseCode":1', b'"responseCode":"1"'))


def _data_null(fault: Fault, true: Callable[[], Answer]) -> Answer:
    return json_answer(
        {
            "responseCode": 0,
            "responseMessage": fault.message or "Getting transaction successfully.",
            "errorCode": None,
            "data": None,
        }
    )


def _garbage(fault: Fault, true: Callable[[], Answer]) -> Answer:
    # The same bytes for the same fault, so that a run repeats.
    noise = b"".join(hashlib.sha256(f"{fault.id}.{n}".encode()).digest() for n in range(16))
    return Answer(fault.status or 200, noise)


def _spoilt(manner: Manner) -> Callable[[Fault, Callable[[], Answer]], Answer]:
    def spoil(fault: Fault, true: Callable[[], Answer]) -> Answer:
        return replace(true(), manner=manner)

    return spoil


def _dropped(manner: Manner) -> Callable[[Fault, Callable[[], Answer]], Answer]:
    def drop(fault: Fault, true: Callable[[], Answer]) -> Answer:
        return Answer(fault.status or 500, b"", manner=manner)

    return drop


STYLES: Mapping[str, Callable[[Fault, Callable[[], Answer]], Answer]] = {
    "nginx": _page,  # an HTML page of any status, 403 unless told otherwise
    "cloudfront": _cloudfront,
    "code": _code,  # an envelope with any errorCode, known or not
    "unauthorized": _unauthorized,
    "quota": _quota,
    "throttled": _throttled,
    "redirect": _redirect,
    "raw": _raw,  # any text as body
    "empty": lambda fault, true: Answer(fault.status or 200, b""),
    "array": lambda fault, true: Answer(fault.status or 200, b"[" + true().body + b"]"),
    "truncated": _truncated,  # half of the JSON, and the head agrees with it
    "code_as_text": _as_text,
    "data_null": _data_null,
    "login_page": _login,
    "garbage": _garbage,  # a body of noise
    "too_large": lambda fault, true: Answer(fault.status or 200, true().body + BIG),
    "slow": lambda fault, true: true(),  # the true answer, delay_s late
    "reset": _dropped(Manner.RESET),  # before any work is done
    "reset_after": _spoilt(Manner.RESET),  # the work is done and the answer lost
    "hang": _dropped(Manner.HANG),
    "hang_after": _spoilt(Manner.HANG),
    "drip": _spoilt(Manner.DRIP),
    "cut": _spoilt(Manner.CUT),
    "noise": _dropped(Manner.NOISE),
}

"""One request in, one answer out, before any socket: the JSON envelope and the HTML pages of the edge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import lru_cache
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

import msgspec

__all__ = [
    "MESSAGES",
    "NOT_JSON",
    "Answer",
    "Manner",
    "Request",
    "cloudfront_page",
    "envelope",
    "failure",
    "json_answer",
    "json_value",
    "nginx_page",
    "redirect",
]

# The wording of the live service where it is known, of the documents elsewhere.
MESSAGES: Mapping[int, str] = {
    1: "Transaction could not be found. Please check and try again.",
    2: "Sorry, the system does not support static QR code.",
    3: "Transaction failed.",
    4: "Error occurred on requesting deeplink from provider.",
    5: "Missing required fields.",
    6: "Unauthorized, not yet requested for token or code invalid",
    7: "Email server has been down.",
    8: "Email has been registered already.",
    9: "Cannot connect to server. Please try again later.",
    10: "Not registered yet",
    11: "Account ID not found",
    12: "Account ID is invalid",
    17: "Daily request limit of {quota} exceeded. Please try again tomorrow.",
}


class Manner(StrEnum):
    """How an answer travels: whole, or spoilt on its way."""

    WHOLE = "whole"
    RESET = "reset"  # the connection is reset instead
    HANG = "hang"  # nothing comes, for as long as the other side waits
    DRIP = "drip"  # one byte at a time
    CUT = "cut"  # the head promises more body than comes
    NOISE = "noise"  # bytes that are no HTTP at all


@lru_cache(maxsize=1024)
def _path_of(target: str) -> str:
    return unquote(target.split("?", 1)[0], errors="replace")


@dataclass(frozen=True, slots=True)
class Request:
    """What arrived. headers: names in lower case, the last of a repeated one. base: scheme and host asked."""

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    base: str = "http://sandbox.invalid"
    peer: str = ""

    @property
    def path(self) -> str:
        """The path, percent-decoded, without the query."""
        return _path_of(self.target)

    @property
    def query(self) -> dict[str, str]:
        """The query's fields, the first of a repeated name."""
        _, _, text = self.target.partition("?")
        try:
            return {name: values[0] for name, values in parse_qs(text, max_num_fields=50).items()}
        except ValueError:
            return {}


@dataclass(frozen=True, slots=True)
class Answer:
    """What leaves. delay_s: real seconds before the first byte. spoilt: why, for the log."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    manner: Manner = Manner.WHOLE
    delay_s: float = 0.0


# Decimals leave as JSON numbers with the very digits they have: 9800.0 and 9800 are two answers.
_ENCODER = msgspec.json.Encoder(decimal_format="number")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class NotJson:
    """The one value that stands for a body which is no JSON."""


NOT_JSON = NotJson()


def json_value(body: bytes) -> Any:
    """Return the value of a JSON body, numbers with a point as Decimal; NOT_JSON when it is none."""
    try:
        return _DECODER.decode(body)
    except (msgspec.DecodeError, ValueError, ArithmeticError, RecursionError):
        return NOT_JSON


def json_answer(value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return an answer that holds value as JSON."""
    return Answer(status, _ENCODER.encode(value), headers=headers)


def envelope(message: str, data: Any, *, error_code: bool = True, reverse: bool = False) -> Answer:
    """Return a success: HTTP 200, responseCode 0. error_code: whether "errorCode": null stands in it."""
    body: dict[str, Any] = {"responseCode": 0, "responseMessage": message}
    if error_code:
        body["errorCode"] = None
    body["data"] = data
    return json_answer(dict(reversed(body.items())) if reverse else body)


def failure(code: int, *, status: int = 200, message: str | None = None, quota: int | None = None) -> Answer:
    """Return a failure: responseCode 1, errorCode code, data null; the documented text unless told."""
    text = MESSAGES.get(code, "Unknown error.") if message is None else message
    if quota is not None:
        text = text.format(quota=quota)
    return json_answer(
        {"responseCode": 1, "responseMessage": text, "errorCode": code, "data": None}, status=status
    )


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def nginx_page(status: int, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return the HTML page nginx shows for a status."""
    title = f"{status} {_phrase(status)}"
    page = (
        f"<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n"
        "<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
    )
    return Answer(status, page.encode(), "text/html", headers)


def cloudfront_page(status: int) -> Answer:
    """Return the HTML page a content network shows in front of an origin that it will not serve."""
    page = (
        '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01 Transitional//EN" "http://www.w3.org/TR/html4/loose.dtd">\n'
        "<HTML><HEAD><TITLE>ERROR: The request could not be satisfied</TITLE></HEAD><BODY>\n"
        f'<H1>{status} ERROR</H1>\n<H2>The request could not be satisfied.</H2>\n<HR noshade size="1px">\n'
        "Request blocked. We can't connect to the server for this app or website at this time.\n"
        '<BR clear="all">\n<HR noshade size="1px">\n<PRE>\nGenerated by cloudfront (CloudFront)\n</PRE>\n'
        "</BODY></HTML>"
    )
    headers = (("x-cache", "Error from cloudfront"), ("via", "1.1 sandbox.cloudfront.net (CloudFront)"))
    return Answer(status, page.encode(), "text/html", headers)


def redirect(location: str, status: int = 303, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    """Return an answer that sends the browser to location."""
    return Answer(status, b"", "text/html; charset=utf-8", (("location", location), *headers))

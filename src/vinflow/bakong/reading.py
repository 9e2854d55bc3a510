"""How an answer is read: a table, top to bottom, the first row that fits wins.

    row  what came                                              what it means
     1   no answer, or not a whole one                          CannotTell(NETWORK, TIMEOUT, TOO_LARGE)
     2   3xx                                                    CannotTell(REDIRECT)
     3   401, or errorCode 6                                    CannotTell(AUTH)
     4   errorCode 17 or 19, or words that speak of a quota     CannotTell(QUOTA)
     5   429                                                    CannotTell(THROTTLED)
     6   403                                                    CannotTell(BLOCKED)
     7   5xx, or errorCode 9                                    CannotTell(UPSTREAM)
     8   404 or 405 without an envelope                         CannotTell(CONFIG)
     9   400, or errorCode 5                                    CannotTell(BAD_REQUEST)
    10   any other status but 200                               CannotTell(UNEXPECTED)
    11   no JSON object with a whole number responseCode        CannotTell(MALFORMED)
    12   responseCode 0 with a transfer                         Found
    13   responseCode 0 with anything else                      CannotTell(MALFORMED): money may be there
    14   responseCode 1, errorCode 3; or 1 and it says "failed" Failed
    15   responseCode 1, errorCode 2                            StaticQr
    16   responseCode 1, errorCode 1, status 200                NotFound, and nothing else is
    17   anything else                                          CannotTell(UNKNOWN_CODE)

`envelope` is rows 2 to 11, which all calls share; `read_check` is the whole table.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Any

import msgspec

from .results import CannotTell, Failed, Found, NotFound, Outcome, Reason, StaticQr
from .transfers import Number, Unreadable, read_transfer
from .wire import Reply

__all__ = ["Envelope", "answered_at", "decode", "envelope", "read_check"]

# Never through float: a JSON number with a point stays in the digits it was sent with.
JSON = msgspec.json.Decoder(float_hook=Number)
WHOLE = re.compile(r"(-?[0-9]{1,18})\.0+")
NOTHING = object()  # what `decode` gives for what is no JSON; None would be JSON's null

QUOTA_CODES = (17, 19)
# Never the bare word "limit": it stands in too many other sentences.
QUOTA_WORDS = re.compile(r"daily (?:request )?limit|quota", re.I)
# These name HTTP 429 itself, so beside a 429 they say nothing about the day.
PACE_WORDS = re.compile(r"too many request|rate.?limit", re.I)
FAILED_WORDS = re.compile(r"fail", re.I)
NOT_FOUND_WORDS = re.compile(r"could not be found|not found", re.I)

RETRY_AFTER_DEFAULT_S = 60.0
RETRY_AFTER_MAX_S = 86_400.0
DETAIL_LENGTH_MAX = 200


@dataclass(frozen=True, slots=True)
class Envelope:
    """A readable answer with HTTP status 200: what every call of the Open API answers with."""

    response_code: int
    error_code: int | None
    message: str
    data: Any
    document: dict[str, Any]
    answered_at: datetime | None


def decode(body: bytes) -> Any:
    """Return the JSON value in a body, NOTHING when it is not JSON. Numbers with a point are Number."""
    try:
        value = JSON.decode(body)
    except (ValueError, RecursionError):  # DecodeError and UnicodeDecodeError are ValueErrors
        return NOTHING
    return without_nul(value) if b"\\u0000" in body else value


def without_nul(value: Any) -> Any:
    """Return a JSON value with every NUL replaced: PostgreSQL has no place for one in text or JSON."""
    if type(value) is str:
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {without_nul(key): without_nul(item) for key, item in value.items()}
    return value


@lru_cache(maxsize=64)  # a second has one Date, and many answers
def answered_at(date: str | None) -> datetime | None:
    """Return the moment of a Date header, aware; None when there is none or it cannot be read."""
    if not date:
        return None
    try:
        moment = parsedate_to_datetime(date)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def retry_after_s(reply: Reply) -> float | None:
    """Return the seconds a Retry-After header asks for (seconds or a date), None without a usable one."""
    text = (reply.retry_after or "").strip()
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(float(text), RETRY_AFTER_MAX_S)
    until, now = answered_at(text), answered_at(reply.date)
    if until is None or now is None:
        return None
    return min(max((until - now).total_seconds(), 0.0), RETRY_AFTER_MAX_S)


def whole(value: object) -> int | None:
    """Return a JSON number that is whole in meaning (17, 17.0) as int, else None. true is no number."""
    if type(value) is int:
        return value
    if isinstance(value, Number) and (digits := WHOLE.fullmatch(value)):
        return int(digits[1])
    return None


def brief(text: object) -> str:
    """Return words of an answer fit for one line of a log."""
    return " ".join(str(text).split())[:DETAIL_LENGTH_MAX]


def envelope(reply: Reply) -> Envelope | CannotTell:
    """Return the envelope of an answer, or what rows 2 to 11 of the table make of it."""
    status = reply.status
    document = decode(reply.body)
    enveloped = isinstance(document, dict) and ("responseCode" in document or "errorCode" in document)
    fields: dict[str, Any] = document if isinstance(document, dict) else {}
    code = whole(fields.get("errorCode"))
    text = fields.get("responseMessage", fields.get("message"))
    message = brief(text) if isinstance(text, str) else ""
    at = answered_at(reply.date)

    def cannot(reason: Reason, detail: str, wait_s: float | None = None) -> CannotTell:
        wait_s = wait_s if wait_s is not None else retry_after_s(reply) if reply.retry_after else None
        said = f"{detail}: {message}" if message else detail
        return CannotTell(reason, said, code, wait_s, at, status)

    if 300 <= status < 400:
        return cannot(Reason.REDIRECT, f"HTTP {status}, not followed")
    if status == 401 or code == 6:
        return cannot(Reason.AUTH, "the token was refused")
    if code in QUOTA_CODES or speaks_of_quota(status, fields.get("responseCode"), message):
        return cannot(Reason.QUOTA, "the day's calls are spent")
    if status == 429:
        wait_s = retry_after_s(reply)
        return cannot(Reason.THROTTLED, "HTTP 429", RETRY_AFTER_DEFAULT_S if wait_s is None else wait_s)
    if status == 403:
        return cannot(Reason.BLOCKED, "HTTP 403: this machine or this call is refused")
    if 500 <= status < 600 or code == 9:
        return cannot(Reason.UPSTREAM, f"HTTP {status}: Bakong is out of order")
    if status in (404, 405) and not enveloped:
        return cannot(Reason.CONFIG, f"HTTP {status}: no such call at this address")
    if status == 400 or code == 5:
        return cannot(Reason.BAD_REQUEST, f"HTTP {status}: the question was refused")
    if status != 200:
        return cannot(Reason.UNEXPECTED, f"HTTP {status}")
    if document is NOTHING:
        kind = brief(reply.content_type or "no content type")[:60]
        return cannot(Reason.MALFORMED, f"no JSON in {len(reply.body)} bytes ({kind})")
    response_code = fields.get("responseCode")
    if type(response_code) is not int:  # true, 0.0 and "0" are not the documented answer
        return cannot(Reason.MALFORMED, "JSON without a whole number responseCode")
    return Envelope(response_code, code, message, fields.get("data"), fields, at)


def speaks_of_quota(status: int, response_code: object, message: str) -> bool:
    """Do the words of a refusal speak of the day's quota? A success is never searched for words."""
    if not message or response_code == 0:
        return False
    if QUOTA_WORDS.search(message):
        return True
    return status != 429 and PACE_WORDS.search(message) is not None


def says_failed(message: str) -> bool:
    """One document gives "Transaction failed" the code of "not found": then the words decide."""
    return FAILED_WORDS.search(message) is not None and NOT_FOUND_WORDS.search(message) is None


def unknown(answer: Envelope) -> CannotTell:
    """Row 17: a code that no document names for this call."""
    detail = f"responseCode {answer.response_code}, errorCode {answer.error_code}: {answer.message}"
    return CannotTell(Reason.UNKNOWN_CODE, detail, answer.error_code, None, answer.answered_at, 200)


def malformed(answer: Envelope, why: str) -> CannotTell:
    """Row 13 and its kin: money may be behind an answer that cannot be read."""
    return CannotTell(Reason.MALFORMED, why, answer.error_code, None, answer.answered_at, 200)


def read_check(reply: Reply, *, about: Callable[[str], bool] | None = None) -> Outcome:
    """Return what an answer to one look-up means, by the table above.

    about: says whether a transfer hash can be what was asked for; an answer about another transfer
    cannot be read. None when the question names no hash.
    """
    answer = envelope(reply)
    if isinstance(answer, CannotTell):
        return answer
    at = answer.answered_at
    match answer.response_code, answer.error_code:
        case 0, _:
            try:
                transfer = read_transfer(answer.data)
            except Unreadable as fault:
                return malformed(answer, f"success, but {fault}")
            if about is not None and not about(transfer.hash):
                return malformed(answer, "success, but about another transfer than was asked for")
            return Found(transfer, answer.document, at)
        case 1, 3:
            return Failed(at)
        case 1, 2:
            return StaticQr(at)
        case 1, 1 if answer.data:
            return malformed(answer, "not found, yet with data")
        case 1, 1:
            return Failed(at) if says_failed(answer.message) else NotFound(at)
    return unknown(answer)

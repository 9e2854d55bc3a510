"""One request in, one answer out: the codec in the schema of the test vectors.

A team that writes KHQR in another language can check itself with `vinflow khqr batch`, and our own
tests run the vectors through it. Requests are what json.loads() gives, so anything at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from vinflow.money import Currency

from .decoder import read_fields
from .digest import md5
from .encoder import encode
from .errors import KHQRError, MissingField, NotText, UnknownValue
from .payload import Individual, Merchant
from .verifier import verify

__all__ = ["answer", "answer_line", "payload_of"]

OURS = frozenset({"operation", "input", "now_ms"})


def answer_line(line: str | bytes, *, now_ms: int | None = None) -> str:
    """Return the answer to one line of JSON as one line of JSON, ASCII, without the newline.

    Never raises: a line that is no JSON object is answered with code 8 like any other bad input.
    """
    try:
        text = line if isinstance(line, str) else line.decode()
        request = json.loads(text, parse_int=_int)
    except (ValueError, RecursionError):  # UnicodeDecodeError and JSONDecodeError are ValueErrors
        return json.dumps(_refusal(NotText("one JSON object a line wanted")))
    return json.dumps(answer(request, now_ms=now_ms))


def _int(digits: str) -> int | float:
    # int() refuses more than 4300 digits, and JavaScript has none of them anyway.
    return int(digits) if len(digits) <= 400 else float(digits)


def answer(request: object, *, now_ms: int | None = None) -> dict[str, Any]:
    """Return the answer to one request: {"operation", "input", "now_ms"} and any other keys.

    encode: {"ok": true, "qr", "md5"}. decode: {"ok": true, "fields": 25 of them}. verify: {"ok":
    true, "valid", "reason_code"}. Refused: {"ok": false, "error_code", "error_name", "message"}.
    Other keys of the request, such as "id", are given back. now_ms: for requests without their own.
    """
    if not isinstance(request, Mapping):
        return _refusal(NotText("one JSON object a line wanted"))
    echo = {key: value for key, value in request.items() if key not in OURS}
    try:
        return {**echo, **_result(request, now_ms)}
    except KHQRError as error:
        return {**echo, **_refusal(error)}


def _refusal(error: KHQRError) -> dict[str, Any]:
    return {"ok": False, "error_code": error.code, "error_name": error.name, "message": error.message}


def _result(request: Mapping[str, Any], now_ms: int | None) -> dict[str, Any]:
    given = request.get("input")
    if not isinstance(given, Mapping):
        raise NotText("an input object wanted", field="input")
    now = _whole(request.get("now_ms"))
    if now is None:
        now = now_ms
    operation = request.get("operation")
    if operation == "encode":
        qr = encode(payload_of(given, now_ms=now))
        return {"ok": True, "qr": qr, "md5": md5(qr)}
    if operation == "decode":
        return {"ok": True, "fields": read_fields(given.get("qr"))}  # type: ignore[arg-type]
    if operation == "verify":
        if now is None:
            raise UnknownValue("whole milliseconds wanted", field="now_ms")
        verdict = verify(given.get("qr"), now_ms=now)  # type: ignore[arg-type]
        return {"ok": True, "valid": verdict.valid, "reason_code": verdict.code}
    raise UnknownValue("encode, decode or verify wanted", field="operation")


OPTIONAL = (
    "bill_number",
    "mobile_number",
    "store_label",
    "terminal_label",
    "purpose_of_transaction",
    "language_preference",
    "merchant_name_alternate_language",
    "merchant_city_alternate_language",
    "upi_merchant_account",
    "acquiring_bank",
)
DIGITS = re.compile(r"-?[0-9]{1,20}")


def payload_of(given: Mapping[str, Any], *, now_ms: int | None) -> Individual | Merchant:
    """Return the payload of an encode input of the vectors; now_ms becomes the creation time.

    Numbers are read by value and written the shortest way: 1.0 is "1", 1.5 is "1.5". What no field
    may hold is handed on as it is, for encode() to refuse by name. Raises MissingField (5) for a
    merchant_type that is neither "individual" nor "merchant".
    """
    kind = given.get("merchant_type")
    if kind not in ("individual", "merchant"):
        raise MissingField("individual or merchant wanted", code=5, field="merchant_type")
    fields: dict[str, Any] = {name: given.get(name) for name in OPTIONAL}
    fields["currency"] = CURRENCIES.get(_digits(given.get("currency")), given.get("currency"))
    fields["amount"] = _amount(given.get("amount"))
    fields["creation_timestamp"] = now_ms
    fields["expiration_timestamp"] = _expiration(given.get("expiration_timestamp"))
    fields["merchant_category_code"] = _digits(given.get("merchant_category_code"))
    fields["merchant_city"] = given.get("merchant_city")
    account, name = given.get("bakong_account_id"), given.get("merchant_name")
    if kind == "individual":
        fields["account_information"] = given.get("account_information")
        return Individual(cast("str", account), cast("str", name), **fields)
    fields["merchant_id"] = given.get("merchant_id")
    return Merchant(cast("str", account), cast("str", name), **fields)


CURRENCIES: dict[object, Currency] = {entry.numeric: entry for entry in Currency}


def _whole(value: object) -> int | None:
    """Return a JSON number of no fraction as an int, else None."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _digits(value: object) -> object:
    """Return a whole number as text, anything hashable else as it is; 0 is "not given"."""
    number = _whole(value)
    if number is not None:
        return str(number) if number else None
    return value if isinstance(value, str | float | bool | None) else repr(type(value))


def _amount(value: object) -> Any:
    if isinstance(value, bool):
        return value
    number = _whole(value)
    if number is not None:
        return str(number) if abs(number) < 10**20 else "1e20"
    # repr() of a float is its shortest text, as JavaScript's; with an exponent it is refused either way.
    return repr(value) if isinstance(value, float) else value


def _expiration(value: object) -> Any:
    if isinstance(value, str):
        return int(value) if DIGITS.fullmatch(value) else None
    number = _whole(value)
    return value if number is None else number

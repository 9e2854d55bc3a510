"""Is this a KHQR that a bank will take now?

The rules and their order are the official SDK's, which answers only yes or no; the code says why.
Where it lets a forgery or an unreadable text pass (a repeated tag, an expiry out of reach, "abc" as
an amount) the answer here is no: docs/khqr.md lists every such difference.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import dataclass

from .codes import CODES, KHQR_INVALID
from .errors import (
    BrokenText,
    FieldTooLong,
    KHQRError,
    MissingField,
    UnknownValue,
    WrongChecksum,
)
from .shortcut import HEX
from .tags import ACCOUNT, CONTROL
from .tlv import HEADERS, fields_of, in_units

__all__ = ["Verdict", "verify"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to "may this be paid?": true or false, and why not.

    code, name: the official ones, None when valid. path: the tag at fault, "" when none is.
    """

    valid: bool
    code: int | None = None
    name: str | None = None
    path: str = ""

    def __bool__(self) -> bool:
        return self.valid

    @property
    def error(self) -> KHQRError | None:
        """The same as an exception to raise, None when valid."""
        if self.code is None:
            return None
        if self.code == KHQR_INVALID:
            kind: type[KHQRError] = WrongChecksum if self.path == "63" else BrokenText
        elif self.code in MISSING:
            kind = MissingField
        elif "LENGTH" in CODES[self.code][0]:
            kind = FieldTooLong
        else:
            kind = UnknownValue
        return kind(code=self.code, path=self.path)


MISSING = frozenset(code for code, (name, _) in CODES.items() if name.endswith("_REQUIRED"))

VALID = Verdict(True)
Fault = tuple[int, str]  # (code, path)


def _no(code: int, path: str) -> Verdict:
    return Verdict(False, code, CODES[code][0], path)


def verify(text: str, *, now_ms: int) -> Verdict:
    """Return whether a text is a KHQR that may be paid at that moment.

    now_ms: epoch milliseconds. A dynamic KHQR may still be paid at its very last millisecond.
    Never raises for any text; what is no text is not valid (code 8). Order of the questions:
    the form of tag 63, the checksum, clean tag-length-value text, dynamic without amount (47) or
    times (45), an amount without times (45), the first required tag that is missing, then each
    known tag in the order of the text, and last control characters (8).
    Raises UnknownValue for a now_ms that is no whole number.
    Source: npm bakong-khqr 1.0.20, its internal validator.

    >>> verify("00020101021129170013sok_dara@aclb5204599953031165802KH5908Sok Dara6010Phnom Penh63046D8E",
    ...        now_ms=1735689600000)
    Verdict(valid=True, code=None, name=None, path='')
    """
    if type(now_ms) is not int:
        raise UnknownValue(f"whole milliseconds wanted, not {type(now_ms).__name__}", field="now_ms")
    try:
        if text[-8:-4] != "6304":
            return _no(KHQR_INVALID, "63")
        crc = crc_hqx(text[:-4].encode(), 0xFFFF)
        if HEX[crc >> 8] + HEX[crc & 255] != text[-4:].upper():
            return _no(KHQR_INVALID, "63")
        tops = fields_of(text if text.isascii() else in_units(text))
    except (AttributeError, KeyError, TypeError, UnicodeEncodeError):  # no text, or half a surrogate pair
        return _no(KHQR_INVALID, "")
    except BrokenText as error:
        return _no(KHQR_INVALID, error.path)
    if "29" in tops and "30" in tops:
        return _no(KHQR_INVALID, "30")
    try:
        fault = None if _sound(tops, now_ms) else _missing(tops) or _faulty(tops, now_ms)
    except BrokenText as error:
        return _no(KHQR_INVALID, error.path)
    if fault is None:
        if text.isprintable() or not CONTROL.search(text):
            return VALID
        return _no(KHQR_INVALID, "")
    return _no(*fault)


def _sound(tops: dict[str, str], now_ms: int) -> bool:
    """Return True for the usual KHQR with nothing wrong; False asks the rules below, one by one.

    Only a short cut: a property test holds that they agree. Most texts asked about are valid.
    """
    get = tops.get
    payee = get("29")
    # The account alone in its template; ACCOUNT is matched where it stands.
    if (
        payee is None
        or HEADERS.get(payee[:4]) != ("00", len(payee) - 4)
        or len(payee) > 36
        or not ACCOUNT.fullmatch(payee, 4)
    ):
        tag = "30" if payee is None else "29"
        if (payee := get(tag)) is None or _payee(tag, fields_of(payee, path=tag)):
            return False
    name, city = get("59", ""), get("60", "")
    if not (
        0 < len(name) <= 25
        and 0 < len(city) <= 15
        and get("00") == "01"
        and get("58") == "KH"
        and get("53") in ("840", "116")
        and (get("52") == "5999" or not _category(get("52", "")))
        and "63" in tops
        and not name.isspace()
        and not city.isspace()
    ):
        return False
    if (labels := get("62")) is not None and _labels("62", fields_of(labels, path="62")):
        return False
    if "64" in tops:
        return False
    amount, times = get("54"), get("99")
    if amount is None:
        return get("01") == "11" and times is None
    if get("01") != "12" or times is None or len(times) != 34:
        return False
    if times[:4] != "0013" or times[17:21] != "0113" or len(amount) > 13 or not AMOUNT.fullmatch(amount):
        return False
    created, expires = times[4:17], times[21:]
    if not (expires.isdigit() and created.isdigit() and times.isascii()):
        return False
    # Both have 13 digits, so they compare as text; a leading zero would make fewer of them.
    return "1" <= created <= expires and now_ms <= int(expires)


REQUIRED = (("52", 25), ("53", 9), ("58", 26), ("59", 2), ("60", 27), ("63", 24))


def _missing(tops: dict[str, str]) -> Fault | None:
    """Return the first fault among the tags that are not there."""
    if tops.get("01") == "12":
        if "54" not in tops:
            return 47, "54"
        if "99" not in tops:
            return 45, "99"
    if "54" in tops and "99" not in tops:
        return 45, "99"
    if "00" not in tops:
        return 23, "00"
    if "29" not in tops and "30" not in tops:
        return 5, "29"
    for tag, code in REQUIRED:
        if tag not in tops:
            return code, tag
    return None


def _faulty(tops: dict[str, str], now_ms: int) -> Fault | None:
    """Return the first fault among the tags that are there, in the order of the text."""
    for tag, value in tops.items():
        if (judge := JUDGES.get(tag)) is not None:
            code = judge(value)
            if code:
                return code, tag
        elif tag in TEMPLATE_JUDGES:
            if fault := TEMPLATE_JUDGES[tag](tag, fields_of(value, path=tag)):
                return fault
        elif tag == "99" and (fault := _times(tops, fields_of(value, path=tag), now_ms)):
            return fault
    return None


# Each answers 0 for a good value, or the code of what is wrong with it.


def _payload_format(value: str) -> int:
    return 0 if 0 < len(value) <= 2 else 16 if value else 23


def _method(value: str) -> int:
    return 0 if value in ("11", "12") else 17 if len(value) > 2 else 48


def _category(value: str) -> int:
    if value == "5999" or (0 < len(value) <= 4 and value.isascii() and value.isdigit()):
        return 0
    return 25 if not value else 18 if len(value) > 4 else 51


def _currency(value: str) -> int:
    if value in ("116", "840"):
        return 0
    return 9 if not value else 19 if len(value) > 3 else 28


def _amount(value: str) -> int:
    return 0 if len(value) <= 13 and AMOUNT.fullmatch(value) else 4


# Looser than what encode() writes: banks write "5000.0", and the SDK accepts any digits after the point.
AMOUNT = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def _country(value: str) -> int:
    return 0 if 0 < len(value) <= 3 else 20 if value else 26


def _name(value: str) -> int:
    return 0 if 0 < len(value) <= 25 and not value.isspace() else 7 if len(value) > 25 else 2


def _city(value: str) -> int:
    return 0 if 0 < len(value) <= 15 and not value.isspace() else 21 if len(value) > 15 else 27


JUDGES: dict[str, Callable[[str], int]] = {
    "00": _payload_format,
    "01": _method,
    "52": _category,
    "53": _currency,
    "54": _amount,
    "58": _country,
    "59": _name,
    "60": _city,
}


def _payee(tag: str, subs: dict[str, str]) -> Fault | None:
    """Judge tag 29 or 30. The SDK asks no more of a merchant here than of a person; nor do we."""
    account = subs.get("00", "")
    if not account:
        return 1, f"{tag}.00"
    if len(account) > 32:
        return 6, f"{tag}.00"
    if not ACCOUNT.fullmatch(account):
        return 3, f"{tag}.00"
    if len(subs) > 1:
        if len(subs.get("01", "")) > 32:
            return 35, f"{tag}.01"
        bank = subs.get("02")
        if bank is not None and not 0 < len(bank) <= 32:
            return 33 if bank else 31, f"{tag}.02"
    return None


LABEL_CODES = (("01", 10), ("02", 34), ("03", 11), ("07", 12), ("08", 42))


def _labels(tag: str, subs: dict[str, str]) -> Fault | None:
    for sub, code in LABEL_CODES:
        if sub in subs and not 0 < len(subs[sub]) <= 25:
            return code, f"{tag}.{sub}"
    return None


def _words(tag: str, subs: dict[str, str]) -> Fault | None:
    language, name, city = subs.get("00"), subs.get("01"), subs.get("02")
    if language and not name:
        return 39, f"{tag}.01"
    if name is not None:
        if language is None:
            return 37, f"{tag}.00"
        if not 0 < len(language) <= 2:
            return 38, f"{tag}.00"
        if not 0 < len(name) <= 25:
            return 40, f"{tag}.01"
    if city is not None and not 0 < len(city) <= 15:
        return 41, f"{tag}.02"
    return None


TEMPLATE_JUDGES: dict[str, Callable[[str, dict[str, str]], Fault | None]] = {
    "29": _payee,
    "30": _payee,
    "62": _labels,
    "64": _words,
}


def _times(tops: dict[str, str], subs: dict[str, str], now_ms: int) -> Fault | None:
    """Judge tag 99 of a dynamic KHQR: by tag 01 and by its amount, wherever the three stand."""
    if tops.get("01") != "12" and ("54" not in tops or "01" in tops):
        return None
    text = subs.get("01", "")
    if not (text.isascii() and text.isdigit()) or not text.strip("0"):
        return 45, "99.01"
    expires = int(text)
    if len(str(expires)) != 13:
        return 49, "99.01"
    created = subs.get("00", "")
    if created.isascii() and created.isdigit() and int(created) > expires:
        return 50, "99.01"
    if expires < now_ms:
        return 46, "99.01"
    return None

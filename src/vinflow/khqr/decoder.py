"""Text to payload.

Decoding reads; it does not judge. The checksum, the clock and the content of a field are verify()'s
business: a bank's QR with the amount "5000.0" or letters in tag 99 is read like any other.
"""

from __future__ import annotations

import re
from typing import Any

from vinflow.money import Currency

from .errors import MissingField, NotText, Repeated, Truncated, UnknownValue
from .payload import Individual, Merchant, as_it_stands
from .tags import TEMPLATES
from .tlv import apart, fields_of, in_units, read_loosely, whole

__all__ = ["decode", "read_fields", "read_tree"]

HEX_4 = re.compile(r"[0-9A-Fa-f]{4}")
CURRENCIES = {currency.numeric: currency for currency in Currency}

OTHER_PAYEE = {"29": "30", "30": "29"}

Tree = dict[str, Any]  # {"59": "Sok Dara", "29": {"00": "sok_dara@aclb"}}


def read_fields(text: str, *, lenient: bool = False) -> dict[str, str | None]:
    """Return the 25 fields of a KHQR as text, exactly as they stand, None for what is absent.

    The keys are those of the vectors: merchant_type ("individual", "merchant" or None),
    bakong_account_id, ..., crc. What KHQR does not know is left out; decode() keeps it.
    Raises as decode() for text that is not clean; no content is checked at all.

    >>> read_fields("29170013sok_dara@aclb5908Sok Dara63040000")["merchant_name"]
    'Sok Dara'
    """
    tree = _read_loosely(text) if lenient else read_tree(text)
    payee = tree.get("29")
    kind = "individual"
    if payee is None:
        payee = tree.get("30")
        kind = "merchant"
    get_payee = EMPTY if payee is None else payee.get
    labels = tree.get("62")
    get_label = EMPTY if labels is None else labels.get
    words = tree.get("64")
    get_word = EMPTY if words is None else words.get
    times = tree.get("99")
    get_time = EMPTY if times is None else times.get
    get = tree.get
    return {
        "merchant_type": None if payee is None else kind,
        "bakong_account_id": get_payee("00"),
        "account_information": get_payee("01") if kind == "individual" else None,
        "merchant_id": get_payee("01") if kind == "merchant" else None,
        "acquiring_bank": get_payee("02"),
        "bill_number": get_label("01"),
        "mobile_number": get_label("02"),
        "store_label": get_label("03"),
        "terminal_label": get_label("07"),
        "purpose_of_transaction": get_label("08"),
        "language_preference": get_word("00"),
        "merchant_name_alternate_language": get_word("01"),
        "merchant_city_alternate_language": get_word("02"),
        "creation_timestamp": get_time("00"),
        "expiration_timestamp": get_time("01"),
        "payload_format_indicator": get("00"),
        "point_of_initiation_method": get("01"),
        "upi_merchant_account": get("15"),
        "merchant_category_code": get("52"),
        "transaction_currency": get("53"),
        "transaction_amount": get("54"),
        "country_code": get("58"),
        "merchant_name": get("59"),
        "merchant_city": get("60"),
        "crc": get("63"),
    }


EMPTY: Any = {}.get


def read_tree(text: str) -> Tree:
    """Return the tree of a clean text. Raises BrokenText."""
    text_units = in_units(text)
    tree: Tree = fields_of(text_units)
    if next(reversed(tree), None) != "63" or not HEX_4.fullmatch(tree["63"]):
        raise Truncated("a KHQR ends with 6304 and four hex digits", path="63")
    if "30" in tree and "29" in tree:
        raise Repeated("both 29 and 30: two payees", path="30")
    for tag in ("29", "30", "62", "64", "99"):
        if tag in tree:
            tree[tag] = fields_of(tree[tag], path=tag)
    if text_units is not text:
        _rejoin(tree)
    return tree


def _rejoin(tree: Tree, path: str = "") -> None:
    """Make ordinary text of every value of a tree whose letters were cut into UTF-16 units."""
    for tag, value in tree.items():
        here = f"{path}.{tag}".strip(".")
        if isinstance(value, dict):
            _rejoin(value, here)
        else:
            tree[tag] = whole(value, here)


def _read_loosely(text: str) -> Tree:
    """Return the tree of any text, as the official SDK reads it; see read_loosely() for its limits.

    A tag right after itself ends the reading, any other repeated tag replaces the earlier one, and
    29 and 30 are one field, of the kind that came last.
    """
    if not isinstance(text, str):
        raise NotText(f"text wanted, not {type(text).__name__}")
    text_units = text
    if not text.isascii():
        data = text.encode("utf-16-le", "surrogatepass")
        text_units = apart(data)
    tree: Tree = {}
    last = ""
    for tag, value in read_loosely(text_units):
        if tag == last:
            break
        if tag in OTHER_PAYEE:
            tree.pop(OTHER_PAYEE[tag], None)
        last = "29" if tag == "30" else tag
        tree[tag] = dict(read_loosely(value)) if tag in TEMPLATES else value
    if not text.isascii():
        _mend(tree)
    return tree


def _mend(tree: Tree) -> None:
    """Make ordinary text of every value, U+FFFD for half a letter, so that it can be shown and stored."""
    for tag, value in tree.items():
        if isinstance(value, dict):
            _mend(value)
        else:
            tree[tag] = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def decode(text: str, *, lenient: bool = False) -> Individual | Merchant:
    """Return the payload of a KHQR; encode() of it gives the same fields again.

    Values are kept as they stand, neither trimmed nor settled. What the payload has no field for is
    in .extra: tags and sub-tags KHQR does not know, times that are no number, an unusual country.
    Order and letter case of the checksum are not kept: to name a QR, keep its text.

    Clean text only: two digits of tag and length, no value cut short, no tag twice (in 29, 30, 62,
    64 and 99 too), not both 29 and 30, tag 63 with four hex digits last. Checked in that order:
    letters, headers and lengths, repeats, tag 63, both payees, templates, payee, currency.
    lenient: read what can be read of any text, as the official SDK does, the last repeat winning.
    Raises NotText, BadHeader, Truncated, Repeated (code 8); MissingField for a text without payee
    (5) or currency (9); UnknownValue for a currency that is neither riel nor dollars (28).

    >>> decode("00020101021129170013sok_dara@aclb5204599953031165802KH5908Sok Dara6010Phnom Penh63046D8E")
    ... # doctest: +ELLIPSIS
    Individual(bakong_account_id='sok_dara@aclb', merchant_name='Sok Dara', ...)
    """
    tree = _read_loosely(text) if lenient else read_tree(text)
    pop = tree.pop
    individual = "29" in tree
    payee = pop("29" if individual else "30", None)
    if payee is None:
        raise MissingField("neither tag 29 nor tag 30", code=5, path="29")
    currency = CURRENCIES.get(tree.get("53", ""))
    if currency is None:
        raise _no_currency(tree.get("53"))
    amount = pop("54", None)
    get_payee = payee.pop
    bill = mobile = store = terminal = purpose = None
    if (labels := pop("62", None)) is not None:
        get = labels.pop
        bill, mobile, store = get("01", None), get("02", None), get("03", None)
        terminal, purpose = get("07", None), get("08", None)
    language = other_name = other_city = None
    if (words := pop("64", None)) is not None:
        get = words.pop
        language, other_name, other_city = get("00", None), get("01", None), get("02", None)
    created = expires = None
    if (times := pop("99", None)) is not None:
        created, expires = _time(times, "00"), _time(times, "01")

    common = (
        get_payee("00", ""),
        pop("59", ""),
        pop("60", ""),
        currency,
        amount,
        created,
        expires,
        bill,
        mobile,
        store,
        terminal,
        purpose,
        language,
        other_name,
        other_city,
        pop("15", None),
        pop("52", ""),
    )
    first, bank = get_payee("01", None), get_payee("02", None)

    # What is left has no field of its own. The three constants are no news, but others would be.
    if tree.get("00") == "01":
        del tree["00"]
    if tree.get("01") == ("11" if amount is None else "12"):
        del tree["01"]
    if tree.get("58") == "KH":
        del tree["58"]
    del tree["53"]
    pop("63", None)
    extra: tuple[tuple[str, str], ...] = ()
    if tree or payee or labels or words or times:
        templates = (("29" if individual else "30", payee), ("62", labels), ("64", words), ("99", times))
        found = list(tree.items())
        for tag, rest in templates:
            found += [(f"{tag}.{sub}", value) for sub, value in (rest or {}).items()]
        extra = tuple(sorted(found))
    if individual:
        return as_it_stands(Individual, *common, extra, first, bank)
    return as_it_stands(Merchant, *common, extra, first or "", bank or "")


def _no_currency(number: str | None) -> MissingField | UnknownValue:
    if not number:
        return MissingField("no currency", code=9, field="currency", path="53")
    return UnknownValue(f"{number[:20]!r} is neither 116 nor 840", code=28, field="currency", path="53")


def _time(times: dict[str, str], sub: str) -> int | None:
    """Take a time out of tag 99 when it is a number an int can give back letter by letter."""
    text = times.get(sub, "")
    # Not int(text) alone: it would take "៣", " 3" and "1_0", and lose a leading zero.
    if not (text.isdigit() and text.isascii()) or (text[0] == "0" and text != "0"):
        return None
    del times[sub]
    return int(text)

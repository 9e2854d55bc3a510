"""Payload to text.

There are two roads. `shortcut.at_once` is the short one nearly every KHQR takes: it asks each question in
the cheapest form and gives up at the first doubt. `_step_by_step` checks in the official order,
names what is wrong, and counts letters beyond U+FFFF as two. A property test holds that where the
short road answers, both answer the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vinflow.money import Currency

from .crc import checksum
from .errors import (
    FieldTooLong,
    MissingField,
    NotText,
    Repeated,
    UnknownValue,
    WrongField,
)
from .payload import Individual, Merchant
from .shortcut import at_once
from .tags import (
    ACCOUNT,
    CATEGORY,
    CONTROL,
    DOLLARS,
    FIELDS,
    RIEL,
    TEMPLATES,
    TIME_MAX,
    TIME_MIN,
    UNITS_MAX,
    Field,
)
from .tlv import units

__all__ = ["encode"]

PATH = re.compile(r"[0-9]{2}(?:\.[0-9]{2})?")


def encode(payload: Individual | Merchant) -> str:
    """Return the KHQR text of a payload, checksum included.

    The text is byte for byte that of the official SDK for everything both accept. The first
    fault in the official order is raised: UnionPay account, Bakong account, merchant id and
    bank or account information, category code, currency, amount, name, city, labels, other
    language, times; then what the SDK lets pass (control characters, a template over 99, extra
    fields that clash). Raises MissingField, FieldTooLong, UnknownValue, Repeated, NotText.
    Source: KHQR content guideline; npm bakong-khqr 1.0.20.

    >>> encode(Individual("sok_dara@aclb", "Sok Dara"))
    '00020101021129170013sok_dara@aclb5204599953031165802KH5908Sok Dara6010Phnom Penh63046D8E'
    """
    try:
        text = at_once(payload)
    except (AttributeError, IndexError, TypeError, UnicodeEncodeError):
        text = None  # a wrong type, a template over 99, half a surrogate pair
    return _step_by_step(payload) if text is None else text


BY_PATH: dict[str, Field] = {entry.path: entry for entry in FIELDS}


def _text(
    value: object, path: str, *, code_missing: int | None = None, name: str | None = None
) -> str | None:
    """Return a value that must be text within its limit; None when it is not given.

    code_missing: raise MissingField with it when nothing is given.
    """
    entry = BY_PATH[path]
    name = name or entry.name
    if value is None or value == "":
        if code_missing is not None:
            raise MissingField("nothing given", code=code_missing, field=name, path=path)
        return None
    if not isinstance(value, str):
        raise UnknownValue(
            f"text wanted, not {type(value).__name__}", code=entry.code_long, field=name, path=path
        )
    size = units(value)
    if size > entry.units_max:
        raise FieldTooLong(
            f"{size} units, {entry.units_max} allowed", code=entry.code_long, field=name, path=path
        )
    return value


def _clean(value: str | None, path: str, *, code: int | None = None) -> None:
    """Refuse what no screen can show: half a surrogate pair, a control character."""
    if value is None:
        return
    field = BY_PATH[path].name if path in BY_PATH else None
    try:
        value.encode()
    except UnicodeEncodeError:
        raise NotText("half a surrogate pair", field=field, path=path) from None
    if CONTROL.search(value):
        raise UnknownValue("a control character", field=field, path=path)


def _step_by_step(p: Individual | Merchant) -> str:
    """Return the text after every check in the official order; raise the first fault."""
    if not isinstance(p, Individual | Merchant):
        raise MissingField(f"a payload wanted, not {type(p).__name__}", code=5)
    written = dict(_checked(p))
    return _join(written, p.extra)


def _checked(p: Individual | Merchant) -> Iterator[tuple[str, str]]:
    """Yield (path, value) for each field to write; raise the first fault in the official order."""
    fields: dict[str, str | None] = {}
    fields["15"] = _text(p.upi_merchant_account, "15")

    tag = "29" if isinstance(p, Individual) else "30"
    fields[f"{tag}.00"] = _account(p.bakong_account_id, f"{tag}.00")
    if isinstance(p, Individual):
        fields["29.01"] = _text(p.account_information, "29.01")
        fields["29.02"] = _text(p.acquiring_bank, "29.02")
    else:
        fields["30.01"] = _text(p.merchant_id, "30.01", code_missing=30)
        fields["30.02"] = _text(p.acquiring_bank, "30.02", code_missing=31)

    category = _text(p.merchant_category_code, "52", code_missing=25)
    if category is None or not CATEGORY.fullmatch(category):
        raise UnknownValue("one to four digits wanted", code=51, field="merchant_category_code", path="52")
    fields["52"] = category
    currency = _currency(p.currency)
    if fields["15"] is not None and currency is Currency.USD:
        raise UnknownValue("UnionPay takes riel only", code=44, field="upi_merchant_account", path="15")
    fields["53"] = currency.numeric
    fields["54"] = _amount(p.amount, currency)

    for path, given, missing in (("59", p.merchant_name, 2), ("60", p.merchant_city, 27)):
        text = _text(given, path, code_missing=missing)
        if text is not None and text.isspace():
            raise MissingField("blank", code=missing, field=BY_PATH[path].name, path=path)
        fields[path] = text
    fields["62.01"] = _text(p.bill_number, "62.01")
    fields["62.02"] = _text(p.mobile_number, "62.02")
    fields["62.03"] = _text(p.store_label, "62.03")
    fields["62.07"] = _text(p.terminal_label, "62.07")
    fields["62.08"] = _text(p.purpose_of_transaction, "62.08")

    # Falsy decides here, as in the SDK: the length of a name is looked at after its presence.
    if p.language_preference and not p.merchant_name_alternate_language:
        raise MissingField(
            "a language needs the name in it", code=39, field="merchant_name_alternate_language", path="64.01"
        )
    if p.merchant_name_alternate_language and not p.language_preference:
        raise MissingField(
            "which language is the name in?", code=37, field="language_preference", path="64.00"
        )
    fields["64.00"] = _text(p.language_preference, "64.00")
    fields["64.01"] = _text(p.merchant_name_alternate_language, "64.01")
    fields["64.02"] = _text(p.merchant_city_alternate_language, "64.02")

    dynamic = fields["54"] is not None
    if dynamic:
        fields["99.00"], fields["99.01"] = _times(p.creation_timestamp, p.expiration_timestamp)

    for path, text in fields.items():
        _clean(text, path)
    fields["00"], fields["01"], fields["58"] = "01", "12" if dynamic else "11", "KH"
    for path in ORDER:
        if (value := fields.get(path)) is not None:
            yield path, value


# The order of writing; tag 63 is none of it, for it is computed.
ORDER = tuple(entry.path for entry in FIELDS if entry.path != "63")


def _account(value: object, path: str) -> str:
    """Return a Bakong account id; raise 1, 6 or 3."""
    if value is None or value == "":
        raise MissingField("nothing given", code=1, field="bakong_account_id", path=path)
    if not isinstance(value, str):
        raise UnknownValue(
            f"text wanted, not {type(value).__name__}", code=3, field="bakong_account_id", path=path
        )
    if units(value) > 32:
        raise FieldTooLong(f"{units(value)} units, 32 allowed", code=6, field="bakong_account_id", path=path)
    if not ACCOUNT.fullmatch(value):
        raise UnknownValue("name@bank wanted", code=3, field="bakong_account_id", path=path)
    return value


def _currency(value: object) -> Currency:
    """Return the currency; raise 19 for text over three letters, 28 for any other stranger."""
    if isinstance(value, Currency):
        return value
    if isinstance(value, str) and len(value) > 3:
        raise FieldTooLong("116 or 840 wanted", code=19, field="currency", path="53")
    raise UnknownValue("riel (116) or dollars (840) wanted", code=28, field="currency", path="53")


def _amount(value: object, currency: Currency) -> str | None:
    """Return the text of tag 54, None for a static QR; raise 4."""
    if value is None:
        return None
    if not isinstance(value, str):
        detail = f"plain decimal text wanted, not {type(value).__name__}"
    elif (DOLLARS if currency is Currency.USD else RIEL).fullmatch(value):
        return value
    else:
        detail = f"{value[:20]!r} is no amount of {currency} within 13 characters"
    raise UnknownValue(detail, code=4, field="amount", path="54")


def _times(created: object, expires: object) -> tuple[str, str]:
    """Return both texts of tag 99; raise 45, 49, 50, and 8 for a creation time that is none."""
    where = {"field": "expiration_timestamp", "path": "99.01"}
    if not expires or expires != expires or isinstance(expires, bool) or not isinstance(expires, int | float):
        raise MissingField("milliseconds wanted", code=45, **where)
    if isinstance(expires, float) or not TIME_MIN <= expires <= TIME_MAX:
        raise UnknownValue("13 digits of milliseconds wanted", code=49, **where)
    if isinstance(created, bool) or not isinstance(created, int) or not 0 < created <= TIME_MAX:
        raise MissingField("milliseconds wanted", field="creation_timestamp", path="99.00")
    if expires < created:
        raise UnknownValue("expires before it was created", code=50, **where)
    if created < TIME_MIN:
        raise UnknownValue("13 digits of milliseconds wanted", field="creation_timestamp", path="99.00")
    return str(created), str(expires)


def _join(written: dict[str, str], extra: tuple[tuple[str, str], ...]) -> str:
    """Return the whole text of fields and extra fields; raise FieldTooLong, Repeated, WrongField."""
    tops: dict[str, str] = {}
    subs: dict[str, dict[str, str]] = {}
    for path, value in [*written.items(), *_extra(written, extra)]:
        tag, _, sub = path.partition(".")
        if sub:
            subs.setdefault(tag, {})[sub] = value
            tops[tag] = "".join(f"{key}{units(part):02}{part}" for key, part in subs[tag].items())
        else:
            tops[tag] = value
        if units(tops[tag]) > UNITS_MAX:
            raise FieldTooLong(
                f"{units(tops[tag])} units in {TEMPLATES.get(tag, 'a field')}, {UNITS_MAX} allowed", path=tag
            )
    # Late templates go last even when an earlier extra opened them: 62, 64, 99, then strangers.
    ordered = [tag for tag in TOP_ORDER if tag in tops] + [tag for tag in tops if tag not in TOP_ORDER]
    body = "".join(f"{tag}{units(tops[tag]):02}{tops[tag]}" for tag in ordered) + "6304"
    return body + checksum(body)


TOP_ORDER = tuple(dict.fromkeys(path.partition(".")[0] for path in ORDER))


def _extra(written: dict[str, str], extra: object) -> Iterator[tuple[str, str]]:
    """Yield the extra fields that may be written beside the known ones."""
    seen = {*written, "63"}
    opened = {path.partition(".")[0] for path in written}
    payee = "29" if "29" in opened else "30"
    try:
        pairs = [(path, value) for path, value in extra]  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        raise WrongField("pairs of path and value wanted", field="extra") from None
    for path, value in pairs:
        if not (isinstance(path, str) and PATH.fullmatch(path) and isinstance(value, str)):
            raise UnknownValue("a path such as 62.05 and text wanted", field="extra")
        tag, _, sub = path.partition(".")
        if path in seen or (tag in ("29", "30") and tag != payee):
            raise Repeated("this field is written already", field="extra", path=path)
        if bool(sub) != (tag in TEMPLATES):
            raise UnknownValue("only 29, 30, 62, 64 and 99 have sub-tags", field="extra", path=path)
        if units(value) > UNITS_MAX:
            raise FieldTooLong(f"{units(value)} units, {UNITS_MAX} allowed", field="extra", path=path)
        _clean(value, path)
        seen.add(path)
        yield path, value

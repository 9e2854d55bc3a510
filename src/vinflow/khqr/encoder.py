"""Payload to text.

There are two roads. `_at_once` is the short one nearly every KHQR takes: it asks each question in
the cheapest form and gives up at the first doubt. `_step_by_step` checks in the official order,
names what is wrong, and counts letters beyond U+FFFF as two. A property test holds that where the
short road answers, both answer the same.
"""

from __future__ import annotations

import re
from binascii import crc_hqx
from collections.abc import Iterator
from typing import Any

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
from .tags import FIELDS, TEMPLATES, UNITS_MAX, Field
from .tlv import units

__all__ = ["encode"]

# One @, text on both sides, no blanks and no second @: "a b@c", "a@b@c" and "@" are no accounts.
ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+")
# What tag 54 may hold once settled; [0-9], for \d would admit the digits of other scripts.
DOLLARS = re.compile(r"(?:[1-9][0-9]{0,12}|(?:0|[1-9][0-9]{0,9})\.[0-9]{2})")
RIEL = re.compile(r"[1-9][0-9]{0,12}")
CATEGORY = re.compile(r"[0-9]{1,4}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
PATH = re.compile(r"[0-9]{2}(?:\.[0-9]{2})?")

KHR, USD = Currency.KHR, Currency.USD
TIME_MIN, TIME_MAX = 10**12, 10**13 - 1  # 13 digits of milliseconds: 2001-09-09 to 2286-11-20


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
        text = _at_once(payload)
    except (AttributeError, IndexError, TypeError, UnicodeEncodeError):
        text = None  # a wrong type, a template over 99, half a surrogate pair
    return _step_by_step(payload) if text is None else text


def _lead(before: str, units_max: int) -> tuple[Any, ...]:
    """Return what stands before a value, by the value's length: "5908" for a name of eight.

    LEAD[len(value)] + value writes a field and checks it in one step: a value too long is an
    IndexError, an empty one (None + "") or one that is no text a TypeError.
    """
    return (None, *(f"{before}{size:02}" for size in range(1, units_max + 1)))


def _payee_lead(method: str, tag: str) -> tuple[str, ...]:
    """Return what stands before an account that is alone in its template, by the account's length."""
    return tuple(f"0002010102{method}{tag}{size + 4:02}00{size:02}" for size in range(33))


STATIC_29, DYNAMIC_29 = _payee_lead("11", "29"), _payee_lead("12", "29")
ACCOUNT_00, SUB_01, SUB_02 = _lead("00", 32), _lead("01", 32), _lead("02", 32)
UPI, PAYEE_29, PAYEE_30 = _lead("15", 99), _lead("29", 99), _lead("30", 99)
CATEGORY_52, NAME, CITY = _lead("52", 4), _lead("5802KH59", 25), _lead("60", 15)
DOLLARS_54, RIEL_54 = _lead("530384054", 13), _lead("530311654", 13)
LABELS, WORDS = _lead("62", 99), _lead("64", 99)
BILL, MOBILE, STORE = _lead("01", 25), _lead("02", 25), _lead("03", 25)
TERMINAL, PURPOSE = _lead("07", 25), _lead("08", 25)
LANGUAGE, OTHER_NAME, OTHER_CITY = _lead("00", 2), _lead("01", 25), _lead("02", 15)


def _at_once(p: Individual | Merchant) -> str | None:
    """Return the text when nothing about the payload is unusual, else None or one of encode()'s errors."""
    account, name, city = p.bakong_account_id, p.merchant_name, p.merchant_city
    amount, currency = p.amount, p.currency

    method = "11" if amount is None else "12"
    if type(p) is Individual:
        if p.account_information is p.acquiring_bank is p.upi_merchant_account is None:
            payee = (STATIC_29 if amount is None else DYNAMIC_29)[len(account)] + account
        else:
            payee = ACCOUNT_00[len(account)] + account
            if (information := p.account_information) is not None:
                payee += SUB_01[len(information)] + information
            if (bank := p.acquiring_bank) is not None:
                payee += SUB_02[len(bank)] + bank
            payee = _opening(method, p.upi_merchant_account, currency) + PAYEE_29[len(payee)] + payee
    elif type(p) is Merchant:
        identity, bank = p.merchant_id, p.acquiring_bank
        if not (identity and bank):
            return None
        payee = (
            ACCOUNT_00[len(account)] + account + SUB_01[len(identity)] + identity + SUB_02[len(bank)] + bank
        )
        payee = _opening(method, p.upi_merchant_account, currency) + PAYEE_30[len(payee)] + payee
    else:
        return None
    # One @, text on both sides; other blanks than the space are not printable, see below.
    if account.count("@") != 1 or account[0] == "@" or account[-1] == "@" or " " in account:
        return None

    category = p.merchant_category_code
    if category == "5999":
        category = "52045999"
    elif category.isdigit() and category.isascii():
        category = CATEGORY_52[len(category)] + category
    else:
        return None

    if currency is USD:
        if amount is None:
            money = "5303840"
        elif DOLLARS.fullmatch(amount):
            money = DOLLARS_54[len(amount)] + amount
        else:
            return None
    elif currency is KHR:
        if amount is None:
            money = "5303116"
        elif RIEL.fullmatch(amount):
            money = RIEL_54[len(amount)] + amount
        else:
            return None
    else:
        return None

    if not name or name.isspace() or not city or city.isspace() or p.extra:
        return None

    labels = ""
    if (bill := p.bill_number) is not None:
        labels = BILL[len(bill)] + bill
    if (mobile := p.mobile_number) is not None:
        labels += MOBILE[len(mobile)] + mobile
    if (store := p.store_label) is not None:
        labels += STORE[len(store)] + store
    if (terminal := p.terminal_label) is not None:
        labels += TERMINAL[len(terminal)] + terminal
    if (purpose := p.purpose_of_transaction) is not None:
        labels += PURPOSE[len(purpose)] + purpose
    if labels:
        labels = LABELS[len(labels)] + labels

    words = ""
    if (other_name := p.merchant_name_alternate_language) or p.language_preference:
        language = p.language_preference
        if not (language and other_name):
            return None
        words = LANGUAGE[len(language)] + language + OTHER_NAME[len(other_name)] + other_name
    if (other_city := p.merchant_city_alternate_language) is not None:
        words += OTHER_CITY[len(other_city)] + other_city
    if words:
        words = WORDS[len(words)] + words

    if amount is None:
        times = "6304"
    else:
        created, expires = p.creation_timestamp, p.expiration_timestamp
        if type(created) is not int or type(expires) is not int:
            return None
        if not TIME_MIN <= created <= expires <= TIME_MAX:
            return None
        times = f"99340013{created}0113{expires}6304"

    name, city = NAME[len(name)] + name, CITY[len(city)] + city
    body = f"{payee}{category}{money}{name}{city}{labels}{words}{times}"
    if not body.isprintable():
        return None  # a control character, or a letter str.isprintable() does not know: look closer
    data = body.encode()
    if len(data) != len(body) and len(body.encode("utf-16-le")) != 2 * len(body):
        return None  # a letter beyond U+FFFF counts two, and len() counted one
    return f"{body}{crc_hqx(data, 0xFFFF):04X}"


def _opening(method: str, upi: str | None, currency: Currency) -> str:
    """Return tags 00, 01 and 15. Raises TypeError for a UnionPay account that takes no such currency."""
    if upi is None:
        return f"0002010102{method}"
    if currency is not KHR:
        raise TypeError  # encode() looks closer, and words it
    return f"0002010102{method}{UPI[len(upi)]}" + upi


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

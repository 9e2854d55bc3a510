"""The short road from payload to text: every check in its cheapest form, giving up at the first doubt.

A length is checked by looking up the header that it makes, a type by joining texts, control characters
by one str.isprintable() over the whole. encoder.py takes the long road when this one gives up.
"""

from __future__ import annotations

from binascii import crc_hqx
from typing import Any

from vinflow.money import Currency

from .payload import Individual, Merchant
from .tags import DOLLARS, RIEL, TIME_MAX, TIME_MIN

__all__ = ["at_once"]

KHR, USD = Currency.KHR, Currency.USD
HEX = tuple(f"{number:02X}" for number in range(256))  # two look-ups take a third of the time of ":04X"


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


def at_once(p: Individual | Merchant) -> str | None:
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

    # A control character, or a letter str.isprintable() does not know: look closer.
    if not f"{payee}{name}{city}{labels}{words}".isprintable():
        return None
    name, city = NAME[len(name)] + name, CITY[len(city)] + city
    body = f"{payee}{category}{money}{name}{city}{labels}{words}{times}"
    data = body.encode()
    if len(data) != len(body) and len(body.encode("utf-16-le")) != 2 * len(body):
        return None  # a letter beyond U+FFFF counts two, and len() counted one
    crc = crc_hqx(data, 0xFFFF)
    return f"{body}{HEX[crc >> 8]}{HEX[crc & 255]}"


def _opening(method: str, upi: str | None, currency: Currency) -> str:
    """Return tags 00, 01 and 15. Raises TypeError for a UnionPay account that takes no such currency."""
    if upi is None:
        return f"0002010102{method}"
    if currency is not KHR:
        raise TypeError  # encode() looks closer, and words it
    return f"0002010102{method}{UPI[len(upi)]}" + upi

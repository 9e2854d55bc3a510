"""The field table of KHQR: where each field stands, how long it may be, which code names its faults,
and which letters it may hold.

Lengths are in UTF-16 code units, as the official SDK counts them. Source: NBC, KHQR content
guideline; the codes from npm bakong-khqr 1.0.20.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = [
    "ACCOUNT",
    "CATEGORY",
    "CONTROL",
    "DOLLARS",
    "FIELDS",
    "RIEL",
    "TEMPLATES",
    "TIME_MAX",
    "TIME_MIN",
    "UNITS_MAX",
    "Field",
]

UNITS_MAX = 99  # any value, templates included: a length has two digits


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a KHQR."""

    path: str  # "59", or "29.00" for sub-tag 00 of tag 29; merchants have 30 in place of 29
    name: str  # the payload's attribute, and the key in the vectors
    label: str  # for people
    units_max: int
    code_long: int  # the official code when it is too long
    code_missing: int | None = None  # when it is required and absent


TEMPLATES: dict[str, str] = {
    "29": "individual account",
    "30": "merchant account",
    "62": "additional data",
    "64": "other language",
    "99": "times",
}

FIELDS: tuple[Field, ...] = (
    Field("00", "payload_format_indicator", "Payload format", 2, 16, 23),
    Field("01", "point_of_initiation_method", "Kind of QR", 2, 17, 48),
    Field("15", "upi_merchant_account", "UnionPay account", 99, 43),
    Field("29.00", "bakong_account_id", "Bakong account", 32, 6, 1),
    Field("29.01", "account_information", "Account information", 32, 35),
    Field("29.02", "acquiring_bank", "Acquiring bank", 32, 33, 31),
    Field("30.00", "bakong_account_id", "Bakong account", 32, 6, 1),
    Field("30.01", "merchant_id", "Merchant id", 32, 32, 30),
    Field("30.02", "acquiring_bank", "Acquiring bank", 32, 33, 31),
    Field("52", "merchant_category_code", "Category code", 4, 18, 25),
    Field("53", "transaction_currency", "Currency", 3, 19, 9),
    Field("54", "transaction_amount", "Amount", 13, 4, 4),
    Field("58", "country_code", "Country", 3, 20, 26),
    Field("59", "merchant_name", "Merchant", 25, 7, 2),
    Field("60", "merchant_city", "City", 15, 21, 27),
    Field("62.01", "bill_number", "Bill number", 25, 10),
    Field("62.02", "mobile_number", "Mobile number", 25, 34),
    Field("62.03", "store_label", "Store", 25, 11),
    Field("62.07", "terminal_label", "Terminal", 25, 12),
    Field("62.08", "purpose_of_transaction", "Purpose", 25, 42),
    Field("64.00", "language_preference", "Language", 2, 38, 37),
    Field("64.01", "merchant_name_alternate_language", "Merchant, other language", 25, 40, 39),
    Field("64.02", "merchant_city_alternate_language", "City, other language", 15, 41),
    Field("99.00", "creation_timestamp", "Created", 13, 8),
    Field("99.01", "expiration_timestamp", "Expires", 13, 49, 45),
    Field("63", "crc", "Checksum", 4, 22, 24),
)

# What the fields may hold, beyond their length.

# One @, text on both sides, no blanks and no second @: "a b@c", "a@b@c" and "@" are no accounts.
ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+")
# What tag 54 may hold once settled; [0-9], for \d would admit the digits of other scripts.
DOLLARS = re.compile(r"(?:[1-9][0-9]{0,12}|(?:0|[1-9][0-9]{0,9})\.[0-9]{2})")
RIEL = re.compile(r"[1-9][0-9]{0,12}")
CATEGORY = re.compile(r"[0-9]{1,4}")
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

TIME_MIN, TIME_MAX = 10**12, 10**13 - 1  # 13 digits of milliseconds: 2001-09-09 to 2286-11-20

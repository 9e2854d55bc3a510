"""What a KHQR means, as frozen dataclasses."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from vinflow.money import Currency

__all__ = ["Individual", "Merchant"]

CITY_DEFAULT = "Phnom Penh"
CATEGORY_DEFAULT = "5999"  # miscellaneous retail

# [0-9], not \d: \d admits Khmer digits, which no bank reads in tag 54.
PLAIN_DECIMAL = re.compile(r"(0|[1-9][0-9]*)(?:\.([0-9]+))?")


def settle_amount(amount: str | None, currency: Currency) -> str | None:
    """Return an amount as tag 54 writes it, None for nothing to write (absent, empty or zero).

    Dollars with a point get two digits after it and stay whole without one; riel lose a
    fraction of zeros. Never rounds: what breaks a rule comes back as it was, for the encoder to
    refuse. Source: behaviour of npm bakong-khqr 1.0.20, so that texts and MD5s agree with it.

    >>> settle_amount("1.5", Currency.USD), settle_amount("50000.00", Currency.KHR)
    ('1.50', '50000')
    """
    if type(amount) is not str:
        return amount
    match = PLAIN_DECIMAL.fullmatch(amount)
    if match is None:
        return amount or None
    whole, decimals = match.groups()
    if decimals is None:
        return None if amount == "0" else amount
    if not decimals.strip("0"):
        if whole == "0":
            return None
        if currency is Currency.KHR:
            return whole
    if currency is Currency.USD and len(decimals) == 1:
        return amount + "0"
    return amount


@dataclass(frozen=True, slots=True)
class _Payload:
    """The fields both kinds of account share; see Individual."""

    bakong_account_id: str
    merchant_name: str
    merchant_city: str = CITY_DEFAULT
    currency: Currency = field(default=Currency.KHR, kw_only=True)
    amount: str | None = field(default=None, kw_only=True)
    creation_timestamp: int | None = field(default=None, kw_only=True)
    expiration_timestamp: int | None = field(default=None, kw_only=True)
    bill_number: str | None = field(default=None, kw_only=True)
    mobile_number: str | None = field(default=None, kw_only=True)
    store_label: str | None = field(default=None, kw_only=True)
    terminal_label: str | None = field(default=None, kw_only=True)
    purpose_of_transaction: str | None = field(default=None, kw_only=True)
    language_preference: str | None = field(default=None, kw_only=True)
    merchant_name_alternate_language: str | None = field(default=None, kw_only=True)
    merchant_city_alternate_language: str | None = field(default=None, kw_only=True)
    upi_merchant_account: str | None = field(default=None, kw_only=True)
    merchant_category_code: str = field(default=CATEGORY_DEFAULT, kw_only=True)
    extra: tuple[tuple[str, str], ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        """Settle the spelling, so that one meaning has one payload: decode(encode(x)) == x."""
        if self.amount is not None:
            settled = settle_amount(self.amount, self.currency)
            if settled is not self.amount:
                object.__setattr__(self, "amount", settled)
        # "" and None both mean not given; a static QR carries no times.
        if self.amount is None and (
            self.creation_timestamp is not None or self.expiration_timestamp is not None
        ):
            object.__setattr__(self, "creation_timestamp", None)
            object.__setattr__(self, "expiration_timestamp", None)
        if not self.merchant_city:
            object.__setattr__(self, "merchant_city", CITY_DEFAULT)
        if not self.merchant_category_code:
            object.__setattr__(self, "merchant_category_code", CATEGORY_DEFAULT)
        if "" in (
            self.bill_number,
            self.mobile_number,
            self.store_label,
            self.terminal_label,
            self.purpose_of_transaction,
            self.language_preference,
            self.merchant_name_alternate_language,
            self.merchant_city_alternate_language,
            self.upi_merchant_account,
        ):
            for name in OPTIONAL:
                if getattr(self, name) == "":
                    object.__setattr__(self, name, None)


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
)


@dataclass(frozen=True, slots=True)
class Individual(_Payload):
    """A KHQR that pays a person's account (tag 29).

    bakong_account_id: "name@bank". merchant_name: what the payer's app shows.
    amount: plain decimal text as tag 54 will have it; it is settled on the way in ("1.5" dollars
    become "1.50", "50000.00" riel "50000", "0" and "" become None: a static QR). Text only, so
    that nothing is ever rounded: Money(...).plain is such a text.
    creation_timestamp, expiration_timestamp: epoch milliseconds, 13 digits; both needed with an
    amount, and dropped without one.
    extra: what stands in a decoded text and has no field here, as (path, value) in order:
    ("62.68", "0010PAYWAY@ABA"), ("02", "4088..."). The encoder writes it back after the known tags.

    Nothing is checked here: encode() checks, and names the field at fault.
    """

    account_information: str | None = field(default=None, kw_only=True)
    acquiring_bank: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Settle the spelling of the two fields of this kind, then the shared ones."""
        if self.account_information == "":
            object.__setattr__(self, "account_information", None)
        if self.acquiring_bank == "":
            object.__setattr__(self, "acquiring_bank", None)
        _Payload.__post_init__(self)


@dataclass(frozen=True, slots=True)
class Merchant(_Payload):
    """A KHQR that pays a registered merchant (tag 30); its id and bank are required.

    Everything else is as in Individual.
    """

    merchant_id: str = field(default="", kw_only=True)
    acquiring_bank: str = field(default="", kw_only=True)

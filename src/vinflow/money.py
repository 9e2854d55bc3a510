"""Money in whole minor units: US cents and whole riel. Nothing here is ever a float.

MoneyError (ValueError)      what was written is no amount; .code names the sentence for people
  AmountMissing              nothing was written
  NotANumber                 words, signs, exponents
  CommaAsPoint               "10,50": a comma where a point must stand; never guessed
  TooPrecise                 more digits after the point than the currency has
  OtherCurrency              dollars and riel met in one sum
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Self

__all__ = [
    "AmountMissing",
    "CommaAsPoint",
    "Currency",
    "Money",
    "MoneyError",
    "NotANumber",
    "OtherCurrency",
    "TooPrecise",
    "format_money",
    "parse_amount",
]


class Currency(StrEnum):
    """The two currencies of KHQR, by their ISO 4217 letters."""

    USD = "USD"
    KHR = "KHR"

    @property
    def numeric(self) -> str:
        """The ISO 4217 number, as tag 53 of a KHQR writes it: "840" or "116"."""
        return "840" if self is Currency.USD else "116"

    @property
    def exponent(self) -> int:
        """How many digits stand after the point: 2 for dollars, 0 for riel.

        ISO 4217 gives the riel two; no coin or bank in Cambodia uses them and KHQR refuses them.
        """
        return 2 if self is Currency.USD else 0

    @classmethod
    def from_numeric(cls, number: str) -> Self:
        """Return the currency of an ISO 4217 number. Raises ValueError for any but 840 and 116."""
        for currency in cls:
            if currency.numeric == number:
                return currency
        raise ValueError(f"currency number {number!r} is neither 840 (USD) nor 116 (KHR)")


class MoneyError(ValueError):
    """What was written is no amount of money."""

    code = "invalid"


class AmountMissing(MoneyError):
    """Nothing was written."""

    code = "required"


class NotANumber(MoneyError):
    """Not plain decimal text."""

    code = "invalid"


class CommaAsPoint(MoneyError):
    """A comma stands where only a point may: "10,50" is ten and a half or a thousand and fifty?"""

    code = "comma"


class TooPrecise(MoneyError):
    """More digits after the point than the currency has."""

    code = "decimals"


class OtherCurrency(MoneyError):
    """Two currencies met in one sum or comparison."""

    code = "currency"


@dataclass(frozen=True, slots=True)
class Money:
    """A whole number of minor units of one currency: Money(1050, USD) is $10.50."""

    minor: int
    currency: Currency

    def __post_init__(self) -> None:
        if type(self.minor) is not int:  # bool and float are both refused here
            raise TypeError(f"minor units are a whole number, not {type(self.minor).__name__}")
        if not isinstance(self.currency, Currency):
            raise TypeError(f"currency must be a Currency, not {self.currency!r}")

    @classmethod
    def from_decimal(cls, amount: Decimal, currency: Currency) -> Self:
        """Return the Money of an amount in major units. Raises TooPrecise, NotANumber."""
        given: object = amount  # callers without types hand floats in; money is never made of one
        if not isinstance(given, Decimal) or not given.is_finite():
            raise NotANumber(f"{amount!r} is not a finite Decimal")
        sign, digits, exponent = amount.as_tuple()
        # Never quantize: its context rounds silently at 28 digits, and money is never rounded.
        shift = int(exponent) + currency.exponent
        number = int("".join(map(str, digits)))
        if shift >= 0:
            if shift > 60:
                raise NotANumber("an amount of more than 60 digits")
            minor = number * 10**shift
        else:
            minor, rest = divmod(number, 10**-shift) if -shift <= 60 else (0, number)
            if rest:
                raise TooPrecise(f"{currency} has {currency.exponent} digits after the point")
        return cls(-minor if sign else minor, currency)

    @property
    def decimal(self) -> Decimal:
        """The amount in major units, always with the currency's own number of decimals."""
        return Decimal(self.plain)

    @property
    def plain(self) -> str:
        """Canonical decimal text without grouping or sign of currency: "10.50", "41000", "-0.05".

        This is the one form VinFlow writes into tag 54, exports and the wire.
        """
        sign, minor = ("-", -self.minor) if self.minor < 0 else ("", self.minor)
        if self.currency.exponent == 0:
            return f"{sign}{minor}"
        return f"{sign}{minor // 100}.{minor % 100:02d}"

    def _same(self, other: Money) -> int:
        if self.currency is not other.currency:
            raise OtherCurrency(f"{self.currency} meets {other.currency}")
        return other.minor

    def __add__(self, other: Money) -> Money:
        return Money(self.minor + self._same(other), self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(self.minor - self._same(other), self.currency)

    def __neg__(self) -> Money:
        return Money(-self.minor, self.currency)

    def __lt__(self, other: Money) -> bool:
        return self.minor < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.minor <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.minor > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.minor >= self._same(other)

    def __str__(self) -> str:
        return f"{self.plain} {self.currency}"


KHMER_DIGITS = {ord("០") + n: str(n) for n in range(10)}
SPACES = {ord(c): None for c in " \u00a0\u202f\u2009"}
# Digits grouped by threes, or not grouped at all; a point and digits may follow. [0-9], not \d:
# \d admits the digits of every script, and only Latin and Khmer ones are meant here.
PLAIN = re.compile(r"(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]+))?")
COMMA = re.compile(r"[0-9]+,[0-9]{1,2}")
LENGTH_MAX = 40  # longer than any amount; keeps int() and Decimal() cheap


def parse_amount(text: str, currency: Currency) -> Money:
    """Return the Money a person wrote: "1,000", "1 000", "$10", "10.5", "៤១០០០", "100 ៛".

    Khmer digits are read as Latin ones. The result may be zero; limits are the caller's.
    Raises AmountMissing, NotANumber, CommaAsPoint, TooPrecise; each has a code for the sentence.
    """
    if not isinstance(text, str):
        raise NotANumber(f"an amount is text, not {type(text).__name__}")
    if len(text) > LENGTH_MAX:
        raise NotANumber(f"an amount of {len(text)} characters")
    bare = text.translate(KHMER_DIGITS).translate(SPACES).strip()
    if currency is Currency.USD:
        bare = bare.removeprefix("$")
    else:
        bare = bare.removeprefix("៛").removesuffix("៛")
    if not bare:
        raise AmountMissing("no amount")
    match = PLAIN.fullmatch(bare)
    if match is None:
        if COMMA.fullmatch(bare):
            raise CommaAsPoint(f"a comma as decimal mark in {bare!r}")
        raise NotANumber(f"{bare[:20]!r} is not a plain decimal number")
    decimals = match[1]
    if decimals is not None and len(decimals) > currency.exponent:
        raise TooPrecise(f"{currency} has {currency.exponent} digits after the point")
    return Money.from_decimal(Decimal(bare.replace(",", "")), currency)


MINUS = "\u2212"
NO_BREAK_SPACE = "\u00a0"


def format_money(money: Money, *, signed: bool = False) -> str:
    """Return the amount for people, the same in English and Khmer: "$1,250.00", "41,000 ៛".

    Latin digits, comma groups and a decimal point in both languages, as banks in Cambodia print
    them; Django's own Khmer format swaps the marks. A minus is U+2212; signed adds a plus.
    """
    sign = MINUS if money.minor < 0 else "+" if signed and money.minor > 0 else ""
    minor = abs(money.minor)
    if money.currency is Currency.USD:
        return f"{sign}${minor // 100:,}.{minor % 100:02d}"
    return f"{sign}{minor:,}{NO_BREAK_SPACE}៛"

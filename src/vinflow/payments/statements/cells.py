"""One cell of a statement: text to amount, moment, currency; nothing is rounded and nothing is guessed.

Plain Python. What a cell cannot be raises ValueError with words for a person; the reader adds the row.
"""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, date, datetime, time, timedelta, timezone
from typing import Literal

from vinflow.money import Currency, Money
from vinflow.payments.statements.errors import BadCell

__all__ = ["DateOrder", "DecimalMark", "amount", "currency", "day_parts", "in_ascii", "is_formula", "moment"]

DateOrder = Literal["dmy", "mdy"]
DecimalMark = Literal[".", ","]

PHNOM_PENH = timezone(timedelta(hours=7))
KHMER_DIGITS = str.maketrans("០១២៣៤៥៦៧៨៩", "0123456789")
BLANKS = re.compile(r"[\s\u00a0\u2009\u202f\u200b\u200c\ufeff]+")
MINUS = str.maketrans("\u2212\u2013\u2014", "---")
AMOUNT_MAX = 10**15  # minor units; what a row may hold

CURRENCIES = {
    "usd": Currency.USD,
    "us$": Currency.USD,
    "$": Currency.USD,
    "ដុល្លារ": Currency.USD,
    "ដុល្លារអាមេរិក": Currency.USD,
    "khr": Currency.KHR,
    "riel": Currency.KHR,
    "៛": Currency.KHR,
    "រៀល": Currency.KHR,
}
MONTHS = {
    name: number
    for number, names in enumerate(
        (
            ("jan", "january", "មករា"),
            ("feb", "february", "កុម្ភៈ"),
            ("mar", "march", "មីនា"),
            ("apr", "april", "មេសា"),
            ("may", "ឧសភា"),
            ("jun", "june", "មិថុនា"),
            ("jul", "july", "កក្កដា"),
            ("aug", "august", "សីហា"),
            ("sep", "sept", "september", "កញ្ញា"),
            ("oct", "october", "តុលា"),
            ("nov", "november", "វិច្ឆិកា"),
            ("dec", "december", "ធ្នូ"),
        ),
        start=1,
    )
    for name in names
}
YEAR_FIRST = re.compile(r"([0-9]{4})[-/.]([0-9]{1,2})[-/.]([0-9]{1,2})")
YEAR_LAST = re.compile(r"([0-9]{1,2})[-/.]([0-9]{1,2})[-/.]([0-9]{4}|[0-9]{2})")
NAMED = re.compile(r"([0-9]{1,2})[- /.]([^\W\d_][^\d ./-]*)[- /.,]+([0-9]{4}|[0-9]{2})")
TIME = re.compile(
    r"([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]+)?)?(?: ?([AaPp])\.?[Mm]\.?)?"
    r"(Z|[+-][0-9]{2}:?[0-9]{2})?"
)
# A spreadsheet runs these; a statement of a bank has none. "-12.50" and "+855 12 345 678" are no formulas.
FORMULA = re.compile(r"[=@\t\r]|[+-](?![\s0-9.,$៛០-៩]*$)(?=.*[(|!])", re.DOTALL)


def in_ascii(text: str) -> str:
    """Return a cell with Khmer digits as ASCII ones, one kind of blank and one kind of minus."""
    plain = unicodedata.normalize("NFC", text).translate(KHMER_DIGITS).translate(MINUS)
    return BLANKS.sub(" ", plain).strip()


def is_formula(cell: str) -> bool:
    """Return whether a spreadsheet would run this cell."""
    return FORMULA.match(cell) is not None


def currency(text: str) -> Currency:
    """Return the currency a cell names, by its letters, its sign or its Khmer word. Raises ValueError."""
    found = CURRENCIES.get(in_ascii(text).casefold())
    if found is None:
        raise BadCell("{cell} is neither USD nor KHR", cell=repr(text[:20]))
    return found


def amount(text: str, unit: Currency, *, mark: DecimalMark = ".") -> Money | None:
    """Return the amount of a cell, negative where it says so; None for an empty cell or a dash.

    mark: what stands before the cents; the other one, blanks and apostrophes may part the thousands, in
    threes and nothing else. A minus, brackets, DR and a minus behind all mean money that went out. The
    currency's own sign may stand at either end. Raises ValueError: nothing is rounded or guessed.
    """
    said = in_ascii(text)
    if said in ("", "-"):
        return None
    sign, rest = _sign(said)
    rest = _without_unit(rest, unit)
    if rest[:1] in "+-" and rest[:1]:  # "$ -5", "USD -5"
        sign, rest = sign * (-1 if rest[0] == "-" else 1), rest[1:].strip()
    whole, _, cents = rest.partition(mark)
    marks = " '" + ("," if mark == "." else ".")
    groups = re.split(f"[{re.escape(marks)}]", whole)
    if len(groups) > 1 and (not 1 <= len(groups[0]) <= 3 or any(len(group) != 3 for group in groups[1:])):
        raise BadCell("{cell}: the thousands are not parted in threes", cell=repr(text[:40]))
    digits = "".join(groups)
    if not re.fullmatch(r"[0-9]{1,18}", digits) or not re.fullmatch(r"[0-9]*", cents):
        raise BadCell(
            "{cell} is no amount with the decimal mark {mark}", cell=repr(text[:40]), mark=repr(mark)
        )
    if mark in rest and not cents:
        raise BadCell("{cell} ends in its decimal mark", cell=repr(text[:40]))
    kept, over = cents[: unit.exponent], cents[unit.exponent :]
    if over.strip("0"):
        raise BadCell("{cell} has more digits than {currency} has", cell=repr(text[:40]), currency=unit.value)
    minor = int(digits) * 10**unit.exponent + int(kept.ljust(unit.exponent, "0") or "0")
    if minor > AMOUNT_MAX:
        raise BadCell("{cell} is beyond any account", cell=repr(text[:40]))
    return Money(sign * minor, unit)


def _sign(said: str) -> tuple[int, str]:
    """Return whether a text says in or out, and what is left of it."""
    sign = 1
    if match := re.fullmatch(r"(.*?) ?(CR|DR)\.?", said, re.IGNORECASE):
        said, sign = match[1], -1 if match[2].upper() == "DR" else 1
    if said.startswith("(") and said.endswith(")"):
        return -sign, said[1:-1].strip()
    if said.endswith("-"):
        return -sign, said[:-1].strip()
    if said[:1] in ("+", "-"):
        return (-sign if said[0] == "-" else sign), said[1:].strip()
    return sign, said


def _without_unit(said: str, unit: Currency) -> str:
    """Return an amount without the sign of its own currency. Raises ValueError for another's."""
    match = re.fullmatch(r"([^0-9.,+'-]*)([0-9.,+' -]*?)([^0-9.,+'-]*)", said)
    if match is None:
        raise BadCell("{cell} is no amount", cell=repr(said[:40]))
    for word in (match[1].strip(), match[3].strip()):
        if word and currency(word) is not unit:
            raise BadCell("{cell} is not in {currency}", cell=repr(said[:40]), currency=unit.value)
    return match[2].strip()


def day_parts(text: str) -> tuple[int, int] | None:
    """Return the first two numbers of a date whose order is open ("5/11/2026"), None where it is not."""
    match = YEAR_LAST.match(in_ascii(text))
    return (int(match[1]), int(match[2])) if match else None


def moment(text: str, order: DateOrder, clock: str = "") -> tuple[datetime, bool]:
    """Return when, aware, and whether the time of day is known; a day alone stands for its noon.

    order: which of the first two numbers is the day, where the year is last. clock: the cell of a column
    of its own for the time. Times are Phnom Penh's unless they say otherwise. Raises ValueError.
    """
    said = in_ascii(text)
    day, rest = _date(said, order, text)
    rest = in_ascii(clock) or rest.strip(" ,T")
    if not rest:
        return datetime.combine(day, time(12), PHNOM_PENH).astimezone(UTC), False
    match = TIME.fullmatch(rest)
    if match is None:
        raise BadCell("{cell} is no time of day", cell=repr(rest[:20]))
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    if match[4]:
        if not 1 <= hour <= 12:
            raise BadCell("{cell} is no time of day", cell=repr(rest[:20]))
        hour = hour % 12 + (12 if match[4] in "pP" else 0)
    zone: timezone = PHNOM_PENH
    if match[5] == "Z":
        zone = UTC
    elif match[5]:
        east = timedelta(hours=int(match[5][1:3]), minutes=int(match[5][-2:]))
        zone = timezone(east if match[5][0] == "+" else -east)
    return datetime.combine(day, time(hour, minute, second), zone).astimezone(UTC), True


def _date(said: str, order: DateOrder, text: str) -> tuple[date, str]:
    """Return the day a text begins with, and what follows it."""
    if match := YEAR_FIRST.match(said):
        year, month, day = int(match[1]), int(match[2]), int(match[3])
    elif match := YEAR_LAST.match(said):
        first, second, year = int(match[1]), int(match[2]), int(match[3])
        day, month = (first, second) if order == "dmy" else (second, first)
    elif match := NAMED.match(said):
        named = MONTHS.get(match[2].casefold().rstrip("."))
        if named is None:
            raise BadCell("{cell}: {word} is no month", cell=repr(text[:40]), word=repr(match[2]))
        day, month, year = int(match[1]), named, int(match[3])
    else:
        raise BadCell("{cell} is no date", cell=repr(text[:40]))
    try:
        return date(year + 2000 if year < 100 else year, month, day), said[match.end() :]
    except ValueError:
        raise BadCell("{cell} is no date, read as {order}", cell=repr(text[:40]), order=order) from None

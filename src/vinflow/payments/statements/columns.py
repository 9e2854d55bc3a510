"""Which column of a statement holds what: a map by the headings' own words, saved under a name.

Plain Python. A heading is compared without regard to case, blanks and byte order marks.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from vinflow.money import Currency
from vinflow.payments.statements.cells import DateOrder, DecimalMark
from vinflow.payments.statements.errors import StatementRefused

__all__ = ["NAMES", "ColumnMap", "guess", "heading"]

# What banks in Cambodia and spreadsheets call the columns, in English and Khmer; only to fill in a form.
NAMES: Mapping[str, tuple[str, ...]] = {
    "date": (
        "date",
        "transaction date",
        "trans date",
        "posting date",
        "value date",
        "date time",
        "datetime",
        "កាលបរិច្ឆេទ",
        "ថ្ងៃខែឆ្នាំ",
        "ថ្ងៃប្រតិបត្តិការ",
    ),
    "time": ("time", "transaction time", "ម៉ោង", "ពេលវេលា"),
    "amount": ("amount", "transaction amount", "ចំនួនទឹកប្រាក់", "ទឹកប្រាក់", "ចំនួន"),
    "credit": ("credit", "money in", "paid in", "deposit", "credit amount", "ឥណទាន", "ប្រាក់ចូល"),
    "debit": ("debit", "money out", "paid out", "withdrawal", "debit amount", "ឥណពន្ធ", "ប្រាក់ចេញ"),
    "currency": ("currency", "ccy", "រូបិយប័ណ្ណ"),
    "reference": (
        "reference",
        "ref",
        "ref no",
        "reference no",
        "reference number",
        "transaction id",
        "external ref",
        "trx id",
        "លេខយោង",
        "លេខប្រតិបត្តិការ",
    ),
    "hash": ("hash", "bakong hash", "transaction hash", "trx hash", "ហាស"),
    "description": (
        "description",
        "details",
        "narrative",
        "particulars",
        "remark",
        "transaction details",
        "ពិពណ៌នា",
        "បរិយាយ",
    ),
    "balance": ("balance", "closing balance", "running balance", "available balance", "សមតុល្យ"),
}


def heading(text: str) -> str:
    """Return a heading as it is compared: case, blanks, dots and marks of byte order do not count."""
    plain = unicodedata.normalize("NFC", text).replace("\ufeff", "").replace("\u200b", "")
    return " ".join(plain.replace(".", " ").replace("_", " ").casefold().split())


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """Where a statement keeps what, by its headings; "" where it has no such column.

    amount: one column with a sign, or credit (money in) and debit (money out) in its place. unit: the
    currency where no column names it, "" otherwise. order: dmy or mdy; "" lets the file itself decide, and
    refuses one that could be read either way. encoding and delimiter: "" are found out.
    """

    date: str = ""
    time: str = ""
    amount: str = ""
    credit: str = ""
    debit: str = ""
    currency: str = ""
    reference: str = ""
    hash: str = ""
    description: str = ""
    balance: str = ""
    unit: str = ""
    order: str = ""
    mark: str = "."
    encoding: str = ""
    delimiter: str = ""

    COLUMNS = (
        "date",
        "time",
        "amount",
        "credit",
        "debit",
        "currency",
        "reference",
        "hash",
        "description",
        "balance",
    )

    def check(self) -> Self:
        """Return the map itself. Raises StatementRefused where it cannot describe a statement."""
        if not self.date:
            raise StatementRefused("columns", "no column is named for the date")
        if bool(self.amount) == bool(self.credit or self.debit):
            raise StatementRefused("columns", "name one column for the amount, or credit and debit")
        if not self.amount and not self.credit:
            raise StatementRefused("columns", "no column is named for the money that came in")
        if bool(self.currency) == bool(self.unit):
            raise StatementRefused("columns", "name a column for the currency, or the currency itself")
        if self.unit and self.unit not in list(Currency):
            raise StatementRefused("columns", "{cell} is neither USD nor KHR", cell=repr(self.unit[:10]))
        if self.order not in ("", "dmy", "mdy") or self.mark not in (".", ","):
            raise StatementRefused("columns", "the order of dates is dmy or mdy, the decimal mark . or ,")
        if self.encoding not in ("", "utf-8", "utf-16", "cp1252") or self.delimiter not in (
            "",
            ",",
            ";",
            "\t",
            "|",
        ):
            raise StatementRefused("columns", "this encoding or delimiter is not known")
        named = [heading(getattr(self, name)) for name in self.COLUMNS if getattr(self, name)]
        if len(set(named)) != len(named):
            raise StatementRefused("columns", "one column is named twice")
        return self

    def as_json(self) -> dict[str, str]:
        """Return the map as a JSON object."""
        return asdict(self)

    @classmethod
    def of_json(cls, saved: Mapping[str, Any]) -> Self:
        """Return a saved map; what is not known to it is left out, texts are cut to 80 letters."""
        known = {one.name for one in fields(cls)}
        return cls(**{name: str(value)[:80] for name, value in saved.items() if name in known})


def guess(headings: Sequence[str]) -> ColumnMap:
    """Return the map that a statement's headings suggest; what they do not say is left empty."""
    theirs = {heading(one): one for one in headings if heading(one)}
    found: dict[str, str] = {}
    for column, names in NAMES.items():
        for name in names:
            match = theirs.get(heading(name)) or next(
                (one for plain, one in theirs.items() if plain.startswith(heading(name) + " (")), None
            )
            if match and match not in found.values():
                found[column] = match
                break
    if "credit" in found:
        found.pop("amount", None)
    else:
        found.pop("debit", None)
    return ColumnMap(**found)


def date_order(said: str) -> DateOrder:
    """Return a saved order as the reader takes it."""
    return "mdy" if said == "mdy" else "dmy"


def decimal_mark(said: str) -> DecimalMark:
    """Return a saved decimal mark as the reader takes it."""
    return "," if said == "," else "."

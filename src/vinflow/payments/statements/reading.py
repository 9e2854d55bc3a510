"""A statement's bytes -> its lines, or refused with the reason. Plain Python; nothing is stored here.

A file is read whole or not at all: one cell that cannot be read refuses all of it, since half a
statement would make the other half look as if it had never come.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from vinflow.money import Currency, Money
from vinflow.payments.statements import cells
from vinflow.payments.statements.columns import ColumnMap, date_order, decimal_mark, heading
from vinflow.payments.statements.errors import BadCell, StatementRefused

__all__ = ["BYTES_MAX", "LINES_MAX", "Line", "Table", "read", "table"]

BYTES_MAX = 10_000_000
LINES_MAX = 100_000
CELL_MAX = 2_000
HEAD_MAX = 40  # lines above the headings: the bank's address, the account, the dates
MAGIC = (b"PK\x03\x04", b"%PDF", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"\x89PNG", b"\xff\xd8\xff", b"\x7fELF")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
HASH = re.compile(r"[0-9a-fA-F]{64}")
WORDS_KEPT = {"reference": 100, "description": 500}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a statement. money: negative where it went out. has_time: false for a day alone.

    row: the line of the file. hash: 64 lower-case hex digits, or "". balance: the account's after it.
    """

    row: int
    at: datetime
    has_time: bool
    money: Money
    reference: str = ""
    hash: str = ""
    description: str = ""
    balance: Money | None = None

    def key(self, receiver: str) -> str:
        """Return the name of what this line says; two genuine lines that say the same have the same name."""
        facts = (
            receiver.casefold(),
            self.at.isoformat(),
            str(int(self.has_time)),
            self.money.currency.value,
            str(self.money.minor),
            self.reference,
            self.hash,
            self.description,
        )
        return hashlib.sha256("\x1f".join(facts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Table:
    """A file as rows of cells. headings: the first row that looks like them. rows: number, cells."""

    headings: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


def table(content: bytes, columns: ColumnMap | None = None) -> Table:
    """Return a file as a table. Raises StatementRefused: not CSV, too large, binary, a formula in a cell.

    columns: where given, the headings are the first row that has all of its columns; else the first row
    of the widest rows.
    """
    columns = columns or ColumnMap()
    text = decoded(content, columns.encoding)
    rows = _rows(text, columns.delimiter)
    wanted = {heading(getattr(columns, name)) for name in ColumnMap.COLUMNS if getattr(columns, name)}
    place = _place_of_headings(rows, wanted)
    headings, width = rows[place][1], len(rows[place][1])
    body = []
    for number, row in rows[place + 1 :]:
        if not any(cell.strip() for cell in row):
            continue
        for cell in row:
            if cells.is_formula(cell.strip(" ")):
                raise StatementRefused("formula", "a cell holds a formula", row=number)
        if len(row) > width and any(cell.strip() for cell in row[width:]):
            raise StatementRefused(
                "not_csv",
                "{cells} cells under {headings} headings",
                row=number,
                cells=len(row),
                headings=width,
            )
        body.append((number, row))
    return Table(headings, tuple(body))


def decoded(content: bytes, encoding: str = "") -> str:
    """Return the text of a file: UTF-8 with or without mark, UTF-16, cp1252. Raises StatementRefused."""
    if len(content) > BYTES_MAX:
        raise StatementRefused("too_large", "larger than {size} MB", size=BYTES_MAX // 1_000_000)
    if not content.strip():
        raise StatementRefused("empty", "the file is empty")
    if content.startswith(MAGIC):
        raise StatementRefused("binary", "not a text file: save the statement as CSV")
    for name in [encoding] if encoding else _encodings(content):
        try:
            text = content.decode({"utf-8": "utf-8-sig"}.get(name, name))
        except UnicodeError:
            continue
        if CONTROL.search(text):
            raise StatementRefused("binary", "not a text file: save the statement as CSV")
        return text
    raise StatementRefused(
        "encoding", "not written in {encoding}", encoding=encoding or "UTF-8, UTF-16, cp1252"
    )


def _encodings(content: bytes) -> list[str]:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return ["utf-16"]
    if b"\x00" in content[:200]:  # UTF-16 without its mark: every other byte of plain letters is null
        return ["utf-16-le" if content[1:2] == b"\x00" else "utf-16-be"]
    return ["utf-8", "cp1252"]


def _rows(text: str, delimiter: str) -> list[tuple[int, tuple[str, ...]]]:
    """Return the rows of a text with the number of the line each begins on."""
    tried = [delimiter] if delimiter else sorted(",;\t|", key=text[:20_000].count, reverse=True)[:2]
    for sign in tried:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
        rows: list[tuple[int, tuple[str, ...]]] = []
        begins = 1
        try:
            for row in reader:
                if any(len(cell) > CELL_MAX for cell in row):
                    raise StatementRefused(
                        "not_csv", "a cell of more than {n} letters", row=begins, n=CELL_MAX
                    )
                rows.append((begins, tuple(row)))
                begins = reader.line_num + 1
                if len(rows) > LINES_MAX + HEAD_MAX:
                    raise StatementRefused("too_many_lines", "more than {n} lines", n=f"{LINES_MAX:,}")
        except csv.Error as error:
            if sign == tried[-1]:
                raise StatementRefused("not_csv", "not CSV: {error}", row=begins, error=error) from None
            continue
        if any(len(row) > 1 for _number, row in rows):
            return rows
    raise StatementRefused("not_csv", "not CSV: no line has more than one cell")


def _place_of_headings(rows: Sequence[tuple[int, tuple[str, ...]]], wanted: set[str]) -> int:
    widest = max(len([cell for cell in row if cell.strip()]) for _number, row in rows[:HEAD_MAX])
    best: set[str] = wanted
    for place, (_number, row) in enumerate(rows[:HEAD_MAX]):
        theirs = {heading(cell) for cell in row if cell.strip()}
        if wanted and wanted <= theirs:
            return place
        if not wanted and len(theirs) == widest:
            return place
        best = min(best, wanted - theirs, key=len)
    if wanted:
        missing = ", ".join(sorted(best))
        raise StatementRefused("missing_columns", "no line of headings has the column {name}", name=missing)
    return 0


def read(content: bytes, columns: ColumnMap) -> list[Line]:
    """Return every line of a statement, in the order of the file. Raises StatementRefused, with the row.

    A row without an amount (a heading inside, a line of totals) is passed over only when it has no date
    either.
    """
    columns.check()
    seen = table(content, columns)
    places = {heading(name): place for place, name in reversed(list(enumerate(seen.headings)))}
    where = {
        name: places[heading(getattr(columns, name))] for name in ColumnMap.COLUMNS if getattr(columns, name)
    }

    def cell(row: tuple[str, ...], name: str) -> str:
        place = where.get(name)
        return row[place] if place is not None and place < len(row) else ""

    order = columns.order or _order_of([cell(row, "date") for _number, row in seen.rows])
    lines = []
    for number, row in seen.rows:
        values = {name: cell(row, name) for name in ColumnMap.COLUMNS}
        if not any(values[name].strip() for name in ("date", "amount", "credit", "debit")):
            continue
        lines.append(_line(number, values, columns, order))
    if not lines:
        raise StatementRefused("empty", "no line below the headings")
    return lines


def _line(number: int, values: dict[str, str], columns: ColumnMap, order: str) -> Line:
    mark = decimal_mark(columns.mark)
    try:
        unit = Currency(columns.unit) if columns.unit else cells.currency(values["currency"])
    except ValueError as error:
        raise StatementRefused.of_cell("currency", error, row=number) from None
    try:
        money = _money(values, unit, columns)
        balance = cells.amount(values["balance"], unit, mark=mark)
    except ValueError as error:
        raise StatementRefused.of_cell("amount", error, row=number) from None
    try:
        at, has_time = cells.moment(values["date"], date_order(order), values["time"])
    except ValueError as error:
        raise StatementRefused.of_cell("date", error, row=number) from None
    words = {name: " ".join(values[name].split())[:most] for name, most in WORDS_KEPT.items()}
    named = values["hash"].strip().lower()
    if not HASH.fullmatch(named):
        inside = HASH.search(values["description"]) or HASH.search(values["reference"])
        named = inside[0].lower() if inside else ""
    return Line(number, at, has_time, money, words["reference"], named, words["description"], balance)


def _money(values: dict[str, str], unit: Currency, columns: ColumnMap) -> Money:
    mark = decimal_mark(columns.mark)
    if columns.amount:
        money = cells.amount(values["amount"], unit, mark=mark)
        if money is None:
            raise BadCell("there is a date and no amount")
        return money
    came = cells.amount(values["credit"], unit, mark=mark)
    went = cells.amount(values["debit"], unit, mark=mark)
    came = None if came is not None and not came.minor else came
    went = None if went is not None and not went.minor else went
    if (came is None) == (went is None):
        raise BadCell("one of credit and debit must have an amount, and only one")
    if came is not None:
        if came.minor < 0:
            raise BadCell("a negative amount in the column of what came in")
        return came
    assert went is not None
    return -went if went.minor > 0 else went


def _order_of(dates: Sequence[str]) -> str:
    """Return which of two numbers is the day, where the dates themselves say so. Raises StatementRefused."""
    parts = [found for found in map(cells.day_parts, dates) if found is not None]
    if not parts:
        return "dmy"
    may = {
        "dmy": all(month <= 12 for _day, month in parts),
        "mdy": all(month <= 12 for month, _day in parts),
    }
    if all(may.values()) and any(first != second for first, second in parts):
        raise StatementRefused("date_order", "these dates can be read day first or month first: choose one")
    if not any(may.values()):
        raise StatementRefused("date", "these dates are neither day first nor month first throughout")
    return "dmy" if may["dmy"] else "mdy"

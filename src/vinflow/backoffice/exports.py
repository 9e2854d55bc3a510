"""Payments for a spreadsheet: CSV and XLSX, row after row, however many there are.

CSV: UTF-8 with a mark, amounts as plain numbers, times with +07:00. A cell that a spreadsheet would run
as a formula becomes text: whoever names himself "=1+1" stays a name.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

from django.db.models import QuerySet

from vinflow.backoffice.days import PHNOM_PENH, iso_local
from vinflow.backoffice.listing import state_of
from vinflow.payments.models import Payment
from vinflow.payments.states import Status

__all__ = ["COLUMNS", "XLSX_ROWS_MAX", "csv_of", "csv_pieces", "write_xlsx", "xlsx_of"]

COLUMNS = (
    "reference",
    "created_at",
    "paid_at",
    "user",
    "email",
    "currency",
    "amount",
    "status",
    "late",
    "method",
    "md5",
    "hash",
    "receipt",
)
AMOUNT = COLUMNS.index("amount")
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
CHUNK = 2_000
LINES_A_PIECE = 500
XLSX_ROWS_MAX = 1_048_575  # what a sheet holds below its heading


def cells_of(payment: Payment) -> list[str]:
    """Return a payment as the texts of its row; it was read with listing.dressed."""
    paid = payment.status == Status.COMPLETED
    receipt = ""
    if payment.completed_at is not None:
        receipt = f"R-{payment.completed_at.astimezone(PHNOM_PENH).year}-{payment.pk:06d}"
    return [
        payment.transaction_id,
        iso_local(payment.created_at),
        iso_local(payment.completed_at),
        payment.user.get_username() if payment.user else "",
        getattr(payment.user, "email", "") if payment.user else "",
        payment.currency,
        payment.money.plain,
        "completed" if paid else state_of(payment),
        "yes" if payment.completed_late else "no",
        payment.method,
        str(getattr(payment, "newest_md5", "") or ""),
        str(getattr(payment, "credited_hash", "") or ""),
        receipt,
    ]


def safe(cell: str) -> str:
    """Return a cell that no spreadsheet runs as a formula."""
    return "'" + cell if cell.startswith(FORMULA) else cell


def csv_of(rows: QuerySet[Payment]) -> Iterator[bytes]:
    """Yield the payments as CSV in pieces of some hundred lines; memory does not grow with their number."""
    for piece, _count in csv_pieces(rows):
        yield piece


def csv_pieces(rows: QuerySet[Payment]) -> Iterator[tuple[bytes, int]]:
    """Yield (a piece of CSV, payments in it); the heading is a piece of none."""
    yield "\ufeff".encode() + _lines([COLUMNS]), 0
    piece: list[Sequence[str]] = []
    for payment in rows.iterator(chunk_size=CHUNK):
        piece.append([safe(cell) for cell in cells_of(payment)])
        if len(piece) == LINES_A_PIECE:
            yield _lines(piece), len(piece)
            piece = []
    if piece:
        yield _lines(piece), len(piece)


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def xlsx_of(rows: QuerySet[Payment]) -> IO[bytes]:
    """Return an XLSX file of the payments in a temporary file, read from its start; see write_xlsx."""
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the answer closes it when it was sent)
    write_xlsx(rows, file)
    file.seek(0)
    return file


def write_xlsx(rows: QuerySet[Payment], file: IO[bytes], tick: Callable[[int], None] | None = None) -> None:
    """Write the payments as XLSX, amounts as numbers and everything else as text.

    Row by row to the disk: memory does not grow with their number. tick: called with how many rows stand
    in the sheet, every now and then. Raises ImportError where openpyxl is not installed.
    """
    from openpyxl import Workbook  # type: ignore[import-untyped]
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]

    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet("payments")
    sheet.freeze_panes = "A2"
    sheet.append(list(COLUMNS))
    for count, payment in enumerate(rows[:XLSX_ROWS_MAX].iterator(chunk_size=CHUNK), start=1):
        line: list[Any] = []
        for place, text in enumerate(cells_of(payment)):
            if place == AMOUNT:
                line.append(Decimal(text))
                continue
            cell = _printable(text)
            if cell.startswith("="):  # a text all the same, and no formula
                cell = WriteOnlyCell(sheet, cell)
                cell.data_type = "s"
            line.append(cell)
        sheet.append(line)
        if tick is not None and count % CHUNK == 0:
            tick(count)
    book.save(file)


def _printable(text: str) -> str:
    """Return a text without control characters: XML cannot carry them, and openpyxl raises."""
    return "".join(sign for sign in text if sign.isprintable() or sign == " ")

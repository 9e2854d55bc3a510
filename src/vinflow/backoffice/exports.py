"""Payments for a spreadsheet: CSV and XLSX, row after row, however many there are.

CSV: UTF-8 with a mark, amounts as plain numbers, times with +07:00. A cell that a spreadsheet would run
as a formula becomes text: whoever names himself "=1+1" stays a name.
"""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import IO, Any

from django.db.models import QuerySet

from vinflow.backoffice.days import PHNOM_PENH, iso_local
from vinflow.backoffice.listing import state_of
from vinflow.payments.models import Payment
from vinflow.payments.states import Status

__all__ = ["COLUMNS", "XLSX_ROWS_MAX", "csv_of", "xlsx_of"]

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
    yield "\ufeff".encode() + _lines([COLUMNS])
    piece: list[Sequence[str]] = []
    for payment in rows.iterator(chunk_size=CHUNK):
        piece.append([safe(cell) for cell in cells_of(payment)])
        if len(piece) == LINES_A_PIECE:
            yield _lines(piece)
            piece = []
    if piece:
        yield _lines(piece)


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def xlsx_of(rows: QuerySet[Payment]) -> IO[bytes]:
    """Return an XLSX file of the payments, amounts as numbers, everything else as text; read from its start.

    Written row by row to a file on disk. Raises ImportError where openpyxl is not installed.
    """
    from openpyxl import Workbook  # type: ignore[import-untyped]
    from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped]

    book = Workbook(write_only=True)
    sheet: Any = book.create_sheet("payments")
    sheet.freeze_panes = "A2"
    sheet.append(list(COLUMNS))
    for payment in rows[:XLSX_ROWS_MAX].iterator(chunk_size=CHUNK):
        line: list[Any] = []
        for place, text in enumerate(cells_of(payment)):
            cell = WriteOnlyCell(sheet, Decimal(text) if place == AMOUNT else _printable(text))
            if place != AMOUNT:
                cell.data_type = "s"  # else a text that begins with "=" would be a formula
            line.append(cell)
        sheet.append(line)
    file = tempfile.TemporaryFile()  # noqa: SIM115  (the answer closes it when it was sent)
    book.save(file)
    file.seek(0)
    return file


def _printable(text: str) -> str:
    """Return a text without control characters: XML cannot carry them, and openpyxl raises."""
    return "".join(sign for sign in text if sign.isprintable() or sign == " ")

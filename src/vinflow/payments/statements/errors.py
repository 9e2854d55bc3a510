"""Why a statement is refused: a code for the page, words for a person, the row where there is one."""

from __future__ import annotations

from vinflow.payments.errors import PaymentError

__all__ = ["StatementRefused"]


class StatementRefused(PaymentError):
    """The file is no statement that can be read; nothing of it is stored.

    code: too_large, too_many_lines, binary, encoding, not_csv, empty, missing_columns, formula, date,
    date_order, amount, currency, columns. row: the line of the file, counted from 1; None for the whole.
    """

    def __init__(self, code: str, why: str, *, row: int | None = None) -> None:
        super().__init__(why if row is None else f"line {row}: {why}")
        self.code = code
        self.why = why
        self.row = row

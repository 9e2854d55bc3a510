"""Why a statement is refused: a code for the page, words for a person, the row where there is one.

The words are a sentence with named holes, kept apart from what fills them: a page says it in its language.
"""

from __future__ import annotations

from vinflow.payments.errors import PaymentError

__all__ = ["BadCell", "StatementRefused"]


class BadCell(ValueError):
    """A cell holds no such value. words: a sentence with {holes}; values: what fills them."""

    def __init__(self, words: str, **values: object) -> None:
        super().__init__(words.format(**values) if values else words)
        self.words = words
        self.values = values


class StatementRefused(PaymentError):
    """The file is no statement that can be read; nothing of it is stored.

    code: too_large, too_many_lines, binary, encoding, not_csv, empty, missing_columns, formula, date,
    date_order, amount, currency, columns, receiver. row: the line of the file, counted from 1; None for the
    whole. words: the sentence with {holes}; values: what fills them; why: both together.
    """

    def __init__(self, code: str, words: str, *, row: int | None = None, **values: object) -> None:
        self.why = words.format(**values) if values else words
        super().__init__(self.why if row is None else f"line {row}: {self.why}")
        self.code = code
        self.words = words
        self.values = values
        self.row = row

    @classmethod
    def of_cell(cls, code: str, bad: ValueError, *, row: int) -> StatementRefused:
        """Return why a file is refused for one cell of it."""
        if isinstance(bad, BadCell):
            return cls(code, bad.words, row=row, **bad.values)
        return cls(code, str(bad), row=row)

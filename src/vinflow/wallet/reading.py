"""Statements written by hand, and the rows of a model read by one.

Crediting runs the same dozen statements each time. Django builds each of them anew from objects, which
cost four times the statement itself (measured: 0.37 ms of processor for one locked row against 0.09
here). So the few statements on that path are text, the same text each time, and PostgreSQL plans them
once. What comes back are ordinary instances of the model all the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from django.db import connections, models
from django.db.backends.utils import CursorWrapper
from django.db.models.expressions import Col

if TYPE_CHECKING:
    from psycopg import Cursor

__all__ = ["Columns", "by_hand", "locking"]

NEVER_UNASKED = 2**31  # executions of a statement before psycopg prepares it without being told to

M = TypeVar("M", bound=models.Model)

Convert = Callable[[Any], Any]


class Columns(Generic[M]):
    """The columns of a model for a SELECT of one's own, and the way back from a row to an instance.

    without: fields that are not read; Django reads them by itself when somebody asks for one.
    """

    def __init__(self, model: type[M], *, without: Sequence[str] = ()) -> None:
        self.model = model
        left_out = set(without)
        self._fields = [field for field in model._meta.concrete_fields if field.name not in left_out]
        if len(self._fields) + len(left_out) != len(model._meta.concrete_fields):
            raise LookupError(f"{model.__name__} lacks one of {', '.join(sorted(left_out))}")
        self._names = [field.attname for field in self._fields]
        self._converters: dict[str, list[tuple[int, list[Convert]]]] = {}

    def __len__(self) -> int:
        return len(self._fields)

    def of(self, table: str) -> str:
        """Return the columns for the text of a SELECT, each under this table's name or alias."""
        return ", ".join(f'{table}."{field.column}"' for field in self._fields)

    def instance(self, row: Sequence[Any], *, using: str) -> M:
        """Return the instance of a row as the database gave it: a value for each column, in order."""
        values = list(row)
        for place, converters in self._converting(using):
            for convert in converters:
                values[place] = convert(values[place])
        return self.model.from_db(using, self._names, values)

    def _converting(self, using: str) -> list[tuple[int, list[Convert]]]:
        """Return (place, converters) for the columns whose values the driver gives in another form.

        On SQLite moments and truths, on both JSON. Gathered once for each connection's name.
        """
        if using not in self._converters:
            connection = connections[using]
            found = []
            for place, field in enumerate(self._fields):
                column = Col(self.model._meta.db_table, field)
                named: list[Any] = [
                    *connection.ops.get_db_converters(column),
                    *column.get_db_converters(connection),
                ]
                if named:
                    found.append((place, [_bound(convert, column, connection) for convert in named]))
            self._converters[using] = found
        return self._converters[using]


def _bound(convert: Any, column: Col, connection: Any) -> Convert:
    return lambda value: convert(value, column, connection)


def locking(using: str, *tables: str) -> str:
    """Return the end of a SELECT that locks its rows, of these tables in this order; "" on SQLite.

    NO KEY UPDATE: rows that refer to these may still be inserted meanwhile. SQLite has no row locks and
    needs none: its transactions begin IMMEDIATE, one writer at a time.
    """
    if not connections[using].features.has_select_for_no_key_update:
        return ""
    return " FOR NO KEY UPDATE" + (f" OF {', '.join(tables)}" if tables else "")


def by_hand(using: str) -> CursorWrapper:
    """Return a cursor for statements that come again and again; inside a transaction only.

    On PostgreSQL they are prepared: sent and planned once for each connection, whatever the host's own
    queries do. Not where DISABLE_SERVER_SIDE_CURSORS says that a pooler sits between, which may hand the
    next transaction to another server session. Elsewhere this is Django's own cursor.
    """
    connection: Any = connections[using]
    pooled = connection.settings_dict.get("DISABLE_SERVER_SIDE_CURSORS")
    # While queries are logged Django's own cursor serves: only that one can say what it executed.
    prepares = connection.vendor == "postgresql" and not pooled and not connection.queries_logged
    prepared = _prepared_cursor() if prepares else None
    if prepared is None:
        return cast("CursorWrapper", connection.cursor())
    connection.validate_thread_sharing()
    if connection.connection.prepare_threshold is None:  # Django's default: nothing may be prepared at all
        connection.connection.prepare_threshold = NEVER_UNASKED
    with connection.wrap_database_errors:
        cursor = prepared(connection.connection)
    return cast("CursorWrapper", connection.make_cursor(cursor))


@functools.cache
def _prepared_cursor() -> type[Cursor[Any]] | None:
    """Return a class of cursors that prepare what they execute; None where the driver is psycopg 2."""
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    if not is_psycopg3:
        return None
    import psycopg

    class Prepared(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **_how: Any) -> Prepared:
            return super().execute(query, params, prepare=True)

    return Prepared

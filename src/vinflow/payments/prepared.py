"""A query that is asked ten times a second is compiled once: the ORM's own SQL, kept with its converters.

Building and compiling a query with several subqueries costs Django more than the database takes to
answer it. What is kept is exactly what the ORM made for the models as they are, for each kind of
database; only the values of its holes change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from django.db import connections, models

__all__ = ["Prepared"]

M = TypeVar("M", bound=models.Model)


class Prepared:
    """A query of rows, compiled on its first use.

    build: makes the queryset (a values_list) from the holes, by name. holes: a marker for each, of the
    type that its value will have, each unlike any other value in the query.
    """

    def __init__(self, build: Callable[..., Any], holes: Mapping[str, Any]) -> None:
        self._build = build
        self._holes = holes
        self._kept: dict[str, tuple[str, list[Any], list[Any]]] = {}
        self._lock = threading.Lock()

    def rows(self, values: Mapping[str, Any], *, using: str = "default") -> list[list[Any]]:
        """Return the rows of the query for these values, converted as the ORM converts them; one query."""
        connection = connections[using]
        sql, plan, converters = self._compiled(connection.vendor, using)
        params = [values[part.name] if isinstance(part, _Hole) else part for part in plan]
        with connection.cursor() as cursor:
            cursor.execute(
                sql,
                [connection.ops.adapt_unknown_value(each) if _is_moment(each) else each for each in params],
            )
            rows = [list(row) for row in cursor.fetchall()]
        for row in rows:
            for position, steps, expression in converters:
                value = row[position]
                for step in steps:
                    value = step(value, expression, connection)
                row[position] = value
        return rows

    def instances(self, model: type[M], values: Mapping[str, Any], *, using: str = "default") -> list[M]:
        """Return the rows of a query of whole rows (`values_list()`, no columns named) as instances."""
        names = [each.attname for each in model._meta.concrete_fields]
        return [model.from_db(using, names, row) for row in self.rows(values, using=using)]

    def _compiled(self, vendor: str, using: str) -> tuple[str, list[Any], list[Any]]:
        if vendor not in self._kept:
            with self._lock:
                self._kept[vendor] = self._compile(using)
        return self._kept[vendor]

    def _compile(self, using: str) -> tuple[str, list[Any], list[Any]]:
        connection = connections[using]
        compiler = self._build(**self._holes).query.get_compiler(using=using)
        sql, params = compiler.as_sql()
        adapted = {
            connection.ops.adapt_unknown_value(marker) if _is_moment(marker) else marker: _Hole(name)
            for name, marker in self._holes.items()
        }
        plan = [adapted.get(part, part) for part in params]
        missing = set(self._holes) - {part.name for part in plan if isinstance(part, _Hole)}
        if missing:
            raise ValueError(f"no place was found for {', '.join(sorted(missing))}")
        expressions = [each[0] for each in compiler.select]
        found = compiler.get_converters(expressions)
        return sql, plan, [(position, steps, expression) for position, (steps, expression) in found.items()]


class _Hole:
    def __init__(self, name: str) -> None:
        self.name = name


def _is_moment(value: Any) -> bool:
    return hasattr(value, "tzinfo")

"""What a refusal of the database is made of: one condition on one table, in words both dialects share."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Guard", "frozen", "kept", "once"]


@dataclass(frozen=True, slots=True)
class Guard:
    """One refusal on one table.

    event: UPDATE, DELETE or INSERT. when: an SQL condition over OLD and NEW in words both dialects
    share. says: the sentence of the error. locks: (table, column of NEW) of the row that rivals who
    ask the same question must wait for; PostgreSQL only, SQLite has one writer. and_lacks: a SELECT
    that must find nothing besides.
    """

    name: str
    table: str
    event: str
    when: str
    says: str
    locks: tuple[str, str] | None = None
    and_lacks: str = ""


def frozen(table: str, says: str, *columns: str) -> Guard:
    """Return the guard that these columns never change."""
    when = " OR ".join(f"NEW.{column} IS DISTINCT FROM OLD.{column}" for column in columns)
    return Guard(f"{table}_frozen", table, "UPDATE", when, says)


def kept(table: str, says: str) -> Guard:
    """Return the guard that no row of a table is deleted."""
    return Guard(f"{table}_kept", table, "DELETE", "1=1", says)


def once(table: str, name: str, column: str, says: str) -> Guard:
    """Return the guard that a column, once it is set, never changes."""
    return Guard(
        f"{table}_{name}",
        table,
        "UPDATE",
        f"OLD.{column} IS NOT NULL AND NEW.{column} IS DISTINCT FROM OLD.{column}",
        says,
    )

"""Triggers that make the database itself refuse to bend the books, on SQLite and on PostgreSQL.

What they hold, whatever the code above them does:

- entries, lines, seals and blocks are append-only: no UPDATE, DELETE, TRUNCATE, INSERT OR REPLACE;
- an entry is committed only with its seal, and a seal only goes on lines that balance per currency,
  as many as it says; a sealed entry takes no further line; a reversal mirrors what it reverses;
- a line's currency and environment are its account's; a closed account takes no line; amounts are
  whole and positive;
- a wallet's lines are numbered without gaps, each balance follows from the one before and never
  falls below what is held; the balance column moves by its next line and in no other way;
- the held column is the sum of the open holds; a hold is captured or released once.

Installed after every migration (a table rebuild on SQLite drops triggers without a word), verified
by a system check, before serving and by `audit_ledger`.
"""

from __future__ import annotations

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from vinflow.wallet import guards_postgresql, guards_sqlite
from vinflow.wallet.errors import GuardsMissing

TABLES = (
    "wallet_account",
    "wallet_block",
    "wallet_hold",
    "wallet_journalentry",
    "wallet_journalline",
    "wallet_seal",
)


def tables_exist(connection: BaseDatabaseWrapper) -> bool:
    """Whether the wallet's tables are all there (they are not before the first migration)."""
    return set(TABLES) <= set(connection.introspection.table_names())


def install_guards(connection: BaseDatabaseWrapper) -> None:
    """Put every guard in place; those that stand already, unchanged, are left alone.

    Raises GuardsMissing for a database that is neither SQLite nor PostgreSQL.
    """
    if connection.vendor == "sqlite":
        guards_sqlite.install(connection)
    elif connection.vendor == "postgresql":
        guards_postgresql.install(connection)
    else:
        raise GuardsMissing([f"no guards are known for {connection.vendor}"])


def verify_guards(connection: BaseDatabaseWrapper) -> list[str]:
    """Return what is wrong with the guards, a sentence each: missing, changed, switched off, foreign."""
    if connection.vendor == "sqlite":
        return guards_sqlite.verify(connection) + missing_constraints(connection)
    if connection.vendor == "postgresql":
        return guards_postgresql.verify(connection) + missing_constraints(connection)
    return [f"no guards are known for {connection.vendor}"]


def missing_constraints(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the keys and checks of the tables that are gone. Only a migration can put them back."""
    problems = []
    for model in apps.get_app_config("wallet").get_models():
        table = model._meta.db_table
        with connection.cursor() as cursor:
            present = connection.introspection.get_constraints(cursor, table)
        problems += [
            f"constraint {constraint.name} of {table} is missing"
            for constraint in model._meta.constraints
            if constraint.name not in present
        ]
        keys = {tuple(one["columns"]) for one in present.values() if one["foreign_key"]}
        unique = {tuple(one["columns"]) for one in present.values() if one["unique"] or one["primary_key"]}
        for field in model._meta.local_fields:
            if field.remote_field is not None and (field.column,) not in keys:
                problems.append(f"foreign key of {table}.{field.column} is missing")
            if field.unique and (field.column,) not in unique:  # the primary key among them
                problems.append(f"unique key of {table}.{field.column} is missing")
    return problems


def require_guards(using: str = DEFAULT_DB_ALIAS) -> None:
    """Return nothing when the database guards the books. Raises GuardsMissing: do not serve then."""
    if problems := verify_guards(connections[using]):
        raise GuardsMissing(problems)

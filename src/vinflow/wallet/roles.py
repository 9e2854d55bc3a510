"""The PostgreSQL roles of a careful shop: one owns the books and never serves, one serves and owns nothing.

The owner runs migrations. The application may read everything, add to the journal, and set the few
columns that change by hand; it has no UPDATE, DELETE or TRUNCATE on the journal and cannot drop a trigger,
for only a table's owner can. Balances move all the same: those two functions run as the owner.
"""

from __future__ import annotations

import re

from django.db.backends.base.base import BaseDatabaseWrapper

from vinflow.wallet.guards import TABLES
from vinflow.wallet.guards_postgresql import FUNCTIONS

JOURNAL = ("wallet_block", "wallet_journalentry", "wallet_journalline", "wallet_seal")
# What the application may change, by table: never a balance, never what is held, never a line.
CHANGEABLE = {
    "wallet_account": ("closed_at", "frozen_at"),
    "wallet_hold": ("state", "captured_minor", "closed_at"),
}
ROLE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")


def role_statements(*, owner: str, app: str, schema: str = "public") -> list[str]:
    """Return the SQL that sets both roles up, in order; all of it can be repeated.

    owner, app: names of roles, which are made without a login where missing. Run it as a superuser, or
    as a member of both roles, after every migration. Raises ValueError for anything but a plain name.
    """
    for name in (owner, app, schema):
        if not ROLE_NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no plain lower-case name")
    if owner == app:
        raise ValueError("the owner of the books and the application are two roles")
    statements = [make_role(owner), make_role(app)]
    statements += [
        f"GRANT USAGE, CREATE ON SCHEMA {schema} TO {owner}",
        f"GRANT USAGE ON SCHEMA {schema} TO {app}",
        f"REVOKE CREATE ON SCHEMA {schema} FROM {app}, PUBLIC",
        f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {app}",
        f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO {app}",
        # A sequence follows its table; a table's owner is changed only by a superuser or a member.
        *(f"ALTER TABLE {schema}.{table} OWNER TO {owner}" for table in TABLES),
        *(f"ALTER FUNCTION {schema}.{name}() OWNER TO {owner}" for name in FUNCTIONS),
    ]
    for table in TABLES:
        statements.append(f"REVOKE ALL ON {schema}.{table} FROM {app}, PUBLIC")
        statements.append(f"GRANT SELECT, INSERT ON {schema}.{table} TO {app}")
        if columns := CHANGEABLE.get(table):
            statements.append(f"GRANT UPDATE ({', '.join(columns)}) ON {schema}.{table} TO {app}")
    return statements


def make_role(name: str) -> str:
    """Return the SQL that makes a role where there is none; PostgreSQL has no IF NOT EXISTS for it."""
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT 1 FROM pg_roles WHERE rolname = '{name}')"  # noqa: S608 (plain)
        f" THEN CREATE ROLE {name} NOLOGIN; END IF; END $$"
    )


def owned_by_us(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the tables of the books that the connected role could bend: it owns them, or may write to them.

    Empty on a set-up as above. Always empty on SQLite, where the file's owner owns everything.
    """
    if connection.vendor != "postgresql":
        return []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
            " AND c.relname = ANY(%s) AND (pg_has_role(c.relowner, 'MEMBER')"
            " OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE')"
            " OR has_table_privilege(c.oid, 'UPDATE')) ORDER BY c.relname",
            [list(TABLES)],
        )
        return [row[0] for row in cursor.fetchall()]

"""For tests only: the guards step aside while a test database is emptied.

pytest-django's `django_db(transaction=True)` empties every table after a test, which the guards refuse.
`allow_flush()`, called once from a conftest, makes that one operation put the guards away and back.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.operations import BaseDatabaseOperations

from vinflow.wallet import guards_postgresql, guards_sqlite
from vinflow.wallet.guards import install_guards, tables_exist


def remove_guards(connection: BaseDatabaseWrapper) -> None:
    """Drop every guard of the wallet. Never outside a test database."""
    if connection.vendor == "sqlite":
        guards_sqlite.remove(connection)
        return
    with connection.cursor() as cursor:
        for trigger in guards_postgresql.triggers():
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}")


@contextmanager
def suspended_guards(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Run a block without guards; they stand again afterwards, even when it fails."""
    if not tables_exist(connection):
        yield
        return
    remove_guards(connection)
    try:
        yield
    finally:
        install_guards(connection)


def allow_flush() -> None:
    """Let Django's flush empty the wallet's tables in this process. Calling it again changes nothing."""
    original = BaseDatabaseOperations.execute_sql_flush
    if getattr(original, "lets_the_wallet_go", False):
        return

    def execute_sql_flush(self: Any, sql_list: Any) -> None:
        with suspended_guards(self.connection):
            original(self, sql_list)

    execute_sql_flush.lets_the_wallet_go = True  # type: ignore[attr-defined]
    BaseDatabaseOperations.execute_sql_flush = execute_sql_flush  # type: ignore[method-assign]

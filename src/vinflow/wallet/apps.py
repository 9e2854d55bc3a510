"""The wallet as a Django app: guards after every migration, checks before every start."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate


class WalletConfig(AppConfig):
    """The ledger: double-entry, append-only, guarded by the database itself."""

    name = "vinflow.wallet"
    label = "wallet"
    verbose_name = "Wallet"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the guards: reinstalled after every migration, for a table rebuild drops them."""
        from vinflow.wallet import checks  # noqa: F401 (registers itself)

        pre_migrate.connect(make_way, sender=self, dispatch_uid="vinflow.wallet.make_way")
        post_migrate.connect(reinstall, sender=self, dispatch_uid="vinflow.wallet.guards")


def make_way(*, using: str, plan: Any = (), **_: Any) -> None:
    """Take the guards down on SQLite before a migration of the wallet itself, and only then.

    SQLite changes a column by building the table anew; it then refuses the renaming while any trigger
    names the table that is gone. The guards stand again when the migration is through; when it fails
    half-way, the site refuses to start until it is.
    """
    from django.db import connections

    from vinflow.wallet import guards_sqlite

    connection = connections[using]
    if connection.vendor == "sqlite" and any(migration.app_label == "wallet" for migration, _ in plan):
        guards_sqlite.remove(connection)


def reinstall(*, using: str, **_: Any) -> None:
    """Install the guards on the database that has just been migrated."""
    from django.db import connections

    from vinflow.wallet.guards import install_guards, tables_exist

    connection = connections[using]
    if tables_exist(connection):
        install_guards(connection)

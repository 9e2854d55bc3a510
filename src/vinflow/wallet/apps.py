"""The wallet as a Django app: guards after every migration, checks before every start."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_migrate


class WalletConfig(AppConfig):
    """The ledger: double-entry, append-only, guarded by the database itself."""

    name = "vinflow.wallet"
    label = "wallet"
    verbose_name = "Wallet"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the guards: reinstalled after every migration, for a table rebuild drops them."""
        from vinflow.wallet import checks  # noqa: F401 (registers itself)

        post_migrate.connect(reinstall, sender=self, dispatch_uid="vinflow.wallet.guards")


def reinstall(*, using: str, **_: Any) -> None:
    """Install the guards on the database that has just been migrated."""
    from django.db import connections

    from vinflow.wallet.guards import install_guards, tables_exist

    connection = connections[using]
    if tables_exist(connection):
        install_guards(connection)

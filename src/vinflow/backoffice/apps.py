"""The Django app of the staff's pages."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate, pre_migrate

from vinflow.payments.apps import require_apps

__all__ = ["BackofficeConfig"]


class BackofficeConfig(AppConfig):
    """Staff's pages and roles."""

    name = "vinflow.backoffice"
    label = "backoffice"
    verbose_name = "Staff pages"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Go on only where the payments that staff look after, and the pages they link to, are installed."""
        require_apps(self, "vinflow.payments", "vinflow.storefront", "vinflow.wallet")
        super().import_models()

    def ready(self) -> None:
        """Put missing roles, tallies and indexes back after every migration; merge by and by."""
        from vinflow.backoffice import export_jobs, indexes, roles, tallies
        from vinflow.payments import tidying

        pre_migrate.connect(tallies.make_way, sender=self, dispatch_uid="backoffice.make_way")
        post_migrate.connect(roles.after_migrate, sender=self, dispatch_uid="backoffice.roles")
        post_migrate.connect(tallies.after_migrate, sender=self, dispatch_uid="backoffice.tallies")
        post_migrate.connect(indexes.after_migrate, sender=self, dispatch_uid="backoffice.indexes")
        tidying.also("tallies", tallies.tidy)
        tidying.also("exports", export_jobs.sweep)

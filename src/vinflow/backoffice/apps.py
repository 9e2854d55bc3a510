"""The Django app of the staff's pages."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

__all__ = ["BackofficeConfig"]


class BackofficeConfig(AppConfig):
    """Staff's pages and roles."""

    name = "vinflow.backoffice"
    label = "backoffice"
    verbose_name = "Staff pages"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Put missing roles back after every migration."""
        from vinflow.backoffice import roles

        post_migrate.connect(roles.after_migrate, sender=self, dispatch_uid="backoffice.roles")

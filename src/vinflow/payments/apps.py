"""The Django app `payments`."""

from __future__ import annotations

from django.apps import AppConfig, apps
from django.core.exceptions import ImproperlyConfigured
from django.db.models.signals import post_migrate, pre_migrate

__all__ = ["PaymentsConfig", "require_apps"]


def require_apps(app: AppConfig, *names: str) -> None:
    """Raise ImproperlyConfigured, with the line to add, unless the apps that this one needs are installed.

    For AppConfig.import_models: after it Django itself would fail, with a word about a model's app_label.
    """
    missing = [name for name in names if not apps.is_installed(name)]
    if missing:
        raise ImproperlyConfigured(
            f"{app.name} needs {' and '.join(missing)}: add INSTALLED_APPS += {missing!r} to your settings"
        )


class PaymentsConfig(AppConfig):
    """The life of a top-up: open, watch, confirm, credit, expire, review."""

    name = "vinflow.payments"
    label = "payments"
    verbose_name = "KHQR payments"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Load the rows, once the ledger they are booked in is known to be there."""
        require_apps(self, "vinflow.wallet", "django.contrib.auth", "django.contrib.contenttypes")
        super().import_models()

    def ready(self) -> None:
        from vinflow.payments import (  # noqa: F401 - the checks register themselves
            checks,
            guards,
            law,
        )
        from vinflow.wallet.laws import register_brake, register_law

        register_law("received is credited, in suspense, returned or written off", law.sentences)
        register_brake("the law of payments", law.why_stopped)
        pre_migrate.connect(guards.make_way, sender=self, dispatch_uid="payments.make_way")
        post_migrate.connect(guards.install_after_migrate, sender=self, dispatch_uid="payments.guards")

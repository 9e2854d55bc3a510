"""The Django app `payments`."""

from __future__ import annotations

from django.apps import AppConfig
from django.db.models.signals import post_migrate

__all__ = ["PaymentsConfig"]


class PaymentsConfig(AppConfig):
    """The life of a top-up: open, watch, confirm, credit, expire, review."""

    name = "vinflow.payments"
    label = "payments"
    verbose_name = "KHQR payments"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from vinflow.payments import (  # noqa: F401 - the checks register themselves
            checks,
            guards,
            law,
        )
        from vinflow.wallet.laws import register_brake, register_law

        register_law("received is credited, in suspense, returned or written off", law.sentences)
        register_brake("the law of payments", law.why_stopped)
        post_migrate.connect(guards.install_after_migrate, sender=self, dispatch_uid="payments.guards")

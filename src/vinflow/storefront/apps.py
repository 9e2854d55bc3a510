"""The Django app of the payer's pages."""

from __future__ import annotations

from django.apps import AppConfig

from vinflow.payments.apps import require_apps


class StorefrontConfig(AppConfig):
    """Payer's pages; put it before allauth in INSTALLED_APPS, whose pages it dresses."""

    name = "vinflow.storefront"
    label = "storefront"
    verbose_name = "Payer's pages"
    default_auto_field = "django.db.models.BigAutoField"

    def import_models(self) -> None:
        """Go on only where the payments that the pages show are installed."""
        require_apps(self, "vinflow.payments", "vinflow.wallet")
        super().import_models()

    def ready(self) -> None:
        """Register the start-up checks, listen for receipts to mail and for who signs in."""
        from vinflow.storefront import checks, languages, mailing  # noqa: F401  (registering is the import's effect)

        languages.listen()
        mailing.listen()

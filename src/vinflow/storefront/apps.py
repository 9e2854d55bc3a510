"""The Django app of the payer's pages."""

from __future__ import annotations

from django.apps import AppConfig


class StorefrontConfig(AppConfig):
    """Payer's pages; put it before allauth in INSTALLED_APPS, whose pages it dresses."""

    name = "vinflow.storefront"
    label = "storefront"
    verbose_name = "Payer's pages"

    def ready(self) -> None:
        """Register the start-up checks."""
        from vinflow.storefront import checks  # noqa: F401  (registering is the import's effect)

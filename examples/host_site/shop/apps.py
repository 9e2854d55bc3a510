"""The shop."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Noodles and balances."""

    name = "shop"

    def ready(self):
        """Listen for payments."""
        import shop.thanks  # noqa: F401

"""What Django asks at start-up about the pages: VINFLOW_THEME and the order of the apps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register

from vinflow.storefront import conf

__all__ = ["check_pages"]


@register("vinflow")
def check_pages(app_configs: Sequence[AppConfig] | None = None, **rest: Any) -> list[CheckMessage]:
    """Return what is wrong with the settings of the pages."""
    found: list[CheckMessage] = []
    theme = getattr(settings, "VINFLOW_THEME", "") or "auto"
    if theme not in ("auto", "light", "dark"):
        found.append(Error(f"VINFLOW_THEME is {theme!r}: say auto, light or dark", id="storefront.E001"))
    given = getattr(settings, "VINFLOW_SUPPORT_CONTACT", "")
    if given and not conf.support():
        found.append(
            Warning(
                "VINFLOW_SUPPORT_CONTACT is no address, e-mail address or telephone number: no link is shown",
                id="storefront.W001",
            )
        )
    names = [app.name for app in apps.get_app_configs()]
    if "allauth" in names and names.index("allauth") < names.index("vinflow.storefront"):
        found.append(
            Error(
                "vinflow.storefront must stand before allauth in INSTALLED_APPS, to dress its pages",
                id="storefront.E002",
            )
        )
    return found

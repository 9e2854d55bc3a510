"""What Django asks at start-up about the pages: the theme, the shop's own colours, the order of the apps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.contrib.staticfiles import finders
from django.core.checks import CheckMessage, Error, Warning, register
from django.urls import NoReverseMatch, reverse

from vinflow.storefront import conf
from vinflow.storefront.colours import by_theme, contrast

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
            Error("vinflow.storefront must stand before allauth, to dress its pages", id="storefront.E002")
        )
    found += [*_missing_steps(), *_brand_problems()]
    return found


def _missing_steps() -> Iterator[CheckMessage]:
    """Name what the pages need around them and do not find, with the line to add."""
    engines: list[dict[str, Any]] = settings.TEMPLATES
    processors = {
        name for engine in engines for name in engine.get("OPTIONS", {}).get("context_processors", ())
    }
    own = "vinflow.storefront.context.storefront"
    if own not in processors:
        yield Error(
            "the pages lack their context processor: they know neither the shop's name nor a balance",
            hint=f'Add "{own}" to the context_processors of TEMPLATES.',
            id="storefront.E004",
        )
    for view, line in (
        ("storefront:add_funds", 'path("", include("vinflow.storefront.urls"))'),
        ("account_login", 'path("accounts/", include("allauth.urls"))'),
    ):
        try:
            reverse(view)
        except NoReverseMatch:
            yield Error(
                f"no address leads to {view}, which the pages link to",
                hint=f"Add {line} to urlpatterns.",
                id="storefront.E005",
            )
    locale = "django.middleware.locale.LocaleMiddleware"
    if locale not in settings.MIDDLEWARE:
        yield Warning(
            "without LocaleMiddleware nobody is shown the pages in Khmer",
            hint=f'Add "{locale}" to MIDDLEWARE, after the sessions.',
            id="storefront.W002",
        )


# Text colour, the ground it stands on, and what stands for either where the shop's sheet sets only one.
PAIRS = (("accent-text", "accent"), ("accent-text", "accent-hover"), ("accent", "surface"), ("accent", "bg"))
CONTRAST_MIN = 4.5


def _brand_problems() -> list[CheckMessage]:
    """Refuse colours of VINFLOW_BRAND_CSS that cannot be read; a sheet elsewhere is not judged."""
    name = conf.brand_css().removeprefix(settings.STATIC_URL or "/static/")
    path = finders.find(name) if name else None
    if not path:
        return []
    own, own_dark = by_theme(Path(str(path)).read_text(encoding="utf-8"))
    sheet = Path(__file__).parent / "static" / "storefront" / "css" / "tokens.css"
    standard, standard_dark = by_theme(sheet.read_text(encoding="utf-8"))
    # As the cascade decides: a colour for everybody gives way to the standard one of the dark theme.
    light = standard | own
    dark = light | standard_dark | own_dark
    return [
        Error(
            f"VINFLOW_BRAND_CSS: --kw-{ink} on --kw-{ground} has a contrast of "
            f"{contrast(used[ink], used[ground]):.2f}{where}; text needs {CONTRAST_MIN}",
            id="storefront.E003",
        )
        for used, given, where in ((light, own, ""), (dark, own_dark, " in the dark theme"))
        for ink, ground in PAIRS
        if {ink, ground} & given.keys() and contrast(used[ink], used[ground]) < CONTRAST_MIN
    ]

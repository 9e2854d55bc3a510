"""What a shop may change about its pages; every setting is optional and read when asked.

VINFLOW_LOGO              address of the logo in the header; the name alone if unset
VINFLOW_KHQR_ARTWORK      static file with the official KHQR word mark; the letters KHQR if unset
VINFLOW_THEME             auto (the device decides), light or dark
VINFLOW_BRAND_CSS         address of a style sheet that sets --kw- tokens, loaded last
VINFLOW_SUPPORT_CONTACT   an address (https, mailto, tel), an e-mail address or a telephone number
VINFLOW_MAINTENANCE       true shows the maintenance page everywhere
VINFLOW_RECEIPT_MAIL      true mails the receipt to payers who have an address; false if unset
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.templatetags.static import static

from vinflow.payments import conf as payments_conf
from vinflow.payments.errors import NotConfigured

__all__ = [
    "artwork",
    "artwork_bytes",
    "brand_css",
    "in_maintenance",
    "is_play_money",
    "logo",
    "mails_receipts",
    "site_name",
    "support",
    "theme",
]

LINKS = ("https://", "http://", "mailto:", "tel:", "/")


def _text(name: str) -> str:
    value: Any = getattr(settings, name, None)
    return str(value or "").strip()


def logo() -> str:
    """Return the logo's address, "" for none."""
    return _text("VINFLOW_LOGO")


def artwork() -> str:
    """Return the address of the merchant's own copy of the KHQR word mark, "" for none."""
    name = _text("VINFLOW_KHQR_ARTWORK")
    return static(name) if name else ""


def artwork_bytes() -> bytes | None:
    """Return the word mark itself, for saved pictures; None for none."""
    name = _text("VINFLOW_KHQR_ARTWORK")
    found = finders.find(name) if name else None
    return Path(str(found)).read_bytes() if found else None


def brand_css() -> str:
    """Return the address of the shop's own style sheet, "" for none."""
    return _text("VINFLOW_BRAND_CSS")


def theme() -> str:
    """Return "light" or "dark", or "" when the device decides."""
    value = _text("VINFLOW_THEME")
    return value if value in ("light", "dark") else ""


def in_maintenance() -> bool:
    """Whether every page says that the site is being looked after."""
    return bool(getattr(settings, "VINFLOW_MAINTENANCE", False))


def mails_receipts() -> bool:
    """Whether the receipt is mailed to payers who have an address."""
    return bool(getattr(settings, "VINFLOW_RECEIPT_MAIL", False))


def site_name() -> str:
    """Return the name in the header and in titles; never raises, since error pages show it too."""
    try:
        return payments_conf.site_name()
    except NotConfigured:
        return "VinFlow"


def support() -> str:
    """Return the address behind "Contact support", "" for none.

    A bare e-mail address or telephone number becomes a link; anything else that is no link is
    dropped, so that a setting can never put script into a page.
    """
    value = payments_conf.support_contact()
    if value.startswith(LINKS):
        return value
    if "@" in value and " " not in value:
        return f"mailto:{value}"
    if value and all(sign in "+0123456789 -()" for sign in value):
        return "tel:" + "".join(sign for sign in value if sign in "+0123456789")
    return ""


def is_play_money() -> bool:
    """Whether the banner must say that the money is not real. In doubt it says so."""
    try:
        return payments_conf.environment() is not payments_conf.Environment.PRODUCTION
    except NotConfigured:
        return True

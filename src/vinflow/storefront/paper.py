"""The receipt as a PDF file, with the extra `pdf` (WeasyPrint); without it there is none, and pages say so.

HarfBuzz shapes the Khmer, as it does in browsers, from the same font files. Nothing is fetched from
anywhere: fonts come out of the package, a logo out of the site's own static files or not at all.
"""

from __future__ import annotations

import io
import logging
import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.contrib.staticfiles import finders
from django.template.loader import render_to_string
from django.utils import translation

from vinflow.storefront import conf

__all__ = ["NoPdf", "can_make_pdf", "paper_html", "pdf_of"]

log = logging.getLogger(__name__)

HOME: Final = Path(__file__).parent / "static"
SHELF: Final = "https://shelf.invalid/"  # resolved by us alone; such a host does not exist


class NoPdf(Exception):
    """WeasyPrint or a library it needs is not here; pages offer their print view instead."""


_broken = False  # found out once, by the first receipt that was asked for


def can_make_pdf() -> bool:
    """Return whether PDFs are offered: WeasyPrint is installed, and has not been found to lack a library.

    It is not imported for that: it takes seconds, and most pages that ask never need it.
    """
    try:
        return not _broken and find_spec("weasyprint") is not None
    except ValueError:  # a module that was put there as missing
        return False


def paper_html(context: dict[str, Any], *, language: str) -> str:
    """Return the page that becomes the PDF, in a language; context: as pages.receipt makes it."""
    with translation.override(language):
        more = {"language": language, "site_name": conf.site_name(), "logo": _logo()}
        return render_to_string("storefront/receipt_paper.html", {**context, **more})


def pdf_of(html: str) -> bytes:
    """Return a page as PDF. Raises NoPdf where WeasyPrint or Pango is missing."""
    global _broken
    try:
        from weasyprint import CSS, HTML
        from weasyprint.text.fonts import FontConfiguration
    except (ImportError, OSError) as error:  # OSError: Pango is not on this machine
        log.warning("receipts are not offered as PDF: %s", error)
        _broken = True
        raise NoPdf(str(error)) from error

    fonts = FontConfiguration()
    sheet = (HOME / "storefront/css/paper.css").read_text(encoding="utf-8")
    fetcher = _shelf()
    css = CSS(
        string=sheet, base_url=f"{SHELF}storefront/css/paper.css", url_fetcher=fetcher, font_config=fonts
    )
    page = HTML(string=html, base_url=SHELF, url_fetcher=fetcher)
    made: bytes = page.write_pdf(stylesheets=[css], font_config=fonts)
    return made


def _logo() -> str:
    """Return the logo's place on the shelf, "" for none and for one on another host: no network here."""
    address = conf.logo()
    prefix = settings.STATIC_URL or "/static/"
    name = address.removeprefix(prefix)
    return SHELF + name if address.startswith(prefix) and finders.find(name) else ""


def _shelf() -> Any:
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class Shelf(URLFetcher):  # type: ignore[misc]
        """Files of ours, by name; anything else is refused."""

        def fetch(self, url: str, headers: Any = None) -> Any:
            name = url.removeprefix(SHELF)
            if name == url or not re.fullmatch(r"[\w./-]+", name) or ".." in name:
                raise ValueError(f"not a file of this site: {url}")
            path = HOME / name
            found = path if path.is_file() else finders.find(name)
            if not found:
                raise ValueError(f"no such file: {name}")
            file = Path(str(found))
            return URLFetcherResponse(url, _with_space(file) if "khmer" in file.name else file.read_bytes())

    return Shelf()


@cache
def _with_space(path: Path) -> bytes:
    """Return a web font with a space of a quarter em added, where it has none.

    The Khmer font of the pages holds Khmer alone. A browser takes the space between two Khmer words from the
    next font in the list; Pango, which sets the PDF, stays with the run's own font and would set a blank.
    """
    from fontTools.ttLib import TTFont
    from fontTools.ttLib.tables._g_l_y_f import Glyph

    font = TTFont(path)
    if 0x20 not in font.getBestCmap():
        font.setGlyphOrder([*font.getGlyphOrder(), "space"])
        font["glyf"]["space"] = Glyph()
        font["hmtx"]["space"] = (font["head"].unitsPerEm // 4, 0)
        for table in font["cmap"].tables:
            table.cmap[0x20] = "space"
    font.flavor = None
    made = io.BytesIO()
    font.save(made)
    return made.getvalue()

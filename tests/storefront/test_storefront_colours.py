"""The tokens: every text colour against its ground, in both themes, by the WCAG formula."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.finders import get_finder

import vinflow.storefront
from vinflow.storefront.checks import check_pages
from vinflow.storefront.colours import contrast

CSS = Path(vinflow.storefront.__file__).parent / "static" / "storefront" / "css"
TEXT = [
    ("ink", "bg", 7), ("ink", "surface", 7), ("muted", "bg", 4.5), ("muted", "surface", 4.5),
    ("placeholder", "surface", 4.5), ("accent", "surface", 4.5), ("accent", "bg", 4.5),
    ("accent-text", "accent", 4.5), ("accent-text", "accent-hover", 4.5), ("accent", "accent-tint", 4.5),
    ("success", "success-tint", 4.5), ("warn", "warn-tint", 4.5), ("danger", "danger-tint", 4.5),
    ("info", "info-tint", 4.5), ("neutral", "neutral-tint", 4.5), ("late", "late-tint", 4.5),
    ("success", "surface", 4.5), ("warn", "surface", 4.5), ("danger", "surface", 4.5), ("warn", "bg", 4.5),
    ("sandbox-text", "sandbox", 7), ("border", "surface", 3), ("focus", "bg", 3), ("focus", "surface", 3),
]  # fmt: skip


def block(css: str, selector: str) -> dict[str, str]:
    start = css.index(selector)
    return dict(re.findall(r"--kw-([\w-]+): ([^;]+);", css[start : css.index("}", start)]))


def tokens(theme: str) -> dict[str, str]:
    css = (CSS / "tokens.css").read_text()
    light = block(css, ":root {")
    return light if theme == "light" else light | block(css, ':root[data-theme="dark"]')


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize(("ink", "ground", "least"), TEXT)
def test_colours_can_be_told_apart(theme: str, ink: str, ground: str, least: float) -> None:
    colours = tokens(theme)

    assert contrast(colours[ink], colours[ground]) >= least


def test_the_device_that_asks_for_dark_gets_the_very_colours_of_the_dark_theme() -> None:
    css = (CSS / "tokens.css").read_text()
    blocks = [block(css, ':root[data-theme="dark"]'), block(css, ':root:not([data-theme="light"])')]

    assert blocks[0] == blocks[1]
    assert len(blocks[0]) > 20


def test_style_sheets_ask_no_other_host_for_anything() -> None:
    for sheet in CSS.glob("*.css"):
        assert not re.search(r"https?://|@import|//[a-z]", sheet.read_text()), sheet.name


def test_black_on_white_is_21_to_1_and_a_known_pair_is_what_others_measure() -> None:
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#e1232e", "#fff") == pytest.approx(4.69, abs=0.01)


def test_a_shops_own_colours_are_refused_when_they_cannot_be_read(settings: Any, tmp_path: Path) -> None:
    settings.STATICFILES_DIRS = [tmp_path]
    settings.VINFLOW_BRAND_CSS = "/static/brand.css"

    def problems(accent: str) -> list[str]:
        (tmp_path / "brand.css").write_text(
            f":root {{ --kw-accent: {accent}; --kw-accent-hover: {accent}; }}"
        )
        get_finder.cache_clear()
        return [str(problem.id) for problem in check_pages()]

    assert problems("#6d28d9") == []
    assert "storefront.E003" in problems("#a855f7")
    get_finder.cache_clear()


def test_each_theme_of_a_shops_sheet_is_judged_by_itself(settings: Any, tmp_path: Path) -> None:
    settings.STATICFILES_DIRS = [tmp_path]
    settings.VINFLOW_BRAND_CSS = "/static/brand.css"
    light = ":root { --kw-accent: #6d28d9; --kw-accent-hover: #5b21b6 }\n"

    def problems(dark: str) -> list[str]:
        (tmp_path / "brand.css").write_text(light + dark)
        get_finder.cache_clear()
        return [problem.msg for problem in check_pages()]

    readable = "{ --kw-accent: #c4b5fd; --kw-accent-hover: #ddd6fe; --kw-accent-text: #1e1033 }"
    assert problems(f':root[data-theme="dark"] {readable}') == []
    assert problems(f"@media (prefers-color-scheme: dark) {{ :root {readable} }}") == []
    found = problems("@media (prefers-color-scheme: dark) { :root { --kw-accent: #4c1d95 } }")
    assert found
    assert all("in the dark theme" in each for each in found)
    get_finder.cache_clear()

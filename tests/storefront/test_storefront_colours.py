"""The tokens: every text colour against its ground, in both themes, by the WCAG formula."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vinflow.storefront

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


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(sign * 2 for sign in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


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

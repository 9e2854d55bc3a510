"""Contrast as WCAG 2.2 measures it, and the tokens of a style sheet."""

from __future__ import annotations

import re

__all__ = ["by_theme", "contrast", "tokens"]

TOKEN = re.compile(r"--kw-([\w-]+):\s*(#[0-9a-fA-F]{3}(?:[0-9a-fA-F]{3})?)\s*(?:;|$)")
BLOCK = re.compile(r"([^{}]*)([{}])")
FOR_DARK = re.compile(r"\[data-theme=[\"']?dark|prefers-color-scheme:\s*dark")


def tokens(css: str) -> dict[str, str]:
    """Return the --kw- tokens of a text that are plain hex colours, by name; a later one wins."""
    return dict(TOKEN.findall(css))


def by_theme(css: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the tokens a sheet sets for everybody, and those it sets for the dark theme alone.

    A rule is for the dark when its selector, or a rule around it, names that theme or the device's wish.
    """
    everybody: dict[str, str] = {}
    dark: dict[str, str] = {}
    around: list[str] = []
    for text, sign in BLOCK.findall(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        if sign == "{":
            around.append(text)
            continue
        (dark if FOR_DARK.search(" ".join(around)) else everybody).update(tokens(text.rstrip()))
        del around[-1:]
    return everybody, dark


def contrast(one: str, other: str) -> float:
    """Return the ratio of two hex colours, 1 to 21, whichever is the lighter."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(sign * 2 for sign in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else float(((part + 0.055) / 1.055) ** 2.4) for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

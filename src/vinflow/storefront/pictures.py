"""The QR on the page: the codec's SVG at its fixed size, with the currency sign in its middle."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from django.utils.safestring import SafeString, mark_safe

from vinflow import khqr
from vinflow.money import Currency

__all__ = ["QUIET_ZONE", "SIDE_PX", "QrPicture", "on_page"]

SIDE_PX = 256
SIDE_PX_MAX = 320
MODULE_PX_MIN = 3  # a phone's camera stops reading below that
QUIET_ZONE = 4  # modules, inside the picture

# Outlines of the two signs, 100 units high around 0,0: "$" of Nunito Sans Bold, the riel sign of
# Kantumruy Pro Bold (both OFL). Drawn as paths, so that no font has to be there.
SIGNS = {
    Currency.USD: "M-4 50V36L-2 38Q-10 38 -17 36Q-23 34 -29 30L-24 19Q-21 21 -17 23Q-13 25 -9 26Q-5 27 0 27Q8 27 11 24"
    "Q15 21 15 17Q15 13 12 11Q10 9 4 7L-8 5Q-17 3 -22 -2Q-27 -7 -27 -15Q-27 -22 -24 -27Q-21 -32 -15 -35Q-10 -38 -2 -38"
    "L-4 -37V-50H6V-37L4 -38Q10 -38 16 -36Q22 -34 26 -30L22 -19Q18 -23 13 -25Q7 -27 1 -27Q-5 -27 -9 -24Q-13 -21 -13 -16"
    "Q-13 -12 -11 -10Q-9 -8 -3 -6L8 -4Q19 -2 24 3Q29 8 29 16Q29 22 25 27Q22 32 17 35Q11 37 4 38L6 36V50Z",
    Currency.KHR: "M-4 50Q-15 50 -19 46Q-24 42 -24 35Q-24 27 -20 24Q-16 20 -8 20H-6L-12 26V-11Q-12 -15 -14 -17Q-17 -19 "
    "-20 -20V-32Q-20 -41 -16 -46Q-12 -50 -4 -50H16V-29H6Q3 -29 3 -26V-24Q9 -22 12 -19Q16 -16 16 -10V39Q16 50 -4 50Z"
    "M-7 41V29Q-12 29 -12 35Q-12 41 -7 41ZM-26 8V-5H26V8Z",
}
SIGN_HEIGHTS = {Currency.USD: 0.55, Currency.KHR: 0.7}  # of the disc; the riel sign looks small and low
DISC = 0.18  # of the symbol, quiet zone not counted; level H loses nothing to it
RING = 0.212


class QrPicture(NamedTuple):
    """A QR for the page: safe SVG, its modules a side, its side in CSS pixels, the text in it."""

    svg: SafeString
    modules: int
    side_px: int
    text: str


@lru_cache(maxsize=256)
def on_page(text: str, *, title: str, sign: Currency | None) -> QrPicture:
    """Return the QR of a KHQR at level H, 256 px, growing to at most 320 before a module falls under 3 px.

    title: the text alternative. sign: the currency whose sign stands in the middle; None for no disc.
    """
    modules = khqr.modules(text, "H")
    side = modules + 2 * QUIET_ZONE
    side_px = min(SIDE_PX_MAX, max(SIDE_PX, MODULE_PX_MIN * side))
    drawn = khqr.svg(text, level="H", title=title)
    drawn = drawn.replace("<svg ", f'<svg width="{side_px}" height="{side_px}" ', 1)
    if sign is not None:
        drawn = drawn.removesuffix("</svg>") + _disc(modules, sign) + "</svg>"
    # Safe: our own drawing; the codec has quoted the title.
    return QrPicture(mark_safe(drawn), modules, side_px, text)  # noqa: S308


def _disc(modules: int, sign: Currency) -> str:
    middle = modules / 2 + QUIET_ZONE
    scale = modules * DISC * SIGN_HEIGHTS[sign] / 100
    return (
        f'<g data-disc="{sign}" shape-rendering="auto"><circle cx="{middle:g}" cy="{middle:g}" '
        f'r="{modules * RING / 2:.3f}" fill="#fff"/><circle cx="{middle:g}" cy="{middle:g}" '
        f'r="{modules * DISC / 2:.3f}" fill="#000"/><path transform="translate({middle:g} {middle:g}) '
        f'scale({scale:.5f})" fill="#fff" d="{SIGNS[sign]}"/></g>'
    )

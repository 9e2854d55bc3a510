"""The QR on the page: the codec's SVG at its fixed size, with the currency sign in its middle."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from django.utils.safestring import SafeString, mark_safe

from vinflow import khqr
from vinflow.khqr.card import DISC, RING, SIGNS
from vinflow.khqr.image import QUIET_ZONE
from vinflow.money import Currency

__all__ = ["SIDE_PX", "QrPicture", "on_page"]

SIDE_PX = 256
SIDE_PX_MAX = 320
MODULE_PX_MIN = 3  # a phone's camera stops reading below that


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
    outline, (left, top, right, bottom), part = SIGNS[sign]
    middle = modules / 2 + QUIET_ZONE
    scale = part * DISC * modules / (bottom - top)
    x, y = middle - scale * (left + right) / 2, middle - scale * (top + bottom) / 2
    return (
        f'<g data-disc="{sign}" shape-rendering="auto"><circle cx="{middle:g}" cy="{middle:g}" '
        f'r="{modules * RING / 2:.3f}" fill="#fff"/><circle cx="{middle:g}" cy="{middle:g}" '
        f'r="{modules * DISC / 2:.3f}" fill="#000"/><path transform="matrix({scale:.6f} 0 0 {scale:.6f} '
        f'{x:.3f} {y:.3f})" fill="#fff" d="{outline}"/></g>'
    )

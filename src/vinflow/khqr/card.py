"""The KHQR card: the picture a payer scans, as SVG for pages and as PNG to save.

Drawn to the proportions NBC's card guideline is known by (20:29, header 0.12 of the height, a red
#E1232E, a folded corner, a dashed line, Nunito Sans). NBC's own artwork is not shipped: the word in
the header is set in letters unless the merchant hands in the word mark received from NBC or its bank.
All lengths below are pixels of a card 360 wide.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files
from xml.sax.saxutils import escape, quoteattr

from vinflow.money import Currency, MoneyError, parse_amount

from .decoder import decode
from .errors import UnknownValue
from .glyphs import DOLLAR, DOLLAR_BOX, KHQR, KHQR_BOX, RIEL, RIEL_BOX
from .image import MODULES_MAX, QUIET_ZONE, matrix, path_of
from .payload import Individual, Merchant

__all__ = ["card_png", "card_svg"]

WIDTH, HEIGHT = 360.0, 522.0
HEADER = 0.12 * HEIGHT
CORNER, RADIUS = 28.0, 20.0
SIDE_MARGIN = 42.0  # 0.08 of the height
NAME_SIZE, CODE_SIZE = 16.0, 16.0
AMOUNT_SIZE, AMOUNT_SIZE_MIN = 34.0, 24.0
DIVIDER = 175.0
QR_TOP, QR_SIDE, QR_SIDE_MAX = 220.0, 256.0, 320.0
ARC = f"a{RADIUS:g} {RADIUS:g} 0 0 1 {RADIUS:g} {RADIUS:g}"  # the upper right corner
RED = "#e1232e"
DISC, RING = 0.18, 0.212  # of the symbol without its quiet zone; 0.22 is the most that H bears well

FAMILY = "'Nunito Sans','Noto Sans Khmer',system-ui,sans-serif"
KHMER_FAMILY = "'Noto Sans Khmer','Nunito Sans',system-ui,sans-serif"

# (outline, its box, height as a part of the disc: the riel sign sits small and low, so it gets more)
SIGNS = {
    Currency.USD: (DOLLAR, DOLLAR_BOX, 0.55),
    Currency.KHR: (RIEL, RIEL_BOX, 0.70),
}


def card_svg(
    text: str,
    *,
    wordmark: bytes | None = None,
    disc: bool = True,
    label: str | None = None,
    css_class: str | None = None,
) -> str:
    """Return the KHQR card of a text as an <svg> element to stand inside a page.

    The viewBox is 360 wide and 522 high (higher when the QR needs more than 77 modules: a module is
    never under 3 units); width and height are left to the page, and so is the shadow.
    wordmark: the merchant's own KHQR word mark, PNG, JPEG or SVG, drawn as a data: image; without it
    the letters KHQR. disc: the currency sign in the middle of a QR that has an amount.
    label: the accessible name; without it "KHQR", the name and the amount.
    Raises as decode() for a text that is no clean KHQR, UnknownValue for another kind of picture.
    """
    decode(text)  # refuses what cannot be looked up below
    return _svg(text, wordmark, disc, label, css_class)


@lru_cache(maxsize=256)
def _svg(text: str, wordmark: bytes | None, disc: bool, label: str | None, css_class: str | None) -> str:
    payload = decode(text)
    height, body = _card(text, payload, wordmark, disc)
    name = label or _label(payload)
    attributes = f" class={quoteattr(css_class)}" if css_class else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH:g} {height:g}" role="img"'
        f" aria-label={quoteattr(_printable(name))}{attributes}>{body}</svg>"
    )


def card_png(
    text: str,
    *,
    scale: int = 3,
    footer: Sequence[str] = (),
    wordmark: bytes | None = None,
    disc: bool = True,
    margin: int = 24,
) -> bytes:
    """Return the KHQR card as a PNG file, on white with a margin around it.

    scale: pixels for each pixel of the 360-wide card, 1 to 8. footer: lines set under the card
    ("valid until ...", the reference, the site), Khmer welcome.
    Needs resvg_py. Letters come from the fonts beside this module, so the picture is the same on
    every machine; only scripts those lack (neither Latin nor Khmer) are looked for in the system.
    Raises as card_svg(), ValueError for another scale.
    """
    if type(scale) is not int or not 1 <= scale <= 8:
        raise ValueError(f"scale is a whole number from 1 to 8, not {scale!r}")
    decode(text)  # refuses what cannot be looked up below
    return _drawn(text, scale, tuple(footer), wordmark, disc, margin)


@lru_cache(maxsize=32)  # 0.2 s of work and 60 kB each
def _drawn(
    text: str, scale: int, footer: tuple[str, ...], wordmark: bytes | None, disc: bool, margin: int
) -> bytes:
    import resvg_py  # here, so that the codec alone needs nothing but the standard library

    height, body = _card(text, decode(text), wordmark, disc)
    full_width = WIDTH + 2 * margin
    lines = [
        _footer_line(line, full_width, height + 2 * margin + 22 * row) for row, line in enumerate(footer)
    ]
    full_height = height + 2 * margin + (22 * len(footer) + 4 if footer else 0)
    whole = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {full_width:g} {full_height:g}">'
        f'<path fill="#fff" d="M0 0h{full_width:g}v{full_height:g}H0z"/>'
        # A hair line where the page has its shadow: white on white would lose the card's edge.
        f'<g transform="translate({margin} {margin})"><rect x="-.5" y="-.5" width="{WIDTH + 1:g}"'
        f' height="{height + 1:g}" rx="{RADIUS:g}" fill="none" stroke="#c9ced6"/>{body}</g>'
        f"{''.join(lines)}</svg>"
    )
    fonts = files("vinflow.khqr") / "fonts"
    foreign = any(_foreign(letter) for letter in whole)
    png = resvg_py.svg_to_bytes(
        svg_string=whole,
        width=round(full_width * scale),
        skip_system_fonts=not foreign,
        font_files=[str(fonts / name) for name in FONTS],
        sans_serif_family="Nunito Sans",
    )
    return bytes(png)


FONTS = ("NunitoSans-Regular.ttf", "NunitoSans-Bold.ttf", "NotoSansKhmer-Regular.ttf")


def _foreign(letter: str) -> bool:
    """Tell whether a letter may be missing in the fonts we ship."""
    return not (
        "\u0020" <= letter <= "\u00ff" or "\u1780" <= letter <= "\u17ff" or letter in "\u200b\u2013\u2026\n"
    )


def _card(text: str, payload: Individual | Merchant, wordmark: bytes | None, disc: bool) -> tuple[float, str]:
    """Return the height of a card and what is drawn in it."""
    rows = matrix(text, "H")
    side = QR_SIDE
    if len(rows) > MODULES_MAX:
        side = min(QR_SIDE_MAX, 3.0 * (len(rows) + 2 * QUIET_ZONE))
    height = HEIGHT + side - QR_SIDE
    has_amount = payload.amount is not None
    # Header and folded corner are one outline: two would show a seam between them.
    fold = f"V{HEADER + CORNER:g}L{WIDTH - CORNER:g} {HEADER:g}"
    header = f"M{RADIUS:g} 0H{WIDTH - RADIUS:g}{ARC}{fold}H0V{RADIUS:g}"
    parts = [
        f'<rect fill="#fff" width="{WIDTH:g}" height="{height:g}" rx="{RADIUS:g}"/>',
        f'<path fill="{RED}" d="{header}a{RADIUS:g} {RADIUS:g} 0 0 1 {RADIUS:g} -{RADIUS:g}z"/>',
        _wordmark(wordmark),
        *_words(payload),
        f'<path stroke="#000" stroke-opacity=".4" stroke-dasharray="6 5" d="M0 {DIVIDER:g}H{WIDTH:g}"/>',
        _qr(rows, (WIDTH - side) / 2, side, payload.currency if disc and has_amount else None),
    ]
    return height, "".join(parts)


def _qr(rows: Sequence[bytes], left: float, side: float, sign: Currency | None) -> str:
    size = len(rows)
    whole = size + 2 * QUIET_ZONE
    disc = "" if sign is None else _disc(sign, whole / 2, size)
    return (
        f'<svg x="{left:g}" y="{QR_TOP:g}" width="{side:g}" height="{side:g}" viewBox="0 0 {whole} {whole}">'
        f'<path fill="#fff" d="M0 0h{whole}v{whole}H0z"/>'
        f'<path stroke="#000" fill="none" shape-rendering="crispEdges" d="{path_of(tuple(rows))}"/>'
        f"{disc}</svg>"
    )


def _disc(sign: Currency, centre: float, size: int) -> str:
    outline, box, part = SIGNS[sign]
    scale = part * DISC * size / (box[3] - box[1])
    x = centre - scale * (box[0] + box[2]) / 2
    y = centre - scale * (box[1] + box[3]) / 2
    return (
        f'<circle cx="{centre:g}" cy="{centre:g}" r="{RING * size / 2:.3f}" fill="#fff"/>'
        f'<circle cx="{centre:g}" cy="{centre:g}" r="{DISC * size / 2:.3f}"/>'
        f'<path fill="#fff" transform="matrix({scale:.6f} 0 0 {scale:.6f} {x:.3f} {y:.3f})" d="{outline}"/>'
    )


def _wordmark(picture: bytes | None) -> str:
    if picture is None:
        scale = 0.026  # 26 px letters
        width = scale * (KHQR_BOX[2] - KHQR_BOX[0])
        x = (WIDTH - width) / 2 - scale * KHQR_BOX[0]
        y = HEADER / 2 - scale * (KHQR_BOX[1] + KHQR_BOX[3]) / 2
        return f'<path fill="#fff" transform="matrix({scale} 0 0 {scale} {x:.2f} {y:.2f})" d="{KHQR}"/>'
    height = 0.34 * HEADER
    link = f"data:{_media_type(picture)};base64,{base64.b64encode(picture).decode()}"
    return (
        f'<image x="{SIDE_MARGIN:g}" y="{(HEADER - height) / 2:.2f}" width="{WIDTH - 2 * SIDE_MARGIN:g}"'
        f' height="{height:.2f}" preserveAspectRatio="xMidYMid meet" href="{link}"/>'
    )


def _media_type(picture: bytes) -> str:
    """Return the media type of a word mark, told by its first bytes and not by a name."""
    if picture.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if picture.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if re.match(
        rb"\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg[\s>]", picture, re.DOTALL
    ):
        return "image/svg+xml"
    raise UnknownValue("a word mark is a PNG, JPEG or SVG picture", field="wordmark")


def _words(payload: Individual | Merchant) -> list[str]:
    """Return the name, in one line or two, and the amount with its currency code."""
    room = WIDTH - 2 * SIDE_MARGIN
    name = _printable(payload.merchant_name)
    lines = _lines(name, room)
    tops = (101.0,) if len(lines) == 1 else (87.0, 106.0)
    parts = [
        f'<text x="{SIDE_MARGIN:g}" y="{top:g}" font-family="{FAMILY}" font-size="{NAME_SIZE:g}">'
        f"{_spans(line)}</text>"
        for line, top in zip(lines, tops, strict=True)
    ]
    if payload.amount is not None:
        number, code = _amount(payload)
        code_width = _width(f" {code}") * CODE_SIZE
        size = min(AMOUNT_SIZE, max(AMOUNT_SIZE_MIN, (room - code_width) / max(_width(number) * 1.02, 0.1)))
        parts.append(
            f'<text x="{SIDE_MARGIN:g}" y="{142 if len(lines) == 1 else 146:g}" font-family="{FAMILY}"'
            f' xml:space="preserve"><tspan font-size="{size:.1f}" font-weight="700">{escape(number)}</tspan>'
            f'<tspan font-size="{CODE_SIZE:g}"> {code}</tspan></text>'
        )
    return parts


def _amount(payload: Individual | Merchant) -> tuple[str, str]:
    """Return the amount as the card prints it: ("1,250.00", "USD"), ("41,000", "KHR")."""
    text = payload.amount or ""
    try:
        money = parse_amount(text, payload.currency)
    except MoneyError:
        return _printable(text), str(payload.currency)  # a stranger's amount, shown as it stands
    whole, point, cents = money.plain.partition(".")
    return f"{int(whole):,}{point}{cents}", str(payload.currency)


def _label(payload: Individual | Merchant) -> str:
    amount = "" if payload.amount is None else ", " + " ".join(_amount(payload))
    return f"KHQR, {payload.merchant_name}{amount}"


def _footer_line(line: str, width: float, y: float) -> str:
    line = _printable(line)
    size = min(15.0, (width - 24) / max(_width(line), 1.0))
    return (
        f'<text x="{width / 2:g}" y="{y:g}" text-anchor="middle" font-family="{FAMILY}"'
        f' font-size="{size:.1f}" fill="#14181f">{_spans(line)}</text>'
    )


KHMER = re.compile("([\u1780-\u17ff\u19e0-\u19ff][\u1780-\u17ff\u19e0-\u19ff\u200b-\u200d ]*)")


def _spans(line: str) -> str:
    """Return a line as SVG, its Khmer in spans of their own.

    resvg sets a mixed run in one font, and drops clusters that font lacks when shaping changes
    their number, as it does in Khmer.
    """
    parts = KHMER.split(line)
    if len(parts) == 1:
        return escape(line)
    return "".join(
        f'<tspan font-family="{KHMER_FAMILY}">{escape(part)}</tspan>' if index % 2 else escape(part)
        for index, part in enumerate(parts)
    )


# Letters XML cannot hold, and control characters: a name read from a stranger's QR may have them.
UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


def _printable(text: str) -> str:
    return UNPRINTABLE.sub("\ufffd", text)


# Advance widths of Nunito Sans Regular in em, by groups; enough to break a line and shrink an amount.
NARROW, WIDE = frozenset("Iijl.,:;'!|` "), frozenset("Mmw@%")


def _width(text: str) -> float:
    """Return about how wide a text is, in em, rather too much than too little."""
    total = 0.0
    for letter in text:
        if letter in NARROW:
            total += 0.3
        elif letter in WIDE:
            total += 0.96
        elif letter == "W":
            total += 1.11
        elif letter.isascii():
            total += 0.62 if not letter.isupper() else 0.78
        elif unicodedata.category(letter) in ("Mn", "Me", "Cf"):
            total += 0.0
        elif unicodedata.east_asian_width(letter) in ("W", "F"):
            total += 1.0
        else:
            total += 0.75
    return total


def _lines(name: str, room: float) -> list[str]:
    """Return a name in one line, or two; what is still too long ends with an ellipsis."""
    if _width(name) * NAME_SIZE <= room:
        return [name]
    first = ""
    for word in re.split(r"(?<=[ \u200b])", name):
        if _width(first + word) * NAME_SIZE > room:
            break
        first += word
    if not first.strip():
        first = _fitting(name, room)
    rest = name[len(first) :]
    if _width(rest) * NAME_SIZE > room:
        rest = _fitting(rest, room - NAME_SIZE) + "…"
    return [first.rstrip(), rest]


def _fitting(text: str, room: float) -> str:
    """Return the longest start of a text that fits, never cutting before a combining sign."""
    end = len(text)
    while end > 1 and (
        _width(text[:end]) * NAME_SIZE > room or unicodedata.category(text[end : end + 1] or "x")[0] == "M"
    ):
        end -= 1
    return text[:end]

"""A KHQR as a picture: SVG for pages, PNG for files.

Drawn by segno from segments cut in segments.py, because segno writes a text in one mode. One unit
of the SVG is one module, so that a page may show it at any size and stay sharp.
"""

from __future__ import annotations

import io
import struct
import zlib
from functools import lru_cache
from typing import Any, Literal
from xml.sax.saxutils import quoteattr

from .errors import BrokenText, NotText
from .segments import ALPHANUMERIC, BYTE, NUMERIC, RANGES, cut

__all__ = ["MODULES_MAX", "QUIET_ZONE", "Level", "matrix", "modules", "png", "svg"]

Level = Literal["L", "M", "Q", "H"]

QUIET_ZONE = 4  # modules of white on each side, as ISO/IEC 18004 asks; it is inside the picture
MODULES_MAX = 77  # version 15: the most that keeps 3 px a module in a 256 px picture

# segno's make() takes names for one mode, but the numbers of ISO/IEC 18004 for the mode of each segment.
SEGNO_MODES = {NUMERIC: 1, ALPHANUMERIC: 2, BYTE: 4}

Matrix = tuple[bytes, ...]  # rows of 0 (white) and 1 (black), without quiet zone


def matrix(text: str, level: Level = "H") -> Matrix:
    """Return the modules of a QR as rows of bytes, 1 for black, without the quiet zone.

    Raises NotText for what is no text, BrokenText when no QR of that level can hold it, ValueError
    for another level.
    """
    if not isinstance(text, str):
        raise NotText(f"text wanted, not {type(text).__name__}")
    if level not in ("L", "M", "Q", "H"):
        raise ValueError(f"a level is L, M, Q or H, not {level!r}")
    return _drawn(text, level)


# 45 ms of work for each text, 6 kB of memory for each entry: a page that is asked for again, and
# the card and the saved picture of the same payment, draw it once.
@lru_cache(maxsize=512)
def _drawn(text: str, level: Level) -> Matrix:
    import segno  # here, so that the codec alone needs nothing but the standard library

    try:
        text.encode()
    except UnicodeEncodeError:
        raise NotText("half a surrogate pair") from None
    if not text:
        raise BrokenText("an empty text has no picture")
    for version_max in RANGES:
        parts: Any = [(part, SEGNO_MODES[mode], "utf-8") for part, mode in cut(text, version_max)]
        try:
            code = segno.make(parts, error=level, boost_error=False, micro=False)
        except segno.DataOverflowError:
            continue
        if int(code.version) <= version_max:
            return tuple(bytes(row) for row in code.matrix)
    raise BrokenText(f"{len(text)} characters are more than a QR of level {level} can hold")


def modules(text: str, level: Level = "H") -> int:
    """Return how many modules wide the QR of a text is, quiet zone not counted.

    More than MODULES_MAX (77) is under 3 px a module in a 256 px picture: warn who chose the names.
    """
    return len(matrix(text, level))


def path_of(rows: Matrix, *, offset: int = QUIET_ZONE) -> str:
    """Return the SVG path of all black modules: one stroke of height 1 for each run in a row.

    Strokes run through the middle of a row, so the path wants stroke-width 1.
    """
    steps: list[str] = []
    x = y = 0.0
    for top, row in enumerate(rows):
        for start, end in _runs(row):
            here_x, here_y = start + offset, top + offset + 0.5
            steps.append(f"m{here_x - x:g} {here_y - y:g}h{end - start}")
            x, y = end + offset, here_y
    return "M0 0" + "".join(steps)


def _runs(row: bytes) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    end = 0
    while (start := row.find(1, end)) >= 0:
        end = row.find(0, start)
        if end < 0:
            end = len(row)
        found.append((start, end))
    return found


def svg(text: str, *, level: Level = "H", title: str | None = None, css_class: str | None = None) -> str:
    """Return the QR of a text as an <svg> element to stand inside a page.

    One unit a module; a quiet zone of 4 modules is inside; black on white, whatever the page's
    theme; width and height are left to the page. role="img" is set, with title as its name (without
    a title the page must name it, or hide it from readers).
    Raises NotText, BrokenText as matrix().
    """
    matrix(text, level)  # refuses what cannot be looked up below
    return _svg(text, level, title, css_class)


@lru_cache(maxsize=512)
def _svg(text: str, level: Level, title: str | None, css_class: str | None) -> str:
    rows = matrix(text, level)
    side = len(rows) + 2 * QUIET_ZONE
    attributes = f" class={quoteattr(css_class)}" if css_class else ""
    if title:
        attributes += f" aria-label={quoteattr(title)}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {side} {side}" role="img"{attributes}'
        f' shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path stroke="#000" fill="none" d="{path_of(rows)}"/></svg>'
    )


def png(text: str, *, level: Level = "H", scale: int = 8) -> bytes:
    """Return the QR of a text as a PNG file, black on white, quiet zone of 4 modules inside.

    scale: whole pixels a module, 1 to 64; a fraction would blur the edges scanners look for.
    Raises NotText, BrokenText as matrix(), ValueError for another scale.
    """
    if type(scale) is not int or not 1 <= scale <= 64:
        raise ValueError(f"scale is a whole number of pixels from 1 to 64, not {scale!r}")
    matrix(text, level)  # refuses what cannot be looked up below
    return _png(text, level, scale)


@lru_cache(maxsize=64)
def _png(text: str, level: Level, scale: int) -> bytes:
    rows = matrix(text, level)
    out = io.BytesIO()
    side = (len(rows) + 2 * QUIET_ZONE) * scale

    def chunk(kind: bytes, data: bytes) -> None:
        out.write(struct.pack(">I", len(data)) + kind + data)
        out.write(struct.pack(">I", zlib.crc32(kind + data)))

    white = b"\1" * (QUIET_ZONE * scale)
    blank = bytes(1) + _bits(b"\1" * side)
    lines = [blank * (QUIET_ZONE * scale)]
    for row in rows:
        wide = b"".join((b"\0" if black else b"\1") * scale for black in row)
        lines.append((bytes(1) + _bits(white + wide + white)) * scale)
    lines.append(lines[0])
    out.write(b"\x89PNG\r\n\x1a\n")
    chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0))  # one bit a pixel, grey
    chunk(b"IDAT", zlib.compress(b"".join(lines), 9))
    chunk(b"IEND", b"")
    return out.getvalue()


def _bits(pixels: bytes) -> bytes:
    """Return pixels of 0 and 1 packed eight to a byte, the last byte filled up with white."""
    filled = pixels + b"\1" * (-len(pixels) % 8)
    return int(filled.translate(bytes([48, 49]) + bytes(254)), 2).to_bytes(len(filled) // 8, "big")

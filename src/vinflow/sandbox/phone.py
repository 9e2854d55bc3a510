"""A phone's camera in Python: pixels in, texts out. It never gets a KHQR's text, only pictures."""

from __future__ import annotations

import io
import warnings

import zxingcpp
from PIL import Image, ImageOps, UnidentifiedImageError

from vinflow.sandbox.errors import BadPicture

__all__ = ["PICTURE_BYTES_MAX", "read_picture"]

PICTURE_BYTES_MAX = 10 * 1024 * 1024
PIXELS_MAX = 50_000_000  # a 48-megapixel phone camera; a small file may claim far more
SIDE_MAX = 2400  # larger pictures are made smaller first: a QR needs few pixels, the reader's time many


def read_picture(data: bytes) -> list[str]:
    """Return the texts of all QR codes in a picture, from top to bottom, each once; [] when there is none.

    data: a PNG, JPEG or WebP file of at most 10 MB. Raises BadPicture for anything else, for a broken file
    and for one that claims more pixels than a camera has.
    """
    if not data or len(data) > PICTURE_BYTES_MAX:
        raise BadPicture(f"a picture of {len(data)} bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # our own limit is stricter than Pillow's warning
            with Image.open(io.BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as opened:
                if opened.width * opened.height > PIXELS_MAX:
                    raise BadPicture(f"a picture of {opened.width} x {opened.height}")
                picture = _flat(opened)
    except (
        UnidentifiedImageError,
        OSError,
        ValueError,
        SyntaxError,
        EOFError,
        MemoryError,
        Image.DecompressionBombError,
    ):
        raise BadPicture("no PNG, JPEG or WebP picture") from None
    for attempt in (picture, _smaller(picture, 1200), _blown_up(picture)):
        if attempt is not None and (texts := _texts(attempt)):
            return texts
    return []


def _flat(opened: Image.Image) -> Image.Image:
    """Return the picture in greys, upright, on white where it is transparent, no side over SIDE_MAX."""
    opened.draft("L", (SIDE_MAX, SIDE_MAX))  # JPEG only: decodes at a fraction of the size at once
    opened.load()
    picture = ImageOps.exif_transpose(opened)
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        clear = picture.convert("RGBA")
        white = Image.new("RGBA", clear.size, "white")
        picture = Image.alpha_composite(white, clear)
    grey = picture.convert("L")
    grey.thumbnail((SIDE_MAX, SIDE_MAX))
    return grey


def _smaller(picture: Image.Image, side: int) -> Image.Image | None:
    if max(picture.size) <= side:
        return None
    copy = picture.copy()
    copy.thumbnail((side, side))
    return copy


def _blown_up(picture: Image.Image) -> Image.Image | None:
    if max(picture.size) > 1200:
        return None
    return picture.resize((picture.width * 2, picture.height * 2), Image.Resampling.BICUBIC)


def _texts(picture: Image.Image) -> list[str]:
    codes = zxingcpp.read_barcodes(picture, formats=zxingcpp.BarcodeFormat.QRCode)
    codes.sort(key=lambda code: (code.position.top_left.y, code.position.top_left.x))
    return list(dict.fromkeys(code.text for code in codes if code.text))

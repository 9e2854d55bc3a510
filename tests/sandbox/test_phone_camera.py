"""Pictures of KHQRs as they come: screenshots, photographs, turned, squeezed, hostile."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from PIL import Image, ImageDraw, ImageFilter

from vinflow import khqr
from vinflow.sandbox import Sandbox
from vinflow.sandbox.errors import BadPicture
from vinflow.sandbox.phone import PICTURE_BYTES_MAX, read_picture


@pytest.fixture(scope="module")
def text() -> str:
    return Sandbox().qr("1250.00", bill_number="TXN1A2B3C4D5E6F7G8H9J0K1L", store_label="ហាង")


@pytest.fixture(scope="module")
def drawn(text: str) -> Image.Image:
    """The QR in black on white, about 500 pixels wide."""
    return Image.open(io.BytesIO(khqr.png(text, scale=8))).convert("RGB")


def file_of(picture: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def on_a_table(picture: Image.Image, size: tuple[int, int] = (1280, 960)) -> Image.Image:
    table = Image.new("RGB", size, (176, 150, 120))
    table.paste(picture.resize((420, 420)), (430, 260))
    return table


def clear_background(picture: Image.Image) -> Image.Image:
    """Black modules on nothing, as many QR makers export."""
    grey = picture.convert("L")
    clear = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    clear.putalpha(grey.point(lambda shade: 255 - shade))
    return clear


def noisy(picture: Image.Image) -> Image.Image:
    dice = random.Random(7)
    copy = picture.copy()
    for _ in range(4000):
        at = dice.randrange(copy.width), dice.randrange(copy.height)
        copy.putpixel(at, tuple(dice.randrange(256) for _ in range(3)))
    return copy.filter(ImageFilter.GaussianBlur(1))


SPOILS: dict[str, Callable[[Image.Image], bytes]] = {
    "png": file_of,
    "jpeg at quality 60": lambda p: file_of(p, "JPEG", quality=60),
    "jpeg at quality 15": lambda p: file_of(p, "JPEG", quality=15),
    "webp": lambda p: file_of(p, "WEBP"),
    "pixel ratio 2": lambda p: file_of(p.resize((p.width * 2, p.height * 2))),
    "as small as a thumbnail": lambda p: file_of(p.resize((160, 160), Image.Resampling.LANCZOS)),
    "quarter turn": lambda p: file_of(p.rotate(90, expand=True)),
    "fifteen degrees": lambda p: file_of(p.rotate(15, expand=True, fillcolor="white")),
    "upside down": lambda p: file_of(p.rotate(180)),
    "mirrored by a selfie camera": lambda p: file_of(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "white on black": lambda p: file_of(Image.eval(p, lambda shade: 255 - shade)),
    "on a table": lambda p: file_of(on_a_table(p), "JPEG", quality=80),
    "noise and blur": lambda p: file_of(noisy(p)),
    "seen from the side": lambda p: file_of(
        p.transform(p.size, Image.Transform.QUAD, (-40, -20, -10, p.height + 30, p.width + 40, p.height + 10,
                                                   p.width + 5, -30), fillcolor="white")
    ),
    "transparent": lambda p: file_of(clear_background(p)),
    "sixteen megapixels": lambda p: file_of(on_a_table(p).resize((4608, 3456)), "JPEG", quality=80),
    "palette": lambda p: file_of(p.convert("P")),
    "one bit": lambda p: file_of(p.convert("1")),
}  # fmt: skip


@pytest.mark.parametrize("how", SPOILS)
def test_a_picture_of_a_khqr_is_read(drawn: Image.Image, text: str, how: str) -> None:
    assert read_picture(SPOILS[how](drawn)) == [text]


def test_a_photo_that_says_it_lies_on_its_side_is_turned(drawn: Image.Image, text: str) -> None:
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    drawn.save(out, "JPEG", exif=exif)

    assert read_picture(out.getvalue()) == [text]


def test_the_card_that_payers_save_is_read(text: str) -> None:
    assert read_picture(khqr.card_png(text)) == [text]


def test_two_codes_come_from_top_to_bottom_and_copies_count_once(drawn: Image.Image, text: str) -> None:
    other = Sandbox(1).qr("2.00")
    second = Image.open(io.BytesIO(khqr.png(other, scale=6))).convert("RGB")
    wall = Image.new("RGB", (1400, 1600), "white")
    wall.paste(second, (60, 1000))
    wall.paste(drawn.resize((500, 500)), (60, 60))
    wall.paste(drawn.resize((500, 500)), (800, 60))

    assert read_picture(file_of(wall)) == [text, other]


def test_a_picture_without_a_code_gives_nothing() -> None:
    blank = Image.new("RGB", (300, 300), "white")
    ImageDraw.Draw(blank).ellipse((50, 50, 200, 200), fill="black")

    assert read_picture(file_of(blank)) == []


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that claims to be huge."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"GIF89a" + b"\0" * 100,
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"\x89PNG\r\n\x1a\n" + b"\0" * 50,
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
        bomb(60_000, 60_000),
        bomb(2**31 - 1, 1),
        bomb(500, 500),  # less data than it promises
        b"\0" * (PICTURE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_picture_of_ours_is_refused(data: bytes) -> None:
    with pytest.raises(BadPicture):
        read_picture(data)


def test_a_truncated_photo_is_refused(drawn: Image.Image) -> None:
    whole = file_of(drawn, "JPEG", quality=90)

    with pytest.raises(BadPicture):
        read_picture(whole[: len(whole) // 3])

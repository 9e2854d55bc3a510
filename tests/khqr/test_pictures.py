"""A picture is right when a reader of QRs gives back the text it was drawn from."""

from __future__ import annotations

import io
import itertools
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import resvg_py
import zxingcpp
from PIL import Image

from vinflow.khqr import Individual, KHQRError, encode, modules, png, svg
from vinflow.khqr.image import MODULES_MAX, QUIET_ZONE, matrix
from vinflow.khqr.segments import RANGES, bits_of, cut
from vinflow.money import Currency

NOW_MS = 1735689600000


def read(picture: bytes) -> list[str]:
    image = Image.open(io.BytesIO(picture))
    return [found.text for found in zxingcpp.read_barcodes(image)]


def rasterised(drawing: str, width: int) -> bytes:
    return bytes(resvg_py.svg_to_bytes(svg_string=drawing, width=width, background="#ffffff"))


@pytest.mark.parametrize("level", ["L", "M", "Q", "H"])
def test_png_and_svg_read_back_as_the_text_at_every_level(top_up_text, level):
    assert read(png(top_up_text, level=level, scale=3)) == [top_up_text]
    assert read(rasterised(svg(top_up_text, level=level), 512)) == [top_up_text]


@pytest.mark.parametrize("scale", [2, 4, 8])
def test_png_reads_back_at_every_scale(top_up_text, scale):
    picture = png(top_up_text, scale=scale)

    side = (modules(top_up_text) + 2 * QUIET_ZONE) * scale
    assert Image.open(io.BytesIO(picture)).size == (side, side)
    assert read(picture) == [top_up_text]


def test_svg_has_one_unit_a_module_and_the_quiet_zone_inside(static_text):
    drawing = ET.fromstring(svg(static_text, title="Scan & pay", css_class="qr"))
    side = modules(static_text) + 2 * QUIET_ZONE

    assert drawing.get("viewBox") == f"0 0 {side} {side}"
    assert drawing.get("role") == "img"
    assert drawing.get("aria-label") == "Scan & pay"
    assert drawing.get("class") == "qr"
    rows = matrix(static_text)
    assert {len(row) for row in rows} == {len(rows)} == {modules(static_text)}


def test_a_normal_top_up_stays_within_77_modules_at_level_h(top_up, top_up_text):
    assert 181 <= len(top_up_text.encode()) <= 220
    assert modules(top_up_text) <= MODULES_MAX
    named = encode(
        replace(top_up, merchant_name="Phnom Penh Coffee Roaster", acquiring_bank="ACLEDA Bank Plc.")
    )
    assert modules(named) <= MODULES_MAX


def test_mixed_segments_save_at_least_two_versions(top_up_text):
    import segno

    bytes_only = segno.make(top_up_text, error="h", mode="byte", boost_error=False, micro=False)

    assert int(bytes_only.version) - (modules(top_up_text) - 17) // 4 >= 2


@pytest.mark.parametrize(
    "payload",
    [
        Individual("a@b", "ហាងកាហ្វេ", "ភ្នំពេញ"),
        Individual("a@b", "☕️🍜 Noodles"),
        Individual("a@b", "咖啡店", "金边", currency=Currency.USD),
        Individual("A" * 27 + "@BANK", "HELLO WORLD 123", "PHNOM PENH"),
    ],
)
def test_every_script_reads_back(payload):
    text = encode(payload)

    assert read(png(text)) == [text]


@pytest.mark.parametrize("text", ["1", "A", "a", "0123456789" * 20, "ABC123abc" * 20, "ក", "$%*+-./: "])
def test_any_text_reads_back(text):
    assert read(png(text, level="M")) == [text]


def test_what_no_qr_can_hold_is_refused():
    with pytest.raises(KHQRError):
        svg("x" * 1300, level="H")
    with pytest.raises(KHQRError):
        svg("")
    with pytest.raises(KHQRError):
        svg("\ud800")
    for value in (5, None, [], b"1", {}):
        for draw in (png, svg, modules):
            with pytest.raises(KHQRError):
                draw(value)
    with pytest.raises(ValueError, match="level"):
        svg("1", level="X")
    for scale in (0, 65, 2.5, True):
        with pytest.raises(ValueError, match="scale"):
            png("1", scale=scale)


def cheapest(text: str, version_max: int) -> int:
    """The fewest bits, by trying every mode for every letter. Only for short texts."""
    import itertools

    kinds = {"numeric": "0123456789", "alphanumeric": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"}
    best = 1 << 30
    for modes in itertools.product(("numeric", "alphanumeric", "byte"), repeat=len(text)):
        if any(mode in kinds and letter not in kinds[mode] for mode, letter in zip(modes, text, strict=True)):
            continue
        segments = [
            ("".join(letter for _, letter in group), mode)
            for mode, group in itertools.groupby(zip(modes, text, strict=True), key=lambda pair: pair[0])
        ]
        best = min(best, bits_of(segments, version_max))
    return best


@pytest.mark.parametrize("version_max", RANGES)
@pytest.mark.parametrize(
    "text", ["A1a", "1234567a", "AB1234cd", "aA1aA1", "000ក111", "ABCDEF12", "a1234567", "1a1a1a1"]
)
def test_the_cut_is_the_cheapest_there_is(text, version_max):
    segments = cut(text, version_max)

    assert "".join(part for part, _ in segments) == text
    assert all(left[1] != right[1] for left, right in itertools.pairwise(segments))
    assert bits_of(segments, version_max) == cheapest(text, version_max)


def test_a_long_run_of_digits_between_letters_gets_its_own_segment():
    assert cut("abc" + "1" * 20 + "def", 9) == [("abc", "byte"), ("1" * 20, "numeric"), ("def", "byte")]


def test_segno_counts_the_same_bits_as_the_cut(top_up_text):
    """bits_of() and the drawing must agree, or the version would be larger than it needs to be."""
    size = modules(top_up_text)
    version = (size - 17) // 4
    from segno import consts

    bits = bits_of(cut(top_up_text, 26), 26)
    capacity = consts.SYMBOL_CAPACITY
    assert capacity[version][consts.ERROR_LEVEL_H] >= bits > capacity[version - 1][consts.ERROR_LEVEL_H]

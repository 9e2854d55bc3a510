"""The KHQR card: its shape, its words, and above all that it still scans."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
import resvg_py
import zxingcpp
from PIL import Image

from vinflow.khqr import KHQRError, card_png, card_svg, encode, modules
from vinflow.khqr.errors import UnknownValue
from vinflow.money import Currency

SVG = "{http://www.w3.org/2000/svg}"


def read(picture: bytes) -> list[str]:
    return [found.text for found in zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)))]


def words(drawing: str) -> str:
    return " ".join("".join(node.itertext()) for node in ET.fromstring(drawing).iter(f"{SVG}text"))


@pytest.fixture
def cards(top_up):
    return {
        "dollars": encode(top_up),
        "riel": encode(replace(top_up, currency=Currency.KHR, amount="41000")),
        "static": encode(replace(top_up, amount=None)),
        "khmer": encode(replace(top_up, merchant_name="ហាងកាហ្វេ ភោជនីយដ្ឋាន", amount="1250.00")),
        "long": encode(
            replace(top_up, merchant_name="W" * 25, amount="9999999999.99", mobile_number="0" * 20)
        ),
        "markup": encode(replace(top_up, merchant_name="<b>&'\"</b>")),
    }


@pytest.mark.parametrize("kind", ["dollars", "riel", "static", "khmer", "long", "markup"])
@pytest.mark.parametrize("width", [320, 360, 440, 720, 1080])
def test_the_card_scans_at_every_width_used(cards, kind, width):
    text = cards[kind]
    picture = resvg_py.svg_to_bytes(svg_string=card_svg(text), width=width, background="#ffffff")

    assert read(bytes(picture)) == [text]


@pytest.mark.parametrize("kind", ["dollars", "riel", "static", "khmer", "long", "markup"])
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_the_saved_card_scans_at_every_scale(cards, kind, scale):
    text = cards[kind]
    footer = ("Valid until 1 Jan 2025, 07:10", "មានសុពលភាពដល់ 1 មករា 2025, 07:10")

    picture = card_png(text, scale=scale, footer=footer)

    assert read(picture) == [text]
    assert Image.open(io.BytesIO(picture)).width == 408 * scale


def test_the_card_has_the_proportions_of_the_guideline(cards):
    card = ET.fromstring(card_svg(cards["dollars"]))

    assert card.get("viewBox") == "0 0 360 522"  # 20:29
    assert card.get("role") == "img"
    assert card.get("aria-label") == "KHQR, Coffee Shop, 10.50 USD"
    header = card.findall(f"{SVG}path")[0]
    assert header.get("fill") == "#e1232e"
    code = card.find(f"{SVG}svg")
    assert code is not None
    assert (code.get("x"), code.get("y"), code.get("width")) == ("52", "220", "256")
    side = modules(cards["dollars"]) + 8
    assert code.get("viewBox") == f"0 0 {side} {side}"


def test_name_amount_and_code_are_printed_as_the_payer_will_compare_them(cards):
    assert words(card_svg(cards["dollars"])) == "Coffee Shop 10.50 USD"
    assert words(card_svg(cards["riel"])) == "Coffee Shop 41,000 KHR"
    assert words(card_svg(cards["khmer"])).endswith("1,250.00 USD")
    assert words(card_svg(cards["static"])) == "Coffee Shop"
    assert words(card_svg(cards["markup"])).startswith("<b>&'\"</b>")


def test_a_long_name_takes_two_lines_and_a_long_amount_shrinks_but_not_under_24(cards):
    card = card_svg(cards["long"])

    lines = ET.fromstring(card).findall(f"{SVG}text")
    assert len(lines) == 3
    assert "".join("".join(line.itertext()) for line in lines[:2]) == "W" * 25
    size = float(re.search(r'<tspan font-size="([0-9.]+)" font-weight="700">', card)[1])
    assert 24 <= size < 34


def test_the_disc_is_there_only_for_an_amount_and_can_be_left_out(cards):
    assert card_svg(cards["dollars"]).count("<circle") == 2
    assert card_svg(cards["static"]).count("<circle") == 0
    assert card_svg(cards["dollars"], disc=False).count("<circle") == 0
    radii = [float(found) for found in re.findall(r'<circle[^>]* r="([0-9.]+)"', card_svg(cards["riel"]))]
    symbol = modules(cards["riel"])
    assert max(radii) * 2 <= 0.22 * symbol


def test_the_merchants_word_mark_takes_the_place_of_the_letters(cards, static_text):
    text = cards["dollars"]
    drawn = (
        b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 3"><path fill="#fff" d="M0 0h9v3H0z"/></svg>'
    )
    white = io.BytesIO()
    Image.new("L", (90, 30), 255).save(white, "PNG")
    marks = {"image/png": white.getvalue(), "image/svg+xml": b"<?xml version='1.0'?>\n" + drawn}

    for kind, mark in marks.items():
        card = card_svg(text, wordmark=mark)
        assert f'href="data:{kind};base64,' in card
        assert read(card_png(text, wordmark=mark)) == [text]
    assert "<image" not in card_svg(text)


@pytest.mark.parametrize("mark", [b"", b"GIF89a", b"<html><svg></html>", b"%PDF-1.7", b"\x00" * 9])
def test_a_word_mark_of_another_kind_is_refused(static_text, mark):
    with pytest.raises(UnknownValue) as caught:
        card_svg(static_text, wordmark=mark)

    assert caught.value.field == "wordmark"


def test_a_card_is_drawn_only_of_a_clean_khqr(static_text):
    for text in ("", "hello", static_text[:-1], None, 5, []):
        with pytest.raises(KHQRError):
            card_svg(text)
        with pytest.raises(KHQRError):
            card_png(text)
    with pytest.raises(ValueError, match="scale"):
        card_png(static_text, scale=9)


def test_a_qr_of_many_modules_makes_a_taller_card_rather_than_small_modules(top_up):
    text = encode(
        replace(
            top_up,
            merchant_name="Phnom Penh Coffee Roaster",
            mobile_number="85512345678",
            purpose_of_transaction="buy coffee for two",
            language_preference="km",
            merchant_name_alternate_language="ក្រុមហ៊ុន អង្គរ",
        )
    )
    card = ET.fromstring(card_svg(text))

    wide = modules(text)
    assert wide > 77
    side = float(card.find(f"{SVG}svg").get("width"))
    assert side == min(320, 3 * (wide + 8))
    assert card.get("viewBox") == f"0 0 360 {522 + side - 256:g}"


def test_a_strangers_control_characters_cannot_break_the_drawing():
    text = "00020101021129170013sok_dara@aclb5204599953031165802KH5906a\x00\x1b\ufffe]b6003BMC63040000"

    assert words(card_svg(text)) == "a\ufffd\ufffd\ufffd]b"


def test_khmer_and_latin_in_one_line_are_both_drawn(static_text):
    """resvg loses Khmer in a mixed line unless it has a span of its own: count the ink."""

    def ink(line: str) -> int:
        picture = Image.open(io.BytesIO(card_png(static_text, scale=1, footer=(line,)))).convert("L")
        foot = picture.crop((0, picture.height - 30, picture.width, picture.height))
        return sum(1 for pixel in foot.tobytes() if pixel < 128)

    assert ink("មករា 2025") > ink("2025") + 20

"""The receipt on paper: a PDF whose Khmer is shaped as browsers shape it; and life without the extra."""

from __future__ import annotations

import base64
import io
import re
import sys
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
from django.core.cache import cache
from PIL import Image, ImageChops, ImageFilter, ImageOps

import vinflow.storefront
from vinflow.storefront import paper

FOLDER = Path(vinflow.storefront.__file__).parent / "static/storefront"
# Subscripts, signs on all sides, vowels before their consonant; no space, which each font makes its own.
WORDS = ("បង្កាន់ដៃ", "ប្រតិបត្តិការ", "ក្រុមការងារ", "ពិនិត្យ", "រៀល៛", "ធ្នូ", "ភ្លាមៗនៅពេលស្ដ្រី")


@pytest.fixture(autouse=True)
def _no_brakes() -> Any:
    cache.clear()
    yield
    cache.clear()


def pdf_address(payment: Any) -> str:
    return f"/payment/{payment.transaction_id}/receipt.pdf"


def text_of(pdf: bytes) -> str:
    document = pypdfium2.PdfDocument(pdf)
    return "\n".join(page.get_textpage().get_text_bounded() for page in document)


def test_the_pdf_says_what_the_page_says(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("late", payer)

    answer = page.get(pdf_address(payment))

    assert answer["Content-Type"] == "application/pdf"
    assert re.search(r'attachment; filename="R-\d{4}-\d{6}\.pdf"', answer["Content-Disposition"])
    text = " ".join(text_of(answer.content).split())
    transfer = payment.transfers.get()
    for part in (
        "$10.00",
        payment.transaction_id,
        transfer.hash,
        "100FT3489021",
        "Paid after the QR expired",
    ):
        assert part in text, part
    assert "TEST – no real money" in text
    assert "dara_sok4321" not in text


def test_only_the_owner_gets_it_and_only_when_it_is_paid(
    page: Any, house: Any, payer: Any, client: Any
) -> None:
    from django.test import Client

    foreign = house.at_state("completed", house.payer("stranger"))
    waiting = house.at_state("pending", payer)

    assert page.get(pdf_address(foreign)).status_code == 404
    assert page.get("/payment/TXN00000000000000000000/receipt.pdf").status_code == 404
    assert page.get(pdf_address(waiting)).status_code == 302
    assert Client().get(pdf_address(foreign))["Location"].startswith("/accounts/login/")


def test_a_second_press_at_once_waits(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("completed", payer)

    answers = [page.get(pdf_address(payment)).status_code for _ in range(2)]

    assert answers == [200, 429]


def test_without_the_extra_the_page_says_so_and_can_be_printed(
    page: Any, house: Any, payer: Any, monkeypatch: Any
) -> None:
    payment = house.at_state("completed", payer)
    monkeypatch.setitem(sys.modules, "weasyprint", None)
    answer = page.get(pdf_address(payment), follow=True)
    html = answer.content.decode()

    assert answer.status_code == 200
    assert "This site makes no PDF files." in html
    assert 'data-testid="receipt-print"' in html
    assert 'data-testid="receipt-pdf"' not in html


def test_nothing_is_fetched_from_elsewhere_for_a_pdf(house: Any, payer: Any, settings: Any) -> None:
    from vinflow.storefront.pages.receipt import receipt_context

    settings.VINFLOW_LOGO = "https://elsewhere.example/logo.png"
    page = paper.paper_html(receipt_context(house.at_state("completed", payer)), language="en")
    assert "elsewhere" not in page

    shelf = paper._shelf()
    for address in (
        "https://elsewhere.example/x.png",
        "file:///etc/passwd",
        f"{paper.SHELF}../../../settings.py",
        f"{paper.SHELF}no/such/file.css",
    ):
        with pytest.raises(ValueError, match=r"not a file|no such file"):
            shelf.fetch(address)


@pytest.mark.browser
def test_khmer_in_the_pdf_looks_as_chromium_draws_it(browser: Any) -> None:
    """Each word from the same font file, by Pango in the PDF and by Chromium; an unshaped one must differ."""
    from_pdf = {word: _ink(_by_pdf(word)) for word in WORDS}
    page = browser.new_page(device_scale_factor=4)
    from_browser = {word: _ink(_by_chromium(page, word)) for word in WORDS}
    unshaped = {word: _ink(_by_chromium(page, "\u200b".join(word))) for word in WORDS}
    page.close()

    like = {word: _overlap(from_pdf[word], from_browser[word]) for word in WORDS}
    unlike = {word: _overlap(from_pdf[word], unshaped[word]) for word in WORDS if len(word) > 4}
    assert min(like.values()) > 0.92, like
    assert max(unlike.values()) < 0.75, unlike


def _by_pdf(word: str) -> Image.Image:
    html = f'<html lang="km"><body><p style="font-size: 30pt">{word}</p></body></html>'
    document = pypdfium2.PdfDocument(paper.pdf_of(html))
    picture: Image.Image = document[0].render(scale=96 / 72 * 4).to_pil()
    return picture


def _by_chromium(page: Any, word: str) -> Image.Image:
    font = base64.b64encode((FOLDER / "fonts/kantumruy-pro-khmer-400.woff2").read_bytes()).decode()
    page.set_content(
        f"<style>@font-face {{ font-family: K; src: url(data:font/woff2;base64,{font}); }} "
        f"p {{ font: 30pt/2 K; color: #000; }}</style><p lang='km'>{word}</p>"
    )
    page.evaluate("document.fonts.load('30pt K', 'ក')")
    page.evaluate("document.fonts.ready")
    return Image.open(io.BytesIO(page.locator("p").screenshot()))


def _ink(picture: Image.Image) -> Image.Image:
    """What is drawn, cut out and brought to one height."""
    grey = ImageOps.invert(picture.convert("L"))
    box = grey.getbbox()
    assert box is not None
    cut = grey.crop(box)
    return cut.resize((max(1, round(cut.width * 120 / cut.height)), 120))


def _overlap(one: Image.Image, other: Image.Image) -> float:
    """How much of the ink of two pictures lies on the same place, 0 to 1, edges forgiven."""
    soft = [picture.resize(one.size).filter(ImageFilter.GaussianBlur(2)) for picture in (one, other)]
    apart = sum(ImageChops.difference(*soft).tobytes())
    return 1 - apart / sum(sum(each.tobytes()) for each in soft)


def test_a_machine_without_pango_says_so_too_and_stops_offering(
    page: Any, house: Any, payer: Any, monkeypatch: Any
) -> None:
    payment = house.at_state("completed", payer)
    monkeypatch.setattr(paper, "_broken", False)
    monkeypatch.setattr(paper, "find_spec", lambda _name: object())
    monkeypatch.setitem(sys.modules, "weasyprint", None)

    html = page.get(pdf_address(payment), follow=True).content.decode()

    assert "This site makes no PDF files." in html
    assert paper.can_make_pdf() is False

"""The KHQR card as a browser draws it: measured, coloured, and read back from its pixels."""

from __future__ import annotations

import io
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from vinflow import khqr
from vinflow.money import Currency, Money

SMALL = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
pytestmark = pytest.mark.browser

WIDTHS = {"phone": (390, 844), "small": (320, 640), "desk": (1280, 800)}
RIEL = Money(41_000, Currency.KHR)


def device(width: int, height: int) -> dict[str, Any]:
    touch = width < 1000
    return {"viewport": {"width": width, "height": height}, "has_touch": touch, "is_mobile": touch}


def path(payment: Any) -> str:
    return f"/payment/{payment.transaction_id}/"


def picture_of(page: Any, mark: str) -> Image.Image:
    return Image.open(io.BytesIO(page.get_by_test_id(mark).screenshot())).convert("RGB")


@pytest.mark.parametrize("name", list(WIDTHS))
def test_the_qr_is_256_px_at_every_width_and_nothing_scrolls_sideways(
    visit: Any, shop: Any, name: str
) -> None:
    user = shop.payer()
    page = visit(path(shop.opened(user)), user=user, device=device(*WIDTHS[name]))

    box = page.get_by_test_id("khqr-qr").bounding_box()
    card = page.get_by_test_id("khqr-card").bounding_box()

    assert abs(box["width"] - 256) <= 0.5
    assert abs(box["height"] - 256) <= 0.5
    assert page.evaluate("document.documentElement.scrollWidth") <= WIDTHS[name][0]
    assert box["x"] - card["x"] >= 20
    modules = int(page.get_by_test_id("khqr-qr").get_attribute("data-modules"))
    assert (modules + 8) * 3 <= 256
    assert page.faults == []


def test_the_card_keeps_the_guidelines_proportions_and_red(visit: Any, shop: Any) -> None:
    user = shop.payer()
    page = visit(path(shop.opened(user)), user=user, device=device(1280, 800))

    card = page.get_by_test_id("khqr-card").bounding_box()
    head = page.locator(".kw-khqr-head")
    colour = head.evaluate("element => getComputedStyle(element).backgroundColor")

    assert abs(card["width"] / card["height"] / (20 / 29) - 1) <= 0.01
    assert abs(head.bounding_box()["height"] / card["height"] - 0.12) <= 0.01
    assert colour == "rgb(225, 35, 46)"
    assert head.inner_text() == "KHQR"


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_a_photograph_of_the_card_is_the_very_qr_at_level_h_at_every_width(
    visit: Any, shop: Any, site: str, ratio: int
) -> None:
    user = shop.payer()
    payments = [shop.opened(user), shop.opened(user, RIEL)]
    scheme = "dark" if ratio == 2 else "light"
    page = visit(None, user=user, device=device(390, 844), device_scale_factor=ratio, color_scheme=scheme)

    for payment in payments:
        page.goto(site + path(payment))
        for width, height in WIDTHS.values():
            page.set_viewport_size({"width": width, "height": height})
            picture = picture_of(page, "khqr-card")
            read = zxingcpp.read_barcode(picture)
            assert read is not None, width
            assert read.text == payment.attempts.get().qr_string
            assert read.ec_level == "H"
            paper = picture.getpixel((picture.width // 2, int(62.6 * ratio) + 8 * ratio))
            assert paper == (255, 255, 255)  # the card is white in the dark too


@pytest.mark.parametrize("ratio", [1, 2, 3])
def test_the_qr_without_its_disc_is_black_and_white_alone_and_still_the_same(
    visit: Any, shop: Any, ratio: int
) -> None:
    from vinflow.payments.models import PaymentSettings

    PaymentSettings.objects.update_or_create(singleton=1, defaults={"disc_enabled": False})
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user, device=device(1280, 800), device_scale_factor=ratio)

    picture = picture_of(page, "khqr-qr")

    assert zxingcpp.read_barcode(picture).text == payment.attempts.get().qr_string
    assert page.locator("[data-disc]").count() == 0
    modules = int(page.get_by_test_id("khqr-qr").get_attribute("data-modules"))
    quiet = int(picture.width * 4 / (modules + 8)) - 1
    edge = picture.crop((0, 0, picture.width, quiet))
    assert edge.getcolors() == [(edge.width * edge.height, (255, 255, 255))]
    grey = [colour for _n, colour in picture.getcolors(1 << 20) if len(set(colour)) > 1]
    assert grey == []  # no tint anywhere; edges may be half-toned, never coloured


def test_the_disc_shows_the_currency_and_stays_small(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    page = visit(None, user=user)

    for money, sign, number in ((Money(1000, Currency.USD), "USD", "10.00"), (RIEL, "KHR", "41,000")):
        page.goto(site + path(shop.opened(user, money)))
        disc = page.locator("[data-disc]")
        ring = disc.locator("circle").first.bounding_box()
        modules = int(page.get_by_test_id("khqr-qr").get_attribute("data-modules"))
        shown = page.get_by_test_id("khqr-card").inner_text()

        assert disc.get_attribute("data-disc") == sign
        assert ring["width"] / (256 * modules / (modules + 8)) <= 0.22
        read = zxingcpp.read_barcode(picture_of(page, "khqr-card"))
        assert khqr.decode(read.text).merchant_name in shown
        assert number in shown
        assert sign in shown


def test_a_long_name_and_the_largest_amount_stay_inside_the_card(
    visit: Any, shop: Any, settings: Any
) -> None:
    settings.KHQR_MERCHANT_NAME = "Wonderful Wooden Workshop"
    user = shop.payer()
    page = visit(path(shop.opened(user, Money(40_000_000, Currency.KHR))), user=user, device=device(320, 640))

    card = page.get_by_test_id("khqr-card").bounding_box()
    amount = page.locator(".kw-khqr-sum")
    right = amount.evaluate(
        "e => { const r = new Range(); r.selectNodeContents(e); return r.getBoundingClientRect().right }"
    )

    assert right <= card["x"] + card["width"] - 16
    assert page.locator(".kw-khqr-name").inner_text() == "Wonderful Wooden Workshop"
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize(("device", "least"), [(None, 330), (SMALL, 270)], ids=["phone", "small phone"])
def test_the_larger_view_is_larger_closes_by_escape_and_gives_the_focus_back(
    visit: Any, shop: Any, device: Any, least: int
) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    more = {"device": device} if device else {}
    page = visit(path(payment), user=user, device_scale_factor=2, **more)

    page.get_by_test_id("show-larger").click()
    large = page.get_by_test_id("larger-dialog").locator("svg").bounding_box()
    photograph = picture_of(page, "larger-dialog")
    page.keyboard.press("Escape")

    assert large["width"] > least
    assert large["x"] >= 0
    assert zxingcpp.read_barcode(photograph).text == payment.attempts.get().qr_string
    assert page.get_by_test_id("larger-dialog").is_hidden()
    assert page.evaluate("document.activeElement.dataset.testid") == "show-larger"


def test_without_scripts_the_qr_is_there_and_no_other_host_is_asked(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user, java_script_enabled=False)

    assert zxingcpp.read_barcode(picture_of(page, "khqr-card")).text == payment.attempts.get().qr_string
    assert all(url.startswith(site) for url in page.asked)
    assert page.get_by_test_id("countdown").is_hidden()
    assert page.get_by_test_id("valid-until").is_visible()
    assert page.get_by_test_id("nojs-check").is_visible()
    page.get_by_test_id("show-larger").click()
    assert page.get_by_test_id("khqr-qr").locator("svg").bounding_box()["width"] > 300
    assert zxingcpp.read_barcode(picture_of(page, "khqr-qr")).text == payment.attempts.get().qr_string
    page.get_by_role("link", name="Back").click()
    shop.paid(payment)
    page.reload()
    assert page.get_by_test_id("co-success").is_visible()


def test_the_first_view_of_the_checkout_is_small(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    page = visit(None, user=user, language="km")
    sizes: dict[str, int] = {}
    page.on("response", lambda answer: sizes.update({answer.url: len(answer.body())}))

    page.goto(site + path(shop.opened(user)), wait_until="networkidle")

    weight = sum(size for url, size in sizes.items() if not url.endswith(".woff2") and "/status/" not in url)
    assert weight <= 65_000, sizes  # before compression; the budget test weighs what goes over the wire

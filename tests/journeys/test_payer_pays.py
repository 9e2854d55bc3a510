"""Whole stories in a browser: the shop's pages in one window, the phone that pays in another."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

pytestmark = pytest.mark.browser
expect.set_options(timeout=15_000)

CREDIT_MS_MAX = 60_000
UNTIL_THE_NEXT_LOOK_S = 70  # the watcher looks at a silent QR for the first time within a minute
DESKTOP = {"width": 1280, "height": 900}


@pytest.fixture
def shop(browser: Browser, demo: Any) -> Iterator[BrowserContext]:
    """The payer's own browser, nobody signed in."""
    context = browser.new_context(base_url=demo.site_url, viewport=DESKTOP, locale="en-US")
    context.set_default_timeout(30_000)
    yield context
    context.close()


@pytest.fixture
def phone(browser: Browser, demo: Any) -> Iterator[Page]:
    """The payer's bank app."""
    context = browser.new_context(base_url=demo.sandbox_url, viewport={"width": 400, "height": 850})
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def _sign_in(shop: BrowserContext, demo: Any) -> Page:
    page = shop.new_page()
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("payer")
    page.locator("input[name=password]").fill(demo.passwords["payer"])
    page.get_by_test_id("login-submit").click()
    page.wait_for_url(f"{demo.site_url}/")
    return page


def _add(page: Page, amount: str, currency: str) -> str:
    """Add funds from the page that is open and return the payment's reference."""
    page.goto("/add-funds/")
    page.get_by_test_id(f"currency-{currency.lower()}").check(force=True)
    page.get_by_test_id("add-amount").fill(amount)
    page.get_by_test_id("add-submit").click()
    page.wait_for_url(re.compile(r"/payment/TXN"))
    expect(page.get_by_test_id("khqr-qr").locator("svg")).to_be_visible()
    return page.url.rstrip("/").rpartition("/")[2]


def _picture(page: Page) -> bytes:
    return page.get_by_test_id("khqr-qr").screenshot()


def _pay(phone: Page, picture: bytes) -> None:
    """Give a picture to the bank app and pay what it shows."""
    phone.goto("/phone")
    phone.get_by_test_id("phone-file").set_input_files(
        {"name": "screenshot.png", "mimeType": "image/png", "buffer": picture}
    )
    expect(phone.get_by_test_id("phone-review")).to_be_visible()
    phone.get_by_test_id("phone-pin").fill("1234")
    phone.get_by_test_id("phone-pay").click()
    expect(phone.get_by_test_id("phone-receipt")).to_be_visible()


def _until(condition: Callable[[], bool], page: Page, ms_max: int = CREDIT_MS_MAX) -> None:
    for _ in range(ms_max // 500):
        if condition():
            return
        page.wait_for_timeout(500)
    pytest.fail("it did not happen in time")


def test_ten_dollars_from_the_form_to_the_dashboard(shop: BrowserContext, phone: Page, demo: Any) -> None:
    before = demo.books()["balances"]["USD"]
    page = _sign_in(shop, demo)
    _add(page, "10.00", "USD")
    picture = _picture(page)

    _pay(phone, picture)
    demo.move_clocks(UNTIL_THE_NEXT_LOOK_S)

    expect(page.get_by_test_id("co-success")).to_be_visible(timeout=CREDIT_MS_MAX)
    page.wait_for_url(f"{demo.site_url}/", timeout=30_000)
    expect(page.get_by_test_id("dash-balance").first).to_contain_text("$10.00")
    books = demo.books()
    assert (before, books["balances"]["USD"]) == ("0.00", "10.00")
    assert books["trial_balance"]["USD"]["balanced"]


def test_the_same_in_khmer_with_riel(shop: BrowserContext, phone: Page, demo: Any) -> None:
    page = _sign_in(shop, demo)
    page.goto("/language/km/")
    expect(page.locator("html")).to_have_attribute("lang", "km")
    _add(page, "៤០០០", "KHR")
    expect(page.get_by_test_id("card-amount")).to_have_text("4,000")

    _pay(phone, _picture(page))
    demo.move_clocks(UNTIL_THE_NEXT_LOOK_S)

    expect(page.get_by_test_id("co-success")).to_be_visible(timeout=CREDIT_MS_MAX)
    expect(page.locator("html")).to_have_attribute("lang", "km")
    page.wait_for_url(f"{demo.site_url}/", timeout=30_000)
    expect(page.locator("main")).to_contain_text("4,000\u00a0៛")
    assert demo.books()["balances"]["KHR"] == "4000"


def test_the_money_comes_when_the_checkout_was_closed_before_paying(
    shop: BrowserContext, phone: Page, demo: Any
) -> None:
    was = demo.books()["balances"]["USD"]
    page = _sign_in(shop, demo)
    reference = _add(page, "0.50", "USD")
    picture = _picture(page)
    page.close()

    _pay(phone, picture)
    demo.move_clocks(UNTIL_THE_NEXT_LOOK_S)

    _until(lambda: demo.books(reference)["payment"]["status"] == "completed", phone)
    now = demo.books()["balances"]["USD"]
    assert round(float(now) - float(was), 2) == 0.5
    later = shop.new_page()
    later.goto("/")
    expect(later.locator("main")).to_contain_text("$0.50")


def test_an_unpaid_payment_stays_pending(shop: BrowserContext, demo: Any) -> None:
    """The guide's second scenario: generate, wait without paying, still pending."""
    page = _sign_in(shop, demo)
    reference = _add(page, "3.00", "USD")

    demo.move_clocks(300)
    page.wait_for_timeout(3000)  # the watcher looks every second

    assert demo.books(reference)["payment"]["status"] == "pending"
    page.reload()
    expect(page.get_by_test_id("khqr-qr")).to_be_visible()


def test_a_closed_page_leaves_the_payment_pending(shop: BrowserContext, demo: Any) -> None:
    """The guide's third scenario: generate, close the page, pending in the database."""
    page = _sign_in(shop, demo)
    reference = _add(page, "4.00", "USD")

    page.close()

    assert demo.books(reference)["payment"]["status"] == "pending"
    again = shop.new_page()
    again.goto(f"/payment/{reference}/")
    expect(again.get_by_test_id("khqr-qr")).to_be_visible()


def test_a_picture_that_was_paid_already_is_refused_by_the_phone(
    shop: BrowserContext, phone: Page, demo: Any
) -> None:
    page = _sign_in(shop, demo)
    _add(page, "0.10", "USD")
    picture = _picture(page)
    _pay(phone, picture)

    phone.goto("/phone")
    phone.get_by_test_id("phone-file").set_input_files(
        {"name": "again.png", "mimeType": "image/png", "buffer": picture}
    )

    expect(phone.get_by_test_id("phone-error")).to_have_attribute("data-code", "e_paid")

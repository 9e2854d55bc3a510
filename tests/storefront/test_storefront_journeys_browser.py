"""Payers as they are: the network goes, the phone sleeps, no script runs, no mouse is there; two devices."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tests.storefront.waiting import wait_for_state

pytestmark = pytest.mark.browser

LIFETIME_S = 600
PASSWORD = "a long enough password"


def path(payment: Any) -> str:
    return f"/payment/{payment.transaction_id}/"


def test_the_network_is_cut_for_twenty_seconds_and_the_money_comes_meanwhile(
    visit: Any, shop: Any, site: str
) -> None:
    """The page's own clock runs the twenty seconds; the QR stays, and the news come with the network."""
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(None, user=user)
    page.clock.install()
    page.goto(site + path(payment))
    page.clock.run_for(2_000)

    page.context.set_offline(True)
    page.wait_for_selector("[data-testid=offline-banner]:not([hidden])", timeout=10_000)
    before = page.get_by_test_id("countdown").inner_text()
    shop.paid(payment)
    page.clock.run_for(20_000)

    assert page.get_by_test_id("offline-banner").is_visible()
    assert page.get_by_test_id("khqr-qr").is_visible()
    assert page.locator("main").get_attribute("data-state") == "pending"  # nobody told it otherwise
    assert page.get_by_test_id("countdown").inner_text() != before  # time goes on without the network
    page.context.set_offline(False)
    wait_for_state(page, "completed")
    assert page.get_by_test_id("offline-banner").is_hidden()
    assert page.faults == []


def test_a_phone_that_slept_past_the_end_shows_no_stale_code_and_then_the_truth(
    visit: Any, shop: Any, site: str
) -> None:
    from vinflow.bakong import NotFound
    from vinflow.payments import clock

    user = shop.payer()
    payment = shop.opened(user)
    page = visit(None, user=user)
    page.clock.install()
    page.goto(site + path(payment))
    assert page.get_by_test_id("khqr-qr").is_visible()
    page.clock.pause_at(shop.now() + timedelta(seconds=1))  # asleep: no timer runs

    with clock.used(lambda: datetime.now(UTC) + timedelta(seconds=LIFETIME_S + 200)):
        page.clock.fast_forward("13:20")  # timers that were due fire once, as after a closed lid
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        wait_for_state(page, "confirming")
        assert page.get_by_test_id("khqr-qr").count() == 0
        shop.answer(payment, NotFound())
        # Awake again: the page's time goes on, and an answer on its way arrives in ours.
        for _ in range(40):
            page.clock.run_for(5_000)
            page.wait_for_timeout(250)
            if page.locator("main").get_attribute("data-state") == "expired":
                break
        wait_for_state(page, "expired")

    assert page.get_by_test_id("new-qr").is_visible()
    assert page.faults == []


def test_without_any_script_a_payer_signs_in_pays_and_has_a_receipt(visit: Any, shop: Any, site: str) -> None:
    from vinflow.payments.models import Payment

    shop.payer()
    page = visit("/add-funds/", java_script_enabled=False)
    page.fill("[name=login]", "sokha")
    page.fill("[name=password]", PASSWORD)
    page.get_by_test_id("login-submit").click()
    page.get_by_test_id("add-amount").fill("12.50")
    page.get_by_test_id("add-submit").click()
    page.get_by_test_id("khqr-qr").wait_for()

    shop.paid(Payment.objects.get())
    page.get_by_test_id("nojs-check").click()
    page.get_by_test_id("co-success").wait_for()
    page.get_by_test_id("view-receipt").click()
    page.get_by_test_id("receipt").get_by_text("$12.50").first.wait_for()
    page.goto(f"{site}/wallet/")
    page.get_by_text("I paid but it is not here").first.click()
    page.get_by_test_id("missing-link").click()
    page.get_by_test_id("missing-choice").click()
    page.get_by_test_id("missing-name").fill("?")
    page.get_by_test_id("missing-submit").click()
    page.get_by_test_id("error-summary").wait_for()
    assert page.get_by_test_id("missing-name").input_value() == "?"


def test_back_and_another_device_land_on_what_is_true(visit: Any, shop: Any, site: str) -> None:
    from vinflow.wallet.models import JournalEntry

    user = shop.payer()
    payment = shop.opened(user)
    phone = visit(path(payment), user=user)
    desk = visit("/wallet/", user=user, device={"viewport": {"width": 1280, "height": 800}})
    desk.get_by_role("link", name=re.compile("Continue payment")).click()
    desk.get_by_test_id("khqr-qr").wait_for()

    shop.paid(payment)
    wait_for_state(phone, "completed")
    wait_for_state(desk, "completed")
    phone.goto(f"{site}/wallet/")
    phone.go_back()

    wait_for_state(phone, "completed")
    assert phone.get_by_test_id("khqr-qr").count() == 0
    assert JournalEntry.objects.count() == 1


def test_the_checkout_by_keyboard_alone(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=40)
    page = visit(path(payment), user=user, device={"viewport": {"width": 1280, "height": 800}})
    met: list[str] = []
    for _ in range(40):
        page.keyboard.press("Tab")
        name = page.evaluate("() => (e => e.dataset.testid || e.id || e.tagName)(document.activeElement)")
        width = page.evaluate("() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
        assert width >= 3, name
        met.append(name)
        if name == "show-larger":
            page.keyboard.press("Enter")
            assert page.get_by_test_id("larger-dialog").is_visible()
            page.keyboard.press("Escape")
            assert page.evaluate("() => document.activeElement.dataset.testid") == "show-larger"
        if name == "cancel":
            break

    order = [met.index(each) for each in ("save-qr", "show-larger", "check-now", "cancel")]
    assert order == sorted(order)
    page.keyboard.press("Enter")
    assert page.get_by_test_id("cancel-dialog").is_visible()
    page.keyboard.press("Enter")  # the button that changes nothing has the focus
    assert page.get_by_test_id("cancel-dialog").is_hidden()
    assert page.evaluate("() => document.activeElement.dataset.testid") == "cancel"
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    wait_for_state(page, "canceled")


def test_at_two_hundred_per_cent_nothing_is_lost_sideways(visit: Any, shop: Any, site: str) -> None:
    """A window of 1280 x 800 at 200 % is one of 640 x 400 at twice the pixels; at 400 % one of 320 x 200."""
    user = shop.payer()
    addresses = [path(shop.at_state(state, user)) for state in ("pending", "review")]
    for scale in (2, 4):
        device = {"viewport": {"width": 1280 // scale, "height": 800 // scale}}
        page = visit(None, user=user, language="km", device=device, device_scale_factor=scale)
        for address in ["/add-funds/", "/wallet/", *addresses]:
            page.goto(site + address)
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 1280 // scale, (address, scale)
        page.goto(site + addresses[0])
        assert page.get_by_test_id("khqr-qr").locator("svg").bounding_box()["width"] == 256

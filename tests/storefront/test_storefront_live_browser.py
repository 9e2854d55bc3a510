"""The checkout alive in a browser: time, the network, other tabs, success. Money moves by the real steps."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.storefront.waiting import wait_for_state

pytestmark = pytest.mark.browser

LIFETIME_S = 600
FASTER = "const every = setInterval; window.setInterval = (f, ms) => every(f, ms / 10);"
WRONG_CLOCK = "const shift = {hours} * 3600e3, now = Date.now; Date.now = () => now() + shift;"


def path(payment: Any) -> str:
    return f"/payment/{payment.transaction_id}/"


def seconds(text: str) -> int:
    minutes, rest = text.split(":")
    return int(minutes) * 60 + int(rest)


def status_asks(page: Any) -> int:
    return sum(url.endswith("/status/") for url in page.asked)


def test_paying_turns_the_page_into_success_and_then_the_dashboard(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user, script=FASTER)
    assert page.get_by_test_id("live-assertive").text_content() == ""

    shop.paid(payment)
    wait_for_state(page, "completed")

    assert page.get_by_test_id("co-success").is_visible()
    assert page.get_by_test_id("khqr-qr").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Payment received"
    page.wait_for_function("() => document.getElementById('live-assertive').textContent !== ''")
    spoken = page.get_by_test_id("live-assertive").text_content()
    assert spoken == "Payment received. $10.00 added to your wallet."
    assert page.title().startswith("✓")
    assert page.locator("#balance-chip .kw-num").all_inner_texts() == ["$10.00"]
    asked = status_asks(page)
    page.wait_for_url(site + "/", timeout=30_000)
    assert page.get_by_test_id("dash-balance").inner_text().startswith("$10.00")
    assert status_asks(page) == asked
    assert page.faults == []


def test_a_payer_who_stays_is_not_led_away(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.at_state("completed", user)
    page = visit(path(payment), user=user)

    assert re.fullmatch(
        r"Returning in [45] seconds.*", page.get_by_test_id("forward").inner_text(), re.DOTALL
    )
    page.get_by_test_id("stay").click()
    page.wait_for_timeout(900)

    assert page.url.endswith(path(payment))
    assert page.get_by_test_id("forward").is_hidden()


@pytest.mark.parametrize("hours", [-2, 2])
def test_the_countdown_is_the_servers_whatever_the_devices_clock_says(
    visit: Any, shop: Any, hours: int
) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=200)
    page = visit(path(payment), user=user, script=WRONG_CLOCK.replace("{hours}", str(hours)))

    ends_at = payment.attempts.get().expires_at
    most = (ends_at - shop.now()).total_seconds()
    shown = seconds(page.evaluate("() => document.getElementById('co-timer').textContent"))
    least = (ends_at - shop.now()).total_seconds()

    assert least - 1 <= shown <= most + 2  # digits stand for a second, and are rounded up


def test_after_a_sleep_the_digits_are_withdrawn_until_the_server_has_answered(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)
    held: list[Any] = []
    page.route("**/status/", lambda route: held.append(route))
    asked = status_asks(page)

    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_timeout(400)

    assert page.get_by_test_id("countdown").inner_text() == "--:--"
    assert status_asks(page) == asked + 1
    held[0].continue_()
    page.wait_for_function("() => /\\d\\d:\\d\\d/.test(document.getElementById('co-timer').textContent)")


def test_time_runs_out_then_the_bank_says_no_then_a_new_qr_then_the_old_one_is_paid(
    visit: Any, shop: Any
) -> None:
    from vinflow.bakong import NotFound

    user = shop.payer()
    payment = shop.opened(user, ago_s=LIFETIME_S - 9)  # long enough to be looked at on a slow machine
    old = shop.found(payment, sent_ago_s=2)
    page = visit(path(payment), user=user)
    assert "is-last" in (page.locator("#co-timer-line").get_attribute("class") or "")
    assert page.get_by_text("Less than one minute left").is_visible()

    wait_for_state(page, "confirming")
    assert page.get_by_test_id("khqr-qr").count() == 0
    assert "Time is up" in page.get_by_role("heading", level=1).inner_text()

    first = payment.attempts.get()
    shop.answer(payment, NotFound(), ago_s=-130)
    wait_for_state(page, "expired")
    page.wait_for_function("() => document.getElementById('live-assertive').textContent.includes('expired')")

    page.get_by_test_id("new-qr").click()
    wait_for_state(page, "pending")
    assert page.url.endswith(path(payment))
    assert payment.attempts.count() == 2
    assert page.get_by_test_id("khqr-qr").is_visible()

    from vinflow.payments import answering, gateways

    answering.take_answer(first, old, started_at=shop.now(), gateway=gateways.current())
    wait_for_state(page, "completed")
    assert page.faults == []


def test_time_that_runs_out_without_a_network_hides_the_qr_and_gives_no_verdict(
    visit: Any, shop: Any
) -> None:
    user = shop.payer()
    page = visit(path(shop.opened(user, ago_s=LIFETIME_S - 4)), user=user)

    page.context.set_offline(True)
    wait_for_state(page, "confirming")

    assert page.get_by_test_id("khqr-qr").count() == 0
    assert page.get_by_test_id("save-qr").count() == 0
    assert page.get_by_role("heading", level=1).inner_text() == "Time is up – checking one last time"
    assert page.evaluate("() => document.activeElement.tagName") == "H1"
    assert page.get_by_test_id("offline-banner").is_visible()
    assert "expired" not in page.locator("main").inner_text()
    page.context.set_offline(False)
    page.wait_for_function("() => document.querySelector('.kw-result') !== null")  # the server's own page
    assert page.faults == []


def test_a_check_always_ends_in_a_line_and_a_second_press_is_told_to_wait(visit: Any, shop: Any) -> None:
    user = shop.payer()
    page = visit(path(shop.opened(user, ago_s=40)), user=user)

    page.get_by_test_id("check-now").click()
    page.wait_for_function(
        "() => /slow|again at|No payment/.test(document.getElementById('co-said').textContent)", timeout=15000
    )
    page.get_by_test_id("check-now").click()
    page.wait_for_function(
        "() => /check again in [1-5] second/.test(document.getElementById('co-said').textContent)"
    )

    assert page.get_by_test_id("check-now").is_enabled()
    assert page.get_by_test_id("khqr-qr").is_visible()


def test_a_lost_network_is_shown_and_healed_and_the_qr_stays(visit: Any, shop: Any) -> None:
    user = shop.payer()
    page = visit(path(shop.opened(user)), user=user)

    page.context.set_offline(True)
    page.wait_for_selector("[data-testid=offline-banner]:not([hidden])", timeout=10_000)
    assert page.get_by_test_id("khqr-qr").is_visible()
    assert page.get_by_test_id("check-now").is_disabled()
    asked = status_asks(page)
    page.context.set_offline(False)
    page.wait_for_selector("[data-testid=offline-banner]", state="hidden", timeout=15_000)

    page.wait_for_function("() => !document.getElementById('co-check').disabled")
    assert status_asks(page) > asked


def test_failing_answers_do_not_stop_the_asking(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user, script="Math.random = () => 0; const late = setTimeout; "
                 "window.setTimeout = (f, ms, ...a) => late(f, ms > 1000 ? ms / 20 : ms, ...a);")  # fmt: skip
    page.route("**/status/", lambda route: route.fulfill(status=502, body=""))

    page.wait_for_selector("[data-testid=slow-banner]:not([hidden])")
    assert re.fullmatch(
        r"We cannot reach our server\. Next try in \d+ seconds\.",
        page.get_by_test_id("slow-banner").inner_text().strip(),
    )
    before = status_asks(page)
    page.wait_for_timeout(3500)
    assert status_asks(page) >= before + 3

    page.unroute("**/status/")
    shop.paid(payment)
    wait_for_state(page, "completed")


def test_a_lost_session_is_said_with_a_way_back(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)

    page.context.clear_cookies(name="sessionid")
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector("[data-testid=session-banner]:not([hidden])")
    page.get_by_test_id("session-banner").get_by_role("link").click()
    page.fill("[name=login]", "sokha")
    page.fill("[name=password]", "a long enough password")
    page.get_by_test_id("login-submit").click()

    page.wait_for_url(re.compile(re.escape(path(payment)) + "$"))
    assert page.get_by_test_id("khqr-qr").is_visible()


def test_two_tabs_both_see_success_and_there_is_one_credit(visit: Any, shop: Any) -> None:
    from vinflow.wallet.models import JournalEntry

    user = shop.payer()
    payment = shop.opened(user)
    one = visit(path(payment), user=user)
    other = one.context.new_page()
    other.goto(one.url)

    shop.paid(payment)
    wait_for_state(one, "completed")
    wait_for_state(other, "completed")

    assert JournalEntry.objects.count() == 1


def test_canceling_asks_first_and_money_that_still_comes_is_added(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)

    page.get_by_test_id("cancel").click()
    page.get_by_test_id("cancel-dialog").wait_for()
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.dataset.testid") == "cancel"
    page.get_by_test_id("cancel").click()
    page.get_by_test_id("cancel-yes").click()
    wait_for_state(page, "canceled")

    shop.paid(payment)
    page.reload()
    wait_for_state(page, "completed")


def test_on_a_phone_the_app_button_stands_above_the_card_and_a_desk_has_to_ask_for_it(
    visit: Any, shop: Any
) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    phone = visit(path(payment), user=user)
    desk = visit(path(payment), user=user, device={"viewport": {"width": 1280, "height": 800}})

    card = phone.get_by_test_id("khqr-card").bounding_box()
    for mark in ("deeplink", "save-qr"):
        box = phone.get_by_test_id(mark).bounding_box()
        assert box["height"] >= 48
        assert box["y"] + box["height"] <= card["y"]
    assert phone.get_by_test_id("deeplink").get_attribute("href") == path(payment) + "open/"
    assert desk.get_by_test_id("deeplink").is_hidden()
    desk.get_by_text("Paying on this device?").click()
    desk.get_by_test_id("deeplink").wait_for()


def test_a_tap_without_a_link_says_so_and_the_payment_goes_on(visit: Any, shop: Any) -> None:
    user = shop.payer()
    page = visit(path(shop.opened(user)), user=user)

    page.get_by_test_id("deeplink").click()
    page.wait_for_url(re.compile(r"said=no-app"))

    assert page.get_by_test_id("no-app").is_visible()
    assert page.get_by_test_id("khqr-qr").is_visible()


def test_the_last_minutes_are_spoken_three_times_and_no_more(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=LIFETIME_S - 185)
    page = visit(None, user=user, script="""
        let gone = 0; const real = performance.now.bind(performance); performance.now = () => real() + gone;
        window.sleep = (ms) => { gone += ms; };
        window.heard = []; addEventListener('DOMContentLoaded', () => new MutationObserver(() => {
          const said = document.getElementById('live-polite').textContent; if (said) heard.push(said);
        }).observe(document.getElementById('live-polite'), { childList: true }));
    """)  # fmt: skip
    page.route("**/status/", lambda route: route.abort("blockedbyclient"))
    page.goto(site + path(payment))
    for _ in range(62):
        page.evaluate("sleep(3000)")
        page.wait_for_timeout(40)
    page.wait_for_timeout(1200)

    countdown = [text for text in page.evaluate("heard") if "left to pay" in text]

    assert len(countdown) <= 3
    assert countdown[0] == "Two minutes left to pay."


def test_the_language_switch_keeps_the_payment_and_its_time(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=100)
    page = visit(path(payment), user=user)
    before = seconds(page.get_by_test_id("countdown").inner_text())

    page.get_by_role("link", name="ខ្មែរ").click()
    page.wait_for_selector("html[lang=km]")

    assert page.url.endswith(path(payment))
    assert before - seconds(page.get_by_test_id("countdown").inner_text()) <= 4
    assert "ទូទាត់ $10.00 ទៅ" in page.get_by_role("heading", level=1).inner_text()

"""What the payer's pages promise, each promise once in Chromium, at the width and in the language it names.

docs/promises.md lists all of them with their tests; here are those that no journey and no drawing covers.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from tests.storefront.waiting import wait_for_state

from vinflow.bakong import CannotTell, Failed, NotFound, Reason
from vinflow.money import Currency, Money
from vinflow.payments.models import Payment, PaymentSettings

pytestmark = pytest.mark.browser

LIFETIME_S = 600
DESK = {"viewport": {"width": 1280, "height": 800}}
STATES_SEEN = """
  window.states = [];
  addEventListener('DOMContentLoaded', () => {
    const main = document.getElementById('main');
    states.push(main.dataset.state);
    new MutationObserver(() => { if (states.at(-1) !== main.dataset.state) states.push(main.dataset.state); })
      .observe(main, { attributes: true, attributeFilter: ['data-state'] });
  });
"""


def path(payment: Any, more: str = "") -> str:
    return f"/payment/{payment.transaction_id}/{more}"


def nudge(page: Any) -> None:
    """Let the page ask now, as it does when a network comes back; it would have asked within five seconds."""
    page.evaluate("dispatchEvent(new Event('online'))")


def state_of(page: Any) -> str:
    return str(page.locator("main").get_attribute("data-state"))


# ---- add funds ----


def test_each_wrong_amount_is_named_kept_and_marked_and_the_summary_has_the_focus(
    visit: Any, shop: Any
) -> None:
    page = visit("/add-funds/", user=shop.payer())
    wrong = {
        "": "Enter an amount.",
        "abc": "Enter a number, for example 10.50.",
        "0": "The smallest amount is $0.01.",
        "10000.01": "The largest amount is $10,000.00.",
        "10.555": "Use at most 2 digits after the point.",
        "10,50": "Use a point for cents, for example 10.50.",
    }

    for amount, sentence in wrong.items():
        page.get_by_test_id("add-amount").fill(amount)
        with page.expect_navigation():
            page.get_by_test_id("add-submit").click()
        page.wait_for_function("() => document.activeElement.dataset.testid === 'error-summary'")
        field = page.get_by_test_id("add-amount")
        assert page.get_by_test_id("amount-error").inner_text().strip() == sentence
        assert (field.input_value(), field.get_attribute("aria-invalid")) == (amount, "true")
    page.get_by_test_id("currency-khr").check()
    page.get_by_test_id("add-amount").fill("100.5")
    with page.expect_navigation():
        page.get_by_test_id("add-submit").click()

    assert page.get_by_test_id("amount-error").inner_text().strip().startswith("Riel has no decimals")
    assert not Payment.objects.exists()


def test_in_khmer_no_number_for_the_machine_wears_a_comma_and_cents_follow_a_point(
    visit: Any, shop: Any, site: str
) -> None:
    user = shop.payer()
    shop.paid(shop.opened(user, Money(123_450, Currency.USD)))
    page = visit("/add-funds/", user=user, language="km")

    given = page.evaluate(
        "() => [...document.querySelectorAll('input, select, option')].flatMap("
        "e => ['min', 'max', 'value', 'step'].map(n => e.getAttribute(n)).filter(Boolean))"
    )
    assert given
    assert [each for each in given if re.search(r"\d,\d", each)] == []
    for address in ("/add-funds/", "/wallet/", "/"):
        page.goto(site + address)
        text = page.locator("body").inner_text()
        assert "$1,234.50" in text, address
        assert not re.search(r"\d\.\d{3},\d\d", text), address


def test_a_waiting_payment_is_offered_and_another_leaves_both_payable(visit: Any, shop: Any) -> None:
    user = shop.payer()
    old = shop.opened(user)
    page = visit("/add-funds/", user=user)

    page.get_by_test_id("pending-card").get_by_role("link").click()
    page.wait_for_url(re.compile(re.escape(path(old)) + "$"))
    page.go_back()
    page.get_by_test_id("add-amount").fill("10")
    page.get_by_test_id("add-submit").click()
    page.wait_for_url(lambda url: "/payment/" in url and old.transaction_id not in url)
    new = Payment.objects.exclude(pk=old.pk).get()
    shop.paid(old)
    shop.paid(new)

    nudge(page)
    wait_for_state(page, "completed")
    assert page.get_by_test_id("co-balance").inner_text() == "$20.00"


def test_a_method_that_is_off_has_no_form_and_takes_no_post(visit: Any, shop: Any) -> None:
    page = visit("/add-funds/", user=shop.payer())
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"khqr_enabled": False})

    page.get_by_test_id("add-amount").fill("10")
    with page.expect_navigation():
        page.get_by_test_id("add-submit").click()

    assert page.get_by_role("heading", level=1).inner_text() == "Adding funds is not available right now"
    assert page.locator("main form").count() == 0
    assert page.get_by_test_id("add-off").is_visible()
    assert not Payment.objects.exists()


def test_a_gateway_that_makes_no_qr_leaves_no_payment_and_no_trace_on_the_page(
    visit: Any, shop: Any, settings: Any
) -> None:
    settings.KHQR_PROTOCOL, settings.KHQR_MERCHANT_ID = "hosted", "0123456789abcdef0123456789abcdef"
    page = visit("/add-funds/", user=shop.payer())

    page.get_by_test_id("add-amount").fill("10")
    with page.expect_navigation():
        page.get_by_test_id("add-submit").click()

    told = page.get_by_test_id("create-failed")
    assert told.get_by_role("heading").inner_text() == "We could not create the QR"
    assert "Code: " in told.inner_text()
    assert page.get_by_test_id("add-amount").input_value() == "10"
    assert not re.search(r"Traceback|Error\b|refused|127\.0\.0\.1:9|httpx", page.content())
    assert not Payment.objects.filter(status="pending").exists()


# ---- the checkout ----


def test_the_app_button_leads_to_the_gateways_own_link(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)
    assert page.get_by_test_id("deeplink").get_attribute("href") == path(payment, "open/")
    payment.attempts.update(deeplink="https://app.bank.example/pay?id=1")
    page.route("https://app.bank.example/**", lambda route: route.fulfill(body="the bank's app"))

    page.get_by_test_id("deeplink").click()  # our own address answers with the stored link
    page.wait_for_url("https://app.bank.example/pay?id=1")
    page.goto(site + path(payment))

    assert page.get_by_test_id("deeplink").get_attribute("href") == "https://app.bank.example/pay?id=1"


def test_the_saved_picture_is_a_download_that_reads_as_the_very_qr(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user, device=DESK)

    with page.expect_download() as waited:
        page.get_by_test_id("save-qr").click()
    picture = Image.open(waited.value.path())

    assert waited.value.suggested_filename == f"KHQR-{payment.transaction_id}-10.00USD.png"
    assert picture.width >= 1080
    assert zxingcpp.read_barcode(picture).text == payment.attempts.get().qr_string


def test_money_confirmed_in_the_last_second_is_paid_and_never_expired(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=LIFETIME_S - 8)
    page = visit(path(payment), user=user, script=STATES_SEEN)
    held: list[Any] = []
    page.route("**/status/", lambda route: held.append(route))
    page.evaluate("dispatchEvent(new Event('online'))")  # a question on its way while the money is confirmed
    page.wait_for_function(
        "() => /00:0[0-2]/.test(document.getElementById('co-timer')?.textContent ?? '00:00')", timeout=15_000
    )

    shop.paid(payment)
    wait_for_state(page, "confirming")
    assert page.get_by_test_id("khqr-qr").count() == 0
    for route in held:
        route.continue_()
    page.unroute("**/status/")
    wait_for_state(page, "completed")

    assert page.evaluate("states") == ["pending", "confirming", "completed"]
    assert page.get_by_role("heading", level=1).inner_text() == "Payment received"  # in time, not late


def test_an_expired_page_turns_into_late_money_received_by_itself(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=1800)
    page = visit(path(payment), user=user, script=STATES_SEEN)
    assert state_of(page) == "confirming"
    shop.answer(payment, NotFound(), ago_s=900)
    nudge(page)
    wait_for_state(page, "expired")

    shop.paid(payment, sent_ago_s=300)
    nudge(page)
    wait_for_state(page, "completed")

    assert page.get_by_role("heading", level=1).inner_text() == "Late payment received"
    assert page.evaluate("states") == ["confirming", "expired", "completed"]


def test_another_amount_goes_to_review_with_both_amounts_and_leaves_the_wallet_alone(
    visit: Any, shop: Any
) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)
    balance = page.get_by_test_id("balance-chip").inner_text()

    shop.paid(payment, money=Money(1500, Currency.USD))
    nudge(page)
    wait_for_state(page, "review")

    told = page.locator("main").inner_text()
    assert "$15.00" in told
    assert "$10.00" in told
    assert page.get_by_test_id("khqr-qr").count() == 0
    assert page.get_by_test_id("balance-chip").inner_text() == balance


def test_a_failed_try_keeps_the_qr_a_second_one_pays_and_only_time_makes_it_failed(
    visit: Any, shop: Any, site: str
) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)

    shop.answer(payment, Failed())
    nudge(page)
    page.wait_for_selector("[data-testid=try-failed]")
    assert state_of(page) == "pending"
    assert page.get_by_test_id("khqr-qr").is_visible()
    shop.paid(payment)
    nudge(page)
    wait_for_state(page, "completed")
    other = shop.opened(user, ago_s=1800)
    shop.answer(other, Failed(), ago_s=900)
    page.goto(site + path(other))

    assert state_of(page) == "failed"
    assert page.get_by_test_id("new-qr").is_visible()


def test_a_day_without_calls_is_no_verdict_however_late_it_is(visit: Any, shop: Any) -> None:
    user = shop.payer()
    payment = shop.opened(user, ago_s=LIFETIME_S - 4)
    page = visit(path(payment), user=user, script=STATES_SEEN)

    shop.answer(payment, CannotTell(Reason.QUOTA, "the day's calls are used up"))
    wait_for_state(page, "confirming")
    page.wait_for_selector(".kw-result [data-testid=delayed-banner]")
    assert "Banks cannot confirm payments right now" in page.get_by_test_id("delayed-banner").inner_text()
    shop.paid(payment, sent_ago_s=10)
    nudge(page)
    wait_for_state(page, "completed")

    assert "expired" not in page.evaluate("states")


def test_ten_failures_in_a_row_do_not_end_the_asking(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(None, user=user)
    page.clock.install()
    page.route("**/status/", lambda route: route.fulfill(status=502, body=""))
    page.route("**/events", lambda route: route.fulfill(status=204, body=""))
    page.goto(site + path(payment))

    def asked() -> int:
        return sum(url.endswith("/status/") for url in page.asked)

    for number in range(1, 12):
        for _ in range(100):  # the answer comes in our time, the page's timers run in theirs
            if asked() >= number:
                break
            page.clock.run_for(5_000)
            page.wait_for_timeout(50)
        assert asked() >= number, number
    assert page.get_by_test_id("khqr-qr").is_visible()
    page.unroute("**/status/")
    shop.paid(payment)
    page.clock.run_for(20_000)

    wait_for_state(page, "completed")


def test_one_question_at_a_time_few_from_a_hidden_page_and_none_after_success(
    visit: Any, shop: Any, site: str
) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(None, user=user)
    page.clock.install()
    page.add_init_script("""
      let hidden = false;
      Object.defineProperty(document, 'hidden', { get: () => hidden });
      window.hide = (value) => { hidden = value; document.dispatchEvent(new Event('visibilitychange')); };
      window.most = 0; window.open_ = 0; const real = window.fetch;
      window.fetch = async (...given) => {
        const ours = String(given[0]).endsWith('/status/');
        if (ours) most = Math.max(most, ++open_);
        try { return await real(...given); } finally { if (ours) open_ -= 1; }
      };
    """)
    page.goto(site + path(payment))

    def asked() -> int:
        return sum(url.endswith("/status/") for url in page.asked)

    for _ in range(100):
        if asked() >= 5:
            break
        page.evaluate("dispatchEvent(new Event('online')); dispatchEvent(new Event('focus'))")
        page.clock.run_for(1_000)
        page.wait_for_timeout(30)
    assert asked() >= 5
    assert page.evaluate("most") == 1
    page.evaluate("hide(true)")
    page.clock.run_for(16_000)  # what was planned while it could be seen
    before = asked()
    for _ in range(12):
        page.clock.run_for(5_000)
        page.wait_for_timeout(60)
    assert asked() - before <= 3
    page.evaluate("hide(false)")
    shop.paid(payment)
    wait_for_state(page, "completed")
    page.get_by_test_id("stay").click()
    after = asked()
    for _ in range(6):
        page.clock.run_for(10_000)
        page.wait_for_timeout(30)
    assert asked() == after


def test_a_strangers_payment_and_a_made_up_one_show_the_same_page_without_an_amount(
    visit: Any, shop: Any, site: str
) -> None:
    foreign = shop.opened(shop.payer("stranger"), Money(98_765, Currency.USD))
    page = visit(None, user=shop.payer())
    shown = []

    for address in (path(foreign), "/payment/TXN00000000000000000000/"):
        answer = page.goto(site + address)
        shown.append((answer.status, page.locator("main").inner_text()))

    assert shown[0] == shown[1]
    assert shown[0][0] == 404
    assert "987.65" not in page.content()


def test_the_page_is_closed_the_money_comes_and_the_next_visit_says_so_once(
    visit: Any, shop: Any, site: str
) -> None:
    user = shop.payer()
    payment = shop.opened(user)
    page = visit(path(payment), user=user)
    window = page.context
    page.close()
    shop.paid(payment)

    page = window.new_page()
    page.goto(f"{site}/wallet/")

    assert payment.transaction_id in page.get_by_test_id("credited-notice").inner_text()
    assert page.get_by_test_id("wallet-balance").inner_text() == "$10.00"
    page.reload()
    assert page.get_by_test_id("credited-notice").count() == 0


# ---- receipt and wallet ----


def test_a_receipt_has_its_rows_in_phnom_penh_time_and_an_unpaid_one_leads_back(
    visit: Any, shop: Any, site: str
) -> None:
    user = shop.payer()
    waiting, paid = shop.opened(user), shop.at_state("completed", user)
    page = visit(path(waiting, "receipt/"), user=user)
    assert page.url == site + path(waiting)

    page.goto(site + path(paid, "receipt/"))

    names = page.get_by_test_id("receipt").locator("dt").all_inner_texts()
    assert names == [
        *("Receipt number", "Transaction ID", "Paid at", "Payment method", "Paid to", "Paid from"),
        *("Bank reference", "Bakong transaction code", "Customer", "For", "Balance after"),
    ]
    moment = page.get_by_test_id("receipt").locator("time").first
    utc = moment.get_attribute("datetime")
    assert utc.endswith("Z")
    local = datetime.fromisoformat(utc) + timedelta(hours=7)
    assert f"{local:%H:%M}" in moment.inner_text()  # the browser of the tests stands in New York
    assert page.get_by_test_id("receipt-test").is_visible()


def test_what_the_wallet_shows_is_what_the_journal_adds_up_to_after_each_step(
    visit: Any, shop: Any, site: str
) -> None:
    from vinflow.wallet.models import JournalLine

    user = shop.payer()
    page = visit(None, user=user)
    steps = [Money(1000, Currency.USD), Money(41_000, Currency.KHR), Money(250, Currency.USD)]

    for money in steps:
        shop.paid(shop.opened(user, money))
        page.goto(f"{site}/wallet/")
        shown = {
            each.get_attribute("data-currency"): int(each.get_attribute("data-minor") or 0)
            for each in page.get_by_test_id("wallet-balance").locator("[data-minor]").all()
        }
        summed: dict[str, int] = {}
        for line in JournalLine.objects.filter(account__owner=user).select_related("account"):
            summed[line.account.currency] = summed.get(line.account.currency, 0) + line.amount_minor
        assert shown == {currency: abs(minor) for currency, minor in summed.items()}


# ---- with the keyboard alone, from the door to the receipt ----


def test_the_whole_journey_by_keyboard_alone(visit: Any, shop: Any) -> None:
    user = shop.payer()
    page = visit("/add-funds/", device=DESK)

    def walk_to(mark: str) -> None:
        for _ in range(40):
            page.keyboard.press("Tab")
            at = page.evaluate("() => (e => e.dataset.testid || e.id || e.name)(document.activeElement)")
            ring = page.evaluate("() => parseFloat(getComputedStyle(document.activeElement).outlineWidth)")
            inside = page.evaluate(
                "() => Boolean(document.activeElement.closest('.kw-choice, .kw-money, .kw-check'))"
            )
            assert ring >= 3 or inside, at
            if at == mark:
                return
        pytest.fail(f"{mark} cannot be reached by the keyboard")

    walk_to("id_login")
    page.keyboard.type("sokha")
    page.keyboard.press("Tab")
    page.keyboard.type("a long enough password")
    with page.expect_navigation(url=re.compile("/add-funds/$")):
        page.keyboard.press("Enter")
    walk_to("add-amount")
    page.keyboard.type("12.50")
    with page.expect_navigation(url=re.compile("/payment/TXN")):
        page.keyboard.press("Enter")
    shop.paid(Payment.objects.get(user=user))
    wait_for_state(page, "completed")
    assert page.evaluate("() => document.activeElement.matches('[data-heading]')")
    walk_to("stay")
    page.keyboard.press("Enter")
    walk_to("view-receipt")
    page.keyboard.press("Enter")

    page.get_by_test_id("receipt").get_by_text("$12.50").first.wait_for()

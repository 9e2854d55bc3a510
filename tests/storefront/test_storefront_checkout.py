"""The checkout by Django's client: every state's page, the status address, the buttons without a script."""

from __future__ import annotations

import io
import json
import re
from datetime import timedelta
from typing import Any

import pytest
import zxingcpp
from PIL import Image

from vinflow.money import Currency, Money
from vinflow.payments.models import Exchange, Payment

HEADINGS = {
    "pending": "Pay $10.00 to VinFlow Test",
    "confirming": "Time is up – checking one last time",
    "completed": "Payment received",
    "late": "Late payment received",
    "review": "We are checking your payment",
    "expired": "This QR has expired",
    "failed": "The payment was not completed",
    "canceled": "Payment canceled",
    "delayed": "Pay $10.00 to VinFlow Test",
    "try_failed": "Pay $10.00 to VinFlow Test",
}
WORD = {"late": "completed", "delayed": "pending", "try_failed": "pending"}


def address(payment: Any, what: str = "") -> str:
    return f"/payment/{payment.transaction_id}/{what}"


def html_of(page: Any, payment: Any, query: str = "") -> str:
    answer = page.get(address(payment) + query)
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize("state", list(HEADINGS))
def test_each_state_has_its_page_and_only_a_payable_one_shows_a_qr(
    page: Any, house: Any, payer: Any, state: str
) -> None:
    payment = house.at_state(state, payer)

    html = html_of(page, payment)

    assert f'data-state="{WORD.get(state, state)}"' in html
    heading = re.search(r"<h1[^>]*>(.*?)</h1>", html)
    assert heading is not None
    assert heading[1] == HEADINGS[state]
    assert html.count("<h1") == 1
    payable = WORD.get(state, state) == "pending"
    for mark in ("khqr-qr", "khqr-card", "save-qr", "deeplink"):
        assert (f'data-testid="{mark}"' in html) is payable
    assert (payment.attempts.get().qr_string in html) is payable


def test_a_review_names_both_amounts_and_leaves_the_wallet_alone(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("review", payer)

    html = html_of(page, payment)

    assert "We received $15.00 and expected $10.00." in html
    assert "$0.00" in page.get("/").content.decode()


def test_an_expired_page_says_until_when_late_money_is_looked_for(page: Any, house: Any, payer: Any) -> None:
    html = html_of(page, house.at_state("expired", payer))

    assert "Make a new QR to pay $10.00." in html
    assert re.search(
        r"We keep checking until <time datetime=\"[^\"]+Z\">\d+ \w+ \d{4}, \d\d:\d\d</time>", html
    )
    assert 'data-testid="new-qr"' in html


def test_an_outage_is_no_verdict(page: Any, house: Any, payer: Any) -> None:
    html = html_of(page, house.at_state("delayed", payer))

    assert 'data-testid="delayed-banner"' in html
    assert "do not pay again" in html
    assert "This QR has expired" not in html


def test_a_failed_try_leaves_the_qr_on_the_page(page: Any, house: Any, payer: Any) -> None:
    html = html_of(page, house.at_state("try_failed", payer))

    assert "The last try did not go through." in html
    assert 'data-testid="khqr-qr"' in html


def test_the_status_address_tells_what_is_stored_and_asks_nobody(page: Any, house: Any, payer: Any) -> None:
    payment = house.opened(payer, ago_s=100)

    answer = page.get(address(payment, "status/"), HTTP_ACCEPT="application/json")

    told = json.loads(answer.content)
    left = (payment.attempts.get().expires_at - house.now()) / timedelta(milliseconds=1)
    assert "no-store" in answer["Cache-Control"]
    assert told["state"] == "pending"
    assert abs(told["remaining_ms"] - left) < 1500
    assert (told["amount"], told["currency"], told["paid_amount"]) == ("10.00", "USD", None)
    assert told["can_cancel"] is True
    assert told["poll_after_ms"] in (3000, 5000)
    assert told["receipt_url"] is None
    assert not Exchange.objects.exists()


def test_the_pages_revision_is_the_status_addresss_and_changes_with_the_state(
    page: Any, house: Any, payer: Any
) -> None:
    payment = house.opened(payer)
    drawn = re.search(r'data-revision="(\w+)"', html_of(page, payment))
    before = page.get(address(payment, "status/")).json()["revision"]

    house.paid(payment)

    after = page.get(address(payment, "status/")).json()
    assert drawn is not None
    assert drawn[1] == before
    assert after["revision"] != before
    assert (after["state"], after["balance"], after["receipt_url"]) == (
        "completed",
        "10.00",
        address(payment, "receipt/"),
    )


@pytest.mark.parametrize(
    "what", ["", "status/", "receipt/", "open/", "qr.png", "check/", "renew/", "cancel/", "signal/"]
)
def test_a_foreign_payment_and_a_made_up_one_are_the_same_404(client: Any, house: Any, what: str) -> None:
    payment = house.opened(house.payer("owner"))
    client.force_login(house.payer("stranger"))
    call = client.post if what in ("check/", "renew/", "cancel/", "signal/") else client.get

    foreign, unknown = call(address(payment, what)), call(f"/payment/TXN{'0' * 20}/{what}")

    assert foreign.status_code == unknown.status_code == 404
    bodies = [
        re.sub(r"TXN\w{20}|csrf\w*\" value=\"\w+", "", each.content.decode()) for each in (foreign, unknown)
    ]
    assert bodies[0] == bodies[1]
    assert "10.00" not in bodies[0]
    assert Payment.objects.get().status == "pending"


def test_a_script_that_is_signed_out_is_told_so_in_json_and_a_person_is_led_to_sign_in(
    client: Any, house: Any
) -> None:
    payment = house.opened(house.payer())

    told = client.get(address(payment, "status/"), HTTP_ACCEPT="application/json")
    led = client.get(address(payment))

    assert told.status_code == 401
    assert told.json()["error"] == "signed_out"
    assert led.status_code == 302
    assert led["Location"].startswith("/accounts/login/?next=/payment/")


def test_a_check_is_braked_and_says_when_it_may_be_pressed_again(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("completed", payer)

    first = page.post(address(payment, "check/"), HTTP_ACCEPT="application/json")
    second = page.post(address(payment, "check/"), HTTP_ACCEPT="application/json")
    plain = page.post(address(payment, "check/"))

    assert (first.status_code, first.json()["kind"]) == (200, "done")
    assert second.status_code == 429
    assert 1 <= int(second["Retry-After"]) <= 5
    assert re.fullmatch(r"You can check again in [1-5] seconds?\.", second.json()["text"])
    assert plain.status_code == 303
    assert re.fullmatch(address(payment) + r"\?said=wait&s=[1-5]", plain["Location"])


@pytest.mark.django_db(transaction=True)
def test_a_check_that_nobody_answers_ends_in_a_line_and_the_payment_waits_on(
    page: Any, house: Any, payer: Any
) -> None:
    payment = house.opened(payer, ago_s=30)  # the gateway of these tests is a closed port

    told = page.post(address(payment, "check/"), HTTP_ACCEPT="application/json").json()

    assert told["kind"] in ("slow", "later")
    assert told["text"]
    assert 'data-state="pending"' in html_of(page, payment)


def test_what_a_check_said_stands_on_the_page_without_a_script(page: Any, house: Any, payer: Any) -> None:
    payment = house.opened(payer)

    waited = html_of(page, payment, "?said=wait&s=4")
    forged = html_of(page, payment, "?said=<b>paid</b>&s=<i>")

    assert "You can check again in 4 seconds." in waited
    assert "<b>paid" not in forged
    assert "<i>" not in forged


def test_canceling_goes_to_the_payments_page_and_money_still_completes_it(
    page: Any, house: Any, payer: Any
) -> None:
    payment = house.opened(payer)

    answer = page.post(address(payment, "cancel/"))
    canceled = html_of(page, payment)
    house.paid(payment)

    assert (answer.status_code, answer["Location"]) == (303, address(payment))
    assert "Payment canceled" in canceled
    assert 'data-state="completed"' in html_of(page, payment)


def test_canceling_what_is_paid_changes_nothing(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("completed", payer)

    answer = page.post(address(payment, "cancel/"))

    assert answer.status_code == 303
    assert 'data-state="completed"' in html_of(page, payment)


def test_a_new_qr_keeps_the_address_and_both_qrs_can_pay(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("expired", payer)
    old = payment.attempts.get()

    answer = page.post(address(payment, "renew/"))
    again = page.post(address(payment, "renew/"))

    assert answer.status_code == again.status_code == 303
    assert answer["Location"] == address(payment)
    assert [attempt.number for attempt in payment.attempts.order_by("number")] == [1, 2]
    html = html_of(page, payment)
    assert 'data-state="pending"' in html
    assert old.qr_string not in html
    assert payment.attempts.get(number=2).qr_string in html


@pytest.mark.django_db(transaction=True)
def test_without_an_app_link_the_page_says_so_and_the_payment_is_untouched(
    page: Any, house: Any, payer: Any
) -> None:
    payment = house.opened(payer)

    answer = page.get(address(payment, "open/"))

    assert (answer.status_code, answer["Location"]) == (303, address(payment) + "?said=no-app")
    html = html_of(page, payment, "?said=no-app")
    assert "The Bakong app link is not available right now." in html
    assert 'data-testid="khqr-qr"' in html


def test_a_stored_app_link_stands_in_the_page_itself(page: Any, house: Any, payer: Any) -> None:
    payment = house.opened(payer)
    payment.attempts.update(deeplink="https://bakong-deeplink.nbc.gov.kh/abc")

    html = html_of(page, payment)
    answer = page.get(address(payment, "open/"))

    assert re.search(r'href="https://bakong-deeplink\.nbc\.gov\.kh/abc"[^>]*data-testid="deeplink"', html)
    assert (answer.status_code, answer["Location"]) == (302, "https://bakong-deeplink.nbc.gov.kh/abc")


def test_the_app_button_can_be_switched_off(page: Any, house: Any, payer: Any) -> None:
    from vinflow.payments.models import PaymentSettings

    payment = house.opened(payer)
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"deeplink_enabled": False})

    assert 'data-testid="deeplink"' not in html_of(page, payment)


@pytest.mark.parametrize("money", [Money(1000, Currency.USD), Money(41_000, Currency.KHR)])
def test_the_saved_picture_holds_the_very_qr_and_is_wide_enough(
    page: Any, house: Any, payer: Any, money: Money
) -> None:
    payment = house.opened(payer, money)

    answer = page.get(address(payment, "qr.png"))

    picture = Image.open(io.BytesIO(answer.content))
    read = zxingcpp.read_barcode(picture)
    assert read is not None
    assert read.text == payment.attempts.get().qr_string
    assert read.ec_level == "H"
    assert picture.width >= 1080
    name = f"KHQR-{payment.transaction_id}-{money.plain}{money.currency}.png"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'


def test_there_is_no_picture_of_a_qr_that_cannot_be_paid(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("completed", payer)

    assert page.get(address(payment, "qr.png")).status_code == 404


def test_the_saved_picture_says_its_reference_and_until_when_in_both_languages(
    house: Any, payer: Any
) -> None:
    from vinflow.payments import queries
    from vinflow.storefront.pages.checkout import saved_lines

    payment = house.opened(payer)

    lines = saved_lines(queries.checkout(payment, at=house.now()))

    assert len(lines) == 2
    assert all(payment.transaction_id in line for line in lines)
    assert "Valid until" in lines[0]
    assert "មានសុពលភាពដល់" in lines[1]


def test_without_a_script_there_is_all_that_paying_needs(page: Any, house: Any, payer: Any) -> None:
    html = html_of(page, house.opened(payer))

    assert '<noscript><meta http-equiv="refresh" content="15"></noscript>' in html
    assert re.search(r'class="kw-nojs" data-testid="valid-until">Valid until <time', html)
    assert re.search(r'class="kw-muted kw-nojs">.*?data-testid="nojs-check"', html, re.DOTALL)
    assert re.search(r'<form method="post" action="[^"]*/cancel/"', html)
    assert re.search(r'href="[^"]*/qr\.png" download=', html)
    assert "http-equiv" not in html_of(page, Payment.objects.get(), "?reload=off")


def test_a_page_holds_no_inline_script_or_style_and_asks_no_other_host(
    page: Any, house: Any, payer: Any
) -> None:
    for path in ("/", "/add-funds/", "/wallet/", address(house.opened(payer)), "/payment/TXN0/"):
        answer = page.get(path)
        html = answer.content.decode()
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html), path
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", html)), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//(?!www\.w3\.org)', html), path
        policy = answer["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy


def test_success_is_shown_for_five_seconds_on_first_sight_and_stays_on_a_later_visit(
    page: Any, house: Any, payer: Any
) -> None:
    payment = house.at_state("completed", payer)

    first, later = html_of(page, payment), html_of(page, payment)

    assert 'data-forward="5"' in first
    assert "data-forward" not in later


def test_money_that_came_while_the_payer_was_away_is_told_once(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("completed", payer)

    first, second = (page.get("/wallet/").content.decode() for _ in range(2))

    assert f"$10.00 ({payment.transaction_id}) was added while you were away." in first
    assert "while you were away" not in second


def test_the_page_of_a_signal_takes_known_ones_only(page: Any, house: Any, payer: Any) -> None:
    payment = house.opened(payer, ago_s=60)

    assert page.post(address(payment, "signal/"), {"kind": "app"}).status_code == 204
    assert page.post(address(payment, "signal/"), {"kind": "paid"}).status_code == 400
    assert payment.attempts.get().signals
    assert not Exchange.objects.exists()


@pytest.mark.parametrize(
    ("state", "story"),
    [
        ("completed", ["Payment created", "QR shown", "Payment confirmed", "Added to wallet"]),
        ("late", ["Payment created", "QR shown", "QR expired", "Payment confirmed", "Added to wallet"]),
        ("expired", ["Payment created", "QR shown", "QR expired"]),
        ("canceled", ["Payment created", "QR shown", "Payment canceled"]),
    ],
)
def test_an_ended_payment_tells_its_story_in_order(
    page: Any, house: Any, payer: Any, state: str, story: list[str]
) -> None:
    html = html_of(page, house.at_state(state, payer))

    told = html[html.index('data-testid="timeline"') :]
    moments = re.findall(r'datetime="([^"]+)"', told)
    assert re.findall(r"<dt>(.*?)</dt>", told) == story
    assert moments == sorted(moments)

"""The add-funds form, by Django's client: every answer a payer can get from it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments.models import Payment, PaymentSettings

FORM = "/add-funds/"
TOKEN = "a-token-of-the-form"


def sent(page: Any, amount: str, currency: str = "USD", **more: str) -> Any:
    return page.post(FORM, {"amount": amount, "currency": currency, "method": "khqr", "key": TOKEN, **more})


@pytest.mark.parametrize(
    ("amount", "currency", "sentence"),
    [
        ("", "USD", "Enter an amount."),
        ("abc", "USD", "Enter a number, for example 10.50."),
        ("0", "USD", "The smallest amount is $0.01."),
        ("-5", "USD", "Enter a number, for example 10.50."),
        ("0.001", "USD", "Use at most 2 digits after the point."),
        ("10.555", "USD", "Use at most 2 digits after the point."),
        ("10,50", "USD", "Use a point for cents, for example 10.50."),
        ("10000.01", "USD", "The largest amount is $10,000.00."),
        ("1" + "0" * 30, "USD", "The largest amount is $10,000.00."),
        ("9" * 60, "USD", "Enter a number, for example 10.50."),
        ("100.5", "KHR", "Riel has no decimals. Enter a whole number."),
        ("99", "KHR", "The smallest amount is 100\u00a0៛."),
        ("40000001", "KHR", "The largest amount is 40,000,000\u00a0៛."),
        ("lots", "KHR", "Enter a number, for example 40,000."),
    ],
)
def test_a_wrong_amount_gets_its_sentence_beside_the_field_and_stays_typed(
    page: Any, amount: str, currency: str, sentence: str
) -> None:
    answer = sent(page, amount, currency)

    html = answer.content.decode()
    assert answer.status_code == 422
    assert re.search(r'id="amount-error"[^>]*>.*?<span>' + re.escape(sentence), html, re.DOTALL)
    field = re.search(r'<input id="amount"[^>]*>', html)
    assert field is not None
    assert f'value="{amount}"' in field[0]
    assert 'aria-invalid="true"' in field[0]
    assert "amount-error" in field[0]
    assert re.search(r'data-testid="error-summary".*?href="#amount"', html, re.DOTALL)
    assert not Payment.objects.exists()


@pytest.mark.parametrize("amount", ["1,000", "1000", "១០០០", "1 000", "1000 ៛"])
def test_riel_written_in_any_common_way_are_the_same_riel(page: Any, amount: str) -> None:
    answer = sent(page, amount, "KHR")

    assert answer.status_code == 303
    assert Payment.objects.get().money == Money(1000, Currency.KHR)


def test_the_answer_is_the_payments_own_address_and_a_second_press_is_the_same_payment(page: Any) -> None:
    first, second = sent(page, "10"), sent(page, "10.00")

    payment = Payment.objects.get()
    assert first.status_code == second.status_code == 303
    assert first["Location"] == second["Location"] == f"/payment/{payment.transaction_id}/"


def test_the_same_form_with_another_amount_is_another_payment(page: Any) -> None:
    sent(page, "10")
    sent(page, "11")

    assert {payment.money.plain for payment in Payment.objects.all()} == {"10.00", "11.00"}


def test_without_a_script_a_quick_amount_alone_is_enough_and_a_written_one_wins(page: Any) -> None:
    sent(page, "", quick_usd="25.00")
    sent(page, "7", quick_usd="25.00")

    assert sorted(payment.money.plain for payment in Payment.objects.all()) == ["25.00", "7.00"]


def test_an_unknown_currency_or_method_is_refused_by_name(page: Any) -> None:
    answer = sent(page, "10", "EUR", method="gold")

    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Choose a currency." in html
    assert "Choose an available payment method." in html
    assert not Payment.objects.exists()


def test_a_waiting_payment_is_offered_and_a_new_one_leaves_both_payable(
    page: Any, house: Any, payer: Any
) -> None:
    old = house.opened(payer)

    html = page.get(FORM).content.decode()
    sent(page, "10")

    card = re.search(r'data-testid="pending-card".*?</section>', html, re.DOTALL)
    assert card is not None
    assert f"/payment/{old.transaction_id}/" in card[0]
    assert re.search(r"\$10\.00 · 09:5\d left", card[0])
    assert Payment.objects.filter(status="pending", attempts__expires_at__gt=house.now()).count() == 2


def test_with_the_method_off_there_is_no_form_and_a_post_is_refused(page: Any) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"khqr_enabled": False})

    shown, posted = page.get(FORM), sent(page, "10")

    for answer in (shown, posted):
        html = answer.content.decode()
        assert "Adding funds is not available right now" in html
        assert "Your balance is safe" in html
        assert 'name="amount"' not in html
    assert posted.status_code == 409
    assert not Payment.objects.exists()


def test_a_currency_that_is_off_is_not_offered(page: Any) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"khr_enabled": False})

    html = page.get(FORM).content.decode()
    answer = sent(page, "5000", "KHR")

    assert 'value="KHR"' not in html
    assert answer.status_code == 422
    assert not Payment.objects.exists()


def test_a_shop_without_an_account_says_so_in_the_guides_words_and_stores_nothing(
    page: Any, settings: Any
) -> None:
    settings.KHQR_MERCHANT_ID = ""
    settings.VINFLOW_SITE_NAME = "Shop"

    answer = sent(page, "10")

    html = answer.content.decode()
    assert answer.status_code == 409
    assert "We could not create the QR" in html
    assert "KHQR payment gateway is not configured properly" in html
    assert "Traceback" not in html
    assert "KHQR_MERCHANT_ID" not in html
    assert 'value="10"' in html
    assert not Payment.objects.exists()


def test_a_payer_with_too_many_waiting_payments_is_told_what_to_do(page: Any, house: Any, payer: Any) -> None:
    for _ in range(5):
        house.opened(payer)

    answer = sent(page, "10")

    assert answer.status_code == 409
    assert "Finish or cancel one of them first." in answer.content.decode()
    assert Payment.objects.count() == 5


def test_in_khmer_the_words_change_and_the_numbers_do_not(page: Any) -> None:
    page.cookies["django_language"] = "km"

    html = page.get(FORM + "?amount=1250.50&currency=USD").content.decode()

    assert '<html lang="km"' in html
    assert "បញ្ចូលទឹកប្រាក់" in html
    assert "ចាប់ពី $0.01 ដល់ $10,000.00" in html
    for attribute in re.findall(r'(?:min|max|value)="([^"]*)"', html):
        assert "," not in attribute


def test_a_signed_out_visitor_is_led_to_sign_in_and_back(client: Any, db: None) -> None:
    answer = client.get(FORM)

    assert answer.status_code == 302
    assert answer["Location"] == "/accounts/login/?next=/add-funds/"


def test_the_countdown_of_a_waiting_payment_is_the_servers(page: Any, house: Any, payer: Any) -> None:
    payment = house.opened(payer, ago_s=300)
    attempt = payment.attempts.get()

    html = page.get(FORM).content.decode()

    left = (attempt.expires_at - house.now()) / timedelta(seconds=1)
    minutes, seconds = map(int, re.search(r"(\d\d):(\d\d) left", html).groups())  # type: ignore[union-attr]
    assert abs(minutes * 60 + seconds - left) <= 2


def test_a_day_on_which_nobody_can_be_asked_says_so_before_the_payer_pays(
    page: Any, house: Any, payer: Any
) -> None:
    from vinflow.bakong import CannotTell, Reason
    from vinflow.payments import budgeting, gateways

    assert "add-delayed" not in page.get(FORM).content.decode()
    house.answer(house.opened(payer), CannotTell(Reason.QUOTA, "the day's calls are used up"))
    told = page.get(FORM).content.decode()
    budgeting.note_answer(gateways.current().token_id, readable=True, throttled_until=None, at=house.now())

    assert "Confirmation may take longer than usual today." in told
    assert 'data-testid="add-submit"' in told  # a warning, not a refusal
    assert "add-delayed" not in page.get(FORM).content.decode()

"""Openings that are refused store nothing and spend no call; openings with one key are one payment."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from vinflow.money import Currency, Money
from vinflow.payments import clock, errors, gateways, settings_store
from vinflow.payments.canceling import cancel_payment
from vinflow.payments.khqr import check_khqr_payment_status, create_khqr_payment
from vinflow.payments.models import Attempt, Exchange, Payment, PaymentSettings
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

ONE = Money(100, Currency.USD)


def open_until_refused(user: Any) -> int:
    """Open payments until no call is left to confirm another; return how many were opened."""
    for number in range(200):
        try:
            open_payment(user=user, money=ONE, key=f"k{number}", at=clock.now())
        except errors.BudgetGone:
            return number
    pytest.fail("the budget never ended")


@pytest.mark.parametrize(
    ("row", "money", "error"),
    [
        ({"khqr_enabled": False}, ONE, errors.MethodOff),
        ({"usd_enabled": False}, ONE, errors.MethodOff),
        ({"usd_min": 101}, ONE, errors.AmountTooSmall),
        ({"usd_min": 1, "usd_max": 99}, ONE, errors.AmountTooLarge),
        ({}, Money(0, Currency.USD), errors.AmountTooSmall),
        ({}, Money(1_000_001, Currency.USD), errors.AmountTooLarge),
        ({}, Money(99, Currency.KHR), errors.AmountTooSmall),
        ({}, Money(10**32, Currency.USD), errors.AmountTooLarge),
        ({"pending_max": 0}, ONE, errors.TooManyPending),
        ({"opened_daily_max": 0}, ONE, errors.TooManyToday),
        ({"usd_daily_max": 99}, ONE, errors.TooManyToday),
    ],
)
def test_what_is_off_or_outside_the_limits_is_refused_and_nothing_is_stored(
    bank: Sandbox, payer: Any, row: dict[str, Any], money: Money, error: type[errors.OpeningRefused]
) -> None:
    PaymentSettings.objects.create(singleton=1, **row)

    with pytest.raises(error):
        open_payment(user=payer, money=money, key="k", at=clock.now())

    assert not Payment.objects.exists()
    assert not Attempt.objects.exists()
    assert bank.calls() == []


@pytest.mark.parametrize("minor", [1, 100, 1_000_000])
def test_the_guides_test_amounts_in_dollars_are_open_by_default(
    bank: Sandbox, payer: Any, minor: int
) -> None:
    assert (
        open_payment(user=payer, money=Money(minor, Currency.USD), key="k", at=clock.now()).status
        == "pending"
    )


def test_the_same_key_is_the_same_payment_and_another_body_is_refused(bank: Sandbox, payer: Any) -> None:
    first = open_payment(user=payer, money=ONE, key="k", at=clock.now())

    again = open_payment(user=payer, money=ONE, key="k", at=clock.now() + timedelta(minutes=1))

    assert again.pk == first.pk
    with pytest.raises(errors.KeyReused):
        open_payment(user=payer, money=Money(200, Currency.USD), key="k", at=clock.now())


def test_one_call_is_set_aside_for_each_qr_until_none_is_left(
    bank: Sandbox, payer: Any, settings: Any
) -> None:
    settings.KHQR_DAILY_CALLS = "20"
    settings.VINFLOW_NEWCOMERS_SHARE = "1.0"
    PaymentSettings.objects.create(
        singleton=1, pending_max=100, hide_without_budget=True, opened_daily_max=100
    )

    opened = open_until_refused(payer)

    # One call stays with the staff.
    assert opened == 19
    assert Attempt.objects.filter(set_aside=True).count() == 19


def test_where_the_operator_warns_instead_a_qr_is_shown_without_a_promise(
    bank: Sandbox, payer: Any, settings: Any
) -> None:
    settings.KHQR_DAILY_CALLS = "1"

    payment = open_payment(user=payer, money=ONE, key="k", at=clock.now())

    assert payment.attempts.get().set_aside is False


def test_payers_who_never_paid_share_a_part_of_the_day(bank: Sandbox, payer: Any, settings: Any) -> None:
    PaymentSettings.objects.create(
        singleton=1, pending_max=1000, opened_daily_max=1000, hide_without_budget=True
    )

    assert open_until_refused(payer) == 30


def test_a_new_qr_is_one_more_attempt_and_the_old_one_stays_watched(
    bank: Sandbox, opened: Payment, later: Any
) -> None:
    later(601)

    second = renew_qr(payment=opened, at=clock.now())

    assert second.number == 2
    assert Attempt.objects.watched().count() == 2
    assert opened.gateway_payment_id == second.md5
    assert renew_qr(payment=opened, at=clock.now()).pk == second.pk  # a double press makes one


def test_qrs_per_payment_are_limited(bank: Sandbox, opened: Payment, later: Any) -> None:
    for _ in range(4):
        later(601)
        renew_qr(payment=opened, at=clock.now())
    later(601)

    with pytest.raises(errors.TooManyAttempts):
        renew_qr(payment=opened, at=clock.now())


def test_a_canceled_payment_gets_no_new_qr_but_its_money_is_still_credited(
    bank: Sandbox, opened: Payment, later: Any, watch: Any
) -> None:
    cancel_payment(payment=opened, at=clock.now())
    with pytest.raises(errors.NotOpen):
        renew_qr(payment=Payment.objects.get(pk=opened.pk), at=later(601))
    bank.pay(opened.attempts.get().qr_string, late=True)

    watch(400)

    assert Payment.objects.get(pk=opened.pk).status == "completed"


def test_switching_off_does_not_touch_what_is_open(
    bank: Sandbox, opened: Payment, watch: Any, payer: Any
) -> None:
    settings_store.save({"khqr_enabled": False}, by=payer, at=clock.now())
    bank.pay(opened.attempts.get().qr_string)

    watch(200)

    assert Payment.objects.get(pk=opened.pk).status == "completed"
    with pytest.raises(errors.MethodOff):
        open_payment(user=payer, money=ONE, key="other", at=clock.now())


def test_no_call_is_made_inside_a_transaction(bank: Sandbox, opened: Payment) -> None:
    with pytest.raises(errors.InsideTransaction), transaction.atomic():
        gateways.current().check([opened.attempts.get().handle])

    assert not Exchange.objects.exists()
    assert bank.calls() == []


# --- The errors of the guide --------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["KHQR_MERCHANT_ID", "KHQR_API_KEY"])
def test_a_missing_setting_is_the_guides_sentence_and_names_the_setting(
    bank: Sandbox, payer: Any, settings: Any, setting: str
) -> None:
    setattr(settings, setting, "")

    with pytest.raises(errors.NotConfigured) as caught:
        open_payment(user=payer, money=ONE, key="k", at=clock.now())

    assert caught.value.message == "KHQR payment gateway is not configured properly"
    assert caught.value.setting == setting
    assert not Payment.objects.exists()


def test_a_time_out_is_named_and_leaves_the_payment_pending(
    bank: Sandbox, opened: Payment, settings: Any
) -> None:
    settings.KHQR_TIMEOUT_S = 1
    bank.fault("check_transaction_by_md5", "hang")
    bank.advance(90)

    status = check_khqr_payment_status(opened)

    assert (status.paid, status.status, status.message) == (False, "pending", "KHQR API request timed out")
    assert Exchange.objects.get().outcome == "cannot_tell"
    assert Exchange.objects.get().reason == "timeout"


def test_a_raised_time_out_waits_longer(bank: Sandbox, opened: Payment, settings: Any) -> None:
    settings.KHQR_TIMEOUT_S = 20
    bank.fault("check_transaction_by_md5", "slow", delay_s=1.5)
    bank.advance(90)

    assert check_khqr_payment_status(opened).message == "Transaction not found"


def test_a_refused_token_is_unauthorized_and_leaves_the_payment_pending(
    bank: Sandbox, opened: Payment, settings: Any
) -> None:
    settings.KHQR_API_KEY = "not-a-token-of-this-bank"
    bank.advance(90)

    status = check_khqr_payment_status(opened)

    assert (status.paid, status.status, status.message) == (False, "pending", "Unauthorized")
    assert "not-a-token" not in status.cause


def test_not_found_is_still_pending(bank: Sandbox, opened: Payment) -> None:
    bank.advance(90)
    status = check_khqr_payment_status(opened)

    assert (status.paid, status.status, status.message) == (False, "pending", "Transaction not found")
    assert len(bank.calls()) == 1


def test_the_hosted_gateways_silence_makes_no_payment(hosted: Sandbox, payer: Any, settings: Any) -> None:
    settings.KHQR_TIMEOUT_S = 1
    hosted.fault("generate_deeplink_by_qr", "hang")

    with pytest.raises(errors.GatewayUnavailable) as caught:
        open_payment(user=payer, money=ONE, key="k", at=clock.now())

    assert caught.value.message == "KHQR API request timed out"
    assert not Payment.objects.exists()


def test_the_hosted_gateway_refusing_the_token_says_unauthorized(
    hosted: Sandbox, payer: Any, settings: Any
) -> None:
    settings.KHQR_API_KEY = "wrong"

    with pytest.raises(errors.GatewayUnavailable) as caught:
        open_payment(user=payer, money=ONE, key="k", at=clock.now())

    assert caught.value.message == "Unauthorized"


def test_a_payment_a_host_created_gets_its_qr_by_the_guides_call(bank: Sandbox, payer: Any) -> None:
    payment = Payment.objects.create(
        user=payer, amount_minor=1050, currency="USD", environment="sandbox", principal=f"user:{payer.pk}",
        idempotency_key="host", body_digest="", created_at=clock.now(),
    )  # fmt: skip

    create_khqr_payment(payment)

    assert payment.gateway_response["amount"] == "10.50"
    assert payment.gateway_response["bill_number"] == payment.transaction_id
    assert payment.gateway_payment_id == payment.attempts.get().md5
    assert bank.calls() == []

"""The integration guide's two calls, made with rows as a host makes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from vinflow import khqr
from vinflow.money import Currency
from vinflow.payments import conf
from vinflow.payments.errors import AmountTooLarge, KeyReused, MethodOff, TooManyPending
from vinflow.payments.khqr import check_khqr_payment_status, create_khqr_payment
from vinflow.payments.models import Payment, PaymentSettings
from vinflow.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def built(payer: Any, **more: Any) -> Payment:
    """A payment of one dollar that a host has built and not saved."""
    return Payment(**{"user": payer, "amount_minor": 100, "currency": Currency.USD} | more)


def test_a_payment_that_was_built_is_saved_with_its_qr(bank: Sandbox, payer: Any) -> None:
    payment = built(payer, purpose="order", reference="17", metadata={"table": 4})

    made = create_khqr_payment(payment)

    assert made is payment
    stored = Payment.objects.get()
    assert (stored.pk, stored.transaction_id) == (payment.pk, payment.transaction_id)
    assert (stored.purpose, stored.reference, stored.metadata) == ("order", "17", {"table": 4})
    assert payment.environment == conf.environment()
    assert khqr.decode(payment.gateway_response["qr_string"]).bill_number == payment.transaction_id


def test_a_second_press_finds_the_first_one_s_payment(bank: Sandbox, payer: Any) -> None:
    first = create_khqr_payment(built(payer, idempotency_key="form-1"))
    second = create_khqr_payment(built(payer, idempotency_key="form-1"))

    assert second.pk == first.pk
    assert second.gateway_payment_id == first.gateway_payment_id
    with pytest.raises(KeyReused):
        create_khqr_payment(built(payer, idempotency_key="form-1", amount_minor=200))


def test_what_is_refused_leaves_no_row(bank: Sandbox, payer: Any) -> None:
    PaymentSettings.objects.create(singleton=1, pending_max=1)
    with pytest.raises(AmountTooLarge):
        create_khqr_payment(built(payer, amount_minor=10**9))
    create_khqr_payment(built(payer))
    with pytest.raises(TooManyPending):
        create_khqr_payment(built(payer))
    PaymentSettings.objects.update(khqr_enabled=False)
    refused = built(payer)
    with pytest.raises(MethodOff):
        create_khqr_payment(refused)

    assert Payment.objects.count() == 1
    assert refused.pk is None


def test_a_saved_row_gets_its_qr_once(bank: Sandbox, payer: Any, opened: Payment) -> None:
    again = create_khqr_payment(Payment.objects.get(pk=opened.pk))

    assert again.gateway_payment_id == opened.gateway_payment_id
    assert opened.attempts.count() == 1


def test_the_hosted_qr_is_stored_as_it_is_drawn_and_paid(
    hosted: Sandbox, payer: Any, later: Callable[[float], datetime]
) -> None:
    payment = create_khqr_payment(built(payer))
    text = payment.gateway_response["qr_string"]
    assert text.startswith("000201")
    assert text == payment.attempts.get().qr_string
    hosted.pay(text)
    later(100)

    assert check_khqr_payment_status(payment).paid

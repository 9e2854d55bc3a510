"""What one credit costs the database: counted, so that it cannot grow unseen."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from vinflow.money import Currency, Money
from vinflow.payments import clock, gateways, queries
from vinflow.payments.confirming import store_found
from vinflow.payments.crediting import credit_transfer
from vinflow.payments.models import Payment
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

FRAME = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


def stored(bank: Sandbox, payment: Payment) -> int:
    """Pay a payment, store Bakong's answer and return the transfer's key."""
    attempt = payment.attempts.get()
    bank.pay(attempt.qr_string)
    found: Any = gateways.current().check([attempt.handle])[attempt.handle]
    transfer = store_found(attempt=attempt, found=found, asked_at=clock.now(), at=clock.now())
    assert transfer is not None
    return transfer.pk


def test_one_credit_takes_at_most_twelve_statements(bank: Sandbox, opened: Payment, payer: Any) -> None:
    credit_transfer(transfer_id=stored(bank, opened), late=False, at=clock.now())
    second = open_payment(user=payer, money=Money(100, Currency.USD), key="2", at=clock.now())
    key = stored(bank, second)

    with CaptureQueriesContext(connection) as seen:
        credit_transfer(transfer_id=key, late=False, at=clock.now())

    statements = [query["sql"] for query in seen if not query["sql"].startswith(FRAME)]
    assert len(statements) <= 12, "\n".join(statements)


def test_the_status_of_an_unpaid_payment_is_two_queries(
    bank: Sandbox, opened: Payment, payer: Any, django_assert_num_queries: Any
) -> None:
    with django_assert_num_queries(2):
        payment = queries.payment_for(payer, opened.transaction_id)
        assert payment is not None
        queries.checkout(payment, at=clock.now())

"""Hosting without a worker: the page's own question does what a worker would have done by now."""

from __future__ import annotations

from typing import Any

import pytest

from vinflow.payments.models import Payment
from vinflow.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def ask(client: Any, payer: Any, payment: Payment) -> dict[str, Any]:
    """Return what the status address answers its owner."""
    client.force_login(payer)
    answer = client.get(f"/payment/{payment.transaction_id}/status/")
    assert answer.status_code == 200
    body: dict[str, Any] = answer.json()
    return body


def test_with_a_worker_the_pages_question_asks_nobody(
    bank: Sandbox, opened: Payment, client: Any, payer: Any
) -> None:
    bank.pay(opened.attempts.get().qr_string)
    bank.advance(300)

    assert ask(client, payer, opened)["state"] == "pending"
    assert bank.calls() == []


def test_without_one_it_makes_the_due_check_and_no_more(
    bank: Sandbox, opened: Payment, client: Any, payer: Any, settings: Any
) -> None:
    settings.VINFLOW_STATUS_CHECKS = True
    assert ask(client, payer, opened)["state"] == "pending"
    assert bank.calls() == []  # nothing is due yet
    bank.pay(opened.attempts.get().qr_string)
    bank.advance(300)

    states = [ask(client, payer, opened)["state"] for _ in range(5)]

    assert states == ["completed"] * 5
    assert len(bank.calls()) == 1


def test_a_step_that_fails_leaves_the_page_its_answer(
    bank: Sandbox, opened: Payment, client: Any, payer: Any, settings: Any
) -> None:
    settings.VINFLOW_STATUS_CHECKS = True
    bank.fault("*", "reset")
    bank.advance(300)

    assert ask(client, payer, opened)["state"] == "pending"

"""One payment from the form to the wallet, on a real stand-in over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from vinflow import khqr
from vinflow.money import Currency, Money
from vinflow.payments import answering, clock, conf, gateways, law, queries
from vinflow.payments.khqr import check_khqr_payment_status, create_khqr_payment
from vinflow.payments.models import Attempt, Exchange, Payment, ReviewItem, Transfer
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.sandbox import Sandbox
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

Watch = Callable[[float], None]
Later = Callable[[float], datetime]


def held(user: Any, currency: Currency = Currency.USD) -> Money:
    """Return what a user's wallet holds."""
    return next(money for money in balances(user, conf.environment()) if money.currency is currency)


def newest(payment: Payment) -> Attempt:
    """Return the newest attempt of a payment."""
    attempt = payment.attempts.order_by("-number").first()
    assert attempt is not None
    return attempt


def test_opening_makes_a_qr_and_no_call(bank: Sandbox, opened: Payment) -> None:
    attempt = newest(opened)

    read = khqr.decode(attempt.qr_string)

    assert opened.status == "pending"
    assert opened.gateway_payment_id == khqr.md5(attempt.qr_string) == attempt.md5
    assert (read.amount, read.currency, read.bill_number) == ("1.00", Currency.USD, opened.transaction_id)
    assert read.bakong_account_id == bank.account
    assert khqr.verify(attempt.qr_string, now_ms=clock.in_ms(clock.now())).valid
    assert bank.calls() == []


def test_a_paid_qr_is_credited_by_the_watcher_with_no_page_open(
    bank: Sandbox, opened: Payment, payer: Any, later: Later, watch: Watch
) -> None:
    later(20)
    bank.pay(newest(opened).qr_string)

    watch(120)

    opened.refresh_from_db()
    assert opened.status == "completed"
    assert not opened.completed_late
    assert held(payer) == Money(100, Currency.USD)
    assert law.check(conf.environment()) == []
    assert Exchange.objects.filter(outcome="found", stage="done").count() == 1
    assert not Exchange.objects.filter(stage="started").exists()


def test_riel_go_the_same_way(bank: Sandbox, payer: Any, later: Later, watch: Watch) -> None:
    payment = open_payment(user=payer, money=Money(41_000, Currency.KHR), key="k", at=clock.now())
    later(30)
    bank.pay(newest(payment).qr_string)

    watch(120)

    assert held(payer, Currency.KHR) == Money(41_000, Currency.KHR)
    assert held(payer) == Money(0, Currency.USD)


def test_an_unpaid_payment_stays_pending_while_its_qr_lives(
    opened: Payment, payer: Any, watch: Watch
) -> None:
    watch(590)

    opened.refresh_from_db()
    assert opened.status == "pending"
    assert held(payer) == Money(0, Currency.USD)


def test_an_unpaid_payment_expires_only_after_grace_and_by_bakongs_word(
    opened: Payment, watch: Watch, bank: Sandbox
) -> None:
    watch(600 + 110)
    opened.refresh_from_db()
    assert opened.status == "pending"

    watch(60)

    opened.refresh_from_db()
    assert opened.status == "expired"
    assert newest(opened).last_negative_at >= newest(opened).last_check_at  # type: ignore[operator]
    assert len(bank.calls()) <= 6


def test_an_outage_never_expires_a_payment(bank: Sandbox, opened: Payment, watch: Watch) -> None:
    bank.fault("*", "nginx", status=503)

    watch(6 * 3600)
    opened.refresh_from_db()
    assert opened.status == "pending"
    bank.clear_faults()
    watch(1800)

    opened.refresh_from_db()
    assert opened.status == "expired"


def test_money_paid_before_an_outage_is_credited_after_it(
    bank: Sandbox, opened: Payment, payer: Any, later: Later, watch: Watch
) -> None:
    bank.fault("*", "nginx", status=503)
    later(30)
    bank.pay(newest(opened).qr_string)
    watch(1800)
    bank.clear_faults()

    watch(1200)

    opened.refresh_from_db()
    assert (opened.status, opened.completed_late) == ("completed", False)
    assert held(payer) == Money(100, Currency.USD)


def test_a_thousand_times_the_same_answer_is_one_credit(
    bank: Sandbox, opened: Payment, payer: Any, later: Later
) -> None:
    later(20)
    bank.pay(newest(opened).qr_string)
    gateway = gateways.current()
    outcome = gateway.check([newest(opened).handle])[newest(opened).handle]

    for _ in range(1000):
        answering.take_answer(newest(opened), outcome, started_at=clock.now(), gateway=gateway)

    assert held(payer) == Money(100, Currency.USD)
    assert Transfer.objects.count() == 1
    assert not ReviewItem.objects.exists()
    assert law.check(conf.environment()) == []


def test_another_amount_goes_to_review_and_to_suspense(
    bank: Sandbox, opened: Payment, payer: Any, later: Later, watch: Watch
) -> None:
    later(20)
    bank.pay(newest(opened).qr_string, amount="1.01")

    watch(120)

    opened.refresh_from_db()
    item = ReviewItem.objects.get()
    assert opened.status == "pending"
    assert item.reasons == ["amount_differs"]
    assert held(payer) == Money(0, Currency.USD)
    assert queries.checkout(opened, at=clock.now()).state == "review"
    assert queries.checkout(opened, at=clock.now()).paid == Money(101, Currency.USD)
    assert law.check(conf.environment()) == []


def test_a_foreign_receiver_opens_an_item_and_books_nothing(
    bank: Sandbox, opened: Payment, later: Later, watch: Watch
) -> None:
    later(20)
    bank.pay(newest(opened).qr_string, receiver="bridge_account@devb")

    watch(120)

    transfer = Transfer.objects.get()
    assert (transfer.fate, transfer.booked_receiver) == ("in_review", "")
    assert ReviewItem.objects.get().reasons == ["receiver_unknown"]
    assert law.check(conf.environment()) == []


def test_an_old_qr_paid_after_a_new_one_completes_the_payment_once(
    bank: Sandbox, opened: Payment, payer: Any, later: Later, watch: Watch
) -> None:
    first = newest(opened)
    later(30)
    bank.pay(first.qr_string, delay_s=660)  # paid in time, visible a minute and a half after expiry
    later(580)
    second = renew_qr(payment=opened, at=clock.now())

    watch(2000)

    opened.refresh_from_db()
    assert second.number == 2
    assert opened.status == "completed"
    assert held(payer) == Money(100, Currency.USD)


def test_both_qrs_paid_is_one_credit_and_one_item(
    bank: Sandbox, opened: Payment, payer: Any, later: Later, watch: Watch
) -> None:
    later(570)
    second = renew_qr(payment=opened, at=clock.now())
    bank.pay(newest(opened).qr_string)
    bank.pay(opened.attempts.get(number=1).qr_string)

    watch(2000)

    assert second.number == 2
    assert held(payer) == Money(100, Currency.USD)
    assert ReviewItem.objects.get().reasons == ["already_paid"]
    assert law.check(conf.environment()) == []


def test_late_money_completes_an_expired_payment_and_says_so(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch, later: Later
) -> None:
    watch(800)
    opened.refresh_from_db()
    assert opened.status == "expired"
    bank.pay(newest(opened).qr_string, late=True)

    watch(90_000)

    opened.refresh_from_db()
    assert (opened.status, opened.completed_late) == ("completed", True)
    assert held(payer) == Money(100, Currency.USD)


def test_the_guides_two_calls_do_what_the_guide_says(
    bank: Sandbox, opened: Payment, payer: Any, later: Later
) -> None:
    create_khqr_payment(opened)
    assert set(opened.gateway_response) >= {
        "hash", "qr_string", "deeplink", "amount", "currency", "merchant_id", "bill_number"
    }  # fmt: skip
    assert opened.gateway_payment_id
    assert check_khqr_payment_status(opened).message == "Transaction not found"
    assert bank.calls() == []  # nothing is due yet: no call is spent on a page that polls
    bank.pay(newest(opened).qr_string)
    later(90)

    status = check_khqr_payment_status(opened)

    assert (status.paid, status.status) == (True, "completed")
    assert held(payer) == Money(100, Currency.USD)
    assert check_khqr_payment_status(opened).paid
    assert held(payer) == Money(100, Currency.USD)


def test_the_hosted_dialect_takes_money_with_the_guides_three_settings(
    hosted: Sandbox, payer: Any, later: Later, watch: Watch
) -> None:
    payment = open_payment(user=payer, money=Money(1000, Currency.USD), key="k", at=clock.now())
    attempt = newest(payment)
    assert attempt.protocol == "hosted"
    later(20)
    hosted.pay(attempt.qr_string)

    watch(120)

    payment.refresh_from_db()
    assert payment.status == "completed"
    assert held(payer) == Money(1000, Currency.USD)
    assert law.check(conf.environment()) == []

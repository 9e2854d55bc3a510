"""Many hands on one payment, on PostgreSQL: one credit, one payment for one key, no call too many."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from vinflow.money import Currency, Money
from vinflow.payments import answering, budgeting, clock, conf, gateways, law, leasing
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.confirming import process_transfer, store_found
from vinflow.payments.crediting import credit_transfer, lock_for_transfer
from vinflow.payments.models import Attempt, CallBudget, Exchange, Payment, PaymentSettings, Transfer
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]


def all_at_once(rivals: int, act: Callable[[int], Any]) -> list[Any]:
    """Run act(0..rivals-1) in threads that start together; return results or exceptions in order."""
    gate = threading.Barrier(rivals)

    def run(number: int) -> Any:
        try:
            connection.ensure_connection()
            gate.wait(30)
            return act(number)
        except Exception as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(rivals) as pool:
        return list(pool.map(run, range(rivals)))


def found_for(bank: Sandbox, payment: Payment) -> tuple[Attempt, Any]:
    """Pay a payment and return its attempt with Bakong's answer."""
    attempt = payment.attempts.get()
    bank.pay(attempt.qr_string)
    return attempt, gateways.current().client.check_md5(attempt.md5)  # type: ignore[attr-defined]


def test_sixteen_threads_crediting_one_transfer_make_one_credit(
    bank: Sandbox, opened: Payment, payer: Any
) -> None:
    attempt, found = found_for(bank, opened)
    transfer = store_found(attempt=attempt, found=found, asked_at=clock.now(), at=clock.now())
    assert transfer is not None

    results = all_at_once(
        16, lambda _: credit_transfer(transfer_id=transfer.pk, late=False, at=clock.now()).status
    )

    assert Counter(map(str, results)) == {"completed": 16}
    assert balances(payer, conf.environment())[0] == Money(100, Currency.USD)
    assert JournalEntry.objects.count() == 1


def test_all_three_rows_of_a_transfer_are_locked_while_it_is_decided_about(
    bank: Sandbox, opened: Payment
) -> None:
    attempt, found = found_for(bank, opened)
    transfer = store_found(attempt=attempt, found=found, asked_at=clock.now(), at=clock.now())
    assert transfer is not None

    def free(_number: int) -> list[str]:
        with transaction.atomic():
            return [
                model.__name__
                for model in (Payment, Attempt, Transfer)
                if model.objects.select_for_update(skip_locked=True, no_key=True).first()
            ]

    with transaction.atomic():
        lock_for_transfer(transfer.pk)
        assert all_at_once(1, free) == [[]]
    assert all_at_once(1, free) == [["Payment", "Attempt", "Transfer"]]


def test_sixty_four_rivals_with_the_whole_answer_make_one_credit(
    bank: Sandbox, payer: Any, settings: Any
) -> None:
    settings.KHQR_DAILY_CALLS = "none"
    PaymentSettings.objects.create(singleton=1, pending_max=100, opened_daily_max=1000)
    rounds, rivals = (50 if os.environ.get("PROVE") else 8), 64

    for number in range(rounds):
        payment = open_payment(user=payer, money=Money(100, Currency.USD), key=f"k{number}", at=clock.now())
        attempt, found = found_for(bank, payment)

        def act(_number: int, attempt: Attempt = attempt, found: Any = found) -> str:
            transfer = store_found(attempt=attempt, found=found, asked_at=clock.now(), at=clock.now())
            assert transfer is not None
            return str(process_transfer(transfer_id=transfer.pk, at=clock.now()).fate)

        assert Counter(map(str, all_at_once(rivals, act))) == {"credited": rivals}

    assert balances(payer, conf.environment())[0] == Money(100 * rounds, Currency.USD)
    assert JournalEntry.objects.count() == Transfer.objects.count() == rounds
    assert law.check(conf.environment()) == []


def test_a_hundred_parallel_opens_with_one_key_make_one_payment(bank: Sandbox, payer: Any) -> None:
    results = all_at_once(
        100,
        lambda _: (
            open_payment(
                user=payer, money=Money(100, Currency.USD), key="one-form", at=clock.now()
            ).transaction_id
        ),
    )

    assert len(set(map(str, results))) == 1
    assert Payment.objects.count() == Attempt.objects.count() == 1


def test_limits_cannot_be_raced_past(bank: Sandbox, payer: Any) -> None:
    PaymentSettings.objects.create(singleton=1, pending_max=3)

    results = all_at_once(
        20,
        lambda number: (
            open_payment(
                user=payer, money=Money(100, Currency.USD), key=f"form-{number}", at=clock.now()
            ).status
        ),
    )

    kinds = Counter(type(result).__name__ for result in results)
    assert kinds == {"Status": 3, "TooManyPending": 17} or kinds == {"str": 3, "TooManyPending": 17}
    assert Payment.objects.count() == 3


def test_sixteen_workers_lease_each_due_attempt_once(bank: Sandbox, payer: Any, opened: Payment) -> None:
    template = opened.attempts.get()
    at = clock.now()
    Attempt.objects.bulk_create(
        Attempt(
            payment=opened,
            number=number + 2,
            protocol="open-api",
            qr_string=template.qr_string,
            md5=f"{number:032x}",
            handle=f"{number:032x}",
            receiver=template.receiver,
            merchant_name="x",
            environment="sandbox",
            created_at=at,
            expires_at=template.expires_at,
            last_check_at=template.last_check_at,
            watch_until=template.watch_until,
            next_check_at=at,
        )
        for number in range(1000)
    )

    gateway = gateways.current()

    def work(_number: int) -> list[int]:
        leased: list[int] = []
        while batch := leasing.claim(at=at, limit=50, gateway=gateway):
            leased += [attempt.pk for attempt in batch]
        return leased

    results = all_at_once(16, work)

    leased = [pk for result in results for pk in result]
    assert len(leased) == len(set(leased)) == 1000


def test_sixteen_spenders_never_pass_the_budget(bank: Sandbox, opened: Payment, settings: Any) -> None:
    settings.KHQR_DAILY_CALLS = "40"
    attempt = opened.attempts.get()
    gateway = gateways.current()

    def spend(_number: int) -> int:
        done = 0
        for _ in range(10):
            with budgeting.asking(Asking(Pool.STAFF, (attempt,))):
                outcome = gateway.check([attempt.handle])[attempt.handle]
            done += outcome.name == "not_found"
        return done

    results = all_at_once(16, spend)

    # One call of the forty is set aside for the QR that is shown; nobody else may have it.
    assert sum(results) == 39
    assert {row.used for row in CallBudget.objects.all()} == {39}
    assert Exchange.objects.count() == 39
    assert bank.used() == 39


def test_a_late_answer_after_a_lost_lease_is_harmless(bank: Sandbox, opened: Payment, payer: Any) -> None:
    attempt, found = found_for(bank, opened)
    at = clock.now()
    gateway = gateways.current()
    (slow,) = leasing.claim(at=at, limit=1, gateway=gateway, ids=[attempt.pk])
    (quick,) = leasing.claim(at=at + timedelta(seconds=61), limit=1, gateway=gateway, ids=[attempt.pk])

    for holder in (quick, slow):
        answering.take_answer(holder, found, started_at=at, gateway=gateway)

    assert balances(payer, conf.environment())[0] == Money(100, Currency.USD)
    assert law.check(conf.environment()) == []

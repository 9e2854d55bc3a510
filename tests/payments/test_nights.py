"""At night: a little reconciliation between two payers, and the proofs of the books, once each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from vinflow.money import Currency, Money
from vinflow.payments import budgeting, clock, proving, tidying, watching
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.guards import drop_guards, install_guards
from vinflow.payments.models import BooksCheck, Exchange, Payment, Reconciliation
from vinflow.payments.nights import next_night, night_of
from vinflow.payments.opening import open_payment
from vinflow.payments.reconciling import work_at_night
from vinflow.sandbox import Sandbox

HOUR = 3600.0
TONIGHT = 11.5 * HOUR  # from noon in Phnom Penh


@pytest.mark.parametrize(
    ("hour", "night"),
    [(15, None), (16, date(2026, 11, 24)), (21, date(2026, 11, 24)), (22, None), (0, None)],
)
def test_a_night_goes_from_eleven_to_five_in_phnom_penh(hour: int, night: date | None) -> None:
    at = datetime(2026, 11, 24, hour, 0, tzinfo=UTC)

    assert night_of(at) == night
    assert at < next_night(at) <= at + timedelta(days=1)
    assert night_of(next_night(at)) is not None


@pytest.mark.django_db(transaction=True)
def test_the_watcher_reconciles_once_a_night(
    bank: Sandbox, opened: Payment, later: Callable[[float], datetime], watch: Callable[[float], None]
) -> None:
    bank.pay(opened.attempts.get().qr_string)
    watch(120)
    assert work_at_night(at=clock.now()) is False
    assert Reconciliation.objects.count() == 0

    at = later(TONIGHT)
    while work_at_night(at=at):
        at = later(1)

    run = Reconciliation.objects.get()
    assert run.ended_at is not None
    assert (run.transfers, run.calls, run.differences.count()) == (1, 1, 0)
    assert work_at_night(at=later(60)) is False
    assert Reconciliation.objects.count() == 1
    work_at_night(at=later(24 * HOUR))
    assert Reconciliation.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_watcher_in_its_loop_does_the_night_s_work(
    bank: Sandbox, opened: Payment, later: Callable[[float], datetime]
) -> None:
    import threading

    later(TONIGHT)
    stop = threading.Event()

    class Twice(threading.Event):
        """Ends the loop after its second step."""

        steps = 0

        def wait(self, timeout: float | None = None) -> bool:
            self.steps += 1
            if self.steps == 2:
                self.set()
            return self.is_set()

    stop = Twice()
    watching.run(stop=stop, worker="night", now=clock.now)
    for thread in threading.enumerate():
        if thread.name == "vinflow-proof":
            thread.join(60)

    assert Reconciliation.objects.get().ended_at is not None
    assert sorted(BooksCheck.objects.values_list("what", "problem_count")) == [("audit", 0), ("verify", 0)]
    assert proving.due(clock.now()) == []


@pytest.mark.django_db(transaction=True)
def test_a_failed_proof_stands_in_its_row(
    bank: Sandbox, opened: Payment, later: Callable[[float], datetime]
) -> None:
    at = later(TONIGHT)
    night = night_of(at)
    assert night is not None
    drop_guards(connection)
    try:
        Payment.objects.filter(pk=opened.pk).update(status="canceled", ended_at=at)
    finally:
        install_guards(connection)

    row = proving.prove(BooksCheck.What.VERIFY, night=night, at=at)

    assert row is not None
    assert row.problem_count == 1
    assert "nobody withdrew it" in row.problems[0]
    assert proving.prove(BooksCheck.What.VERIFY, night=night, at=at) is None
    assert proving.due(at) == [BooksCheck.What.AUDIT]


@pytest.mark.django_db(transaction=True)
def test_the_night_leaves_a_quarter_of_the_day_to_payers(bank: Sandbox, settings: Any) -> None:
    settings.KHQR_DAILY_CALLS = "40"
    token, spent = budgeting.token_id(bank.token), 0

    while budgeting.reserve(
        who=Asking(Pool.NIGHT), token=token, operation="check_transaction_by_hash", request={}, at=clock.now()
    ):
        spent += 1

    assert spent == 30
    assert budgeting.reserve(
        who=Asking(Pool.STAFF), token=token, operation="check_transaction_by_hash", request={}, at=clock.now()
    )


@pytest.mark.django_db(transaction=True)
def test_the_bodies_of_old_looks_are_let_go(
    bank: Sandbox, payer: Any, later: Callable[[float], datetime], watch: Callable[[float], None]
) -> None:
    for number in range(2):
        payment = open_payment(user=payer, money=Money(100, Currency.USD), key=f"{number}", at=clock.now())
        bank.pay(payment.attempts.get().qr_string)
    watch(120)
    at = later(TONIGHT)
    while work_at_night(at=at):
        at = later(1)
    looks = Exchange.objects.filter(pool="night", answer__isnull=False)
    assert looks.count() == 1

    tidying.prune(later(91 * 24 * HOUR))

    assert looks.count() == 0
    assert Exchange.objects.filter(outcome="found", answer__isnull=False).count() == 2

"""Reconciliation: planted differences of nine kinds are all found, nothing else, and nothing is changed."""

from __future__ import annotations

import csv
import io
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from vinflow.bakong import NotFound
from vinflow.money import Currency, Money
from vinflow.payments import answering, clock, gateways, law
from vinflow.payments.business_days import day_of
from vinflow.payments.differences import Kind
from vinflow.payments.models import (
    Attempt,
    ClosingBalance,
    Difference,
    Exchange,
    Payment,
    PaymentSettings,
    Reconciliation,
    Transfer,
    Unanswered,
)
from vinflow.payments.opening import open_payment
from vinflow.payments.reconciling import NotNow, explain, reconcile
from vinflow.payments.verifying import verify
from vinflow.sandbox import Sandbox
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, suspense_ref
from vinflow.wallet.posting import post
from vinflow.wallet.queries import account_balance

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

FULL = os.environ.get("PROVE") == "1"
PAYMENTS, PLANTED = (10_000, 100) if FULL else (180, 36)
OF_THE_BOOKS = (
    *("payments_payment", "payments_attempt", "payments_transfer", "payments_reviewitem"),
    *("wallet_account", "wallet_journalentry", "wallet_journalline", "wallet_seal", "wallet_hold"),
)
HOUR = 3600.0


@pytest.fixture
def unlimited(bank: Sandbox, settings: Any) -> None:
    """No quota, neither ours nor the bank's, and no caps: what is told here is not about them."""
    settings.KHQR_DAILY_CALLS = "none"
    bank.switch(quota=None)
    row, _made = PaymentSettings.objects.get_or_create(singleton=1)
    most = dict.fromkeys(("opened_daily_max", "pending_max"), 10**6)
    for name in ("daily_max", "auto_hourly_max", "auto_user_daily_max"):
        most[f"usd_{name}"] = most[f"khr_{name}"] = 10**14
    PaymentSettings.objects.filter(pk=row.pk).update(**most)


def chunks(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def opened(count: int, at: datetime, *, prefix: str = "many") -> list[Payment]:
    """So many open payments of twenty payers, dollars and riel, no two alike."""
    users = [get_user_model().objects.get_or_create(username=f"{prefix}-{number}")[0] for number in range(20)]
    made = []
    with transaction.atomic():
        for number in range(count):
            currency = Currency.USD if number % 3 else Currency.KHR
            minor = 100 + number if currency is Currency.USD else 4000 + 100 * (number % 400)
            made.append(
                open_payment(
                    user=users[number % 20], money=Money(minor, currency), key=f"{prefix}-{number}", at=at
                )
            )
    return made


def newest(payments: Sequence[Payment]) -> list[Attempt]:
    ids = [payment.pk for payment in payments]
    return list(Attempt.objects.filter(payment__in=ids).select_related("payment").order_by("pk"))


def answered(payments: Sequence[Payment]) -> None:
    """Bakong is asked about them by lists, and every answer is acted upon."""
    gateway, at = gateways.current(), clock.now()
    for some in chunks(newest(payments), 50):
        outcomes = gateway.check([attempt.handle for attempt in some])
        with transaction.atomic():
            for attempt in some:
                if isinstance(outcomes[attempt.handle], NotFound):
                    answering.take_answer(attempt, outcomes[attempt.handle], started_at=at, gateway=gateway)
        for attempt in some:
            if not isinstance(outcomes[attempt.handle], NotFound):
                answering.take_answer(attempt, outcomes[attempt.handle], started_at=at, gateway=gateway)


def books() -> dict[str, str]:
    """A digest of every row of the books and of the payments."""
    import hashlib

    digests = {}
    with connection.cursor() as cursor:
        for table in OF_THE_BOOKS:
            cursor.execute(f"SELECT * FROM {table} ORDER BY id")
            digests[table] = hashlib.sha256(repr(cursor.fetchall()).encode()).hexdigest()
    return digests


def plant(bank: Sandbox, transfer: Transfer, **changes: Any) -> None:
    """Let Bakong say something else of a transfer than it said before."""
    bank._by_hash[transfer.hash] = replace(bank._by_hash[transfer.hash], **changes)


def kinds_of(run: Reconciliation) -> Counter[str]:
    return Counter(run.differences.values_list("kind", flat=True))


def test_every_planted_difference_is_found_and_nothing_else(
    bank: Sandbox, unlimited: None, later: Callable[[float], datetime]
) -> None:
    bank.switch(md5_list="open")
    each, rest = divmod(PLANTED, 9)
    old = opened(PAYMENTS // 10, clock.now(), prefix="old")  # these find no payer in time
    unpaid, stuck = old[each + 1 :], old[: each + 1][:each]
    # No answer ever came for the stuck ones; the others are told "not found" and expire.
    later(HOUR)
    answered(unpaid)
    Attempt.objects.filter(payment__in=unpaid).update(next_check_at=None)  # their watch is over
    odd = old[each : each + 1]
    answered(odd)
    Attempt.objects.filter(payment__in=odd).update(next_check_at=None)
    days = 6
    paid: list[Payment] = []
    for day in range(days):
        later(24 * HOUR)
        some = opened(PAYMENTS * 9 // 10 // days, clock.now(), prefix=f"day{day}")
        for attempt in newest(some):
            wrong = attempt.pk % 97 == 0  # a payer who sends too much: in review, booked as it came
            bank.pay(
                attempt.qr_string,
                amount=Decimal("77") if wrong and attempt.payment.currency == "USD" else None,
            )
        later(30)
        answered(some)
        paid += some
    later(26 * HOUR)
    transfers = list(Transfer.objects.exclude(booked_receiver="").order_by("pk"))
    assert len(transfers) == len(paid)
    assert Payment.objects.filter(status="completed").count() > len(paid) * 0.9
    assert law.check("sandbox") == []
    planted: Counter[str] = Counter()
    spread = iter(transfers[:: max(1, len(transfers) // (PLANTED * 2))])
    for number in range(each + rest):
        one = next(spread)
        assert one.amount_minor is not None
        cent = Decimal("0.01") if one.currency == "USD" else Decimal(1)
        plant(bank, one, amount=(one.amount_minor + 1 + number) * cent)
        planted[Kind.OTHER_AMOUNT] += 1
    for _ in range(each):
        del bank._by_hash[next(spread).hash]
        one = next(spread)
        plant(bank, one, currency="KHR" if one.currency == "USD" else "USD")
        plant(bank, next(spread), to_account="somebody_else@bank")
        plant(bank, next(spread), tracking_status="REFUNDED_BY_RECEIVER")
        planted.update(
            [Kind.UNKNOWN_TO_BAKONG, Kind.OTHER_CURRENCY, Kind.OTHER_RECEIVER, Kind.REFUNDED_SINCE]
        )
    for attempt in newest(unpaid[:each]):
        bank.pay(attempt.qr_string, late=True)
        planted[Kind.PAID_NOT_BOOKED] += 1
    planted[Kind.STUCK_PENDING] += len(stuck)
    receiver = bank.account
    for number in range(each):
        money = Money(1 + number, Currency.USD)
        lines = (debit(bakong_ref(receiver, "sandbox"), money), credit(suspense_ref("sandbox"), money))
        with transaction.atomic():
            post(Entry(f"planted:{number}", "suspense", lines), at=clock.now())
        planted[Kind.SUSPENSE_WITHOUT_ITEM] += 1
    wrong_days = 0
    for back in range(1, days + 2):
        for currency in Currency:
            day = day_of(clock.now()) - timedelta(days=back)
            right = account_balance(bakong_ref(receiver, "sandbox"), currency, until=day)
            is_wrong = wrong_days < each
            wrong_days += is_wrong
            ClosingBalance.objects.create(
                environment="sandbox",
                receiver=receiver,
                currency=currency,
                business_date=day,
                balance_minor=right.minor + 700 + (5 if is_wrong else 0),
                other_minor=700,
                entered_at=clock.now(),
            )
    planted[Kind.CLOSING_BALANCE] += wrong_days
    assert sum(planted.values()) == PLANTED
    assert len(planted) == 9
    before = books()
    calls = len(bank.calls())

    run = reconcile(at=clock.now())

    assert (run.phase, run.unanswered) == ("done", 0)
    assert kinds_of(run) == planted
    assert books() == before
    asked = len(bank.calls()) - calls
    assert asked == run.calls == Exchange.objects.filter(pool="night").count()
    assert asked <= PAYMENTS / 50 + 4
    again = reconcile(at=later(60), since=run.since)
    assert again.pk != run.pk
    assert kinds_of(again) == planted
    assert Difference.objects.count() == PLANTED  # seen twice, kept once
    assert books() == before


@pytest.fixture
def paid(bank: Sandbox, unlimited: None, later: Callable[[float], datetime]) -> list[Transfer]:
    """Twelve payments that were paid and booked, a day ago."""
    some = opened(12, clock.now())
    for attempt in newest(some):
        bank.pay(attempt.qr_string)
    later(30)
    answered(some)
    later(24 * HOUR)
    return list(Transfer.objects.order_by("pk"))


def test_what_cannot_be_told_is_asked_again_and_never_a_difference(
    bank: Sandbox, paid: list[Transfer], later: Callable[[float], datetime]
) -> None:
    bank.item_fault(paid[3].hash, "SERVICE_FAILED")
    bank.fault("check_transaction_by_hash", "nginx", status=502)  # and asked for alone it is no better

    run = reconcile(at=clock.now())

    assert (run.phase, run.unanswered, run.transfers) == ("done", 1, 12)
    assert run.differences.count() == 0
    assert Unanswered.objects.get().transfer == paid[3]
    bank.item_fault(paid[3].hash, None)
    bank.clear_faults()
    plant(bank, paid[3], tracking_status="FAILED_AT_ACH")
    run = reconcile(at=later(HOUR))
    assert kinds_of(run) == {Kind.REFUNDED_SINCE: 1}
    assert (run.unanswered, Unanswered.objects.count()) == (0, 0)


def test_a_run_goes_on_where_a_crash_left_it_and_spreads_over_nights(
    bank: Sandbox, paid: list[Transfer], settings: Any, later: Callable[[float], datetime]
) -> None:
    bank.fault("check_transaction_by_hash_list", "nginx", status=403)  # closed to our token: one call each
    settings.KHQR_DAILY_CALLS = "40"
    at, nights, seen = clock.now(), 0, []
    while True:
        run = reconcile(at=at)
        seen.append((run.phase, run.transfers, run.paused_why))
        if run.ended_at:
            break
        nights += 1
        assert run.paused_why == "budget"
        assert run.paused_until is not None
        assert run.paused_until > at
        at = later((run.paused_until - at).total_seconds() + 1)
        assert nights < 5
    assert Reconciliation.objects.count() == 1
    assert run.transfers == 12
    assert run.differences.count() == 0
    single = list(bank.calls("check_transaction_by_hash"))
    assert {call.key for call in single} == {one.hash for one in paid}


def test_a_process_that_dies_in_the_middle_loses_one_batch_at_most(
    bank: Sandbox, paid: list[Transfer], later: Callable[[float], datetime]
) -> None:
    class Dies(Exception):
        pass

    def tick(run: Reconciliation) -> None:
        if run.transfers:
            raise Dies

    with pytest.raises(Dies):
        reconcile(at=clock.now(), tick=tick)
    calls = len(bank.calls())

    run = reconcile(at=later(1))

    assert run.ended_at
    assert run.transfers == 12
    assert len(bank.calls()) == calls  # the one batch was asked about before, and its answer kept


def test_two_at_once_do_not_ask_twice(bank: Sandbox, paid: list[Transfer]) -> None:
    def meanwhile(run: Reconciliation) -> None:
        if not run.ended_at:
            with pytest.raises(NotNow):
                reconcile(at=clock.now())

    run = reconcile(at=clock.now(), tick=meanwhile)

    assert run.ended_at
    assert run.calls == 1


def test_an_outage_is_no_difference(
    bank: Sandbox, paid: list[Transfer], later: Callable[[float], datetime]
) -> None:
    bank.fault("*", "nginx", status=502)

    run = reconcile(at=clock.now())

    assert (run.phase, run.differences.count()) == ("transfers", 0)
    assert run.paused_why == "upstream"
    bank.clear_faults()
    assert reconcile(at=later(1000)).ended_at


def test_what_went_back_by_our_own_books_is_no_difference(bank: Sandbox, paid: list[Transfer]) -> None:
    plant(bank, paid[0], tracking_status="REFUNDED_BY_RECEIVER")
    plant(bank, paid[1], tracking_status="REFUNDED_BY_RECEIVER")
    from vinflow.payments.guards import drop_guards, install_guards

    drop_guards(connection)  # as if people had returned it long ago
    Transfer.objects.filter(pk=paid[0].pk).update(fate="returned")
    install_guards(connection)

    run = reconcile(at=clock.now())

    assert [one.transfer_id for one in run.differences.all()] == [paid[1].pk]


def test_the_command_shows_the_report_in_three_ways(bank: Sandbox, paid: list[Transfer], payer: Any) -> None:
    plant(bank, paid[0], to_account="=HYPERLINK(1)@bank")
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 differences"):
        call_command("reconcile", stdout=out)
    assert "other_receiver" in out.getvalue()
    assert "12 transfers" in out.getvalue()

    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("reconcile", "--report", "--json", stdout=out)
    report = json.loads(out.getvalue())
    assert report["transfers"] == 12
    assert report["differences"][0]["kind"] == "other_receiver"

    out = io.StringIO()
    with pytest.raises(CommandError):
        call_command("reconcile", "--report", "--csv", stdout=out)
    (row,) = csv.DictReader(io.StringIO(out.getvalue().removeprefix("\ufeff")))
    assert row["seen"] == "'=HYPERLINK(1)@bank"

    explain(difference=Difference.objects.get(), by=payer, why="the bank renamed it", at=clock.now())
    call_command("reconcile", "--report", stdout=out)  # explained: nothing is left to say
    with pytest.raises(ValueError, match="already"):
        explain(difference=Difference.objects.get(), by=payer, why="another word", at=clock.now())


def test_the_hosted_dialect_is_reconciled_one_by_one(
    hosted: Sandbox, opened: Payment, watch: Callable[[float], None], later: Callable[[float], datetime]
) -> None:
    hosted.pay(opened.attempts.get().qr_string)
    watch(200)
    opened.refresh_from_db()
    assert opened.status == "completed"
    later(24 * HOUR)

    run = reconcile(at=clock.now())

    assert (run.phase, run.transfers, run.calls) == ("done", 1, 1)
    assert run.differences.count() == 0
    assert verify().problems == []

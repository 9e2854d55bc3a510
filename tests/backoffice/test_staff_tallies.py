"""The figures of years: whatever is written, however late, the tallies say what the rows say."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from random import Random
from typing import Any

import pytest

from vinflow.money import Currency, Money

STATES = ("pending", "confirming", "completed", "late", "review", "expired", "failed", "canceled")


def sums() -> dict[str, Any]:
    """What the tallies add up to, by their keys; zeros left out."""
    from django.db.models import Sum

    from vinflow.backoffice.models import CallTally, PaymentTally

    found: dict[str, Any] = {}
    names = ("moment", "day", "environment", "currency", "status", "late")
    for row in PaymentTally.objects.values_list(*names).annotate(a=Sum("payments"), b=Sum("minor")):
        if row[-2]:
            found[str(row[:-2])] = (int(row[-2]), int(row[-1]))
    calls = ("day", "environment", "operation", "stage", "outcome", "reason", "milliseconds")
    for row in CallTally.objects.values_list(*calls).annotate(a=Sum("calls")):
        if row[-1]:
            found[str(row[:-1])] = int(row[-1])
    return found


def recounted(*, folded_before: date | None = None) -> dict[str, Any]:
    """What the rows themselves say, counted one by one in Python.

    folded_before: calls of earlier days are told without their day, as a merge leaves them.
    """
    from collections import Counter

    from vinflow.backoffice.days import day_of
    from vinflow.backoffice.tallies import LONG_AGO
    from vinflow.payments.models import Exchange, Payment

    payments: Counter[str] = Counter()
    minor: Counter[str] = Counter()
    for p in Payment.objects.exclude(status="pending"):
        moments = [("opened", p.created_at)] + ([("paid", p.completed_at)] if p.completed_at else [])
        for moment, at in moments:
            key = str((moment, day_of(at), p.environment, p.currency, p.status, p.completed_late))
            payments[key] += 1
            minor[key] += p.amount_minor
    calls: Counter[str] = Counter()
    for x in Exchange.objects.exclude(stage="started"):
        ms = -1 if x.milliseconds is None else x.milliseconds
        day = day_of(x.started_at)
        if folded_before and day < folded_before:
            day = LONG_AGO
        key = (day, x.environment, x.operation, x.stage, x.outcome, x.reason, ms)
        calls[str(key)] += 1
    return {key: (n, minor[key]) for key, n in payments.items()} | dict(calls)


def steps_agree() -> bool:
    """Whether what /metrics reads of all time is what the rows say: words, steps, calls, milliseconds."""
    from collections import Counter

    from vinflow.backoffice import tallies
    from vinflow.payments.models import Exchange

    calls: Counter[tuple[str, str, str, int]] = Counter()
    took: Counter[tuple[str, str, str, int]] = Counter()
    for x in Exchange.objects.filter(environment="sandbox"):
        ms = x.milliseconds
        step = -1 if ms is None else next((one for one in tallies.STEPS_MS if ms <= one), tallies.ENDLESS)
        key = (x.operation, x.outcome or x.stage, x.reason, step)
        calls[key] += 1
        took[key] += ms or 0
    told_calls: Counter[tuple[str, str, str, int]] = Counter()
    told_took: Counter[tuple[str, str, str, int]] = Counter()
    for row in tallies.calls_by_step("sandbox"):
        told_calls[row[:4]] += row.calls
        told_took[row[:4]] += row.milliseconds
    assert calls
    return +told_calls == +calls and +told_took == +took


@pytest.fixture
def busy(shop: Any) -> Iterator[Any]:
    """Payments in every state over three days, and calls of both stages."""
    for n, state in enumerate(STATES):
        money = Money(41_000, Currency.KHR) if n % 3 == 0 else None
        shop.at_state(state, shop.payer(f"payer-{n % 3}"), money)
    shop.at_state("expired", ago_s=2 * 86_400)
    shop.exchange(milliseconds=None, stage="lost", outcome="")
    shop.exchange(stage="started", outcome="", milliseconds=None, code=None)
    shop.exchange(milliseconds=77, started_at=shop.at - timedelta(days=60))
    shop.exchange(milliseconds=50, outcome="cannot_tell", reason="timeout", operation="get_account")
    shop.exchange(milliseconds=41_000, outcome="cannot_tell", reason="timeout", operation="get_account")
    return shop


@pytest.mark.both
def test_the_tallies_say_what_the_rows_say_before_and_after_merging(busy: Any) -> None:
    from vinflow.backoffice import tallies
    from vinflow.backoffice.models import CallTally, PaymentTally

    wanted = recounted()
    assert sums() == wanted
    assert len(wanted) >= 10
    assert steps_agree()

    tallies.merge(at=busy.at)
    assert steps_agree()
    busy.exchange(milliseconds=900)  # one that no merge has seen
    assert steps_agree()
    wanted = recounted()
    once = (PaymentTally.objects.count(), CallTally.objects.count())
    tallies.merge(at=busy.at)

    assert (PaymentTally.objects.count(), CallTally.objects.count()) == once
    assert not PaymentTally.objects.filter(merged=False).exists()
    # What is older than any page shows moves to one day, and is still counted.
    month_ago = (busy.at - timedelta(days=30)).date()
    assert sums() == recounted(folded_before=month_ago) != wanted
    assert CallTally.objects.get(day=tallies.LONG_AGO).milliseconds == 77


@pytest.mark.both
def test_what_comes_late_corrects_the_day_it_belongs_to(busy: Any) -> None:
    from vinflow.backoffice import figures, tallies
    from vinflow.backoffice.days import day_of
    from vinflow.payments.models import Payment

    tallies.merge(at=busy.at)
    before = day_of(busy.at - timedelta(days=2))
    expired = Payment.objects.get(created_at__lt=busy.at - timedelta(days=1))
    outcomes, _came = figures.ended("sandbox", before, before)
    assert outcomes.by_day[before] == {"expired": 1}

    busy.paid(expired, sent_ago_s=86_400)
    assert expired.status == "completed"
    outcomes, came = figures.ended("sandbox", before, day_of(busy.at))

    assert +outcomes.by_day[before] == {"late": 1}
    assert came[Currency.USD][day_of(busy.at)].minor >= expired.amount_minor
    assert sums() == recounted(folded_before=before)
    assert tallies.differences(before) == 0


@pytest.mark.both
def test_a_renewed_qr_takes_its_expiry_back(shop: Any) -> None:
    from vinflow.payments.opening import renew_qr

    payment = shop.at_state("expired", ago_s=3600)
    renew_qr(payment=payment, at=shop.at)
    payment.refresh_from_db()

    assert payment.status == "pending"
    assert sums() == recounted() == {}


@pytest.mark.both
def test_counting_anew_changes_nothing_and_mends_what_was_spoilt(
    busy: Any, caplog: pytest.LogCaptureFixture
) -> None:
    from vinflow.backoffice import tallies
    from vinflow.backoffice.models import PaymentTally

    wanted = recounted()
    tallies.rebuild()
    assert sums() == wanted
    tallies.rebuild()
    assert sums() == wanted

    day = (busy.at - timedelta(days=2)).date()
    PaymentTally.objects.filter(day=day).update(payments=5)
    assert tallies.differences(day) > 0
    with caplog.at_level(logging.CRITICAL):
        tallies.tidy(busy.at)

    assert "counted anew" in caplog.text
    assert tallies.differences(day) == 0
    assert sums() == wanted


@pytest.mark.both
def test_any_row_written_by_any_hand_is_counted(shop: Any) -> None:
    """Random endings, renewals and calls, some merged half-way; rows and tallies never part."""
    from vinflow.backoffice import tallies
    from vinflow.payments.errors import IllegalTransition
    from vinflow.payments.models import Exchange
    from vinflow.payments.states import Event

    chance = Random(11)
    payments = [shop.opened(shop.payer(f"p{n}"), ago_s=chance.randint(1, 3 * 86_400)) for n in range(8)]
    events = [Event.TIME_RAN_OUT, Event.BANK_SAID_FAILED, Event.WITHDRAWN, Event.QR_RENEWED]
    for n in range(60):
        with suppress(IllegalTransition):
            chance.choice(payments).advance(chance.choice(events), at=shop.at)
        call = shop.exchange(stage="started", outcome="", milliseconds=None)
        Exchange.objects.filter(pk=call.pk).update(
            stage="done", outcome=chance.choice(["found", "not_found"]), milliseconds=chance.randint(1, 9)
        )
        if n % 13 == 0:
            tallies.merge(at=shop.at)
        assert sums() == recounted()
        assert steps_agree()


def test_a_shop_that_gets_the_tallies_later_has_its_past_counted(busy: Any) -> None:
    from django.db import connection

    from vinflow.backoffice import tallies

    wanted = recounted()
    with connection.cursor() as cursor:
        for name in ("tally_payments_payment_update", "tally_payments_exchange_insert"):
            cursor.execute(f"DROP TRIGGER {name}")
        cursor.execute("DELETE FROM backoffice_paymenttally")
    assert len(tallies.missing_triggers(connection)) == 2

    tallies.after_migrate(using="default")

    assert tallies.missing_triggers(connection) == []
    assert sums() == wanted
    assert steps_agree()


def test_a_shop_whose_tallies_are_older_than_the_totals_has_them_after_migrating(busy: Any) -> None:
    from vinflow.backoffice import tallies
    from vinflow.backoffice.models import CallTotal

    tallies.merge(at=busy.at)
    CallTotal.objects.all().delete()
    assert not steps_agree()

    tallies.after_migrate(using="default")

    assert steps_agree()


@pytest.mark.postgres
@pytest.mark.django_db(transaction=True)
def test_merging_and_counting_anew_beside_writers_lose_nothing(still: Any, shop_class: Any) -> None:
    """Two upkeepers and three writers at once; afterwards everything is counted once."""
    from django.db import connection

    from vinflow.backoffice import tallies

    shop = shop_class()
    stop, faults = threading.Event(), []
    call = shop.exchange()

    def upkeep(job: Any) -> None:
        try:
            while not stop.is_set():
                job()
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    def write(seed: int) -> None:
        from vinflow.payments.models import Exchange

        try:
            for n in range(60):
                call.pk = None
                made = Exchange.objects.create(
                    operation=call.operation,
                    token_id="t",
                    pool="auto",
                    environment="sandbox",
                    started_at=shop.at,
                )
                Exchange.objects.filter(pk=made.pk).update(
                    stage="done", outcome="not_found", milliseconds=seed * 10 + n % 3
                )
        except Exception as fault:
            faults.append(fault)
        finally:
            connection.close()

    jobs = [lambda: tallies.merge(at=shop.at), tallies.rebuild]
    keepers = [threading.Thread(target=upkeep, args=(job,)) for job in jobs]
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in keepers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in keepers:
        thread.join()

    assert faults == []
    assert sums() == recounted()
    assert sum(value for value in sums().values()) == 181
    assert steps_agree()


@pytest.mark.both
def test_a_day_is_a_day_in_phnom_penh(shop: Any) -> None:
    """17:00 UTC is the next morning; a minute before it is still the old day."""
    from datetime import UTC, datetime

    for at in (datetime(2026, 11, 20, 16, 59, 59, 999999, UTC), datetime(2026, 11, 20, 17, 0, tzinfo=UTC)):
        shop.exchange(started_at=at)

    from vinflow.backoffice.models import CallTally

    days = CallTally.objects.order_by("day").values_list("day", flat=True)
    assert list(days) == [date(2026, 11, 20), date(2026, 11, 21)]
    assert sums() == recounted()

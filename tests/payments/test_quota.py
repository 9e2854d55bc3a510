"""A hundred calls a day: reserved before they are made, latched by code 17, never read as unpaid."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from vinflow.bakong import CannotTell, Client
from vinflow.money import Currency, Money
from vinflow.payments import (
    answering,
    budgeting,
    checking,
    clock,
    conf,
    gateways,
    leasing,
    queries,
    quota,
    watching,
)
from vinflow.payments.budgeting import Asking, Pool, next_opening
from vinflow.payments.models import Attempt, CallBudget, Exchange, Payment, PaymentSettings, TokenState
from vinflow.payments.opening import open_payment
from vinflow.payments.schedule import Signal
from vinflow.sandbox import Sandbox
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

Watch = Callable[[float], None]


def token() -> str:
    """Return the name our token goes by."""
    return budgeting.token_id(conf.api_key())


def used() -> int:
    """Return how many calls our own counter has."""
    return max((row.used for row in CallBudget.objects.all()), default=0)


def test_used_calls_are_exchange_rows_and_what_the_bank_counted(
    bank: Sandbox, opened: Payment, watch: Watch
) -> None:
    watch(800)

    assert used() == Exchange.objects.count() == bank.used()
    assert 1 <= used() <= 6


def test_a_quota_answer_shuts_the_gate_and_nothing_expires(
    bank: Sandbox, opened: Payment, watch: Watch
) -> None:
    bank.switch(quota=0)

    watch(3600)

    opened.refresh_from_db()
    assert opened.status == "pending"
    assert len(bank.calls()) == 1  # the one that was told; then nobody asks
    seen = queries.checkout(opened, at=clock.now())
    assert (seen.state, seen.delayed) == ("confirming", True)
    state = TokenState.objects.get(token_id=token())
    assert state.closed_until == datetime(2026, 11, 24, 17, 5, tzinfo=UTC)  # 00:05 in Phnom Penh


def test_one_probe_opens_the_gate_after_the_reset_and_the_money_is_credited(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch
) -> None:
    bank.pay(opened.attempts.get().qr_string)
    bank.switch(quota=0)
    watch(3600)
    bank.switch(quota=100)

    watch(13 * 3600)

    opened.refresh_from_db()
    assert opened.status == "completed"
    assert balances(payer, "sandbox")[0] == Money(100, Currency.USD)
    assert len(bank.calls()) == 2
    assert TokenState.objects.get(token_id=token()).closed_until is None


def test_a_refused_probe_waits_for_the_other_reset(bank: Sandbox, opened: Payment, watch: Watch) -> None:
    bank.switch(quota=0)

    watch(13 * 3600)

    assert len(bank.calls()) == 2
    state = TokenState.objects.get(token_id=token())
    assert state.closed_until == datetime(2026, 11, 25, 0, 5, tzinfo=UTC)  # 07:05 in Phnom Penh


def test_the_watch_is_extended_by_the_time_the_gate_was_shut(
    bank: Sandbox, opened: Payment, watch: Watch
) -> None:
    before = opened.attempts.get().watch_until
    bank.switch(quota=0)
    watch(3600)
    bank.switch(quota=100)
    watch(13 * 3600)

    assert opened.attempts.get().watch_until - before > timedelta(hours=11)


def test_throttling_holds_every_call_for_a_minute(bank: Sandbox, opened: Payment) -> None:
    bank.fault("*", "throttled", retry_after_s=30, times=1)
    gateway = gateways.current()
    handle = opened.attempts.get().handle

    first = gateway.check([handle])[handle]
    second = gateway.check([handle])[handle]

    assert (first.name, second.name) == ("cannot_tell", "cannot_tell")
    assert len(bank.calls()) == 1


def test_a_crash_between_reserving_and_calling_loses_a_call_and_never_the_count(
    bank: Sandbox, opened: Payment, watch: Watch
) -> None:
    attempt = opened.attempts.get()
    budgeting.reserve(
        who=Asking(Pool.STAFF, (attempt,)),
        token=token(),
        operation="check_transaction_by_md5",
        request={},
        at=clock.now(),
    )
    assert used() == 1

    watch(800)

    opened.refresh_from_db()
    assert opened.status == "expired"
    assert Exchange.objects.filter(stage="lost").count() == 1
    assert used() == Exchange.objects.count() == bank.used() + 1


def test_nothing_expires_while_a_request_is_under_way(bank: Sandbox, opened: Payment, later: Any) -> None:
    attempt = opened.attempts.get()
    later(730)
    started = budgeting.reserve(
        who=Asking(Pool.STAFF, (attempt,)), token=token(), operation="x", request={}, at=clock.now()
    )

    watching.step()

    assert started is not None
    opened.refresh_from_db()
    assert opened.status == "pending"
    Exchange.objects.filter(pk=started.pk).update(stage="done")
    Attempt.objects.filter(pk=attempt.pk).update(next_check_at=clock.now(), last_asked_at=None)
    watching.step()
    opened.refresh_from_db()
    assert opened.status == "expired"


def test_i_have_paid_has_a_purse_of_its_own_when_the_day_is_spent(
    bank: Sandbox, opened: Payment, payer: Any, settings: Any, later: Any
) -> None:
    settings.KHQR_DAILY_CALLS = "20"
    CallBudget.objects.update(used=17)  # only the reserve is left
    bank.pay(opened.attempts.get().qr_string)
    later(20)
    gateway = gateways.current()
    claimed = leasing.claim(at=clock.now(), limit=1, gateway=gateway, ids=[opened.attempts.get().pk])
    refused = answering.ask(claimed, pool=Pool.AUTO, at=clock.now(), gateway=gateway)
    assert [outcome.name for outcome in refused.values()] == ["cannot_tell"]
    assert bank.calls() == []

    report = checking.check_payment(payment=opened, at=clock.now())

    assert report.kind == "found"
    assert balances(payer, "sandbox")[0] == Money(100, Currency.USD)


def test_the_last_check_is_there_even_when_everything_else_is_spent(
    bank: Sandbox, opened: Payment, settings: Any, later: Any
) -> None:
    settings.KHQR_DAILY_CALLS = "20"
    CallBudget.objects.update(used=19)
    assert opened.attempts.get().set_aside
    later(725)
    Attempt.objects.update(next_check_at=clock.now())

    watching.step()

    opened.refresh_from_db()
    assert opened.status == "expired"
    assert len(bank.calls()) == 1
    assert used() == 20


def test_two_tabs_and_a_button_cost_one_call_inside_the_cool_down(
    bank: Sandbox, opened: Payment, later: Any
) -> None:
    later(30)
    kinds = [checking.check_payment(payment=opened, at=clock.now()).kind for _ in range(5)]

    assert kinds == ["none", "wait", "wait", "wait", "wait"]
    assert len(bank.calls()) == 1


def test_no_page_causes_a_call_by_existing(bank: Sandbox, opened: Payment, payer: Any) -> None:
    for _ in range(200):
        payment = queries.payment_for(payer, opened.transaction_id)
        assert payment is not None
        queries.checkout(payment, at=clock.now())

    assert bank.calls() == []


def test_hundreds_of_qrs_of_a_payer_who_never_pays_leave_the_day_to_the_others(
    bank: Sandbox, payer: Any, django_user_model: Any, settings: Any, watch: Watch
) -> None:
    """Money rule 13: draining the quota with QRs."""
    PaymentSettings.objects.create(
        singleton=1,
        pending_max=10_000,
        opened_daily_max=10_000,
        usd_daily_max=10**12,
        hide_without_budget=True,
    )
    drained = 0
    for number in range(200):
        try:
            open_payment(user=payer, money=Money(100, Currency.USD), key=f"k{number}", at=clock.now())
            drained += 1
        except Exception:
            continue
    for _ in range(15):
        payment = Payment.objects.order_by("?").first()
        assert payment is not None
        checking.wake(payment=payment, signal=Signal.SAID_PAID, at=clock.now())
        watch(60)

    assert drained <= 30
    assert used() <= 40  # their share, and what "I have paid" has of its own
    left = quota.room(token(), at=clock.now())
    assert left.free is not None
    assert left.free >= 55


def test_without_a_quota_nothing_is_counted_against_anyone(bank: Sandbox, payer: Any, settings: Any) -> None:
    settings.KHQR_DAILY_CALLS = "none"

    assert quota.confirmable(token(), at=clock.now()) is None
    payment = open_payment(user=payer, money=Money(100, Currency.USD), key="k", at=clock.now())
    assert payment.attempts.get().set_aside is False


def test_operators_see_how_many_more_qrs_can_be_confirmed(bank: Sandbox, opened: Payment) -> None:
    # 100 calls, one promised to the QR that is shown, five kept for the staff.
    assert quota.confirmable(token(), at=clock.now()) == 94


@pytest.mark.parametrize(
    ("at", "names"),
    [
        (datetime(2026, 11, 24, 5, 0, tzinfo=UTC), ["phnom-penh", "utc"]),
        # Just after midnight in Phnom Penh the day before counts as well.
        (datetime(2026, 11, 24, 17, 2, tzinfo=UTC), ["phnom-penh", "phnom-penh", "utc"]),
        (datetime(2026, 11, 24, 0, 2, tzinfo=UTC), ["phnom-penh", "utc", "utc"]),
    ],
)
def test_both_windows_count_until_the_reset_is_known(at: datetime, names: list[str], settings: Any) -> None:
    assert [window.name for window in quota.windows(at)] == names
    settings.KHQR_QUOTA_RESET = "utc"
    assert {window.name for window in quota.windows(at)} == {"utc"}


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ((24, 5, 0), (24, 17, 5)),  # noon there: 00:05 there
        ((24, 17, 6), (25, 0, 5)),  # 00:06 there: 07:05 there
        ((24, 0, 10), (24, 17, 5)),  # 07:10 there: next midnight and five minutes
    ],
)
def test_the_gate_is_probed_after_midnight_there_and_then_at_five_past_seven(
    at: tuple[int, int, int], until: tuple[int, int, int]
) -> None:
    def moment(day: int, hour: int, minute: int) -> datetime:
        return datetime(2026, 11, day, hour, minute, tzinfo=UTC)

    assert next_opening(moment(*at)) == moment(*until)


@pytest.mark.parametrize(
    ("refused", "answered", "learnt"),
    [
        ((24, 15, 0), (24, 17, 6), "phnom-penh"),  # only midnight in Phnom Penh lies between
        ((24, 17, 6), (25, 0, 6), "utc"),  # refused after that midnight, answered after 07:00
        ((24, 15, 0), (25, 0, 6), ""),  # either may have opened it
        ((24, 17, 4), (25, 0, 6), ""),  # refused within minutes of a reset: clocks differ
        ((24, 5, 0), (24, 9, 0), ""),  # no reset at all: a raised quota, or a day that slides
        ((24, 15, 0), (25, 18, 0), ""),  # two days went by
    ],
)
def test_the_hour_of_reset_is_learnt_when_only_one_can_have_reopened_the_day(
    refused: tuple[int, int, int], answered: tuple[int, int, int], learnt: str
) -> None:
    def moment(day: int, hour: int, minute: int) -> datetime:
        return datetime(2026, 11, day, hour, minute, tzinfo=UTC)

    assert quota.reset_between(moment(*refused), moment(*answered)) == learnt


@pytest.mark.parametrize(("bank_resets", "learnt"), [("phnom_penh", "phnom-penh"), ("utc", "utc")])
def test_a_day_that_was_used_up_teaches_when_the_next_begins(
    bank: Sandbox, opened: Payment, watch: Watch, settings: Any, bank_resets: str, learnt: str
) -> None:
    bank.switch(quota_reset=bank_resets, quota=1)
    # Another program with our token spends the day's only call.
    with Client(conf.api_url(), conf.api_key()) as other:
        assert not isinstance(other.check_md5(opened.attempts.get().md5), CannotTell)

    watch(20 * 3600)

    assert TokenState.objects.get(token_id=token()).quota_reset == learnt
    allowed = {window.name for window in quota.windows(clock.now(), learnt=learnt)}
    assert allowed == {learnt}
    CallBudget.objects.exclude(window=learnt).update(used=100)  # the other opinion counts no more
    assert quota.confirmable(token(), at=clock.now()) not in (0, None)
    settings.KHQR_QUOTA_RESET = "utc"  # the operator's word wins over what was learnt
    assert {window.name for window in quota.windows(clock.now(), learnt="phnom-penh")} == {"utc"}

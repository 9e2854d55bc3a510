"""Holes a stranger found by reading, each closed: one story for each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.db.models import F

from vinflow.bakong import Found
from vinflow.bakong import Transfer as Reported
from vinflow.money import Currency, Money
from vinflow.payments import answering, budgeting, checking, clock, conf, errors, gateways, law, watching
from vinflow.payments.budgeting import Pool
from vinflow.payments.canceling import cancel_payment
from vinflow.payments.checks import gateway_settings
from vinflow.payments.claiming import claim
from vinflow.payments.confirming import process_inbox, store_found
from vinflow.payments.leasing import claim as claim_due
from vinflow.payments.models import (
    Attempt,
    CallBudget,
    Exchange,
    Payment,
    PaymentSettings,
    ReviewItem,
    TokenState,
    Transfer,
)
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.payments.reviewing import approve, propose, withdraw
from vinflow.sandbox import Sandbox
from vinflow.wallet.accounts import close_account
from vinflow.wallet.entries import user_ref
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

ONE = Money(100, Currency.USD)
Watch = Callable[[float], None]


def pay(bank: Sandbox, payment: Payment, **how: Any) -> Any:
    """Pay the newest QR of a payment."""
    attempt = payment.attempts.order_by("-number").first()
    assert attempt is not None
    return bank.pay(attempt.qr_string, **how)


def test_play_money_never_reaches_a_real_wallet(
    bank: Sandbox, payer: Any, settings: Any, watch: Watch
) -> None:
    settings.KHQR_API_URL, sandbox_url = "https://api-bakong.nbc.gov.kh", settings.KHQR_API_URL
    settings.KHQR_ENVIRONMENT = "production"
    real = open_payment(user=payer, money=ONE, key="k", at=clock.now())
    settings.KHQR_API_URL, settings.KHQR_ENVIRONMENT = sandbox_url, "sandbox"
    pay(bank, real)

    watch(900)
    checking.check_payment(payment=real, at=clock.now())
    checking.check_payment(payment=real, at=clock.now(), pool=Pool.STAFF)

    real.refresh_from_db()
    assert (real.environment, real.status) == ("production", "pending")
    assert bank.calls() == []
    found = gateways.current().client.check_md5(real.attempts.get().md5)  # type: ignore[attr-defined]
    with pytest.raises(errors.OtherEnvironment):
        store_found(attempt=real.attempts.get(), found=found, asked_at=clock.now(), at=clock.now())
    assert not Transfer.objects.exists()


def test_one_closed_wallet_holds_up_nobody_else(
    bank: Sandbox, opened: Payment, payer: Any, django_user_model: Any, watch: Watch
) -> None:
    again = opened
    with transaction.atomic():
        close_account(user_ref(payer.pk, "sandbox"), Currency.USD, at=clock.now())
    other = django_user_model.objects.create_user("other")
    theirs = open_payment(user=other, money=ONE, key="o", at=clock.now())
    pay(bank, again)
    pay(bank, theirs)

    watch(300)
    watching.step()

    theirs.refresh_from_db()
    again.refresh_from_db()
    assert theirs.status == "completed"
    assert again.status == "pending"
    stuck = Transfer.objects.get(payment=again)
    assert (stuck.fate, stuck.tries > 0) == ("", True)

    for _ in range(60):
        bank.advance(120)
        watching.step()

    stuck.refresh_from_db()
    assert (stuck.fate, stuck.reasons) == ("in_review", ["not_creditable"])
    assert law.check(conf.environment()) == []


def refusing(**_kwargs: Any) -> None:
    """A host's handler whose table is not there."""
    raise OperationalError("no such table: shop_balance")


def test_a_broken_funds_handler_is_tried_again_ever_more_slowly(
    bank: Sandbox, opened: Payment, payer: Any, settings: Any, watch: Watch
) -> None:
    settings.VINFLOW_FUNDS_HANDLER = refusing
    pay(bank, opened)

    watch(60)
    for _ in range(40):
        watching.step()
        bank.advance(10)

    opened.refresh_from_db()
    transfer = Transfer.objects.get()
    assert (opened.status, transfer.fate) == ("pending", "")
    assert 3 <= transfer.tries <= 8
    settings.VINFLOW_FUNDS_HANDLER = None
    process_inbox(at=clock.now() + timedelta(hours=1))
    opened.refresh_from_db()
    assert opened.status == "completed"
    assert balances(payer, "sandbox")[0] == ONE


@pytest.mark.parametrize(
    "strange",
    [{"amount": 10**25}, {"description": "a\x00b"}, {"externalRef": "x" * 5000}, {"currency": "U\x00SD"}],
)
def test_a_strange_answer_is_kept_for_people_and_spoils_no_other(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch, strange: dict[str, Any]
) -> None:
    other = open_payment(user=payer, money=ONE, key="2", at=clock.now())
    pay(bank, opened, overrides=strange)
    pay(bank, other)

    watch(300)

    other.refresh_from_db()
    assert other.status == "completed"
    assert law.check(conf.environment()) == []
    assert balances(payer, "sandbox")[0].minor in (100, 200)


def test_a_claim_credited_after_the_payment_was_paid_keeps_the_law(
    bank: Sandbox, opened: Payment, payer: Any, django_user_model: Any, watch: Watch, later: Any
) -> None:
    staff = [django_user_model.objects.create_user(f"staff{n}") for n in range(2)]
    stray = bank.qr("1.00", Currency.USD)
    receipt = bank.pay(stray)  # money that came by another way, to our own account
    later(20)
    assert claim(payment=opened, named=receipt.hash, at=clock.now()).kind == "review"
    pay(bank, opened)
    watch(200)
    item = ReviewItem.objects.get()

    propose(item=item, decision="credited", by=staff[0], why="his receipt", at=clock.now())
    approve(item=item, by=staff[1], at=clock.now())

    assert balances(payer, "sandbox")[0] == Money(200, Currency.USD)
    assert law.check(conf.environment()) == []


def test_a_refunded_transfer_cannot_be_claimed_into_a_wallet(
    bank: Sandbox, opened: Payment, payer: Any, django_user_model: Any, later: Any
) -> None:
    staff = [django_user_model.objects.create_user(f"staff{n}") for n in range(2)]
    receipt = bank.pay(bank.qr("1.00", Currency.USD), tracking_status="REFUNDED_BY_RECEIVER")
    later(20)
    claim(payment=opened, named=receipt.hash, at=clock.now())
    item = ReviewItem.objects.get()
    assert "sent_back" in item.reasons

    propose(item=item, decision="credited", by=staff[0], why="his receipt", at=clock.now())
    with pytest.raises(errors.ReviewRefused, match="went back"):
        approve(item=item, by=staff[1], at=clock.now())

    assert balances(payer, "sandbox")[0].minor == 0


def test_who_paid_twice_may_name_the_second_transfer(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch, later: Any
) -> None:
    first = pay(bank, opened, twice=True)
    watch(200)
    second = next(transfer for transfer in bank.transfers if transfer.hash != first.hash)
    later(20)

    assert claim(payment=opened, named=first.hash, at=clock.now()).kind == "credited"
    assert claim(payment=opened, named=second.hash, at=clock.now()).kind == "review"


def test_a_clock_three_minutes_off_does_not_drain_the_day(
    bank: Sandbox, opened: Payment, watch: Watch
) -> None:
    with clock.used(lambda: bank.clock.now() - timedelta(minutes=3)):
        watch(3 * 3600)

    opened.refresh_from_db()
    assert opened.status == "pending"
    assert len(bank.calls()) < 45


def test_a_refusing_edge_is_asked_ever_more_seldom(bank: Sandbox, payer: Any, watch: Watch) -> None:
    for number in range(5):
        open_payment(user=payer, money=ONE, key=f"k{number}", at=clock.now())
    bank.fault("*", "nginx", status=403)

    watch(75 * 60)

    assert len(bank.calls()) < 25
    state = TokenState.objects.get(token_id=budgeting.token_id(conf.api_key()))
    assert state.failures >= 5
    bank.clear_faults()
    watch(1800)
    assert set(Payment.objects.values_list("status", flat=True)) == {"expired"}


def test_one_payer_cannot_spend_the_whole_shops_day(
    bank: Sandbox, opened: Payment, payer: Any, django_user_model: Any, watch: Watch, later: Any
) -> None:
    PaymentSettings.objects.update_or_create(
        singleton=1, defaults={"hide_without_budget": True, "opened_daily_max": 1000}
    )
    pay(bank, opened)
    watch(100)
    for number in range(40):
        payment = open_payment(user=payer, money=ONE, key=f"k{number}", at=clock.now())
        for _ in range(2):
            later(11)
            checking.check_payment(payment=payment, at=clock.now())
        cancel_payment(payment=payment, at=clock.now())

    assert Exchange.objects.count() <= 14
    assert not Attempt.objects.filter(set_aside=True).exists()
    other = django_user_model.objects.create_user("other")
    assert open_payment(user=other, money=ONE, key="o", at=clock.now()).attempts.get().set_aside


def test_pressing_i_have_paid_without_end_asks_no_more_than_the_schedule_would(
    bank: Sandbox, opened: Payment, settings: Any, later: Any
) -> None:
    settings.KHQR_DAILY_CALLS = "none"
    for _ in range(40):
        later(11)
        checking.check_payment(payment=opened, at=clock.now())

    assert len(bank.calls()) <= 16


def test_a_promised_last_check_is_kept_in_a_mixed_list(
    bank: Sandbox, opened: Payment, payer: Any, settings: Any, later: Any, watch: Watch
) -> None:
    bank.switch(md5_list="open")
    settings.KHQR_DAILY_CALLS = "20"
    later(700)
    open_payment(user=payer, money=ONE, key="2", at=clock.now())
    CallBudget.objects.update(used=17)  # nothing is left but what is promised and kept back

    watch(120)

    opened.refresh_from_db()
    assert opened.status == "expired"
    assert bank.calls()[0].call == "check_transaction_by_md5_list"


def test_a_list_that_turns_out_closed_takes_nobodys_promised_last_check(
    bank: Sandbox, opened: Payment, payer: Any, later: Any, watch: Watch
) -> None:
    bank.switch(md5_list="closed")
    second = open_payment(user=payer, money=ONE, key="2", at=clock.now())
    Attempt.objects.update(next_check_at=F("last_check_at"))  # nothing asked before: both last checks meet
    later(720)

    gateway = gateways.current()
    leased = claim_due(at=clock.now(), limit=50, gateway=gateway)
    answering.ask(leased, pool=Pool.LAST, at=clock.now(), gateway=gateway)

    assert [call.call[-9:] for call in bank.calls()] == ["_md5_list", "on_by_md5"]
    asked, waiting = Attempt.objects.order_by("-checks")
    assert (asked.checks, asked.set_aside) == (1, False)
    # The list had taken this one's promise with it, and never brought its answer.
    assert (waiting.checks, waiting.set_aside) == (0, True)
    watch(120)
    for payment in (opened, second):
        payment.refresh_from_db()
        assert payment.status == "expired"


def test_a_new_qr_does_not_bypass_the_limit_of_open_payments(bank: Sandbox, payer: Any, watch: Watch) -> None:
    old = [open_payment(user=payer, money=ONE, key=f"a{n}", at=clock.now()) for n in range(5)]
    watch(900)
    for number in range(5):
        open_payment(user=payer, money=ONE, key=f"b{number}", at=clock.now())

    expired = Payment.objects.get(pk=old[0].pk)
    assert expired.status == "expired"
    with pytest.raises(errors.TooManyPending):
        renew_qr(payment=expired, at=clock.now())


def test_nobody_is_asked_to_pay_again_while_people_look_at_their_money(
    bank: Sandbox, opened: Payment, watch: Watch, later: Any
) -> None:
    pay(bank, opened, amount="2.00")
    watch(100)
    later(600)

    with pytest.raises(errors.NotOpen, match="do not pay again"):
        renew_qr(payment=Payment.objects.get(pk=opened.pk), at=clock.now())


def test_a_proposal_can_be_taken_back(
    bank: Sandbox, opened: Payment, django_user_model: Any, watch: Watch
) -> None:
    staff = [django_user_model.objects.create_user(f"staff{n}") for n in range(2)]
    pay(bank, opened, amount="2.00")
    watch(100)
    item = ReviewItem.objects.get()
    propose(item=item, decision="dismissed", by=staff[0], why="a mistake", at=clock.now())

    withdraw(item=item, by=staff[1], at=clock.now())
    decided = propose(item=item, decision="credited", by=staff[1], why="it is his", at=clock.now())

    assert decided.decision == "credited"


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("KHQR_QUOTA_RESET", "midnight"),
        ("VINFLOW_NEWCOMERS_SHARE", "30%"),
        ("VINFLOW_NEWCOMERS_SHARE", "30"),
        ("KHQR_TIMEOUT_S", "soon"),
        ("KHQR_QR_LIFETIME_S", "3"),
        ("KHQR_DAILY_CALLS", "-1"),
        ("KHQR_EXCHANGE_KEPT_DAYS", "0"),
        ("KHQR_PROTOCOL", "soap"),
    ],
)
def test_an_absurd_setting_is_named_at_start_up(
    bank: Sandbox, settings: Any, setting: str, value: str
) -> None:
    setattr(settings, setting, value)

    assert [message for message in gateway_settings() if setting in message.msg]


def test_a_breach_seen_once_only_stops_nothing(
    bank: Sandbox, opened: Payment, monkeypatch: pytest.MonkeyPatch, watch: Watch
) -> None:
    looks = iter([[law.Breach("received", "a credit was just being committed")], []])
    monkeypatch.setattr(law, "check", lambda _environment: next(looks))

    assert law.enforce("sandbox", at=clock.now()) == []
    law.require_spending_allowed()


def test_an_answer_with_an_impossible_amount_makes_no_money(opened: Payment, payer: Any) -> None:
    found = Found(transfer=Reported(hash="ab" * 32, amount=Decimal(10) ** 25, currency="USD", raw={}))

    stored = store_found(attempt=opened.attempts.get(), found=found, asked_at=clock.now(), at=clock.now())

    assert stored is not None
    assert stored.amount_minor is None


def test_a_day_of_answers_that_say_nothing_tells_a_person_once_and_ends_nothing(
    bank: Sandbox, opened: Payment, watch: Watch
) -> None:
    """Found by the simulator, seed 51: Bakong named a transfer by no hash, day after day."""
    bank.pay(opened.attempts.get().qr_string)
    bank.fault("check_transaction_by_md5", "truncated")

    watch(25 * 3600)

    opened.refresh_from_db()
    assert opened.status == "pending"
    item = ReviewItem.objects.get()
    assert item.reasons == ["no_word"]
    watch(24 * 3600)
    assert ReviewItem.objects.count() == 1
    assert Payment.objects.get(pk=opened.pk).status == "pending"

    bank.clear_faults()  # Bakong finds its words again: the money is the payer's, whoever looks at the item
    watch(24 * 3600)
    assert Payment.objects.get(pk=opened.pk).status == "completed"


def test_a_day_without_quota_tells_nobody(bank: Sandbox, opened: Payment, watch: Watch) -> None:
    bank.switch(quota=0)

    watch(30 * 3600)

    assert Payment.objects.get(pk=opened.pk).status == "pending"
    assert not ReviewItem.objects.exists()

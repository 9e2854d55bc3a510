"""Scenarios that a guard decides, for the guards whose test elsewhere is about more than the guard alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from tests.proof.rivals import Rivals, outcome_of, steps_of
from tests.wallet.test_wallet_attacks import new_entry, new_line, seal

from vinflow.bakong import Found
from vinflow.money import Currency, Money
from vinflow.payments import budgeting, checking, clock, gateways, leasing, watching
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.confirming import process_transfer, settle, store_found
from vinflow.payments.errors import IllegalTransition, OtherEnvironment
from vinflow.payments.models import Attempt, Payment, Transfer
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.payments.states import Event
from vinflow.sandbox import Sandbox
from vinflow.wallet.models import Account

ONE = Money(100, Currency.USD)


def found_for(bank: Sandbox, attempt: Attempt) -> Transfer:
    """Pay a QR; return the transfer as it lies in the inbox."""
    bank.pay(attempt.qr_string, late=True)
    found = gateways.current().client.check_md5(attempt.md5)  # type: ignore[attr-defined]
    assert isinstance(found, Found)
    transfer = store_found(attempt=attempt, found=found, asked_at=clock.now(), at=clock.now())
    assert transfer is not None
    return transfer


def two_transfers_credited_in_one_moment(bank: Sandbox, payer: Any) -> None:
    """Both QRs of a payment were paid, and two workers decide about one transfer each."""

    def both(key: str) -> list[Transfer]:
        payment = open_payment(user=payer, money=ONE, key=key, at=clock.now())
        bank.advance(650)
        renew_qr(payment=payment, at=clock.now())
        return [found_for(bank, attempt) for attempt in payment.attempts.order_by("number")]

    one, _ = both("1")
    steps = steps_of(lambda: process_transfer(transfer_id=one.pk, at=clock.now()))
    write = next(step for step in steps if step.name == "UPDATE payments_transfer")
    first, second = both("2")

    with Rivals() as rivals:
        met = rivals.meet(
            lambda: process_transfer(transfer_id=first.pk, at=clock.now()),
            lambda: process_transfer(transfer_id=second.pk, at=clock.now()),
            at=write,
        )

    for outcome in (met.actor, met.rival):
        assert not isinstance(outcome, Exception), f"a worker was told {type(outcome).__name__}: {outcome}"
    assert met.waited
    assert [met.actor.fate, met.rival.fate] == ["credited", "in_review"]


def a_stale_row_cannot_move_a_state(bank: Sandbox, opened: Payment) -> None:
    """A payment as somebody loaded it a moment ago; it has expired since."""
    at = clock.now()
    Payment.objects.get(pk=opened.pk).advance(Event.TIME_RAN_OUT, at=at)

    with pytest.raises(IllegalTransition):
        opened.advance(Event.WITHDRAWN, at=at)

    assert Payment.objects.get(pk=opened.pk).status == "expired"


def nothing_expires_before_the_grace_is_over(bank: Sandbox, payer: Any) -> None:
    """A "not found" asked for between expiry and grace is no last word."""
    payment = open_payment(user=payer, money=ONE, key="k", at=clock.now())
    bank.advance(610)
    checking.check_payment(payment=payment, at=clock.now(), pool=Pool.STAFF)

    payment.refresh_from_db()
    assert payment.status == "pending", f"{payment.status} before the grace was over"
    bank.advance(115)
    checking.check_payment(payment=payment, at=clock.now(), pool=Pool.STAFF)
    payment.refresh_from_db()
    assert payment.status == "expired"


def credited(bank: Sandbox, opened: Payment) -> Account:
    """Return the wallet of a payer whose payment is completed."""
    process_transfer(transfer_id=found_for(bank, opened.attempts.get()).pk, at=clock.now())
    return Account.objects.get(kind="user")


def an_unbalanced_entry_is_refused(bank: Sandbox, opened: Payment) -> None:
    credited(bank, opened)
    ours = Account.objects.get(kind="bakong")
    theirs = Account.objects.create(kind="suspense", environment="sandbox", currency="USD")
    statements = [new_entry(), new_line(ours, "D", 5), new_line(theirs, "C", 6, number=2), seal()]

    with pytest.raises(DatabaseError):
        post_raw(statements)


@transaction.atomic
def post_raw(statements: list[str]) -> None:
    """Run statements as one transaction, past all Python."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def a_balance_cannot_be_edited(bank: Sandbox, opened: Payment) -> None:
    wallet = credited(bank, opened)

    with pytest.raises(DatabaseError), transaction.atomic():
        Account.objects.filter(pk=wallet.pk).update(balance_minor=9999)

    wallet.refresh_from_db()
    assert wallet.balance_minor == 100


def one_attempt_is_leased_once(bank: Sandbox, opened: Payment) -> None:
    ids, gateway = [opened.attempts.get().pk], gateways.current()

    first = leasing.claim(at=clock.now(), limit=1, gateway=gateway, ids=ids)
    second = leasing.claim(at=clock.now(), limit=1, gateway=gateway, ids=ids)

    assert [one.pk for one in first] == ids
    assert second == [], "an attempt was leased twice"


def the_day_is_never_overspent(bank: Sandbox, opened: Payment, settings: Any) -> None:
    settings.KHQR_DAILY_CALLS = "20"
    attempt, gateway = opened.attempts.get(), gateways.current()

    def ask(_: int) -> str:
        with budgeting.asking(Asking(Pool.STAFF, (attempt,))):
            return str(gateway.check([attempt.handle])[attempt.handle].name)

    told = [outcome_of(lambda: ask(number)) for number in range(30)]  # noqa: B023

    broken = [one for one in told if isinstance(one, Exception)]
    assert not broken, f"a caller was told {broken[0]}"
    assert told.count("not_found") == 19  # and one is promised to the QR that is shown
    assert bank.used() == 19


def a_stored_answer_is_decided_by_the_next_worker(bank: Sandbox, opened: Payment) -> None:
    """The machine stopped between the answer and the credit."""
    transfer = found_for(bank, opened.attempts.get())
    calls = len(bank.calls())
    Attempt.objects.update(next_check_at=None)

    watching.step()

    transfer.refresh_from_db()
    assert transfer.fate == "credited", "an answer was stored and never decided"
    assert len(bank.calls()) == calls
    assert settle(transfer_id=transfer.pk, at=clock.now()).fate == "credited"


def play_money_is_no_answer_about_a_real_qr(bank: Sandbox, payer: Any, settings: Any) -> None:
    """The stand-in knows the QR of a real payment, and says that it was paid."""
    settings.KHQR_API_URL, url = "https://api-bakong.nbc.gov.kh", settings.KHQR_API_URL
    settings.KHQR_ENVIRONMENT = "production"
    real = open_payment(user=payer, money=ONE, key="k", at=clock.now()).attempts.get()
    settings.KHQR_API_URL, settings.KHQR_ENVIRONMENT = url, "sandbox"
    bank.pay(real.qr_string)
    found = gateways.current().client.check_md5(real.md5)  # type: ignore[attr-defined]

    with pytest.raises(OtherEnvironment):
        store_found(attempt=real, found=found, asked_at=clock.now(), at=clock.now())

    assert not Transfer.objects.exists()

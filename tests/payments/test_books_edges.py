"""What a credit leaves behind, to the last column; each line here was found missing by a living mutant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import connection, transaction
from tests.payments.money_back import Shop, pay_in, shop

from vinflow.bakong import Found
from vinflow.money import Currency, Money
from vinflow.payments import clawing_back, clock, gateways, leasing
from vinflow.payments.confirming import process_transfer, store_found
from vinflow.payments.crediting import book_to_suspense, credit_locked, credit_transfer, lock_for_transfer
from vinflow.payments.errors import AlreadyCompleted, IllegalTransition
from vinflow.payments.models import Attempt, Payment, Repayment, Transfer
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.sandbox import Sandbox
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, external_ref, user_ref
from vinflow.wallet.errors import AlreadyReversed, NotInTransaction, NotReversible
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.posting import as_entry, post, reverse, spend
from vinflow.wallet.queries import balances

__all__ = ["shop"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

ONE = Money(100, Currency.USD)


def stored(bank: Sandbox, attempt: Attempt) -> Transfer:
    """Pay a QR; return the transfer as it lies in the inbox."""
    bank.pay(attempt.qr_string, late=True)
    found = gateways.current().client.check_md5(attempt.md5)  # type: ignore[attr-defined]
    assert isinstance(found, Found)
    transfer = store_found(attempt=attempt, found=found, asked_at=clock.now(), at=clock.now())
    assert transfer is not None
    return transfer


def test_a_credit_writes_moment_lateness_and_words_and_ends_the_watch_of_its_qr(
    bank: Sandbox, opened: Payment, later: Callable[[float], datetime]
) -> None:
    attempt = opened.attempts.get()
    assert attempt.set_aside
    later(30)
    leasing.claim(at=clock.now(), limit=1, gateway=gateways.current(), ids=[attempt.pk])
    transfer = stored(bank, attempt)
    at = later(5)

    paid = credit_transfer(transfer_id=transfer.pk, late=True, at=at)

    opened.refresh_from_db()
    attempt.refresh_from_db()
    transfer.refresh_from_db()
    assert (paid.pk, opened.status, opened.completed_at, opened.completed_late) == (
        opened.pk, "completed", at, True,
    )  # fmt: skip
    assert (attempt.next_check_at, attempt.set_aside, attempt.leased_until) == (None, False, None)
    assert (transfer.fate, transfer.processed_at, transfer.booked_receiver) == (
        "credited", at, attempt.receiver,
    )  # fmt: skip
    entry = JournalEntry.objects.get()
    assert (entry.posted_at, entry.memo) == (at, f"topup {opened.transaction_id}")
    assert (entry.source, entry.purpose) == (f"transfer:{transfer.hash}", "credit")
    assert credit_transfer(transfer_id=transfer.pk, late=False, at=later(60)).completed_at == at


def test_a_second_transfer_is_told_which_payment_was_paid(
    bank: Sandbox, opened: Payment, later: Callable[[float], datetime]
) -> None:
    later(580)
    renew_qr(payment=opened, at=clock.now())
    first, second = (stored(bank, attempt) for attempt in opened.attempts.order_by("number"))
    process_transfer(transfer_id=first.pk, at=clock.now())

    with pytest.raises(AlreadyCompleted, match=f"{opened.transaction_id} was paid by another transfer"):
        credit_transfer(transfer_id=second.pk, late=False, at=clock.now())


def test_money_in_suspense_says_which_qr_brought_it(bank: Sandbox, opened: Payment) -> None:
    attempt = opened.attempts.get()
    transfer = stored(bank, attempt)

    with transaction.atomic():
        book_to_suspense(attempt, transfer, ONE, at=clock.now())

    entry = JournalEntry.objects.get()
    assert (entry.purpose, entry.memo) == ("suspense", f"held for review, {attempt.md5}")


def test_a_transfer_that_is_not_there_is_named(opened: Payment) -> None:
    with pytest.raises(Transfer.DoesNotExist, match="no transfer 404"):
        credit_transfer(transfer_id=404, late=False, at=clock.now())


def test_a_transfer_decided_about_meanwhile_is_not_credited_and_is_named(
    bank: Sandbox, opened: Payment
) -> None:
    transfer = stored(bank, opened.attempts.get())
    with transaction.atomic():
        payment, attempt, as_it_was = lock_for_transfer(transfer.pk)
    Transfer.objects.filter(pk=transfer.pk).update(fate="in_review", processed_at=clock.now())

    said = f"^the transfer {transfer.hash[:8]} is no longer in the inbox$"
    with pytest.raises(IllegalTransition, match=said), transaction.atomic():
        credit_locked(payment, attempt, as_it_was, late=False, at=clock.now())

    assert not JournalEntry.objects.exists()


def test_a_hosts_handler_is_told_all_and_its_money_stands_outside_and_in_no_wallet(
    bank: Sandbox, opened: Payment, payer: Any, settings: Any, later: Callable[[float], datetime]
) -> None:
    told: list[tuple[dict[str, Any], bool]] = []
    settings.VINFLOW_FUNDS_HANDLER = lambda **what: told.append((what, connection.in_atomic_block))
    transfer = stored(bank, opened.attempts.get())
    at = later(5)

    credit_transfer(transfer_id=transfer.pk, late=False, at=at)

    assert told == [({"payment": opened, "transfer": transfer, "money": ONE, "at": at}, True)]
    given = JournalEntry.objects.get().lines.get(side="C").account
    assert (given.kind, given.key, given.environment) == ("external", opened.purpose, opened.environment)
    assert balances(payer, "sandbox")[0].minor == 0


def test_money_of_a_payment_that_is_nobodys_goes_out_to_its_purpose(bank: Sandbox, dollar: Money) -> None:
    sold = open_payment(user=None, money=dollar, key="link", at=clock.now(), purpose="order")
    transfer = stored(bank, sold.attempts.get())

    credit_transfer(transfer_id=transfer.pk, late=False, at=clock.now())

    given = JournalEntry.objects.get().lines.get(side="C").account
    assert (given.kind, given.key) == ("external", "order")


def test_what_a_payer_owes_is_taken_out_of_the_credit_itself(shop: Shop) -> None:
    take(shop.payer, "o:1")
    taken = clawing_back.claw_back(
        payment=shop.payment, money=shop.cents(1000), bank_reference="REV-1", by=shop.dara,
        why="the bank reversed it", at=clock.now(),
    )  # fmt: skip
    clawing_back.approve(clawback=taken, by=shop.sophea, at=clock.now())

    pay_in(shop.bank, shop.payer, ONE, key="one")

    repaid = Repayment.objects.get()
    assert (repaid.how, repaid.amount_minor, repaid.decided_at) == ("wallet", 50, clock.now())
    assert shop.has == 50


@pytest.fixture
def topped(payer: Any) -> JournalEntry:
    """A wallet with a dollar in it, by an entry with a memo."""
    lines = (debit(bakong_ref("shop@devb", "sandbox"), ONE), credit(user_ref(payer.pk, "sandbox"), ONE))
    with transaction.atomic():
        return post(Entry("t:1", "credited", lines, "for a book"), at=clock.now())


def take(payer: Any, source: str, **more: Any) -> JournalEntry:
    """Spend half a dollar."""
    with transaction.atomic():
        return spend(
            wallet=user_ref(payer.pk, "sandbox"), to=external_ref("sandbox"), money=Money(50, Currency.USD),
            source=source, purpose="paid", at=clock.now(), **more,
        )  # fmt: skip


def test_words_are_kept_where_they_are_given_and_empty_where_not(payer: Any, topped: JournalEntry) -> None:
    assert take(payer, "o:1").memo == ""
    assert take(payer, "o:2", memo="a pen").memo == "a pen"
    read = as_entry(topped)
    assert (read.memo, str(read.environment), read.purpose) == ("for a book", "sandbox", "credited")


def test_a_reversal_says_what_it_was_for_and_is_refused_in_words(payer: Any, topped: JournalEntry) -> None:
    with pytest.raises(NotInTransaction):
        reverse(topped, at=clock.now())
    with transaction.atomic():
        undone = reverse(topped, at=clock.now(), memo="a mistake")

    assert (undone.memo, undone.purpose, undone.reverses_id) == ("a mistake", "credited:reversed", topped.pk)
    with pytest.raises(AlreadyReversed, match=f"was reversed by entry {undone.pk}"), transaction.atomic():
        reverse(topped, at=clock.now(), memo="a mistake")
    with pytest.raises(NotReversible, match="is a reversal itself"), transaction.atomic():
        reverse(undone, at=clock.now())


def test_a_reversal_without_words_has_none(topped: JournalEntry) -> None:
    with transaction.atomic():
        assert reverse(topped, at=clock.now()).memo == ""

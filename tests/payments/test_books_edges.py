"""What a credit leaves behind, to the last column; each line here was found missing by a living mutant."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import transaction

from vinflow.bakong import Found
from vinflow.money import Currency, Money
from vinflow.payments import clock, gateways, leasing
from vinflow.payments.confirming import process_transfer, store_found
from vinflow.payments.crediting import book_to_suspense, credit_transfer
from vinflow.payments.errors import AlreadyCompleted
from vinflow.payments.models import Attempt, Payment, Transfer
from vinflow.payments.opening import renew_qr
from vinflow.sandbox import Sandbox
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, external_ref, user_ref
from vinflow.wallet.errors import AlreadyReversed, NotInTransaction, NotReversible
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.posting import as_entry, post, reverse, spend

pytestmark = pytest.mark.django_db(transaction=True)

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

"""The database refuses by itself what Python must never do, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

from vinflow.payments import checking, clock
from vinflow.payments.guards import drop_guards, install_guards, missing_guards
from vinflow.payments.models import Attempt, Payment, ReviewItem, SettingsChange, Transfer
from vinflow.sandbox import Sandbox

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


@pytest.fixture
def credited(bank: Sandbox, opened: Payment, later: Callable[[float], datetime]) -> Payment:
    """A completed payment with its transfer."""
    bank.pay(opened.attempts.get().qr_string)
    later(15)
    checking.check_payment(payment=opened, at=clock.now())
    opened.refresh_from_db()
    assert opened.status == "completed"
    return opened


def refused(sql: str, *values: Any) -> str:
    """Run a statement that must be refused, and return the sentence."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql, values)
    return str(caught.value)


UPDATES = [
    ("payments_payment", "status = 'pending', completed_at = NULL", "stays completed"),
    ("payments_payment", "amount_minor = amount_minor + 1", "never change"),
    ("payments_payment", "currency = 'KHR'", "never change"),
    ("payments_payment", "environment = 'production'", "never change"),
    ("payments_payment", "user_id = NULL", "never change"),
    ("payments_payment", "transaction_id = 'TXN1'", "never change"),
    ("payments_attempt", "qr_string = 'x'", "never change"),
    ("payments_attempt", "md5 = 'x'", "never change"),
    ("payments_attempt", "receiver = 'thief@devb'", "never change"),
    ("payments_attempt", "watch_until = created_at", "cut short"),
    ("payments_transfer", "hash = 'x'", "never change"),
    ("payments_transfer", "amount_minor = 1000000", "never change"),
    ("payments_transfer", "to_account = 'x'", "never change"),
    ("payments_transfer", "fate = 'in_review'", "stays decided"),
    ("payments_transfer", "processed_at = NULL, fate = ''", ""),
]


@pytest.mark.parametrize(("table", "change", "sentence"), UPDATES)
def test_rows_that_tell_of_money_cannot_be_rewritten(
    credited: Payment, table: str, change: str, sentence: str
) -> None:
    assert sentence in refused(f"UPDATE {table} SET {change}")


@pytest.mark.parametrize("table", ["payments_payment", "payments_attempt", "payments_transfer"])
def test_rows_that_tell_of_money_cannot_be_deleted(credited: Payment, table: str) -> None:
    assert "never deleted" in refused(f"DELETE FROM {table}")


def test_a_payment_is_not_completed_without_a_credited_transfer(opened: Payment) -> None:
    said = refused(
        "UPDATE payments_payment SET status = 'completed', completed_at = %s WHERE id = %s",
        connection.ops.adapt_datetimefield_value(clock.now()),
        opened.pk,
    )

    assert "by a credited transfer only" in said


def test_a_withdrawn_payment_is_not_reopened_by_hand(opened: Payment) -> None:
    Payment.objects.filter(pk=opened.pk).update(status="canceled")

    assert "only be completed by money" in refused("UPDATE payments_payment SET status = 'pending'")


def test_one_hash_is_one_row_and_cannot_be_replaced(credited: Payment) -> None:
    verb = "INSERT OR REPLACE" if connection.vendor == "sqlite" else "INSERT"
    columns = [field.column for field in Transfer._meta.concrete_fields if field.column != "id"]
    names = ", ".join(columns)

    refused(f"{verb} INTO payments_transfer ({names}) SELECT {names} FROM payments_transfer")

    assert Transfer.objects.count() == 1


def test_a_second_credit_for_one_payment_is_refused_by_the_index(credited: Payment) -> None:
    old = Transfer.objects.get()
    copy = Transfer.objects.get()
    copy.pk, copy.hash, copy._state.adding = None, "f" * 64, True

    with pytest.raises(DatabaseError), transaction.atomic():
        copy.save(force_insert=True)

    assert Transfer.objects.get().pk == old.pk


def test_a_decided_item_stays_decided(opened: Payment, payer: Any) -> None:
    ReviewItem.objects.create(
        subject="x", payment=opened, opened_at=clock.now(), decision="dismissed", decided_by=payer,
        decided_at=clock.now(), why="not ours",
    )  # fmt: skip

    assert "as it was made" in refused("UPDATE payments_reviewitem SET why = 'other'")
    assert "never deleted" in refused("DELETE FROM payments_reviewitem")


def test_the_trail_of_settings_is_fixed(payer: Any, bank: Sandbox) -> None:
    SettingsChange.objects.create(field="x", old="1", new="2", changed_by=payer, changed_at=clock.now())

    assert "never changes" in refused("UPDATE payments_settingschange SET new = '3'")
    assert "never deleted" in refused("DELETE FROM payments_settingschange")


@pytest.mark.parametrize(
    "change", ["amount_minor = 0", "amount_minor = -5", "status = 'paid'", "currency = 'EUR'"]
)
def test_a_payment_of_nonsense_cannot_be_stored(opened: Payment, change: str) -> None:
    drop_guards(connection)
    try:
        refused(f"UPDATE payments_payment SET {change}")
    finally:
        install_guards(connection)


def test_truncate_is_refused_on_postgresql(opened: Payment) -> None:
    if connection.vendor == "postgresql":
        assert "never deleted" in refused("TRUNCATE payments_payment CASCADE")
    assert Payment.objects.count() == 1


def test_a_missing_trigger_is_named(bank: Sandbox, db: None) -> None:
    assert missing_guards(connection) == []
    on = "" if connection.vendor == "sqlite" else " ON payments_payment"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER payments_payment_final{on}")
    try:
        assert missing_guards(connection) == ["payments_payment_final"]
    finally:
        install_guards(connection)


def test_without_the_guard_the_rewriting_would_succeed(credited: Payment) -> None:
    """The control: it is the trigger that refuses, not something else."""
    drop_guards(connection)
    try:
        assert Attempt.objects.update(receiver="thief@devb") == 1
    finally:
        install_guards(connection)

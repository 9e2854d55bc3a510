"""Attacks in plain SQL on payments and what decides about money, past all Python: the database refuses each.

docs/books.md lists exactly these; the ledger's own are tests/wallet/test_wallet_attacks.py.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from tests.payments.money_back import Shop, shop

from vinflow.payments import (
    checking,
    clawing_back,
    clock,
    depositing,
    evidence_files,
    law,
    refunding,
    settings_store,
)
from vinflow.payments.models import ClosingBalance, ReviewItem
from vinflow.payments.opening import open_payment

__all__ = ["shop"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

TABLES = (
    *("payment", "attempt", "transfer", "reviewitem", "refund", "sending", "clawback", "repayment"),
    *("manualdeposit", "settingschange", "closingbalance"),
)


@dataclass(frozen=True)
class World:
    """What an attacker would read first: where everything is."""

    paid: int
    pending: int
    transfer: int
    item: int
    refund: int
    sent: int
    clawback: int
    deposit: int
    user: int
    other: int
    third: int


@pytest.fixture
def world(shop: Shop, settings: Any, tmp_path: Path) -> World:
    """A paid payment with a refund that was sent and a claw-back that waits, an odd one, a deposit."""
    settings.VINFLOW_EVIDENCE_FOLDER = str(tmp_path)
    settings_store.save({"manual_enabled": True}, by=shop.dara, at=clock.now())
    odd = open_payment(user=shop.payer, money=shop.cents(500), key="odd", at=clock.now())
    shop.bank.pay(odd.attempts.get().qr_string, amount="7.00")
    shop.bank.advance(15)
    checking.check_payment(payment=odd, at=clock.now())
    deposit = depositing.open_deposit(
        payer=shop.payer, money=shop.cents(100), kind="cash", reference="17", note="at the counter",
        evidence=evidence_files.read(b"%PDF-in"), by=shop.vanna, key="d", at=clock.now(),
    )  # fmt: skip
    asked = shop.ask(600, key="large")
    refund = shop.ask(100, key="small")
    refund = refunding.record_sent(refund=refund, named=shop.send(100), by=shop.dara, at=clock.now())
    clawback = clawing_back.claw_back(
        payment=shop.payment, money=shop.cents(100), bank_reference="REV-1", why="reversed", by=shop.dara,
        at=clock.now(),
    )  # fmt: skip
    ClosingBalance.objects.create(
        environment="sandbox", receiver=shop.bank.account, currency="USD", business_date=clock.now().date(),
        balance_minor=1, other_minor=0, entered_at=clock.now(),
    )  # fmt: skip
    transfer = shop.payment.transfers.get()
    assert (asked.state, refund.state, law.check("sandbox")) == ("asked", "sent", [])
    return World(
        paid=shop.payment.pk, pending=odd.pk, transfer=transfer.pk, item=ReviewItem.objects.get().pk,
        refund=asked.pk, sent=refund.pk, clawback=clawback.pk, deposit=deposit.pk, user=shop.payer.pk,
        other=shop.dara.pk, third=shop.sophea.pk,
    )  # fmt: skip


def copied(table: str, pk: int, **changes: str) -> str:
    """Return SQL that inserts a row like this one, some columns of which are an expression of their own."""
    table = f"payments_{table}"
    with connection.cursor() as cursor:
        columns = [one.name for one in connection.introspection.get_table_description(cursor, table)]
    kept = [name for name in columns if name != "id"]
    values = ", ".join(changes.get(name, name) for name in kept)
    return f"INSERT INTO {table} ({', '.join(kept)}) SELECT {values} FROM {table} WHERE id = {pk}"


def change(table: str, to: str, pk: int = 0) -> str:
    """Return SQL that changes one row, or without a key every row there is."""
    return f"UPDATE payments_{table} SET {to}" + (f" WHERE id = {pk}" if pk else "")


def decided(word: str) -> str:
    """Return what a decision at the review desk sets, beside the word."""
    return f"decision = '{word}', decided_at = {now()}, why = 'so'"


def now() -> str:
    return f"'{connection.ops.adapt_datetimefield_value(clock.now())}'"


FOREIGN = "f" * 64
Attack = Callable[[World], str]
BOTH, SQLITE, POSTGRESQL = "both", "SQLite", "PostgreSQL"
ATTACKS: dict[str, tuple[str, Attack]] = {
    "complete a payment without money": (
        BOTH,
        lambda w: change("payment", f"status = 'completed', completed_at = {now()}", w.pending),
    ),
    "take a completed payment back": (
        BOTH,
        lambda w: change("payment", "status = 'pending', completed_at = NULL", w.paid),
    ),
    "raise what a payment asks for": (BOTH, lambda w: change("payment", "amount_minor = 100000", w.pending)),
    "turn a payment's dollars into riel": (BOTH, lambda w: change("payment", "currency = 'KHR'", w.paid)),
    "give a payment to another user": (BOTH, lambda w: change("payment", f"user_id = {w.other}", w.paid)),
    "turn a payment of play money into real money": (
        BOTH,
        lambda w: change("payment", "environment = 'production'", w.paid),
    ),
    "turn a KHQR payment into a deposit": (
        BOTH,
        lambda w: change("payment", "method = 'manual'", w.pending),
    ),
    "delete a payment": (BOTH, lambda w: f"DELETE FROM payments_payment WHERE id = {w.pending}"),
    "point a QR at another receiver": (BOTH, lambda w: change("attempt", "receiver = 'thief@devb'")),
    "stop asking about a QR early": (BOTH, lambda w: change("attempt", "watch_until = expires_at")),
    "store a transfer's hash twice": (BOTH, lambda w: copied("transfer", w.transfer, fate="'in_review'")),
    "replace a transfer under its hash": (
        SQLITE,
        lambda w: copied("transfer", w.transfer, amount_minor="100000").replace(
            "INSERT", "INSERT OR REPLACE"
        ),
    ),
    "credit one payment by two transfers": (
        BOTH,
        lambda w: copied("transfer", w.transfer, hash=f"'{FOREIGN}'"),
    ),
    "raise what a transfer brought": (
        BOTH,
        lambda w: change("transfer", "amount_minor = 100000", w.transfer),
    ),
    "decide about a credited transfer anew": (
        BOTH,
        lambda w: change("transfer", "fate = 'in_review'", w.transfer),
    ),
    "delete a transfer": (BOTH, lambda w: f"DELETE FROM payments_transfer WHERE id = {w.transfer}"),
    "return money that nobody sent": (
        BOTH,
        lambda w: change(
            "reviewitem",
            f"{decided('returned')}, decided_by_id = {w.other}",
            w.item,
        ),
    ),
    "say that the bank took money, alone": (
        BOTH,
        lambda w: change(
            "reviewitem",
            f"{decided('taken_back')}, bank_reference = 'R',"
            f" proposed_by_id = {w.other}, decided_by_id = {w.other}",
            w.item,
        ),
    ),
    "close a claim whose transfer has not come": (
        BOTH,
        lambda w: change("reviewitem", decided("overtaken"), w.item),
    ),
    "refund more than came in": (
        BOTH,
        lambda w: copied("refund", w.refund, reference="'RFDX'", idempotency_key="'x'", amount_minor="201"),
    ),
    "raise a refund": (BOTH, lambda w: change("refund", "amount_minor = 900", w.refund)),
    "send a refund elsewhere": (BOTH, lambda w: change("refund", "to_account = 'thief@devb'", w.refund)),
    "approve a refund without a second person": (
        BOTH,
        lambda w: change("refund", "state = 'approved'", w.refund),
    ),
    "approve a refund that one asked for oneself": (
        BOTH,
        lambda w: change(
            "refund", f"state = 'approved', decided_by_id = asked_by_id, decided_at = {now()}", w.refund
        ),
    ),
    "finish a refund that nobody saw": (
        BOTH,
        lambda w: change("refund", f"state = 'done', ended_at = {now()}", w.sent),
    ),
    "say that a sent transfer was seen": (BOTH, lambda w: change("sending", f"seen_at = {now()}")),
    "name money that came in as sent": (
        BOTH,
        lambda w: copied(
            "sending", 0, hash=f"(SELECT hash FROM payments_transfer WHERE id = {w.transfer})"
        ).replace("id = 0", f"refund_id = {w.sent}"),
    ),
    "book a claw-back that the books do not have": (
        BOTH,
        lambda w: change(
            "clawback",
            f"decision = 'booked', decided_by_id = {w.third}, decided_at = {now()},"
            " taken_minor = amount_minor",
            w.clawback,
        ),
    ),
    "claw back more than came in": (
        BOTH,
        lambda w: copied(
            "clawback", w.clawback, reference="'CLBX'", bank_reference="'R2'", amount_minor="901"
        ),
    ),
    "raise a deposit": (BOTH, lambda w: change("manualdeposit", "amount_minor = 100000", w.deposit)),
    "credit one receipt twice": (
        BOTH,
        lambda w: copied(
            "manualdeposit",
            w.deposit,
            key="'k2'",
            payment_id="NULL",
            decision="''",
            decided_by_id="NULL",
            decided_at="NULL",
        ),
    ),
    "bring in a deposit for oneself": (
        BOTH,
        lambda w: copied(
            "manualdeposit",
            w.deposit,
            key="'k2'",
            evidence_sha256="'x'",
            opened_by_id="payer_id",
            payment_id="NULL",
            decision="''",
            decided_by_id="NULL",
            decided_at="NULL",
        ),
    ),
    "rewrite who changed a setting": (BOTH, lambda w: change("settingschange", f"changed_by_id = {w.user}")),
    "correct a closing balance": (BOTH, lambda w: change("closingbalance", "balance_minor = 2")),
    "truncate the payments": (POSTGRESQL, lambda w: "TRUNCATE payments_payment CASCADE"),
}


def refused(sql: str) -> bool:
    """Run an attack; return whether the database refused it. One that meets no row is not refused."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(sql)
    except DatabaseError:
        return True
    return False


def rows() -> str:
    """Return a digest of every row that an attack could have changed."""
    seen = hashlib.sha256()
    with connection.cursor() as cursor:
        for table in TABLES:
            cursor.execute(f"SELECT * FROM payments_{table} ORDER BY id")
            seen.update(repr(cursor.fetchall()).encode())
    return seen.hexdigest()


def test_the_database_refuses_every_attack_on_payments(world: World, subtests: Any) -> None:
    before, tried = rows(), 0
    for name, (vendor, attack) in ATTACKS.items():
        if vendor not in (
            BOTH,
            connection.vendor.replace("sqlite", SQLITE).replace("postgresql", POSTGRESQL),
        ):
            continue
        tried += 1
        with subtests.test(name):
            assert refused(attack(world)), f"{name} was not refused"
            assert rows() == before
    assert tried > 30
    assert law.check("sandbox") == []


def test_the_table_of_payments_in_the_documentation_lists_exactly_these() -> None:
    page = (Path(__file__).parents[2] / "docs" / "books.md").read_text(encoding="utf-8")
    part = page.split("### On payments")[1].split("\n## ")[0]
    listed = re.findall(r"^\| (.+?) \| (both|SQLite|PostgreSQL) \| refused \|$", part, re.MULTILINE)

    assert listed == [(name, vendor) for name, (vendor, _attack) in ATTACKS.items()]

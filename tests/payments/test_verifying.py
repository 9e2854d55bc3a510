"""verify: what the evidence says is what the books have, or each difference is named."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from vinflow.bakong import Failed
from vinflow.money import Currency, Money
from vinflow.payments import answering, clock, gateways, law, watching
from vinflow.payments.canceling import cancel_payment
from vinflow.payments.guards import drop_guards, install_guards
from vinflow.payments.models import Payment, ReviewItem, Transfer
from vinflow.payments.opening import open_payment
from vinflow.payments.reviewing import approve, propose
from vinflow.payments.statements.importing import import_statement
from vinflow.payments.verifying import verify
from vinflow.sandbox import Sandbox
from vinflow.wallet.entries import Entry, credit, debit, external_ref, suspense_ref, user_ref
from vinflow.wallet.posting import post
from vinflow.wallet.testing import suspended_guards

from .test_statement_import import MAP, file_of, of_bank

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

USD = Currency.USD
Act = Callable[[], Any]


@pytest.fixture
def whole(
    bank: Sandbox, payer: Any, later: Callable[[float], datetime], django_user_model: Any
) -> dict[str, Payment]:
    """One payment of every fate, made by the real steps; what the host spent stands beside them."""
    one, two = (django_user_model.objects.create_user(name, is_staff=True) for name in ("one", "two"))
    made = {
        name: open_payment(user=payer, money=Money(1000, USD), key=name, at=clock.now())
        for name in ("credited", "extra", "written_off", "in_review")
    }
    for name, payment in made.items():
        bank.pay(payment.attempts.get().qr_string, amount=None if name == "credited" else "11.00")
    later(90)
    for _ in range(4):
        watching.step()
        later(30)
    for name, decision in (("extra", "credited"), ("written_off", "dismissed")):
        item = ReviewItem.objects.get(payment=made[name])
        if not propose(item=item, decision=decision, by=one, why="a test", at=clock.now()).decision:
            approve(item=item, by=two, at=clock.now())
    for name in ("expired", "canceled"):
        made[name] = open_payment(user=payer, money=Money(500, USD), key=name, at=clock.now())
    cancel_payment(payment=made["canceled"], at=clock.now())
    bank.pay(made["credited"].attempts.get().qr_string, again=True)
    import_statement(
        file_of(*of_bank(bank)), MAP, receiver=bank.account, filename="a", by=one, at=clock.now()
    )
    later(1000)
    for _ in range(3):
        watching.step()
        later(60)
    money = Money(300, USD)
    with transaction.atomic():
        lines = (debit(user_ref(payer.pk, "sandbox"), money), credit(external_ref("sandbox", "shop"), money))
        post(Entry("order:1", "spent", lines), at=clock.now())
    for payment in made.values():
        payment.refresh_from_db()
    assert {name: str(payment.status) for name, payment in made.items()} == {
        "credited": "completed",
        "extra": "canceled",
        "written_off": "canceled",
        "in_review": "pending",
        "expired": "expired",
        "canceled": "canceled",
    }
    assert law.check("sandbox") == []
    return made


def test_books_that_follow_from_the_evidence_are_clean(whole: dict[str, Payment]) -> None:
    seen: list[tuple[int, int]] = []

    report = verify(tick=lambda done, total: seen.append((done, total)))

    assert report.problems == []
    assert (report.payments, report.transfers, report.statement_lines) == (6, 4, 5)
    assert (report.entries, report.wallets) == (7, 1)
    assert seen[-1] == (15, 15)


def test_the_questions_do_not_grow_with_the_rows(whole: dict[str, Payment]) -> None:
    """No column that is looked at was left out of the first reading: it would be fetched row by row."""
    with CaptureQueriesContext(connection) as asked:
        assert verify().problems == []

    by_key = [
        one["sql"] for one in asked.captured_queries if '"id" = ' in one["sql"] and "LIMIT 21" in one["sql"]
    ]
    assert by_key == []
    tables = Counter(one["sql"].partition(" FROM ")[2].partition(" ")[0] for one in asked.captured_queries)
    assert tables['"payments_attempt"'] == 1
    assert tables['"payments_transfer"'] <= 3  # counted, read, and looked for behind the entries


def by_sql(sql: str, *values: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, list(values))


def tamper(name: str, whole: dict[str, Payment]) -> None:
    credited = Transfer.objects.get(payment=whole["credited"], fate="credited")
    entry = "SELECT id FROM wallet_journalentry WHERE source = %s AND purpose = %s"
    source = f"transfer:{credited.hash}"
    match name:
        case "balance":
            by_sql("UPDATE wallet_account SET balance_minor = balance_minor + 1 WHERE kind = 'user'")
        case "state":
            by_sql(
                "UPDATE payments_payment SET status = 'pending', completed_at = NULL WHERE id = %s",
                whole["credited"].pk,
            )
        case "expired without a word":
            by_sql(
                "UPDATE payments_attempt SET last_negative_at = NULL WHERE payment_id = %s",
                whole["expired"].pk,
            )
        case "amount":
            by_sql(
                f"UPDATE wallet_journalline SET amount_minor = amount_minor + 1 WHERE entry_id IN ({entry})",
                source,
                "credit",
            )
        case "entry gone":
            by_sql(f"DELETE FROM wallet_journalline WHERE entry_id IN ({entry})", source, "credit")
            by_sql("DELETE FROM wallet_journalentry WHERE source = %s AND purpose = %s", source, "credit")
        case "evidence":
            by_sql("UPDATE payments_transfer SET amount_minor = 999 WHERE id = %s", credited.pk)
        case "fate":
            item = ReviewItem.objects.get(payment=whole["in_review"])
            by_sql("UPDATE payments_transfer SET fate = 'written_off' WHERE id = %s", item.transfer_id)
        case "decision":
            item = ReviewItem.objects.get(payment=whole["written_off"])
            by_sql("UPDATE payments_reviewitem SET decision = 'returned' WHERE id = %s", item.pk)
        case "line":
            by_sql("UPDATE payments_statementline SET fate = 'written_off' WHERE fate = 'suspense'")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("balance", "rebuilt it is"),
        ("state", "with 1 transfers credited"),
        ("expired without a word", "Bakong did not say so"),
        ("amount", "the evidence says 1000 USD"),
        ("entry gone", "no entry credit of 1000 USD"),
        ("evidence", "not what was answered"),
        ("fate", "people decided: nothing yet"),
        ("decision", "people decided: returned"),
        ("line", "no entry unclaimed"),
    ],
)
def test_each_tampering_is_named(whole: dict[str, Payment], name: str, said: str) -> None:
    drop_guards(connection)
    try:
        with suspended_guards(connection), transaction.atomic():
            tamper(name, whole)
    finally:
        install_guards(connection)

    report = verify()

    assert [problem for problem in report.problems if said in problem], report.problems
    out = io.StringIO()
    with pytest.raises(CommandError, match="differences"):
        call_command("verify", "--json", stdout=out)
    assert json.loads(out.getvalue())["problem_count"] == report.problem_count


def test_an_entry_under_the_name_of_a_transfer_nobody_reported_is_named(whole: dict[str, Payment]) -> None:
    money = Money(1, USD)
    with transaction.atomic():
        lines = (debit(suspense_ref("sandbox"), money), credit(external_ref("sandbox", "x"), money))
        post(Entry("transfer:" + "ab" * 32, "suspense", lines), at=clock.now())

    problems = verify().problems

    assert [problem for problem in problems if "without any transfer" in problem]
    assert [problem for problem in problems if "account suspense USD" in problem]


def test_a_failed_word_after_the_end_moves_nothing(whole: dict[str, Payment]) -> None:
    """What the bank says of an ended payment's QR later is kept as its last answer, not as why it ended."""
    attempt = whole["expired"].attempts.get()
    failed = Failed(answered_at=clock.now())

    answering.take_answer(attempt, failed, started_at=clock.now(), gateway=gateways.current())

    attempt.refresh_from_db()
    whole["expired"].refresh_from_db()
    assert (attempt.last_outcome, attempt.last_real_word) == ("failed", "not_found")
    assert whole["expired"].status == "expired"
    assert verify().is_clean

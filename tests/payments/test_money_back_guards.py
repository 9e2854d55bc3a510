"""Python bypassed: the database refuses to give back too much, to skip a state or to forget a person."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from tests.payments.money_back import Shop, shop

from vinflow.payments import clawing_back, clock, conf, law, refunding
from vinflow.payments.guards import drop_guards, install_guards
from vinflow.payments.models import Refund, Repayment, Sending
from vinflow.payments.refund_states import TRANSITIONS, RefundEvent, RefundState, after, mermaid

__all__ = ["shop"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def refused(act: Any) -> str:
    """Run what must be refused by the database, and return its sentence."""
    with pytest.raises(DatabaseError) as caught, transaction.atomic():
        act()
    return str(caught.value)


def copy_of(refund: Refund, **changes: Any) -> Any:
    """Return an act that inserts a second refund like this one, past every use case."""
    values = {
        field.attname: getattr(refund, field.attname)
        for field in Refund._meta.local_fields
        if not field.primary_key
    }
    values |= {"reference": "RFDCOPY", "idempotency_key": "copy"} | changes
    return lambda: Refund.objects.create(**values)


def test_no_more_goes_back_than_came_in(shop: Shop) -> None:
    refund = shop.ask(600)

    assert "no more goes back" in refused(copy_of(refund, amount_minor=401))
    assert "no more goes back" in refused(copy_of(refund, currency="KHR", amount_minor=1))
    assert "no more goes back" in refused(copy_of(refund, environment="production", amount_minor=1))
    copy_of(refund, amount_minor=400)()  # what fits is not the database's question
    assert [breach.rule for breach in law.check(conf.environment())] == ["held"]  # but it holds no money


def test_a_bent_row_breaks_the_law(shop: Shop) -> None:
    refund = shop.done(shop.ask(600))
    drop_guards(connection)
    Refund.objects.filter(pk=refund.pk).update(amount_minor=1200)
    install_guards(connection)

    assert {breach.rule for breach in law.check(conf.environment())} == {"refunds", "law", "over_rest"}


CHANGES = [
    ({"amount_minor": 1}, "never changes"),
    ({"to_account": "thief@devb"}, "never changes"),
    ({"beneficiary": None}, "never changes"),
    ({"state": "done"}, "books have it|table of states"),
    ({"state": "sent"}, "transfer that is named|table of states"),
    ({"why": "because"}, "never changes"),
]


@pytest.mark.parametrize(("change", "sentence"), CHANGES)
def test_a_refund_keeps_what_it_says_and_moves_by_its_table(shop: Shop, change: Any, sentence: str) -> None:
    refund = shop.ask(600)

    # Where two triggers object, each database lets another one speak first.
    assert re.search(sentence, refused(lambda: Refund.objects.filter(pk=refund.pk).update(**change)))


def test_what_has_ended_stays_ended_and_nothing_is_skipped(shop: Shop) -> None:
    waiting, ended = shop.ask(600), shop.ask(100, key="b")
    refunding.give_up(refund=ended, by=shop.dara, why="a mistake", at=clock.now())

    for refund, state in ((ended, "approved"), (waiting, "done")):
        rows = Refund.objects.filter(pk=refund.pk)
        people = {"decided_by": shop.sophea, "ended_by": None, "ended_at": None}
        said = refused(lambda: rows.update(state=state, **people))  # noqa: B023
        assert "table of states" in said or "books have it" in said


def test_nothing_begins_half_way_or_names_a_stranger(shop: Shop) -> None:
    refund = shop.ask(600)

    assert "begins as asked" in refused(copy_of(refund, amount_minor=1, state="sent", alone=True))
    assert "payer of its payment" in refused(copy_of(refund, amount_minor=1, beneficiary_id=shop.dara.pk))
    for column in ("asked_by_id", "decided_by_id"):
        own = {column: shop.payer.pk, "state": "approved", "amount_minor": 1, "alone": column[0] == "a"}
        assert "three_people" in refused(copy_of(refund, **own)), column
    same = {"state": "approved", "amount_minor": 1, "decided_by_id": refund.asked_by_id}
    assert "three_people" in refused(copy_of(refund, **same))


def test_a_refund_is_done_on_evidence_only_and_its_rows_stay(shop: Shop) -> None:
    refund = refunding.record_sent(refund=shop.ask(300), named="a" * 64, by=shop.dara, at=clock.now())
    mine = Refund.objects.filter(pk=refund.pk)
    record = Sending.objects.filter(refund=refund)

    done = {"state": "done", "ended_at": clock.now()}
    assert "was seen and the books have it" in refused(lambda: mine.update(**done))
    assert "by the bank's word" in refused(lambda: record.update(seen_at=clock.now()))
    assert "recorded as sent never changes" in refused(lambda: record.update(hash="b" * 64))
    came = shop.payment.transfers.get().hash
    values = {"refund": None, "item": None, "hash": came}
    assert "money that came in" in refused(
        lambda: Sending.objects.create(
            amount_minor=1, currency="USD", recorded_by=shop.dara, recorded_at=clock.now(), **values
        )
    )
    for rows in (mine, record):
        with connection.cursor() as cursor:
            table = rows.model._meta.db_table
            assert "never deleted" in refused(lambda: cursor.execute(f"DELETE FROM {table}"))  # noqa: B023
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            replace = "INSERT OR REPLACE INTO payments_refund SELECT * FROM payments_refund"
            assert "exists" in refused(lambda: cursor.execute(replace))


def test_a_claw_back_counts_against_the_same_cap_and_its_debt_adds_up(shop: Shop) -> None:
    taken = clawing_back.claw_back(
        payment=shop.payment,
        money=shop.cents(700),
        bank_reference="REV",
        why="reversed",
        by=shop.dara,
        at=clock.now(),
    )
    refund = shop.ask(300)
    assert "no more goes back" in refused(copy_of(refund, amount_minor=1))

    rows = type(taken).objects.filter(pk=taken.pk)
    booked = {"decision": "booked", "decided_at": clock.now(), "taken_minor": 700}
    assert "books have it" in refused(lambda: rows.update(decided_by=shop.sophea, **booked))
    alone = {"decision": "rejected", "decided_at": clock.now(), "decided_by": shop.dara}
    assert "two_people" in refused(lambda: rows.update(**alone))
    taken = clawing_back.approve(clawback=taken, by=shop.sophea, at=clock.now())
    assert "no more is repaid" in refused(
        lambda: Repayment.objects.create(
            clawback=taken,
            number=1,
            how="paid",
            amount_minor=1,
            why="x",
            asked_by=shop.dara,
            asked_at=clock.now(),
        )
    )
    assert "stays as it was made" in refused(lambda: rows.update(taken_minor=600, owed_minor=100))


@pytest.mark.parametrize("state", list(RefundState))
def test_the_table_leads_nowhere_else(state: RefundState) -> None:
    from vinflow.payments.errors import IllegalTransition

    for event in RefundEvent:
        if event in TRANSITIONS[state]:
            assert after(state, event) in RefundState
            assert f"{state} --> {after(state, event)}" in mermaid()
        else:
            with pytest.raises(IllegalTransition):
                after(state, event)

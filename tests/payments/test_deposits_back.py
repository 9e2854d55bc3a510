"""A manual deposit goes back: held, by two people, with a paper; never more than came in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from tests.payments.money_back import Shop, shop

from vinflow.money import Currency, Money
from vinflow.payments import (
    clawing_back,
    clock,
    conf,
    depositing,
    evidence_files,
    law,
    refunding,
    settings_store,
)
from vinflow.payments.errors import ClawBackRefused, RefundRefused, SendingRefused
from vinflow.payments.evidence_files import Evidence
from vinflow.payments.guards import drop_guards, install_guards
from vinflow.payments.models import ManualDeposit, Payment, PaymentSettings, Refund, Sending
from vinflow.payments.verifying import verify
from vinflow.wallet.entries import external_ref, user_ref
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.posting import spend
from vinflow.wallet.queries import account_balance, available

__all__ = ["shop"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

CASH = external_ref("sandbox", "cash")


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path, db: None) -> Path:
    """Deposits are on; papers lie in a folder of this test."""
    settings.VINFLOW_EVIDENCE_FOLDER = str(tmp_path / "papers")
    return tmp_path / "papers"


def paper(name: str) -> Evidence:
    return evidence_files.read(b"%PDF-" + name.encode())


def brought(shop: Shop, minor: int = 400, *, kind: str = "cash", slip: str = "in") -> Payment:
    """A deposit of the payer's, brought in by Vanna and approved where that takes two; its payment."""
    settings_store.save({"manual_enabled": True}, by=None, at=clock.now())
    made = depositing.open_deposit(
        payer=shop.payer, money=shop.cents(minor), kind=kind, reference="No. 17", note="at the counter",
        evidence=paper(slip), by=shop.vanna, key=slip, at=clock.now(),
    )  # fmt: skip
    if not made.decision:
        made = depositing.credit_deposit(deposit=made, by=shop.sophea, at=clock.now())
    assert made.payment is not None
    return made.payment


def ask(shop: Shop, payment: Payment, minor: int = 400, **more: Any) -> Refund:
    return shop.ask(minor, payment=payment, **more)


def one_person_may(minor: int) -> None:
    """Let one person give back so many cents in a day, deposits included."""
    PaymentSettings.objects.update(usd_one_person_daily_max=minor)


def give(shop: Shop, refund: Refund, *, slip: str = "out", number: str = "OUT-17") -> Refund:
    return refunding.record_sent(
        refund=refund, evidence=paper(slip), reference=number, by=shop.dara, at=clock.now()
    )


def refusal(act: Any) -> str:
    with pytest.raises((RefundRefused, SendingRefused, ClawBackRefused)) as caught:
        act()
    return caught.value.code


def test_cash_goes_back_over_the_counter_with_a_paper_that_a_second_person_looks_at(
    shop: Shop, folder: Path
) -> None:
    one_person_may(1000)
    payment, before = brought(shop), shop.has
    refund = ask(shop, payment)
    assert (refund.state, refund.alone, refund.to_account, refund.receiver) == (
        "approved",
        True,
        "payer",
        "cash",
    )
    assert shop.free == before - 400  # held: it is not spent meanwhile

    refund = give(shop, refund)
    assert refund.state == "sent"
    assert refusal(lambda: refunding.look_up(refund=refund, at=clock.now())) == "state"  # nobody to ask
    assert (
        refusal(lambda: refunding.vouch(refund=refund, by=shop.dara, why="it is signed", at=clock.now()))
        == "same_person"
    )
    refund = refunding.vouch(refund=refund, by=shop.vanna, why="it is signed", at=clock.now())

    assert (refund.state, shop.has) == ("done", before - 400)
    entry = JournalEntry.objects.get(source=f"refund:{refund.reference}")
    assert {(line.account.kind, line.account.key, line.side) for line in entry.lines.all()} == {
        ("user", str(shop.payer.pk), "D"),
        ("external", "cash", "C"),
    }
    assert account_balance(CASH, Currency.USD).minor == 0  # it came and went
    assert (folder / Sending.objects.get().evidence_name).read_bytes() == b"%PDF-out"
    assert shop.lawful()
    assert verify().problems == []
    assert shop.bank.calls("check_transaction_by_hash") == []


def test_above_one_persons_day_and_to_an_unknown_account_it_takes_a_second_one(shop: Shop) -> None:
    cash, by_bank = brought(shop), brought(shop, 300, kind="bank", slip="in-2")

    first = ask(shop, cash)  # with the deposit of $4 the day's $5 are passed
    assert (first.state, first.alone) == ("asked", False)
    one_person_may(100_000)
    assert refusal(lambda: ask(shop, by_bank, 300, key="b")) == "account"  # nobody knows whose it was
    second = ask(shop, by_bank, 300, key="b", to_account="001 234 567")
    assert (second.state, second.alone, second.receiver) == ("asked", False, "bank")
    assert refusal(lambda: refunding.approve(refund=second, by=shop.dara, at=clock.now())) == "same_person"
    second = refunding.approve(refund=second, by=shop.sophea, at=clock.now())
    second = refunding.vouch(refund=give(shop, second), by=shop.vanna, why="the slip", at=clock.now())

    assert account_balance(external_ref("sandbox", "bank"), Currency.USD).minor == 0
    refunding.reject(refund=first, by=shop.sophea, why="not yet", at=clock.now())
    assert shop.free == 1400
    assert shop.lawful()
    assert verify().problems == []


def test_no_more_goes_back_than_was_brought_in_and_what_was_spent_cannot(shop: Shop) -> None:
    payment = brought(shop)
    assert refusal(lambda: ask(shop, payment, 401)) == "over_rest"
    first = ask(shop, payment, 300)
    assert refusal(lambda: ask(shop, payment, 101, key="b")) == "over_rest"
    refunding.give_up(refund=first, by=shop.dara, why="the payer keeps it", at=clock.now())
    with transaction.atomic():
        spend(
            wallet=user_ref(shop.payer.pk, "sandbox"), to=external_ref("sandbox", "shop"),
            money=shop.cents(1300), source="order:1", purpose="paid", at=clock.now(),
        )  # fmt: skip

    assert refusal(lambda: ask(shop, payment, 400, key="c")) == "spent"
    assert (
        refusal(
            lambda: clawing_back.claw_back(
                payment=payment,
                money=shop.cents(1),
                bank_reference="REV-1",
                why="why",
                by=shop.dara,
                at=clock.now(),
            )
        )
        == "nothing_came"
    )
    assert available(shop.payer, conf.environment())[0] == Money(100, Currency.USD)
    assert shop.lawful()


def test_a_paper_counts_once_and_is_of_its_own_kind(shop: Shop, folder: Path) -> None:
    payment = brought(shop)
    one_person_may(100_000)
    first, second = ask(shop, payment, 100), ask(shop, payment, 100, key="b")
    transfer = shop.ask(100, key="c")
    kept = len(list(folder.iterdir()))

    wrong = {
        "no paper": lambda: refunding.record_sent(
            refund=first, named="ab" * 32, reference="OUT-1", by=shop.dara, at=clock.now()
        ),
        "no number": lambda: give(shop, first, number=" "),
        "the one that came in": lambda: give(shop, first, slip="in"),
        "a paper for a transfer": lambda: give(shop, transfer),
    }
    assert [refusal(act) for act in wrong.values()] == ["evidence", "reference", "evidence", "evidence"]
    assert len(list(folder.iterdir())) == kept  # no file of what was refused is left
    give(shop, first)
    assert give(shop, first).version == 1  # the same again, once
    assert refusal(lambda: give(shop, second)) == "evidence"
    assert refusal(lambda: give(shop, second, slip="other")) == "evidence"  # the number was used
    refunding.take_back(refund=first, by=shop.dara, why="the wrong paper", at=clock.now())
    give(shop, second)
    assert shop.lawful()


def row_of(one: Any, **changes: Any) -> dict[str, Any]:
    values = {
        field.attname: getattr(one, field.attname)
        for field in one._meta.local_fields
        if not field.primary_key
    }
    return values | changes


def test_the_database_refuses_the_same_past_python(shop: Shop) -> None:
    payment = brought(shop)
    one_person_may(100_000)
    refund, other = ask(shop, payment, 200), ask(shop, payment, 100, key="o")
    transfer = shop.ask(100, key="c")
    sent = Sending.objects.get(refund=give(shop, refund))
    copy = row_of(refund, reference="RFDCOPY", idempotency_key="copy", state="approved")
    paper_of = row_of(sent, amount_minor=100, reference="OUT-2", evidence_sha256="ef" * 32)
    came = ManualDeposit.objects.get().evidence_sha256
    rows, papers = Refund.objects.filter(pk=refund.pk), Sending.objects.filter(pk=sent.pk)

    def refunded(**changes: Any) -> Any:
        return lambda: Refund.objects.create(**copy | changes)

    def sent_by(**changes: Any) -> Any:
        return lambda: Sending.objects.create(**paper_of | changes)

    acts: dict[str, tuple[str, Any]] = {
        "more than came": ("no more goes back", refunded(amount_minor=101)),
        "other money": ("no more goes back", refunded(currency="KHR", amount_minor=1)),
        "of another": ("no more goes back", refunded(payment_id=shop.payment.pk, amount_minor=1)),
        "moved": ("never changes", lambda: rows.update(deposit=None, transfer=transfer.transfer_id)),
        "another paper": ("never changes", lambda: papers.update(evidence_sha256="cd" * 32)),
        "seen by nobody": ("by a second person's", lambda: papers.update(seen_at=clock.now())),
        "a paper for a transfer": ("with its paper", sent_by(refund_id=transfer.pk)),
        "a hash for a deposit": (
            "with its paper",
            sent_by(refund_id=other.pk, hash="ab" * 32, evidence_sha256=""),
        ),
        "what came in": ("brought money in", sent_by(refund_id=other.pk, evidence_sha256=came)),
    }
    for name, (says, act) in acts.items():
        with pytest.raises(DatabaseError) as caught, transaction.atomic():
            act()
        assert says in str(caught.value), name
    drop_guards(connection)
    try:
        for both in ({"transfer_id": transfer.transfer_id}, {"deposit_id": None}, {"leg": "nobody"}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Refund.objects.create(**copy | {"amount_minor": 1} | both)
        for bare in ({"evidence_sha256": ""}, {"reference": ""}, {"hash": "ab" * 32}, {}):
            with pytest.raises(IntegrityError), transaction.atomic():
                Sending.objects.create(**row_of(sent, **bare))
    finally:
        install_guards(connection)


def test_a_bent_row_of_a_deposit_breaks_the_law_and_is_named_by_verify(shop: Shop) -> None:
    payment = brought(shop)
    one_person_may(100_000)
    refund = refunding.vouch(
        refund=give(shop, ask(shop, payment)), by=shop.vanna, why="it is signed", at=clock.now()
    )
    assert verify().problems == []
    drop_guards(connection)
    Refund.objects.filter(pk=refund.pk).update(amount_minor=500)
    ManualDeposit.objects.update(amount_minor=450)
    install_guards(connection)

    assert {"deposits back", "over_rest"} <= {breach.rule for breach in law.check(conf.environment())}
    told = verify().problems
    assert [one for one in told if one.startswith(f"refund {refund.reference}: 400 left us")]
    assert [one for one in told if one.startswith("deposit ")]

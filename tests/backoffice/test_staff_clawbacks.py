"""Claw-backs on the staff's pages: told by one, booked by another, repaid or forgiven by two."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vinflow.money import Currency, Money

from .test_staff_refunds import form_of, page_of, paid, people

__all__ = ["paid", "people"]

pytestmark = pytest.mark.both


def spend(payment: Any, minor: int) -> None:
    from django.db import transaction

    from vinflow.payments import clock
    from vinflow.wallet import posting
    from vinflow.wallet.entries import external_ref, user_ref

    with transaction.atomic():
        posting.spend(
            wallet=user_ref(payment.user_id, "sandbox"),
            to=external_ref("sandbox", "shop"),
            money=Money(minor, Currency.USD),
            source="order:1",
            purpose="paid",
            at=clock.now(),
        )


def ask(client: Any, payment: Any, amount: str = "200", **more: str) -> str:
    form = {"amount": amount, "why": "the bank wrote to us", "bank_reference": "REV-1"} | more
    address = f"/admin/transactions/{payment.transaction_id}/claw-back/"
    return str(client.post(address, form, follow=True).content.decode())


def act(client: Any, payment: Any, name: str, **fields: str) -> str:
    """Press a button on the payment's page; return the page that follows."""
    page = page_of(client, payment)
    around = page.split(f'data-testid="{name}"')
    # The form of an act stands after its name; that of a repayment around its button.
    form = around[1] if name.startswith("clawback-") else around[0].rsplit("<form", 1)[1] + "</form>"
    address = re.search(r'action="(/admin/[\w-]+/\d+/[\w-]+/)"', form)
    assert address is not None
    hidden = form_of(page, name) if name.startswith("clawback-") else {"seen": "open", "back": "payment"}
    return str(client.post(address[1], hidden | fields, follow=True).content.decode())


def test_a_manager_tells_and_an_owner_books_and_what_was_spent_is_owed(people: Any, paid: Any) -> None:
    from vinflow.payments import law
    from vinflow.payments.models import ClawBack

    spend(paid, 15_000)
    manager, owner = people("manager"), people("owner")
    assert "Another person must approve it" in ask(manager, paid)
    assert 'data-testid="clawback-approve"' not in page_of(manager, paid)
    assert paid.transaction_id in owner.get("/admin/claw-backs/").content.decode()

    told = act(owner, paid, "clawback-approve")

    clawback = ClawBack.objects.get()
    assert (clawback.decision, clawback.taken_minor, clawback.owed_minor) == ("booked", 5_000, 15_000)
    assert "$50.00 taken from the wallet, $150.00 owed, $150.00 of it still" in told
    timeline = told.split('data-testid="timeline"')[1].split("</ol>")[0]
    for text in ("The bank took $200.00 back: the bank wrote to us", "By the-manager", "By the-owner"):
        assert text in timeline
    assert told.split('data-testid="lines"')[1].split("</table>")[0].count("claw_back") == 3
    assert law.check("sandbox") == []


def test_a_debt_is_repaid_in_part_and_the_rest_forgiven_by_two_each(people: Any, paid: Any) -> None:
    from vinflow.payments import law
    from vinflow.payments.models import ClawBack, Repayment
    from vinflow.wallet.models import Account

    spend(paid, 20_000)
    manager, owner, second = people("manager"), people("owner"), people("owner", "second")
    ask(manager, paid)
    act(owner, paid, "clawback-approve")
    assert "Another person must approve it" in act(
        manager, paid, "clawback-repay", how="paid", amount="120", why="in cash"
    )
    assert "repayment-book" not in page_of(manager, paid)
    assert "That is more than is owed" in act(
        manager, paid, "clawback-repay", how="paid", amount="81", why="in cash"
    )

    assert "Booked" in act(owner, paid, "repayment-book")
    act(owner, paid, "clawback-repay", how="forgiven", amount="80", why="a good customer")
    assert "repayment-book" not in page_of(owner, paid)
    told = act(second, paid, "repayment-book")

    assert "$0.00 of it still" in told
    assert "$120.00 of it repaid" in told
    assert ClawBack.objects.get().repaid_minor == 20_000
    assert Repayment.objects.filter(decision="booked").count() == 2
    assert Account.objects.get(kind="user", currency="USD").frozen_at is None
    assert law.check("sandbox") == []
    assert paid.transaction_id not in owner.get("/admin/claw-backs/").content.decode()
    assert paid.transaction_id in owner.get("/admin/claw-backs/?show=ended").content.decode()


def test_a_proposal_is_rejected_or_given_up_and_nothing_moves(people: Any, paid: Any) -> None:
    from vinflow.payments.models import ClawBack
    from vinflow.wallet.models import JournalEntry

    manager, owner = people("manager"), people("owner")
    ask(manager, paid, "50")
    assert "Rejected" in act(owner, paid, "clawback-reject", why="the bank says no")
    ask(manager, paid, "50")
    assert "Given up" in act(manager, paid, "clawback-withdraw", why="it was another payment")

    assert set(ClawBack.objects.values_list("decision", flat=True)) == {"rejected", "withdrawn"}
    assert not JournalEntry.objects.filter(source__startswith="clawback:").exists()


def test_what_was_drawn_before_somebody_else_acted_does_nothing(people: Any, paid: Any) -> None:
    from vinflow.payments.models import ClawBack, Repayment

    spend(paid, 20_000)
    manager, owner, second = people("manager"), people("owner"), people("owner", "second")
    ask(manager, paid)
    clawback = ClawBack.objects.get()
    old = form_of(page_of(second, paid), "clawback-reject") | {"why": "too late"}
    act(owner, paid, "clawback-approve")

    told = second.post(f"/admin/claw-backs/{clawback.pk}/reject/", old, follow=True).content.decode()

    assert "It has moved on meanwhile" in told
    act(manager, paid, "clawback-repay", how="paid", amount="1", why="in cash")
    part = Repayment.objects.get()
    stranger = people("manager", "another")
    refused = stranger.post(f"/admin/repayments/{part.pk}/drop/", {"seen": "open"})
    assert refused.status_code == 403  # of somebody else's proposal only who may approve
    assert "The proposal is closed" in act(manager, paid, "repayment-drop")
    part.refresh_from_db()
    clawback.refresh_from_db()
    assert (part.decision, clawback.decision, clawback.repaid_minor) == ("withdrawn", "booked", 0)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": "201"}, "That is more than is left"),
        ({"amount": "nine"}, "Enter an amount"),
        ({"amount": "1", "why": " "}, "Say why"),
        ({"amount": "1", "bank_reference": " "}, "Name the entry of the bank"),
        ({"amount": "1", "bank_reference": "x" * 101}, "Name the entry of the bank"),
    ],
)
def test_what_cannot_be_is_said(people: Any, paid: Any, fields: dict[str, str], sentence: str) -> None:
    from vinflow.payments.models import ClawBack

    assert sentence in ask(people("manager"), paid, **fields)
    assert ClawBack.objects.count() == 0


def test_nobody_books_what_the_bank_took_from_themselves(people: Any, paid: Any) -> None:
    from vinflow.payments.models import ClawBack

    paid.user.is_staff = paid.user.is_superuser = True
    paid.user.save()
    ask(people("manager"), paid, "50")
    own = people("admin")
    own.force_login(paid.user)

    assert "somebody else decides" in page_of(own, paid)
    clawback = ClawBack.objects.get()
    told = own.post(f"/admin/claw-backs/{clawback.pk}/approve/", {"seen": "open-0"}, follow=True)
    assert "Nobody decides about money of their own" in told.content.decode()
    clawback.refresh_from_db()
    assert clawback.decision == ""

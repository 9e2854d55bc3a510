"""Two members of staff in league: whatever they press, in whatever order, no money becomes theirs.

Each way money can go is pressed by both of them, as proposer and as decider, in every pairing, for a payer
who is one of the two; afterwards the wallet is as it was. A third person's money shows that the same presses
do move money, so that nothing here passes because a form was wrong.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from vinflow.money import Currency, Money

from .test_staff_deposits import bring, switched_on, wallet

__all__ = ["bring", "switched_on"]

pytestmark = pytest.mark.both
LARGE = Money(50_000, Currency.USD)  # above what one person may decide in a day
PAIRS = list(itertools.product(("first", "second"), repeat=2))


@pytest.fixture
def pair(signed_in: Callable[..., Any]) -> dict[str, Any]:
    """Two owners: they have every right there is."""
    return {name: signed_in("owner", name) for name in ("first", "second")}


def balance(name: str) -> int:
    return sum(money.minor for money in wallet(name) if money.currency is Currency.USD)


def press_review(pair: dict[str, Any], item: Any, decision: str, shop: Any) -> None:
    """Propose and approve in every pairing; what was refused changes nothing for the next."""
    from vinflow.payments import reviewing
    from vinflow.payments.errors import ReviewRefused

    for one, other in PAIRS:
        if decision == "returned":  # the page asks the gateway at once, which a test's transaction forbids
            with suppress(ReviewRefused):
                reviewing.propose(
                    item=item,
                    decision=decision,
                    by=shop.staff("owner", one),
                    why="we agreed on it",
                    at=shop.at,
                    returned_hash="ab" * 32,
                )
        else:
            form = {"decision": decision, "why": "we agreed on it", "bank_reference": "REV-1"}
            pair[one].post(f"/admin/review/{item.pk}/decide/", form)
        vouch = {"proposed": decision, "vouch": "seen at the bank"}
        pair[other].post(f"/admin/review/{item.pk}/approve/", vouch)


@pytest.mark.parametrize("payee", ["first", "second"])
@pytest.mark.parametrize("decision", ["credited", "returned", "dismissed", "taken_back"])
def test_a_transfer_at_the_desk(decision: str, payee: str, pair: dict[str, Any], shop: Any) -> None:
    payment = shop.at_state("review", shop.staff("owner", payee), LARGE)
    item = shop.item(payment)

    press_review(pair, item, decision, shop)

    item.refresh_from_db()
    assert (item.decision, balance(payee)) == ("", 0)
    assert item.proposed == decision  # by the one whose money it is not; nobody else can approve it
    assert item.proposed_by.username != payee


@pytest.mark.parametrize("decision", ["credited", "dismissed", "taken_back"])  # returns wait for the bank
def test_the_same_presses_decide_about_a_third_persons_money(
    decision: str, pair: dict[str, Any], shop: Any
) -> None:
    payment = shop.at_state("review", shop.payer("dara"), LARGE)

    press_review(pair, shop.item(payment), decision, shop)

    assert shop.item(payment).decision == decision
    assert balance("dara") == (LARGE.minor + 500 if decision == "credited" else 0)


@pytest.mark.parametrize("payee", ["first", "second", "dara"])
def test_a_deposit(payee: str, pair: dict[str, Any], shop: Any, bring: Any) -> None:
    from vinflow.payments.models import ManualDeposit

    for one, other in PAIRS:
        bring(pair[one], "500", payer=payee)
        for deposit in ManualDeposit.objects.filter(decision=""):
            pair[other].post(f"/admin/deposits/{deposit.pk}/decide/", {"act": "credit"})

    assert (balance(payee) > 0) == (payee == "dara")


@pytest.mark.parametrize("payee", ["first", "second", "dara"])
def test_a_refund(payee: str, pair: dict[str, Any], shop: Any) -> None:
    from vinflow.payments.models import Refund

    payer = shop.payer("dara") if payee == "dara" else shop.staff("owner", payee)
    payment = shop.at_state("completed", payer, LARGE)
    for n, (one, other) in enumerate(PAIRS):
        form = {"amount": "400", "currency": "USD", "why": "sent twice", "key": f"{n:032x}", "transfer": ""}
        transfer = payment.transfers.get()
        form["transfer"] = str(transfer.pk)
        pair[one].post(f"/admin/transactions/{payment.transaction_id}/refund/", form)
        for refund in Refund.objects.filter(state="asked"):
            form = {"seen": str(refund.version), "why": "we agreed on it"}
            pair[other].post(f"/admin/refunds/{refund.pk}/approve/", form)

    states = set(Refund.objects.values_list("state", flat=True))
    assert ("approved" in states) == (payee == "dara")
    assert states <= {"asked", "approved"}


@pytest.mark.parametrize("payee", ["first", "second", "dara"])
def test_a_debt_after_a_claw_back_is_not_forgiven_among_themselves(
    payee: str, pair: dict[str, Any], shop: Any
) -> None:
    from vinflow.payments.models import ClawBack

    payer = shop.payer("dara") if payee == "dara" else shop.staff("owner", payee)
    payment = shop.at_state("completed", payer, LARGE)
    for n, (one, other) in enumerate(PAIRS):
        form = {"amount": "400", "why": "the bank wrote to us", "bank_reference": f"REV-{n}"}
        pair[one].post(f"/admin/transactions/{payment.transaction_id}/claw-back/", form)
        for clawback in ClawBack.objects.filter(decision=""):
            for seen in ("open-0", "open"):
                pair[other].post(f"/admin/claw-backs/{clawback.pk}/approve/", {"seen": seen, "why": "so"})

    booked = ClawBack.objects.filter(decision="booked").exists()
    assert booked == (payee == "dara")


@pytest.mark.parametrize("who", ["first", "second"])
def test_roles_limits_and_receivers(who: str, pair: dict[str, Any], shop: Any) -> None:
    """One person alone, or one about themselves, changes neither a role, a limit nor a receiver."""
    from vinflow.backoffice.models import RoleProposal, SafetyProposal
    from vinflow.payments import settings_store
    from vinflow.payments.models import ReceiverAlias

    alone = pair[who]
    before = settings_store.current().usd_one_person_daily_max
    alone.post("/admin/settings/payments/receiver/", {"act": "accept", "account": "a@bank", "why": "because"})
    alone.post(
        "/admin/settings/payments/receiver/",
        {"act": "approve", "change": ReceiverAlias.objects.get().pk},
    )
    alone.post(
        "/admin/settings/payments/safety/",
        {"act": "propose", "why": "because"}
        | {name: "100000.00" if name.startswith("usd") else "100000000" for name in safety_fields()},
    )
    alone.post(
        "/admin/settings/payments/safety/", {"act": "approve", "proposal": SafetyProposal.objects.get().pk}
    )
    alone.post(
        "/admin/settings/people/role/", {"who": who, "what": "role", "role": "manager", "why": "because"}
    )

    assert ReceiverAlias.objects.get().decision == ""
    assert SafetyProposal.objects.get().decision == ""
    assert settings_store.current().usd_one_person_daily_max == before
    assert not RoleProposal.objects.filter(subject__username=who).exclude(decision="").exists()


def safety_fields() -> list[str]:
    from vinflow.backoffice.settings_form import SAFETY

    return list(SAFETY)

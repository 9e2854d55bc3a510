"""Accepted receivers: no owner alone, not in the page and not in the database; money follows two of them."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction

PAGE = "/admin/settings/payments/"
CHANGE = f"{PAGE}receiver/"
OTHER = "shop_other@bank"


def propose(
    client: Any, account: str = OTHER, act: str = "accept", why: str = "the bank writes it so"
) -> Any:
    return client.post(CHANGE, {"act": act, "account": account, "why": why}, follow=True)


def decide(client: Any, act: str = "approve") -> str:
    from vinflow.payments.models import ReceiverAlias

    newest = ReceiverAlias.objects.order_by("-pk").values_list("pk", flat=True).first()
    return str(client.post(CHANGE, {"act": act, "change": str(newest)}, follow=True).content.decode())


def paid_to(shop: Any, account: str) -> Any:
    """A payment whose transfer names this account as its receiver."""
    from msgspec.structs import replace

    payment = shop.opened(shop.payer("bopha"))
    found = shop.found(payment)
    return shop.answer(payment, replace(found, transfer=replace(found.transfer, to_account=account)))


@pytest.mark.both
def test_money_to_another_account_is_credited_once_two_owners_accept_it(shop: Any, signed_in: Any) -> None:
    first, second = signed_in("owner", "first"), signed_in("owner", "second")
    assert paid_to(shop, OTHER).status == "pending"  # nobody has accepted it

    propose(first)
    assert paid_to(shop, OTHER).status == "pending"  # one owner alone has no say
    assert "a second owner must approve" in decide(first)
    assert paid_to(shop, OTHER).status == "pending"

    decide(second)
    assert paid_to(shop, OTHER.upper()).status == "completed"
    assert "accepted by two owners" in first.get(PAGE).content.decode()

    propose(second, act="stop", why="it is closed")
    assert paid_to(shop, OTHER).status == "completed"  # until another owner says so
    decide(first)
    assert paid_to(shop, OTHER).status == "pending"


@pytest.mark.both
def test_the_books_and_their_proof_agree_about_an_account_that_was_accepted_once(
    shop: Any, signed_in: Any
) -> None:
    from vinflow.payments import law
    from vinflow.payments.verifying import verify

    first, second = signed_in("owner", "first"), signed_in("owner", "second")
    propose(first)
    decide(second)
    paid_to(shop, OTHER)
    propose(first, act="stop", why="it is closed")
    decide(second)

    assert law.check("sandbox") == []
    assert verify().problems == []


@pytest.mark.both
def test_what_cannot_be_proposed_is_said_and_stored_nowhere(shop: Any, signed_in: Any, settings: Any) -> None:
    from vinflow.payments.models import ReceiverAlias

    settings.KHQR_RECEIVERS = "bridge@devb"
    owner = signed_in("owner", "first")
    for account, act, why, said in (
        ("no account", "accept", "because", "name@bank"),
        (OTHER, "accept", " ", "the reason is kept"),
        ("bridge@devb", "stop", "because", "comes from the server"),
        (settings.KHQR_MERCHANT_ID, "accept", "because", "comes from the server"),
        (OTHER, "stop", "because", "is not accepted"),
    ):
        text = propose(owner, account, act, why).content.decode()
        assert said in text.replace("&#x27;", "'"), account
    assert ReceiverAlias.objects.count() == 0

    propose(owner)
    assert "waits already" in propose(owner).content.decode()
    decide(owner, "reject")  # an own proposal may be taken back
    assert ReceiverAlias.objects.get().decision == "rejected"
    assert "bridge@devb" in owner.get(PAGE).content.decode()


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_the_database_refuses_one_owner_a_born_decision_and_rewriting(shop: Any) -> None:
    from vinflow.payments import receivers
    from vinflow.payments.models import ReceiverAlias

    one, other = shop.staff("owner", "first"), shop.staff("owner", "second")

    def wish(account: str) -> ReceiverAlias:
        return receivers.propose(account=account, accept=True, why="as written", by=one, at=shop.at)

    def refused(**changes: Any) -> bool:
        try:
            with transaction.atomic():
                ReceiverAlias.objects.filter(pk=open_one.pk).update(**changes)
        except DatabaseError:
            return True
        return False

    open_one = wish(OTHER)
    assert refused(decision="approved", decided_by=one, decided_at=shop.at)  # alone
    assert refused(decision="approved")  # by nobody
    assert refused(account="thief@bank")
    with pytest.raises(DatabaseError), transaction.atomic():
        ReceiverAlias.objects.create(
            environment="sandbox",
            account="thief@bank",
            accepted=True,
            why="w",
            proposed_by=one,
            proposed_at=shop.at,
            decision="approved",
            decided_by=other,
            decided_at=shop.at,
        )
    receivers.decide(pk=open_one.pk, approved=True, by=other, at=shop.at)
    assert refused(decision="rejected")
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM payments_receiveralias")
    assert receivers.of_two_owners() == (OTHER,)


def test_owners_are_told_of_a_wish_and_of_its_approval(shop: Any, signed_in: Any) -> None:
    from vinflow.backoffice import alerting

    first, second = signed_in("owner", "first"), signed_in("owner", "second")
    propose(first)
    assert "A change of accepted receivers is proposed" in [note.text for note in alerting.events(at=shop.at)]

    decide(second)

    assert "Accepted receivers were changed" in [note.text for note in alerting.events(at=shop.at)]


def test_the_usual_receiver_costs_no_question_more(shop: Any, django_assert_num_queries: Any) -> None:
    from vinflow.payments.receivers import receivers_for

    with django_assert_num_queries(0):
        assert receivers_for("VinFlow_Test@devb", "vinflow_test@devb") == {"vinflow_test@devb"}

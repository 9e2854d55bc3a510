"""Refunds on the staff's pages: asked by one, approved by another, sent, seen; shown in the timeline."""

from __future__ import annotations

import re
from typing import Any

import pytest

from vinflow.money import Currency, Money

pytestmark = pytest.mark.both


def form_of(page: str, act: str) -> dict[str, str]:
    """Return the hidden fields of the form of an act."""
    part = page.split(f'data-testid="{act}"')[1].split("</form>")[0]
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', part))


@pytest.fixture
def people(bank: Any, shop_class: Any) -> Any:
    """people(role, name="") is a client with a member of staff in it, outside any transaction."""
    from django.test import Client

    def enter(role: str, name: str = "") -> Any:
        client = Client()
        client.force_login(shop_class().staff(role, name))
        return client

    return enter


@pytest.fixture
def paid(bank: Any) -> Any:
    """A payment of $200, paid; one person alone may give back $100 in a day."""
    from django.contrib.auth import get_user_model
    from tests.payments.money_back import pay_in

    user = get_user_model().objects.create_user("sok-dara")
    return pay_in(bank, user, Money(20_000, Currency.USD), key="two hundred")


def page_of(client: Any, payment: Any) -> str:
    return str(client.get(f"/admin/transactions/{payment.transaction_id}/").content.decode())


def ask(client: Any, payment: Any, amount: str, **more: str) -> str:
    form = form_of(page_of(client, payment), "ask-refund") | {"amount": amount, "why": "sent twice"} | more
    address = f"/admin/transactions/{payment.transaction_id}/refund/"
    return str(client.post(address, form, follow=True).content.decode())


def act(client: Any, payment: Any, name: str, **fields: str) -> str:
    """Press the button of an act on the payment's page; return the page that follows."""
    page = page_of(client, payment)
    address = re.search(
        r'action="(/admin/refunds/\d+/[\w-]+/)"', page.split(f'data-testid="refund-{name}"')[1]
    )
    assert address is not None
    hidden = form_of(page, f"refund-{name}")
    return str(client.post(address[1], hidden | fields, follow=True).content.decode())


def test_a_manager_asks_and_an_owner_approves_and_both_are_in_the_timeline(
    bank: Any, people: Any, paid: Any
) -> None:
    from vinflow.payments.models import Refund
    from vinflow.sandbox.bank import PAYER

    manager, owner = people("manager"), people("owner")
    assert "Waits for a second person" in ask(manager, paid, "150")
    refund = Refund.objects.get()
    assert 'data-testid="refund-approve"' not in page_of(manager, paid)

    assert "May be sent at the bank" in act(owner, paid, "approve", why="the receipt is there")
    sent = bank.pay(bank.qr("150.00", account=PAYER), payer=bank.account).hash
    told = act(manager, paid, "sent", hash=sent, bank_reference="FT-1")

    refund.refresh_from_db()
    assert refund.state == "done"
    assert "Refunded" in told
    timeline = told.split('data-testid="timeline"')[1].split("</ol>")[0]
    for text in (
        "Refund of $150.00 asked: sent twice",
        "Refund approved",
        "$150.00 refunded",
        "By the-owner",
    ):
        assert text in timeline
    lines = told.split('data-testid="lines"')[1].split("</table>")[0]
    assert lines.count("refund:captured") == 2
    assert "$50.00 left" in told


def test_an_owner_is_not_a_second_person_for_what_an_owner_asked(people: Any, paid: Any) -> None:
    from vinflow.payments.models import Refund

    first, second = people("owner", "first"), people("owner", "second")
    ask(first, paid, "150")
    refund = Refund.objects.get()

    assert 'data-testid="refund-approve"' not in page_of(first, paid)
    told = first.post(f"/admin/refunds/{refund.pk}/approve/", {"seen": refund.version}, follow=True)
    assert "A second person must decide" in told.content.decode()
    stale = second.post(f"/admin/refunds/{refund.pk}/approve/", {"seen": "99"}, follow=True)
    assert "It has moved on meanwhile" in stale.content.decode()
    assert "Rejected" in act(second, paid, "reject", why="no receipt")

    refund.refresh_from_db()
    assert (refund.state, refund.decided_by.username) == ("rejected", "second")


def test_a_small_refund_is_the_managers_alone_and_the_same_form_asks_once(people: Any, paid: Any) -> None:
    from vinflow.payments.models import Refund

    manager = people("manager")
    page = page_of(manager, paid)
    form = form_of(page, "ask-refund") | {"amount": "1.50", "why": "a cent too many"}
    address = f"/admin/transactions/{paid.transaction_id}/refund/"
    for _ in range(2):
        manager.post(address, form)
    refund = Refund.objects.get()
    assert (refund.state, refund.alone, refund.amount_minor) == ("approved", True, 150)

    unseen = act(manager, paid, "sent", hash="AB" * 32)
    assert "Sent, not yet seen: the gateway does not know this transfer yet" in unseen
    assert "Sent, not yet seen" in act(manager, paid, "look_up")
    assert "May be sent at the bank" in act(manager, paid, "take_back", why="a letter was missing")
    assert "Given up" in act(manager, paid, "give_up", why="the payer keeps it")
    refund.refresh_from_db()
    assert refund.state == "given_up"


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"amount": "201"}, "That is more than is left"),
        ({"amount": "nine"}, "Enter an amount"),
        ({"amount": "1", "why": " "}, "Say why"),
    ],
)
def test_what_cannot_be_is_said_and_nothing_is_held(
    people: Any, paid: Any, fields: dict[str, str], sentence: str
) -> None:
    from vinflow.payments.models import Refund

    assert sentence in ask(people("manager"), paid, **{"amount": "1"} | fields)
    assert Refund.objects.count() == 0


def test_the_list_has_what_waits_and_what_has_ended(people: Any, paid: Any) -> None:
    manager, cashier = people("manager"), people("cashier")
    ask(manager, paid, "1")
    ask(manager, paid, "150")

    waiting = cashier.get("/admin/refunds/").content.decode()
    assert waiting.count('data-testid="refund"') == 2
    assert 'data-testid="refund-' not in waiting  # a cashier sees and does nothing
    act(manager, paid, "give_up", why="the payer keeps it")

    assert cashier.get("/admin/refunds/").content.decode().count('data-testid="refund"') == 1
    ended = cashier.get("/admin/refunds/?show=ended").content.decode()
    assert "Given up by the-manager" in ended
    khmer = cashier.get("/admin/refunds/", headers={"accept-language": "km"}).content.decode()
    assert "Waits for a second person" not in khmer

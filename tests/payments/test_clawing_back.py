"""The bank took money back: the wallet pays what it can, the payer owes the rest and may not spend."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from tests.payments.money_back import Shop, pay_in, shop

from vinflow.money import Currency
from vinflow.payments import clawing_back, clock, conf, owing, refunding
from vinflow.payments.errors import ClawBackRefused, RefundRefused
from vinflow.payments.models import ClawBack, Repayment
from vinflow.wallet.entries import external_ref, receivable_ref, user_ref
from vinflow.wallet.errors import WalletFrozen
from vinflow.wallet.models import Account, JournalEntry
from vinflow.wallet.posting import spend
from vinflow.wallet.queries import account_balance

__all__ = ["shop"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def buy(shop: Shop, minor: int) -> None:
    """Let the payer spend."""
    with transaction.atomic():
        spend(
            wallet=user_ref(shop.payer.pk, conf.environment()),
            to=external_ref(conf.environment(), "shop"),
            money=shop.cents(minor),
            source=f"order:{minor}",
            purpose="paid",
            at=clock.now(),
        )


def take(shop: Shop, minor: int = 1000, reference: str = "REV-1", **more: Any) -> ClawBack:
    """Propose a claw-back."""
    named = {"payment": shop.payment, "by": shop.dara, "why": "the bank reversed it"} | more
    return clawing_back.claw_back(money=shop.cents(minor), bank_reference=reference, at=clock.now(), **named)


def booked(shop: Shop, minor: int = 1000) -> ClawBack:
    """Book a claw-back by two people."""
    return clawing_back.approve(clawback=take(shop, minor), by=shop.sophea, at=clock.now())


def owed(shop: Shop) -> int:
    """Cents that stand on the payer's receivable account, in the books."""
    account = receivable_ref(shop.payer.pk, conf.environment())
    return account_balance(account, Currency.USD).minor


def test_money_that_is_there_still_is_taken_and_nothing_is_owed(shop: Shop) -> None:
    taken = booked(shop, 400)

    assert (taken.taken_minor, taken.owed_minor, shop.has, owed(shop)) == (400, 0, 600, 0)
    buy(shop, 600)  # nobody is frozen
    assert shop.lawful()


def test_money_that_was_spent_is_owed_and_the_wallet_receives_and_does_not_spend(shop: Shop) -> None:
    buy(shop, 700)

    taken = booked(shop)

    assert (taken.taken_minor, taken.owed_minor, shop.has, owed(shop)) == (300, 700, 0, 700)
    entry = JournalEntry.objects.get(source=f"clawback:{taken.reference}")
    assert {(line.account.kind, line.side, line.amount_minor) for line in entry.lines.all()} == {
        ("user", "D", 300),
        ("receivable", "D", 700),
        ("bakong", "C", 1000),
    }
    with pytest.raises(WalletFrozen):
        buy(shop, 1)
    assert shop.lawful()


def test_later_credits_repay_by_themselves_and_free_the_wallet(shop: Shop) -> None:
    buy(shop, 900)
    booked(shop)
    assert (shop.has, owed(shop)) == (0, 900)

    pay_in(shop.bank, shop.payer, shop.cents(500), key="five")
    assert (shop.has, owed(shop)) == (0, 400)
    with pytest.raises(WalletFrozen):
        buy(shop, 1)
    pay_in(shop.bank, shop.payer, shop.cents(600), key="six")

    assert (shop.has, owed(shop)) == (200, 0)
    buy(shop, 200)
    assert list(Repayment.objects.order_by("number").values_list("how", "amount_minor")) == [
        ("wallet", 500),
        ("wallet", 400),
    ]
    assert owing.owed_by(shop.payer, Currency.USD, conf.environment()).minor == 0
    assert shop.lawful()


def test_two_people_book_what_is_paid_otherwise_or_forgiven(shop: Shop) -> None:
    buy(shop, 1000)
    taken = booked(shop)
    named = {"clawback": taken, "by": shop.dara, "at": clock.now()}

    cash = clawing_back.propose_repayment(money=shop.cents(600), how="paid", why="in cash", **named)
    with pytest.raises(ClawBackRefused, match=r"4\.00 .* are owed"):
        clawing_back.propose_repayment(money=shop.cents(401), how="forgiven", why="old", **named)
    gift = clawing_back.propose_repayment(money=shop.cents(400), how="forgiven", why="our mistake", **named)
    for by, code in ((shop.dara, "same_person"), (shop.payer, "own_money")):
        with pytest.raises(ClawBackRefused) as caught:
            clawing_back.decide_repayment(repayment=cash, book=True, by=by, at=clock.now())
        assert caught.value.code == code
    # What is proposed is not collected besides.
    pay_in(shop.bank, shop.payer, shop.cents(50), key="fifty")
    assert (shop.has, owed(shop)) == (50, 1000)

    clawing_back.decide_repayment(repayment=cash, book=True, by=shop.sophea, at=clock.now())
    with pytest.raises(WalletFrozen):
        buy(shop, 50)
    clawing_back.decide_repayment(repayment=gift, book=True, by=shop.sophea, at=clock.now())

    buy(shop, 50)
    assert owed(shop) == 0
    with pytest.raises(ClawBackRefused, match="booked already"):
        clawing_back.decide_repayment(repayment=gift, book=True, by=shop.vanna, at=clock.now())
    assert shop.lawful()


def test_a_repayment_that_is_rejected_is_owed_still_and_collected_by_the_tidying(shop: Shop) -> None:
    buy(shop, 1000)
    taken = booked(shop)
    cash = clawing_back.propose_repayment(
        clawback=taken, money=shop.cents(1000), how="paid", why="in cash", by=shop.dara, at=clock.now()
    )
    pay_in(shop.bank, shop.payer, shop.cents(300), key="three")
    assert owed(shop) == 1000

    clawing_back.decide_repayment(repayment=cash, book=False, by=shop.sophea, at=clock.now())
    assert owing.collect_all(at=clock.now()) == 1

    assert (shop.has, owed(shop)) == (0, 700)
    assert owing.collect_all(at=clock.now()) == 0
    assert shop.lawful()


def test_a_claw_back_takes_two_people_and_neither_is_the_payer(shop: Shop) -> None:
    with pytest.raises(ClawBackRefused) as caught:
        take(shop, by=shop.payer)
    assert caught.value.code == "own_money"
    taken = take(shop)
    for by, code in ((shop.dara, "same_person"), (shop.payer, "own_money")):
        for act in (
            lambda by: clawing_back.approve(clawback=taken, by=by, at=clock.now()),
            lambda by: clawing_back.reject(clawback=taken, by=by, why="not ours", at=clock.now()),
        ):
            with pytest.raises(ClawBackRefused) as caught:
                act(by)
            assert caught.value.code == code
    assert shop.has == 1000

    ended = clawing_back.withdraw(clawback=taken, by=shop.dara, why="it came again", at=clock.now())

    assert (ended.decision, shop.has) == ("withdrawn", 1000)
    with pytest.raises(ClawBackRefused, match="withdrawn already"):
        clawing_back.approve(clawback=taken, by=shop.sophea, at=clock.now())
    assert take(shop).pk != taken.pk  # the bank's name for it is free again
    assert shop.lawful()


def test_the_bank_takes_no_more_than_came_in_refunds_included(shop: Shop) -> None:
    refund = shop.ask(400)
    with pytest.raises(ClawBackRefused) as caught:
        take(shop, 601)
    assert caught.value.code == "over_rest"
    first = take(shop, 600)

    assert take(shop, 600) == first  # the same entry of the bank, once
    with pytest.raises(ClawBackRefused, match="booked already"):
        take(shop, 599)
    with pytest.raises(RefundRefused) as over:
        shop.ask(1, key="b")
    assert over.value.code == "over_rest"
    refunding.give_up(refund=refund, by=shop.sophea, why="the bank took it", at=clock.now())
    assert take(shop, 400, "REV-2").money == shop.cents(400)


def test_a_frozen_wallet_gives_no_refund(shop: Shop) -> None:
    second = pay_in(shop.bank, shop.payer, shop.cents(100), key="one")
    buy(shop, 1100)
    booked(shop)
    Account.objects.get(owner=shop.payer, currency="USD", frozen_at__isnull=False)
    pay_in(shop.bank, shop.payer, shop.cents(100), key="two")

    with pytest.raises(RefundRefused) as caught:
        shop.ask(100, payment=second, key="c")

    assert caught.value.code in ("frozen", "spent")
    assert shop.lawful()

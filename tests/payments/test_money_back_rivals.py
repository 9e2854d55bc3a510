"""Rivals at one refund, and any order of acts: half is accepted, and the law holds after each step."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from django.db.models import Sum
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tests.payments.money_back import Shop, pay_in, shop

from vinflow.payments import clawing_back, clock, conf, law, owing, refunding
from vinflow.payments.errors import KeyReused, MoneyBackRefused
from vinflow.payments.models import ClawBack, PaymentSettings, Refund
from vinflow.payments.refund_states import COUNTED
from vinflow.wallet.entries import Entry, credit, debit, external_ref, user_ref
from vinflow.wallet.errors import AlreadyReversed, Refused
from vinflow.wallet.posting import post, reverse, spend

__all__ = ["shop"]

PROVE = bool(os.environ.get("PROVE"))
ROUNDS = 500 if PROVE else 12
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def at_once(pool: ThreadPoolExecutor, *acts: Callable[[], object]) -> list[str]:
    """Run acts at the same moment, each in a thread; return "done" or the error's name for each."""
    barrier = Barrier(len(acts))

    def run(act: Callable[[], object]) -> str:
        try:
            barrier.wait(30)
            act()
        except (MoneyBackRefused, Refused) as refused:
            return type(refused).__name__
        finally:
            connection.close()
        return "done"

    return sorted(pool.map(run, acts))


def test_approvals_and_reversals_done_twice_at_once_are_accepted_once(shop: Shop) -> None:
    """Half of everything is accepted: of two approvals one, of two reversals of one entry one."""
    wallet, outside = user_ref(shop.payer.pk, conf.environment()), external_ref(conf.environment(), "gift")
    tally: dict[str, int] = {}
    with ThreadPoolExecutor(4) as pool:
        for number in range(ROUNDS):
            refund = shop.ask(1, key=f"k{number}", to_account="dave@devb")
            with transaction.atomic():
                lines = (debit(outside, shop.cents(1)), credit(wallet, shop.cents(1)))
                entry = post(Entry(f"gift:{number}", "given", lines), at=clock.now())

            def undo(entry: Any = entry) -> None:
                with transaction.atomic():
                    reverse(entry, at=clock.now())

            results = at_once(
                pool,
                lambda refund=refund: refunding.approve(refund=refund, by=shop.sophea, at=clock.now()),
                lambda refund=refund: refunding.approve(refund=refund, by=shop.vanna, at=clock.now()),
                undo,
                undo,
            )
            for result in results:
                tally[result] = tally.get(result, 0) + 1

    assert tally == {"done": 2 * ROUNDS, "RefundRefused": ROUNDS, AlreadyReversed.__name__: ROUNDS}
    assert Refund.objects.filter(state="approved").count() == ROUNDS
    assert shop.lawful()


def test_of_many_who_ask_for_the_rest_at_once_one_gets_it(shop: Shop) -> None:
    with ThreadPoolExecutor(4) as pool:
        asked = at_once(
            pool,
            *(lambda n=n: shop.ask(600, key=f"k{n}") for n in range(4)),
        )

    assert asked == ["RefundRefused"] * 3 + ["done"]
    assert (Refund.objects.count(), shop.free) == (1, 400)
    assert shop.lawful()


def test_one_persons_day_is_not_passed_by_two_at_once(shop: Shop) -> None:
    with ThreadPoolExecutor(4) as pool:
        at_once(pool, *(lambda n=n: shop.ask(200, key=f"k{n}") for n in range(4)))

    assert Refund.objects.filter(alone=True).count() == 2  # of $5 a day, $2 each
    assert shop.lawful()


def test_seen_twice_at_once_is_booked_once(shop: Shop) -> None:
    refund = refunding.record_sent(refund=shop.ask(300), named=shop.send(300), by=shop.dara, at=clock.now())

    with ThreadPoolExecutor(2) as pool:
        looks = at_once(pool, *(lambda: refunding.look_up(refund=refund, at=clock.now()) for _ in range(2)))

    assert "done" in looks
    assert shop.has == 700
    assert shop.lawful()


class MoneyBack(RuleBasedStateMachine):
    """Refunds, claw-backs and spendings of one payer, by three people, in any order."""

    base: ClassVar[Shop]
    number: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        from django.contrib.auth import get_user_model

        MoneyBack.number += 1
        base = self.base
        user = get_user_model().objects.create_user(f"payer-{MoneyBack.number}")
        payment = pay_in(base.bank, user, base.cents(1000), key=f"m{MoneyBack.number}")
        self.shop = Shop(base.bank, user, base.dara, base.sophea, base.vanna, payment)
        # What one person did in the walks before counts against the day: each walk begins with the same $5,
        # or the same choices would lead another way the second time.
        before = Refund.objects.filter(alone=True, state__in=COUNTED).aggregate(sum=Sum("amount_minor"))[
            "sum"
        ]
        PaymentSettings.objects.update(usd_one_person_daily_max=500 + int(before or 0))
        self.step = 0

    def attempt(self, act: Callable[[], object]) -> None:
        """Do it; a refusal is as good, as long as the law holds."""
        with suppress(MoneyBackRefused, Refused, KeyReused):
            act()

    def person(self, which: int) -> Any:
        return (self.shop.dara, self.shop.sophea, self.shop.vanna, self.shop.payer)[which]

    def one(self, data: Any, rows: Any) -> Any:
        return data.draw(st.sampled_from(list(rows.order_by("pk"))))

    @property
    def refunds(self) -> Any:
        return Refund.objects.filter(payment=self.shop.payment)

    people = st.integers(0, 3)
    amounts = st.sampled_from([1, 99, 250, 500, 501, 1000, 1001])

    @rule(minor=amounts, who=people, key=st.integers(0, 5), away=st.booleans())
    def ask(self, minor: int, who: int, key: int, away: bool) -> None:
        more = {"to_account": "dave@devb"} if away else {}
        self.attempt(
            lambda: self.shop.ask(minor, by=self.person(who), key=f"{MoneyBack.number}-{key}", **more)
        )

    @rule(minor=amounts)
    def buy(self, minor: int) -> None:
        self.step += 1

        def act() -> None:
            with transaction.atomic():
                spend(
                    wallet=user_ref(self.shop.payer.pk, conf.environment()),
                    to=external_ref(conf.environment(), "shop"),
                    money=self.shop.cents(minor),
                    source=f"order:{MoneyBack.number}:{self.step}",
                    purpose="paid",
                    at=clock.now(),
                )

        self.attempt(act)

    @precondition(lambda self: self.refunds.exists())
    @rule(
        data=st.data(),
        who=people,
        act=st.sampled_from(["approve", "reject", "give_up", "take_back", "vouch"]),
    )
    def decide(self, data: Any, who: int, act: str) -> None:
        refund = self.one(data, self.refunds)
        more = {"refund": refund, "by": self.person(who), "why": "a reason", "at": clock.now()}
        self.attempt(lambda: getattr(refunding, act)(**more))

    @precondition(lambda self: self.refunds.filter(state="approved").exists())
    @rule(data=st.data(), who=people, right=st.integers(0, 3))
    def send(self, data: Any, who: int, right: int) -> None:
        refund = self.one(data, self.refunds.filter(state="approved"))
        named = self.shop.send(refund.amount_minor if right else 7, to=refund.to_account)
        self.attempt(
            lambda: refunding.record_sent(refund=refund, named=named, by=self.person(who), at=clock.now())
        )

    @precondition(lambda self: self.refunds.filter(state="sent").exists())
    @rule(data=st.data())
    def look(self, data: Any) -> None:
        refund = self.one(data, self.refunds.filter(state="sent"))
        self.attempt(lambda: refunding.look_up(refund=refund, at=clock.now()))

    @rule(minor=amounts, who=people)
    def take(self, minor: int, who: int) -> None:
        self.step += 1
        named = f"REV-{MoneyBack.number}-{self.step}"
        self.attempt(
            lambda: clawing_back.claw_back(
                payment=self.shop.payment,
                money=self.shop.cents(minor),
                bank_reference=named,
                why="reversed",
                by=self.person(who),
                at=clock.now(),
            )
        )

    @precondition(lambda self: ClawBack.objects.filter(payment=self.shop.payment).exists())
    @rule(data=st.data(), who=people, book=st.booleans(), minor=amounts)
    def make_good(self, data: Any, who: int, book: bool, minor: int) -> None:
        clawback = self.one(data, ClawBack.objects.filter(payment=self.shop.payment))
        person, at = self.person(who), clock.now()
        if not clawback.decision:
            act = clawing_back.approve if book else clawing_back.withdraw
            more = {} if book else {"why": "it came again"}
            self.attempt(lambda: act(clawback=clawback, by=person, at=at, **more))  # type: ignore[operator]
        elif (open_one := clawback.repayments.filter(decision="").first()) is not None:
            self.attempt(
                lambda: clawing_back.decide_repayment(repayment=open_one, book=book, by=person, at=at)
            )
        else:
            self.attempt(
                lambda: clawing_back.propose_repayment(
                    clawback=clawback, money=self.shop.cents(minor), how="paid", why="cash", by=person, at=at
                )
            )
        owing.collect_all(at=at)

    @invariant()
    def the_law_holds(self) -> None:
        assert law.check(conf.environment()) == []
        assert 0 <= self.shop.free <= self.shop.has


def test_the_law_holds_whatever_people_do_and_in_whatever_order(shop: Shop, no_quota: None) -> None:
    MoneyBack.base = shop
    run_state_machine_as_test(
        MoneyBack,
        settings=settings(
            max_examples=100 if PROVE else 4,
            stateful_step_count=40 if PROVE else 12,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=not PROVE,
        ),
    )


@pytest.fixture
def no_quota(bank: Any, shop: Shop, settings: Any) -> None:
    """Without a quota, ours or the bank's, and without a cap on what is credited in an hour.

    A walk looks up as often as it likes, and the hundredth one begins as the first did.
    """
    settings.KHQR_DAILY_CALLS = "none"
    bank.switch(quota=None)
    PaymentSettings.objects.update(usd_auto_hourly_max=10**12)

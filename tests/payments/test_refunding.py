"""Money back: held first, sent by a person, seen at the bank, then booked; by the right people."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction
from tests.payments.money_back import Shop, pay_in, shop

from vinflow.money import Currency, Money
from vinflow.payments import clock, conf, refunding, sending
from vinflow.payments.errors import (
    InsideTransaction,
    KeyReused,
    MoneyBackRefused,
    RefundRefused,
    SendingRefused,
)
from vinflow.payments.models import Exchange, PaymentSettings, Refund, Sending, Transfer
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox
from vinflow.sandbox.bank import PAYER
from vinflow.wallet.entries import bakong_ref, external_ref, user_ref
from vinflow.wallet.errors import InsufficientFunds
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.posting import spend
from vinflow.wallet.queries import account_balance

__all__ = ["shop"]

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]


def refused(act: Any, **how: Any) -> str:
    """Run an act that must be refused, and return the code of the rule."""
    with pytest.raises(MoneyBackRefused) as caught:
        act(at=clock.now(), **how)
    return caught.value.code


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


def test_a_refund_by_two_people_from_the_question_to_the_books(shop: Shop) -> None:
    refund = shop.ask(1000)
    assert (refund.state, refund.alone, refund.to_account) == ("asked", False, PAYER)
    assert (shop.has, shop.free) == (1000, 0)

    refund = refunding.approve(refund=refund, by=shop.sophea, at=clock.now(), why="the receipt is there")
    assert (refund.state, refund.decided_by) == ("approved", shop.sophea)
    refund = refunding.record_sent(
        refund=refund, named=shop.send(1000).upper(), reference="FT 123-9", by=shop.dara, at=clock.now()
    )
    assert (refund.state, shop.has, shop.free) == ("sent", 1000, 0)
    refund = refunding.look_up(refund=refund, by=shop.dara, at=clock.now())

    assert (refund.state, shop.has, shop.free) == ("done", 0, 0)
    entry = JournalEntry.objects.get(source=f"refund:{refund.reference}")
    assert [(line.account.ref.kind.value, line.side, line.amount_minor) for line in entry.lines.all()] == [
        ("user", "D", 1000),
        ("bakong", "C", 1000),
    ]
    record = Sending.objects.get()
    assert (record.last_outcome, record.looks, record.reference) == ("found", 1, "FT 123-9")
    assert record.answer["toAccountId"] == PAYER
    call = Exchange.objects.latest("pk")
    assert (call.operation, call.pool, call.payment) == ("check_transaction_by_hash", "staff", shop.payment)
    ours = account_balance(bakong_ref(shop.bank.account, conf.environment()), shop.cents(1).currency)
    assert ours.minor == 0
    assert shop.lawful()


def test_one_person_may_send_back_so_much_a_day_and_no_more(shop: Shop) -> None:
    assert shop.ask(300, key="a").state == "approved"
    assert shop.ask(200, key="b").state == "approved"
    assert shop.ask(1, key="c", by=shop.vanna).state == "asked"
    shop.bank.advance(86400)
    assert shop.ask(499, key="d").state == "approved"


def test_what_was_given_up_does_not_count_against_the_day(shop: Shop) -> None:
    refunding.give_up(refund=shop.ask(500, key="a"), by=shop.dara, why="the payer keeps it", at=clock.now())

    assert shop.ask(500, key="b").state == "approved"


def test_parts_add_up_and_never_to_more_than_came_in(shop: Shop) -> None:
    shop.done(shop.ask(400, key="a"))
    shop.ask(350, key="b")

    assert refused(shop_ask(shop), minor=251, key="c") == "over_rest"
    shop.done(shop.ask(250, key="d"))

    assert (shop.has, shop.free) == (350, 0)
    assert shop.lawful()


def shop_ask(shop: Shop) -> Any:
    """Return ask() in the shape of refused(): it takes the moment and leaves it."""

    def act(at: Any, **how: Any) -> Refund:
        return shop.ask(how.pop("minor", 1000), **how)

    return act


def test_the_same_key_asks_once(shop: Shop) -> None:
    first = shop.ask(400)

    assert shop.ask(400) == first
    with pytest.raises(KeyReused):
        shop.ask(401)
    assert (Refund.objects.count(), shop.free) == (1, 600)


def test_what_is_held_cannot_be_spent_meanwhile_and_what_is_spent_cannot_be_held(shop: Shop) -> None:
    shop.ask(400)
    with pytest.raises(InsufficientFunds):
        buy(shop, 601)
    buy(shop, 500)

    assert refused(shop_ask(shop), minor=101, key="b") == "spent"
    assert Refund.objects.count() == 1
    assert shop.lawful()


@pytest.mark.parametrize("way", ["reject", "give_up", "approved and given up"])
def test_a_refund_that_does_not_happen_lets_the_money_go(shop: Shop, way: str) -> None:
    refund = shop.ask(1000)

    if way == "reject":
        refund = refunding.reject(refund=refund, by=shop.sophea, why="no receipt", at=clock.now())
    else:
        if way.startswith("approved"):
            refunding.approve(refund=refund, by=shop.sophea, at=clock.now())
        refund = refunding.give_up(refund=refund, by=shop.dara, why="asked by mistake", at=clock.now())

    assert refund.state == ("rejected" if way == "reject" else "given_up")
    assert (shop.has, shop.free) == (1000, 1000)
    assert refused(refunding.approve, refund=refund, by=shop.sophea) == "state"
    assert shop.ask(1000, key="again").state == "asked"
    assert shop.lawful()


def test_requester_approver_and_payer_are_three_people(shop: Shop) -> None:
    assert refused(shop_ask(shop), by=shop.payer) == "own_money"
    refund = shop.ask(1000)

    assert refused(refunding.approve, refund=refund, by=shop.dara) == "same_person"
    assert refused(refunding.reject, refund=refund, by=shop.dara, why="not mine") == "same_person"
    for act in (refunding.approve, refunding.give_up, refunding.record_sent):
        more = {"why": "mine"} if act is not refunding.record_sent else {"named": "a" * 64}
        assert refused(act, refund=refund, by=shop.payer, **more) == "own_money"
    refund.refresh_from_db()
    assert refund.state == "asked"


def test_a_refund_to_another_account_takes_two_people_however_small(shop: Shop) -> None:
    assert shop.ask(1, to_account="dave@devb").state == "asked"
    assert shop.ask(1, to_account=PAYER.upper(), key="b").state == "approved"


def test_silence_of_the_bank_leaves_it_sent_and_not_yet_seen(shop: Shop) -> None:
    refund = refunding.record_sent(
        refund=shop.ask(500), named=shop.send(500, delay_s=600), by=shop.dara, at=clock.now()
    )
    shop.bank.fault("check_transaction_by_hash", "nginx")
    refund = refunding.look_up(refund=refund, at=clock.now())
    assert (refund.state, Sending.objects.get().last_outcome, shop.has) == ("sent", "cannot_tell", 1000)
    assert refused(refunding.give_up, refund=refund, by=shop.dara, why="no answer") == "state"

    shop.bank.clear_faults()
    refund = refunding.look_up(refund=refund, at=clock.now())
    assert (refund.state, Sending.objects.get().last_outcome) == ("sent", "not_found")

    shop.bank.advance(601)
    refund = refunding.look_up(refund=refund, at=clock.now())
    assert (refund.state, Sending.objects.get().looks, shop.has) == ("done", 3, 500)
    assert shop.lawful()


def test_an_empty_purse_makes_no_call_and_changes_nothing(shop: Shop, settings: Any) -> None:
    refund = refunding.record_sent(refund=shop.ask(500), named=shop.send(500), by=shop.dara, at=clock.now())
    settings.KHQR_DAILY_CALLS = "1"
    calls = Exchange.objects.count()

    refund = refunding.look_up(refund=refund, at=clock.now())

    assert (refund.state, Sending.objects.get().last_reason) == ("sent", "budget")
    assert Exchange.objects.count() == calls


@pytest.mark.parametrize(
    ("how", "difference"),
    [
        ({"minor": 499}, "money"),
        ({"to": "dave@devb"}, "to_account"),
        ({"sender": "dave@devb"}, "from_account"),
        ({"tracking_status": "REFUNDED_BY_RECEIVER"}, "sent_back"),
        ({"drop": ("fromAccountId",)}, "from_unstated"),
    ],
)
def test_a_hash_of_another_transfer_books_nothing(shop: Shop, how: Any, difference: str) -> None:
    refund = shop.ask(500)
    refund = refunding.record_sent(
        refund=refund, named=shop.send(**{"minor": 500} | how), by=shop.dara, at=clock.now()
    )

    refund = refunding.look_up(refund=refund, at=clock.now())

    assert (refund.state, Sending.objects.get().differs, shop.has) == ("sent", [difference], 1000)
    eyes = difference in ("to_account", "from_unstated")
    if eyes:
        assert (
            refunding.vouch(
                refund=refund, by=shop.sophea, why="line 4 of the statement", at=clock.now()
            ).state
            == "done"
        )
    else:
        assert refused(refunding.vouch, refund=refund, by=shop.sophea, why="line 4") == "differs"
        refund = refunding.take_back(refund=refund, by=shop.dara, why="wrong line copied", at=clock.now())
        assert refund.state == "approved"
        assert shop.done(refund).state == "done"
    assert shop.lawful()


def test_a_transfer_from_before_the_question_is_another_one(shop: Shop) -> None:
    old = shop.send(500)
    shop.bank.advance(3600)
    refund = refunding.record_sent(refund=shop.ask(500), named=old, by=shop.dara, at=clock.now())

    assert refunding.look_up(refund=refund, at=clock.now()).state == "sent"
    assert Sending.objects.get().differs == ["too_early"]


def test_each_hash_and_reference_is_recorded_once(shop: Shop) -> None:
    first, second = shop.ask(300, key="a"), shop.ask(200, key="b")
    digest = shop.send(300)
    refunding.record_sent(refund=first, named=digest, reference="FT-77", by=shop.dara, at=clock.now())
    record = {"refund": second, "by": shop.dara}

    assert refunding.record_sent(refund=first, named=digest, by=shop.vanna, at=clock.now()).state == "sent"
    assert refused(refunding.record_sent, named=digest, **record) == "hash_used"
    assert refused(refunding.record_sent, named="b" * 64, reference="FT-77", **record) == "hash_used"
    assert refused(refunding.record_sent, named="xyz", **record) == "hash_malformed"
    assert refused(refunding.record_sent, named="c" * 64, reference="=1+1", **record) == "reference"
    came = Transfer.objects.get().hash
    assert refused(refunding.record_sent, named=came, **record) == "hash_came_in"
    assert refused(refunding.record_sent, refund=first, named="d" * 64, by=shop.dara) == "state"
    assert Sending.objects.count() == 1


def test_a_record_taken_back_frees_its_hash_and_one_that_was_seen_stays(shop: Shop) -> None:
    first, second = shop.ask(300, key="a"), shop.ask(200, key="b")
    digest = shop.send(200)
    refunding.record_sent(refund=first, named=digest, by=shop.dara, at=clock.now())

    refunding.take_back(refund=first, by=shop.dara, why="this was the other one", at=clock.now())
    refunding.record_sent(refund=second, named=digest, by=shop.dara, at=clock.now())
    seen = refunding.look_up(refund=second, at=clock.now())

    assert seen.state == "done"
    assert refused(refunding.take_back, refund=seen, by=shop.dara, why="again") == "state"
    assert [one.retracted_why for one in Sending.objects.order_by("pk")] == ["this was the other one", ""]


def test_where_the_gateway_has_no_such_call_a_second_person_vouches(
    hosted: Sandbox, payer: Any, django_user_model: Any
) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"usd_one_person_daily_max": 500})
    dara, sophea = (django_user_model.objects.create_user(name, is_staff=True) for name in ("dara", "so"))
    payment = pay_in(hosted, payer, Money(100, Currency.USD), key="one")
    made = Shop(hosted, payer, dara, sophea, sophea, payment)
    refund = made.ask(100, to_account="payer@bank")
    refund = refunding.approve(refund=refund, by=sophea, at=clock.now())
    refund = refunding.record_sent(refund=refund, named="a" * 64, by=dara, at=clock.now())
    assert refused(refunding.vouch, refund=refund, by=sophea, why="seen it") == "not_asked"

    refund = refunding.look_up(refund=refund, at=clock.now())
    assert (refund.state, Sending.objects.get().last_outcome) == ("sent", "no_such_call")
    assert refused(refunding.vouch, refund=refund, by=dara, why="I sent it") == "same_person"
    assert refused(refunding.vouch, refund=refund, by=sophea, why=" ") == "why"
    refund = refunding.vouch(refund=refund, by=sophea, why="page 2 of the statement", at=clock.now())

    assert (refund.state, made.has, Sending.objects.get().vouched_by) == ("done", 0, sophea)
    assert made.lawful()


def test_nothing_goes_back_of_what_never_came(shop: Shop) -> None:
    unpaid = open_payment(user=shop.payer, money=shop.cents(100), key="unpaid", at=clock.now())

    assert refused(shop_ask(shop), payment=unpaid) == "nothing_came"
    assert refused(shop_ask(shop), minor=0) == "amount"
    assert refused(shop_ask(shop), why="  ") == "why"
    assert refused(shop_ask(shop), to_account="x") == "account"


def test_while_the_books_do_not_add_up_nothing_new_goes_back_and_what_was_sent_is_booked(
    shop: Shop,
) -> None:
    sent = refunding.record_sent(
        refund=shop.ask(300, key="a"), named=shop.send(300), by=shop.dara, at=clock.now()
    )
    waiting = shop.ask(600, key="b")
    PaymentSettings.objects.update(spending_stopped_at=clock.now(), spending_stopped_why="a test says so")

    assert refused(shop_ask(shop), minor=1, key="c") == "stopped"
    assert refused(refunding.approve, refund=waiting, by=shop.sophea) == "stopped"
    assert refunding.look_up(refund=sent, at=clock.now()).state == "done"
    assert refunding.reject(refund=waiting, by=shop.sophea, why="stopped", at=clock.now()).state == "rejected"


def test_no_call_is_made_with_a_lock_held(shop: Shop) -> None:
    refund = refunding.record_sent(refund=shop.ask(300), named=shop.send(300), by=shop.dara, at=clock.now())

    with pytest.raises(InsideTransaction), transaction.atomic():
        refunding.look_up(refund=refund, at=clock.now())


def test_the_record_is_judged_once_even_when_asked_twice(shop: Shop) -> None:
    """The answer of a record that was taken back meanwhile decides nothing about the new one."""
    refund = refunding.record_sent(refund=shop.ask(300), named=shop.send(300), by=shop.dara, at=clock.now())
    stands = sending.standing(refund=refund)
    assert stands is not None

    refunding.look_up(refund=refund, at=clock.now())

    with pytest.raises(RefundRefused, match="done"):
        refunding.look_up(refund=refund, at=clock.now())
    stands.refresh_from_db()
    with pytest.raises(SendingRefused, match="was seen"):
        sending.retract(stands, by=shop.dara, why="no", at=clock.now())


def test_money_in_a_balance_of_the_host_goes_back_by_its_own_handler_or_not_at_all(
    shop: Shop, settings: Any
) -> None:
    said: list[tuple[str, int]] = []
    settings.VINFLOW_FUNDS_HANDLER = lambda **_: None
    shop.payment = pay_in(shop.bank, shop.payer, shop.cents(300), key="host")
    assert refused(shop_ask(shop), minor=300) == "host"

    def give_back(*, step: str, refund: Any, clawback: Any, payment: Any, money: Money, at: Any) -> None:
        assert (refund.payment, clawback, payment) == (shop.payment, None, shop.payment)
        if len(said) == 4:
            raise RefundRefused("the host has spent it", "spent")
        said.append((step, money.minor))

    settings.VINFLOW_REFUND_HANDLER = give_back
    shop.done(shop.ask(100, key="a"))
    refunding.give_up(refund=shop.ask(200, key="b"), by=shop.dara, why="kept", at=clock.now())
    assert said == [("hold", 100), ("capture", 100), ("hold", 200), ("release", 200)]
    assert refused(shop_ask(shop), minor=200, key="c") == "spent"

    assert Refund.objects.count() == 2
    entry = JournalEntry.objects.get(purpose="refund:captured")
    assert {(line.account.kind, line.side) for line in entry.lines.all()} == {
        ("external", "D"),
        ("bakong", "C"),
    }
    assert shop.lawful()

"""The review desk: each odd transfer has one item, and people decide by the rules."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from tests.payments.money_back import pay_in

from vinflow.money import Currency, Money
from vinflow.payments import checking, clawing_back, clock, conf, law, queries
from vinflow.payments.budgeting import Pool
from vinflow.payments.claiming import claim
from vinflow.payments.errors import ClawBackRefused, LawBroken, ReviewRefused
from vinflow.payments.guards import drop_guards, install_guards
from vinflow.payments.models import (
    ClawBack,
    Exchange,
    Payment,
    PaymentSettings,
    ReviewItem,
    Sending,
    Transfer,
)
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.payments.overtaking import close_overtaken
from vinflow.payments.reviewing import approve, look_up_return, propose, withdraw
from vinflow.payments.testing import allow_flush
from vinflow.payments.tidying import tidy
from vinflow.payments.verifying import verify
from vinflow.sandbox import Sandbox
from vinflow.sandbox.bank import PAYER
from vinflow.wallet.entries import external_ref, user_ref
from vinflow.wallet.errors import SpendingStopped
from vinflow.wallet.models import JournalEntry, JournalLine
from vinflow.wallet.posting import spend
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

Watch = Callable[[float], None]
Later = Callable[[float], datetime]


@pytest.fixture
def staff(django_user_model: Any) -> tuple[Any, Any]:
    """Two members of staff."""
    return (
        django_user_model.objects.create_user("dara", is_staff=True),
        django_user_model.objects.create_user("sophea", is_staff=True),
    )


@pytest.fixture
def odd(bank: Sandbox, opened: Payment, later: Later, watch: Watch) -> Callable[..., ReviewItem]:
    """odd(amount=..., ...) pays the open payment in an odd way and returns its review item."""

    def pay(**how: Any) -> ReviewItem:
        later(20)
        bank.pay(opened.attempts.get().qr_string, **how)
        watch(150)
        return ReviewItem.objects.get()

    return pay


def held(user: Any) -> Money:
    """Return the dollars in a user's wallet."""
    return balances(user, conf.environment())[0]


def test_crediting_another_amount_gives_what_came_and_never_says_completed(
    odd: Any, opened: Payment, payer: Any, staff: Any
) -> None:
    """Who ships on "completed" must not ship for a cent."""
    item = odd(amount="0.01")

    decided = propose(item=item, decision="credited", by=staff[0], why="he typed it by hand", at=clock.now())

    opened.refresh_from_db()
    assert (decided.decision, decided.decided_by, decided.why) == (
        "credited", staff[0], "he typed it by hand",
    )  # fmt: skip
    assert (opened.status, held(payer)) == ("canceled", Money(1, Currency.USD))
    assert Transfer.objects.get().fate == "extra"
    assert law.check(conf.environment()) == []


def test_riel_that_came_for_dollars_are_credited_as_riel(
    odd: Any, opened: Payment, payer: Any, staff: Any
) -> None:
    item = odd(currency="KHR", amount="4000")

    propose(item=item, decision="credited", by=staff[0], why="paid in riel", at=clock.now())

    assert balances(payer, conf.environment()) == [Money(0, Currency.USD), Money(4000, Currency.KHR)]
    assert law.check(conf.environment()) == []


def test_sending_back_takes_the_money_out_of_suspense(
    odd: Any, bank: Sandbox, opened: Payment, payer: Any, staff: Any
) -> None:
    item = odd(amount="0.99")
    for wrong in ("", "xyz", Transfer.objects.get().hash):
        with pytest.raises(ReviewRefused, match=r"transfer|hash"):
            propose(
                item=item, decision="returned", by=staff[0], why="sent", at=clock.now(), returned_hash=wrong
            )

    sent = send_back(bank, "0.99")
    waiting = propose(
        item=item, decision="returned", by=staff[0], why="sent back", at=clock.now(), returned_hash=sent
    )
    assert (waiting.decision, Transfer.objects.get().fate) == ("", "in_review")
    decided = look_up_return(item=item, at=clock.now())

    opened.refresh_from_db()
    assert (decided.decision, decided.decided_by, decided.proposed_by) == ("returned", staff[0], None)
    assert (opened.status, held(payer)) == ("canceled", Money(0, Currency.USD))
    assert Transfer.objects.get().fate == "returned"
    memo = JournalEntry.objects.get(purpose="return").memo
    assert memo == f"sent back, {opened.transaction_id}, dara: sent back"
    assert law.check(conf.environment()) == []


def send_back(bank: Sandbox, amount: str) -> str:
    """Send money at the bank as a person would; return the hash of the transfer."""
    return bank.pay(bank.qr(amount, account=PAYER), payer=bank.account).hash


def test_a_return_that_the_bank_does_not_show_waits_for_it_or_for_a_second_person(
    odd: Any, bank: Sandbox, staff: Any
) -> None:
    item = odd(amount="0.99")
    sent = send_back(bank, "0.98")  # another amount: not the one
    with pytest.raises(ReviewRefused, match="no transfer is recorded"):
        look_up_return(item=item, at=clock.now())
    propose(item=item, decision="returned", by=staff[0], why="sent", at=clock.now(), returned_hash=sent)
    assert look_up_return(item=item, at=clock.now()).decision == ""
    with pytest.raises(ReviewRefused, match="was not seen yet"):
        approve(item=item, by=staff[1], at=clock.now())
    with pytest.raises(ReviewRefused, match="another transfer"):
        approve(item=item, by=staff[1], at=clock.now(), vouch="page 1")
    withdraw(item=item, by=staff[0], at=clock.now())

    propose(item=item, decision="returned", by=staff[0], why="sent", at=clock.now(), returned_hash="e" * 64)
    assert look_up_return(item=item, at=clock.now()).decision == ""  # Bakong knows no such transfer
    decided = approve(item=item, by=staff[1], at=clock.now(), vouch="page 1 of the statement")

    assert (decided.decision, decided.decided_by) == ("returned", staff[1])
    stands = Sending.objects.get(retracted_at=None)
    assert (stands.last_outcome, stands.vouched_by) == ("not_found", staff[1])
    assert law.check(conf.environment()) == []


def test_a_return_above_one_persons_day_is_seen_first_and_approved_then(
    odd: Any, bank: Sandbox, staff: Any
) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"usd_one_person_daily_max": 98})
    item = odd(amount="0.99")
    sent = send_back(bank, "0.99")
    propose(item=item, decision="returned", by=staff[0], why="sent", at=clock.now(), returned_hash=sent)

    assert look_up_return(item=item, at=clock.now()).decision == ""
    with pytest.raises(ReviewRefused, match="was seen"):  # its money has left: nobody can unsay that
        withdraw(item=item, by=staff[0], at=clock.now())
    with pytest.raises(ReviewRefused, match="second person"):
        approve(item=item, by=staff[0], at=clock.now())
    assert approve(item=item, by=staff[1], at=clock.now()).decision == "returned"

    entry = JournalEntry.objects.get(purpose="return")
    assert entry.memo.endswith("dara and sophea: sent")
    assert law.check(conf.environment()) == []


def test_dismissing_booked_money_takes_two_people(odd: Any, staff: Any) -> None:
    item = odd(amount="0.99")

    waiting = propose(item=item, decision="dismissed", by=staff[0], why="nobody claims it", at=clock.now())
    assert (waiting.decision, waiting.proposed) == ("", "dismissed")
    with pytest.raises(ReviewRefused, match="second person"):
        approve(item=item, by=staff[0], at=clock.now())

    decided = approve(item=item, by=staff[1], at=clock.now())

    assert (decided.decision, decided.why) == ("dismissed", "nobody claims it")
    assert Transfer.objects.get().fate == "written_off"
    assert JournalLine.objects.filter(account__kind="unclaimed").count() == 1
    assert law.check(conf.environment()) == []


def test_one_persons_decisions_of_a_day_add_up_to_a_limit(
    odd: Any, opened: Payment, payer: Any, staff: Any
) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"usd_one_person_daily_max": 149})

    waiting = propose(
        item=odd(amount="1.50"), decision="credited", by=staff[0], why="looks right", at=clock.now()
    )

    assert waiting.decision == ""
    assert held(payer) == Money(0, Currency.USD)
    approve(item=waiting, by=staff[1], at=clock.now())
    assert held(payer) == Money(150, Currency.USD)


def test_nobody_decides_about_their_own_money(odd: Any, payer: Any) -> None:
    with pytest.raises(ReviewRefused, match="their own"):
        propose(item=odd(amount="1.50"), decision="credited", by=payer, why="it is mine", at=clock.now())

    assert held(payer) == Money(0, Currency.USD)


@pytest.mark.parametrize(
    ("decision", "why"), [("credited", ""), ("credited", "  x "), ("spent", "because"), ("", "because")]
)
def test_a_decision_without_a_reason_or_of_no_kind_is_refused(
    odd: Any, staff: Any, decision: str, why: str
) -> None:
    with pytest.raises(ReviewRefused):
        propose(item=odd(amount="1.50"), decision=decision, by=staff[0], why=why, at=clock.now())

    assert ReviewItem.objects.get().decision == ""


def test_a_foreign_receiver_is_credited_only_once_it_is_accepted(
    odd: Any, payer: Any, staff: Any, settings: Any
) -> None:
    item = odd(receiver="bridge_account@devb")
    with pytest.raises(ReviewRefused, match="receiver"):
        propose(item=item, decision="credited", by=staff[0], why="our bank's account", at=clock.now())

    settings.KHQR_RECEIVERS = ["bridge_account@devb"]
    propose(item=item, decision="credited", by=staff[0], why="our bank's account", at=clock.now())

    assert held(payer) == Money(100, Currency.USD)
    assert law.check(conf.environment()) == []


def test_a_transfer_that_went_back_is_never_credited(odd: Any, payer: Any, staff: Any) -> None:
    item = odd(tracking_status="REFUNDED_BY_RECEIVER")

    with pytest.raises(ReviewRefused, match="went back"):
        propose(item=item, decision="credited", by=staff[0], why="let us see", at=clock.now())

    assert not JournalLine.objects.exists()


def test_money_for_a_paid_payment_is_given_besides(
    bank: Sandbox, opened: Payment, payer: Any, staff: Any, later: Later, watch: Watch
) -> None:
    later(570)
    renew_qr(payment=opened, at=clock.now())
    for attempt in opened.attempts.all():
        bank.pay(attempt.qr_string)
    watch(900)
    item = ReviewItem.objects.get()

    propose(item=item, decision="credited", by=staff[0], why="paid twice, keeps it", at=clock.now())

    assert held(payer) == Money(200, Currency.USD)
    assert {transfer.fate for transfer in Transfer.objects.all()} == {"credited", "extra"}
    assert law.check(conf.environment()) == []


def test_late_money_waits_for_people_where_the_operator_says_so(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch
) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"late_credit": False})
    bank.pay(opened.attempts.get().qr_string, late=True)

    watch(400)

    seen = queries.checkout(Payment.objects.get(pk=opened.pk), at=clock.now())
    assert (seen.state, seen.late_held) == ("review", True)
    assert ReviewItem.objects.get().reasons == ["late_held"]


def test_automatic_credit_is_capped_by_the_hour(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch, later: Later
) -> None:
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"usd_auto_hourly_max": 150})
    second = open_payment(user=payer, money=Money(100, Currency.USD), key="2", at=clock.now())
    later(10)
    bank.pay(opened.attempts.get().qr_string)
    bank.pay(second.attempts.get().qr_string)

    watch(200)

    assert held(payer) == Money(100, Currency.USD)
    assert ReviewItem.objects.get().reasons == ["over_cap"]
    assert law.check(conf.environment()) == []


def test_the_same_transfer_answered_for_two_qrs_pays_the_first_and_opens_an_item(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch, later: Later
) -> None:
    second = open_payment(user=payer, money=Money(100, Currency.USD), key="2", at=clock.now())
    later(10)
    one = bank.pay(opened.attempts.get().qr_string)
    bank.pay(second.attempts.get().qr_string, overrides={"hash": one.hash})

    watch(200)

    assert held(payer) == Money(100, Currency.USD)
    assert ReviewItem.objects.get().reasons == ["hash_seen"]
    assert law.check(conf.environment()) == []


# --- The bank takes money back that waits here --------------------------------------------------------------


def test_money_that_the_bank_took_back_leaves_suspense_by_two_people(
    odd: Any, opened: Payment, payer: Any, staff: Any
) -> None:
    item = odd(amount="0.99")
    asked = {"item": item, "decision": "taken_back", "by": staff[0], "why": "a stolen phone"}
    for wrong in ("", "  ", "x" * 101):
        with pytest.raises(ReviewRefused, match="bank's entry"):
            propose(**asked, bank_reference=wrong, at=clock.now())

    waiting = propose(**asked, bank_reference=" REV  1 ", at=clock.now())
    assert (waiting.decision, waiting.bank_reference) == ("", "REV 1")  # small as it is, it takes two
    with pytest.raises(ReviewRefused, match="second person"):
        approve(item=item, by=staff[0], at=clock.now())
    decided = approve(item=item, by=staff[1], at=clock.now())

    opened.refresh_from_db()
    assert (decided.decision, decided.decided_by, decided.proposed_by) == ("taken_back", staff[1], staff[0])
    assert (opened.status, held(payer)) == ("canceled", Money(0, Currency.USD))
    assert Transfer.objects.get().fate == "returned"
    entry = JournalEntry.objects.get(purpose="return")
    assert (
        entry.memo
        == f"taken back by the bank, REV 1, {opened.transaction_id}, dara and sophea: a stolen phone"
    )
    assert {(line.account.kind, line.side, line.amount_minor) for line in entry.lines.all()} == {
        ("suspense", "D", 99),
        ("bakong", "C", 99),
    }
    assert law.check(conf.environment()) == []
    assert verify().problems == []


def test_an_entry_of_the_bank_takes_money_once_here_and_in_claw_backs(
    bank: Sandbox, odd: Any, payer: Any, staff: Any, later: Later
) -> None:
    item = odd(amount="0.99")
    asked = {"item": item, "decision": "taken_back", "by": staff[0], "why": "a stolen phone"}
    paid = pay_in(bank, payer, Money(300, Currency.USD), key="paid")
    clawed = {"payment": paid, "money": paid.money, "why": "reversed", "by": staff[0]}
    propose(**asked, bank_reference="REV-1", at=clock.now())

    with pytest.raises(ClawBackRefused, match="named at the review desk"):
        clawing_back.claw_back(**clawed, bank_reference="REV-1", at=clock.now())
    withdraw(item=item, by=staff[0], at=clock.now())
    first = clawing_back.claw_back(**clawed, bank_reference="REV-1", at=clock.now())
    with pytest.raises(ReviewRefused, match="takes money once"):
        propose(**asked, bank_reference="REV-1", at=clock.now())
    with pytest.raises(DatabaseError, match="takes money once"):  # and past Python
        ReviewItem.objects.filter(pk=item.pk).update(bank_reference="REV-1")
    ReviewItem.objects.filter(pk=item.pk).update(bank_reference="REV-2")
    values = {field.attname: getattr(first, field.attname) for field in ClawBack._meta.local_fields}
    values |= {"id": None, "reference": "CLBCOPY", "amount_minor": 0, "bank_reference": "REV-2"}
    with pytest.raises(DatabaseError, match="takes money once"):
        ClawBack.objects.create(**values)


def test_the_database_takes_nothing_back_that_the_books_do_not_have(odd: Any, staff: Any) -> None:
    item = odd(amount="0.99")
    whole = {"decision": "taken_back", "decided_at": clock.now(), "decided_by": staff[1], "why": "because"}
    rows = ReviewItem.objects.filter(pk=item.pk)

    with pytest.raises(DatabaseError, match="when the books have it"):
        rows.update(**whole, proposed_by=staff[0], bank_reference="REV-1")
    drop_guards(connection)
    try:
        for missing in ({"proposed_by": staff[1]}, {"proposed_by": None}, {"bank_reference": ""}):
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.update(**({**whole, "proposed_by": staff[0], "bank_reference": "REV-1"} | missing))
    finally:
        install_guards(connection)


def test_what_was_never_booked_cannot_be_taken_back(odd: Any, bank: Sandbox, staff: Any) -> None:
    item = odd(tracking_status="REFUNDED_BY_RECEIVER")

    with pytest.raises(ReviewRefused, match="only be dismissed"):
        propose(
            item=item, decision="taken_back", by=staff[0], why="gone", bank_reference="REV-1", at=clock.now()
        )


# --- "I paid but it is not here" ----------------------------------------------------------------------------


def test_a_strangers_receipt_credits_nobody_by_itself(
    bank: Sandbox, opened: Payment, django_user_model: Any, later: Later, staff: Any
) -> None:
    """The thief of money rule 1: the receipt fits amount, receiver and time."""
    thief = django_user_model.objects.create_user("thief")
    theirs = open_payment(user=thief, money=Money(100, Currency.USD), key="t", at=clock.now())
    receipt = bank.pay(opened.attempts.get().qr_string)
    later(20)

    for name in (receipt.hash, receipt.hash[:8], receipt.external_ref):
        later(15)
        assert claim(payment=theirs, named=name, at=clock.now()).kind == "review"

    assert held(thief) == Money(0, Currency.USD)
    item = ReviewItem.objects.get()
    assert item.reasons == ["claimed_by_hash"]
    propose(item=item, decision="credited", by=staff[0], why="he has a receipt", at=clock.now())
    assert held(thief) == Money(0, Currency.USD)


def test_the_victim_is_still_credited_after_a_thief_claimed_their_transfer(
    bank: Sandbox, opened: Payment, payer: Any, django_user_model: Any, later: Later, watch: Watch, staff: Any
) -> None:
    thief = django_user_model.objects.create_user("thief")
    theirs = open_payment(user=thief, money=Money(100, Currency.USD), key="t", at=clock.now())
    receipt = bank.pay(opened.attempts.get().qr_string)
    later(20)
    claim(payment=theirs, named=receipt.hash, at=clock.now())
    item = ReviewItem.objects.get()
    propose(item=item, decision="credited", by=staff[0], why="he has a receipt", at=clock.now())

    watch(200)

    assert held(payer) == Money(100, Currency.USD)
    with pytest.raises(ReviewRefused, match="another payment"):
        approve(item=item, by=staff[1], at=clock.now())
    assert held(thief) == Money(0, Currency.USD)


def test_ones_own_receipt_credits_by_the_look_up_of_ones_own_qr(
    bank: Sandbox, opened: Payment, payer: Any, later: Later
) -> None:
    receipt = bank.pay(opened.attempts.get().qr_string)
    later(20)

    report = claim(payment=opened, named=receipt.hash[:8].upper(), at=clock.now())

    assert report.kind == "credited"
    assert held(payer) == Money(100, Currency.USD)
    assert not ReviewItem.objects.exists()


def test_a_qr_that_was_asked_a_moment_ago_is_asked_anew_before_a_name(
    bank: Sandbox, opened: Payment, payer: Any, later: Later
) -> None:
    """A bank may need a moment: what is filed for people within it would be credited by itself after it."""
    later(20)
    checking.check_payment(payment=opened, at=clock.now())
    receipt = bank.pay(opened.attempts.get().qr_string)
    calls = len(bank.calls())

    assert claim(payment=opened, named=receipt.hash, at=later(5)).kind == "slow"
    assert len(bank.calls()) == calls
    assert not ReviewItem.objects.exists()

    assert claim(payment=opened, named=receipt.hash, at=later(10)).kind == "credited"
    assert held(payer) == Money(100, Currency.USD)
    assert not ReviewItem.objects.exists()


def test_a_claim_closes_itself_when_its_own_qr_has_brought_the_transfer(
    bank: Sandbox, opened: Payment, payer: Any, django_user_model: Any, later: Later, staff: Any
) -> None:
    """The bank shows a transfer by its name before it shows it by its QR; a thief names it too."""
    thief = django_user_model.objects.create_user("thief")
    theirs = open_payment(user=thief, money=Money(100, Currency.USD), key="t", at=clock.now())
    receipt = bank.pay(opened.attempts.get().qr_string)
    bank.fault("check_transaction_by_md5", "code", code=1)
    for payment in (opened, theirs):
        assert claim(payment=payment, named=receipt.hash, at=later(20)).kind == "review"
    own, stolen = (ReviewItem.objects.get(payment=payment) for payment in (opened, theirs))
    propose(item=own, decision="credited", by=staff[0], why="the receipt is there", at=clock.now())
    with pytest.raises(DatabaseError, match="its own QR"):
        ReviewItem.objects.filter(pk=own.pk).update(decision="overtaken", decided_at=clock.now(), why="so")
    assert close_overtaken(at=clock.now()) == 0

    bank.clear_faults()
    later(20)
    checking.check_payment(payment=opened, at=clock.now())
    assert held(payer) == Money(100, Currency.USD)
    tidy(at=clock.now())

    own.refresh_from_db()
    stolen.refresh_from_db()
    assert (own.decision, own.decided_by, own.proposed) == ("overtaken", None, "")
    assert (stolen.decision, held(thief)) == ("", Money(0, Currency.USD))  # people look at that one
    assert close_overtaken(at=clock.now()) == 0
    assert law.check(conf.environment()) == []
    assert verify().problems == []


@pytest.mark.parametrize("named", ["", "x", "'; DROP TABLE", "ab" * 40, "<script>"])
def test_a_name_that_is_none_costs_no_call(bank: Sandbox, opened: Payment, named: str) -> None:
    assert claim(payment=opened, named=named, at=clock.now()).kind == "unreadable"
    assert bank.calls() == []


def test_a_transfer_bakong_does_not_know_is_none(bank: Sandbox, opened: Payment, later: Later) -> None:
    assert claim(payment=opened, named="ab" * 32, at=clock.now()).kind == "none"


# --- The law ------------------------------------------------------------------------------------------------


def test_a_broken_law_stops_spending_and_never_receiving(
    bank: Sandbox, opened: Payment, payer: Any, watch: Watch
) -> None:
    bank.pay(opened.attempts.get().qr_string)
    watch(150)
    law.require_spending_allowed()
    with allow_flush():  # the guards stand aside so that a row can be bent at all
        Transfer.objects.update(amount_minor=99)

    breaches = law.enforce(conf.environment(), at=clock.now())

    assert [breach.rule for breach in breaches] == ["received", "law"]
    with pytest.raises(LawBroken, match="received"):
        law.require_spending_allowed()
    with pytest.raises(SpendingStopped, match="received"), transaction.atomic():
        spend(
            wallet=user_ref(payer.pk, "sandbox"),
            to=external_ref("sandbox"),
            money=Money(50, Currency.USD),
            source="order:1",
            purpose="paid",
            at=clock.now(),
        )
    second = open_payment(user=payer, money=Money(500, Currency.USD), key="2", at=clock.now())
    bank.pay(second.attempts.get().qr_string)
    watch(150)
    assert held(payer) == Money(600, Currency.USD)


@pytest.mark.postgres
def test_two_decisions_at_once_are_one(odd: Any, payer: Any, staff: Any) -> None:
    if connection.vendor != "postgresql":
        pytest.fail("this test belongs to PostgreSQL")
    item = odd(amount="1.50")

    def decide(decision: str) -> str:
        try:
            sent = "f" * 64 if decision == "returned" else ""
            return propose(
                item=item, decision=decision, by=staff[0], why="at once", at=clock.now(), returned_hash=sent
            ).decision
        except ReviewRefused:
            return "refused"
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(decide, ["credited", "returned"] * 4))

    # Credited at once, or proposed as returned: four who propose the same are one proposal.
    decided, waiting = results.count("credited"), results.count("")
    assert (decided, waiting) == (1, 0) or (decided == 0 and 1 <= waiting <= 4)
    assert results.count("refused") == 8 - decided - waiting
    assert Sending.objects.count() == (0 if decided else 1)
    assert law.check(conf.environment()) == []


def test_what_staff_gave_is_what_the_payer_sees(
    odd: Any, opened: Payment, payer: Any, staff: Any, client: Any
) -> None:
    """Not "canceled": money was added, another amount than was asked for."""
    propose(item=odd(amount="1.50"), decision="credited", by=staff[0], why="it is his", at=clock.now())
    client.force_login(payer)

    page = client.get(f"/payment/{opened.transaction_id}/").content.decode()
    home = client.get("/").content.decode()
    wallet = client.get("/wallet/").content.decode()

    assert 'data-state="completed"' in page
    assert "$1.50 was added to your wallet." in page
    assert "+$1.50" in home
    assert "+$1.50" in wallet
    assert "Canceled</span>" not in home
    assert client.get(f"/payment/{opened.transaction_id}/status/").json()["state"] == "completed"


def test_a_decision_beside_a_question_that_waits_for_its_answer_ends_the_payment_later(
    odd: Any, bank: Sandbox, opened: Payment, staff: Any, later: Later, watch: Watch
) -> None:
    """Staff asked again about an odd payment when the quota was gone: the QR is watched again meanwhile."""
    item = odd(amount="0.01")
    bank.fault("*", "quota", times=1)
    checking.check_payment(payment=opened, at=clock.now(), pool=Pool.STAFF)
    assert opened.attempts.get().next_check_at is not None

    proposed = propose(item=item, decision="dismissed", by=staff[0], why="looked", at=clock.now())
    if not proposed.decision:
        approve(item=item, by=staff[1], at=clock.now())
    opened.refresh_from_db()
    assert opened.status == "pending"  # an answer is still to come

    later(86_400)
    watch(90)
    watch(90)

    opened.refresh_from_db()
    assert opened.status == "canceled"
    assert verify().is_clean


@pytest.mark.parametrize(
    "still", ["a request under way", "an item that nobody decided", "an answer nobody has read"]
)
def test_a_decision_ends_nothing_while_something_else_is_to_come(
    odd: Any, opened: Payment, staff: Any, still: str
) -> None:
    item = odd(amount="0.01")
    attempt = opened.attempts.get()
    if still == "a request under way":
        other: Any = Exchange.objects.create(
            operation="check", token_id="t", pool="staff", environment="sandbox", started_at=clock.now()
        )
        other.attempts.add(attempt)
    elif still == "an answer nobody has read":
        other = Transfer.objects.get()
        other.pk, other.hash, other.fate, other.reasons, other.processed_at = None, "cd" * 32, "", [], None
        other.save(force_insert=True)
    else:
        other = ReviewItem.objects.create(
            subject="sighting:x",
            attempt=attempt,
            payment=opened,
            reasons=["hash_reused"],
            opened_at=clock.now(),
        )

    proposed = propose(item=item, decision="dismissed", by=staff[0], why="looked", at=clock.now())
    if not proposed.decision:
        approve(item=item, by=staff[1], at=clock.now())

    opened.refresh_from_db()
    assert opened.status == "pending"

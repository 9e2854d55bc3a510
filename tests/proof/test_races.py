"""Every pair of hands on one payment, the second one at every moment of the first one's work.

After each meeting: the law holds, a transfer is credited once, the states moved as the table says, nobody was
told of a deadlock or of a broken constraint, and in the calm that follows the money reaches its payer.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection
from tests.proof.figures import WANTED, hand_over
from tests.proof.rivals import Meeting, Rivals, Step, outcome_of, steps_of

from vinflow.bakong import Found, NotFound
from vinflow.money import Currency, Money
from vinflow.payments import (
    answering,
    budgeting,
    checking,
    clock,
    conf,
    gateways,
    law,
    leasing,
    settings_store,
    watching,
)
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.canceling import cancel_payment
from vinflow.payments.claiming import claim
from vinflow.payments.confirming import file_claim, process_inbox
from vinflow.payments.errors import IllegalTransition, MethodOff, NotOpen, RefundRefused, ReviewRefused
from vinflow.payments.models import Attempt, Payment, PaymentSettings, Refund, ReviewItem, Transfer
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.payments.refunding import ask_refund
from vinflow.payments.reviewing import approve, propose
from vinflow.payments.states import TRANSITIONS
from vinflow.sandbox import Sandbox
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

ONE = Money(100, Currency.USD)
PROVE = os.environ.get("PROVE", "")
HAND = int(os.environ.get("HAND", "4"))
LEGAL = {(str(state), str(to)) for state, events in TRANSITIONS.items() for to in events.values()}


@dataclass
class World:
    """A payment of a dollar whose QR has run out and was paid in time; we have not asked yet.

    receipt: the hash of that transfer. item: people are about to credit another transfer to this payment, by
    its receipt. stolen: people are about to credit this payment's own transfer to a thief.
    """

    payment: Payment
    receipt: str
    thief: Any
    staff: Any
    item: ReviewItem | None
    stolen: ReviewItem | None
    found: Found

    def fresh(self) -> Payment:
        """Return the payment as a page would load it."""
        return Payment.objects.get(pk=self.payment.pk)

    def first(self) -> Attempt:
        """Return the QR that was paid."""
        return Attempt.objects.get(payment=self.payment, number=1)


def payer_check(world: World) -> Any:
    return checking.check_payment(payment=world.fresh(), at=clock.now()).kind


def worker(world: World) -> Any:
    return watching.step().found


def late_answer(world: World) -> Any:
    """A worker that lost its lease comes back with what it was told."""
    gateway = gateways.current()
    answering.take_answer(world.first(), world.found, started_at=clock.now(), gateway=gateway)
    return "told"


def staff_credit(world: World) -> Any:
    assert world.item is not None
    return approve(item=world.item, by=world.staff[1], at=clock.now()).decision


def thief_credit(world: World) -> Any:
    assert world.stolen is not None
    return approve(item=world.stolen, by=world.staff[1], at=clock.now()).decision


def own_claim(world: World) -> Any:
    return claim(payment=world.fresh(), named=world.receipt, at=clock.now()).kind


def expiry(world: World) -> Any:
    """The answer to a question put a moment before the money became visible."""
    outcome = NotFound(answered_at=clock.now())
    answering.take_answer(world.first(), outcome, started_at=clock.now(), gateway=gateways.current())
    return "told"


def cancel(world: World) -> Any:
    return cancel_payment(payment=world.fresh(), at=clock.now()).status


def new_qr(world: World) -> Any:
    return renew_qr(payment=world.fresh(), at=clock.now()).number


def switch_off(world: World) -> Any:
    return settings_store.save({"khqr_enabled": False}, by=world.staff[0], at=clock.now())


def refund(world: World) -> Any:
    person = world.staff[0]
    asked = ask_refund(
        payment=world.fresh(),
        money=ONE,
        why="not wanted",
        by=person,
        key=f"k{world.payment.pk}",
        at=clock.now(),
    )
    return asked.state


ACTS: dict[str, Callable[[World], Any]] = {
    "payer check": payer_check,
    "worker": worker,
    "late answer": late_answer,
    "staff credit": staff_credit,
    "staff credit a thief": thief_credit,
    "claim": own_claim,
    "expiry": expiry,
    "cancel": cancel,
    "new QR": new_qr,
    "switch-off": switch_off,
    "refund": refund,
}
BRING = frozenset({"payer check", "worker", "late answer", "staff credit", "staff credit a thief", "claim"})
STAFF = frozenset({"staff credit", "staff credit a thief"})
# What a caller may be told instead of an answer. Nothing else: no deadlock, no broken constraint.
REFUSALS: dict[str, tuple[type[Exception], ...]] = {
    "staff credit": (ReviewRefused,),
    "staff credit a thief": (ReviewRefused,),
    "cancel": (IllegalTransition,),
    "new QR": (NotOpen, MethodOff),
    "refund": (RefundRefused,),
}


def settled(names: set[str]) -> bool:
    """Return whether a payment is credited before these meet: for a refund, where neither brings money."""
    return "refund" in names and not names & BRING


@pytest.fixture
def moves(db: None) -> Iterator[Callable[[], list[tuple[str, str]]]]:
    """moves() returns every change of a payment's state since it was last called, as the database saw it."""
    postgres = connection.vendor == "postgresql"
    insert = "INSERT INTO proof_moves VALUES (NEW.id, OLD.status, NEW.status);"
    when = f"WHEN (OLD.status {'IS DISTINCT FROM' if postgres else 'IS NOT'} NEW.status)"
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE proof_moves (payment bigint, was text, now text)")
        if postgres:
            cursor.execute(
                "CREATE FUNCTION proof_note() RETURNS trigger LANGUAGE plpgsql AS "
                f"$note$ BEGIN {insert} RETURN NEW; END $note$"
            )
        body = "EXECUTE FUNCTION proof_note()" if postgres else f"BEGIN {insert} END"
        cursor.execute(
            f"CREATE TRIGGER proof_note AFTER UPDATE ON payments_payment FOR EACH ROW {when} {body}"
        )

    def take() -> list[tuple[str, str]]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT was, now FROM proof_moves")
            seen = [(was, now) for was, now in cursor.fetchall()]
            cursor.execute("DELETE FROM proof_moves")
        return seen

    yield take
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER proof_note {'ON payments_payment' if postgres else ''}")
        if postgres:
            cursor.execute("DROP FUNCTION proof_note")
        cursor.execute("DROP TABLE proof_moves")


@pytest.fixture
def world_of(bank: Sandbox, django_user_model: Any, settings: Any) -> Callable[[set[str]], World]:
    """world_of(names) makes a new payment for a meeting of these two, on a stage without other payments."""
    settings.KHQR_DAILY_CALLS = "100000"
    bank.switch(quota=100_000)
    PaymentSettings.objects.create(singleton=1, usd_auto_hourly_max=10**9)
    staff = [django_user_model.objects.create_user(f"staff{n}") for n in range(2)]
    count = 0

    def item_for(payment: Payment, receipt: str) -> ReviewItem:
        gateway = gateways.current()
        with budgeting.asking(Asking(Pool.STAFF, payment=payment)):
            found = gateway.find(receipt, ONE)
        assert isinstance(found, Found)
        item = file_claim(payment=payment, found=found, named=receipt, at=clock.now())
        return propose(item=item, decision="credited", by=staff[0], why="a receipt", at=clock.now())

    def make(names: set[str]) -> World:
        nonlocal count
        count += 1
        Attempt.objects.filter(next_check_at__isnull=False).update(next_check_at=None)
        PaymentSettings.objects.update(khqr_enabled=True)
        payer = django_user_model.objects.create(username=f"payer{count}")
        payment = open_payment(user=payer, money=ONE, key="k", at=clock.now())
        attempt = payment.attempts.get()
        bank.advance(540)
        receipt = bank.pay(attempt.qr_string).hash
        thief, item, stolen = None, None, None
        if "staff credit" in names:
            item = item_for(payment, bank.pay(bank.qr("1.00", Currency.USD)).hash)
        if "staff credit a thief" in names:
            thief = django_user_model.objects.create(username=f"thief{count}")
            theirs = open_payment(user=thief, money=ONE, key="t", at=clock.now())
            stolen = item_for(theirs, receipt)
        bank.advance(190)
        found = gateways.current().client.check_md5(attempt.md5)  # type: ignore[attr-defined]
        Attempt.objects.filter(next_check_at__isnull=False).exclude(pk=attempt.pk).update(next_check_at=None)
        Attempt.objects.filter(pk=attempt.pk).update(next_check_at=clock.now())
        world = World(payment, receipt, thief, staff, item, stolen, found)
        if settled(names):
            late_answer(world)
        return world

    return make


def held(user: Any) -> int:
    """Return the cents in a user's wallet."""
    return balances(user, conf.environment())[0].minor


def calm(world: World, bank: Sandbox) -> None:
    """Let the leases run out, and ask what a worker will ask of a QR that is watched: nothing may be lost."""
    bank.advance(70)
    at, gateway, first = clock.now(), gateways.current(), world.first()
    known = Transfer.objects.filter(hash=world.receipt).first()
    if known is None and first.next_check_at is not None:
        # Its turn may be hours away, after a "not found"; the question and its answer would be these.
        leased = leasing.claim(at=at, limit=1, gateway=gateway, ids=[first.pk])
        answering.ask(leased, pool=Pool.STAFF, at=at, gateway=gateway)
    elif known is not None and known.processed_at is None:
        process_inbox(at=at)


def breaches(world: World, names: tuple[str, str], moved: list[tuple[str, str]]) -> list[str]:
    """Return what is wrong after a meeting and its calm, a sentence each."""
    wrong = [f"{b.rule}: {b.what}" for b in law.check(conf.environment())]
    wrong += [f"moved from {was} to {now}" for was, now in moved if (was, now) not in LEGAL]
    payment = world.fresh()
    mine = list(Transfer.objects.filter(payment=payment))
    credited = [one for one in mine if one.fate == "credited"]
    if (payment.status == "completed") != (len(credited) == 1):
        wrong.append(f"{payment.status} with {len(credited)} credits")
    given = sum(one.amount_minor or 0 for one in mine if one.fate in ("credited", "extra"))
    if held(payment.user) != given:
        wrong.append(f"the wallet holds {held(payment.user)}, {given} were given")
    owner = Transfer.objects.filter(hash=world.receipt).first()
    if owner is None:
        wrong.append("the transfer is lost")
    elif world.thief is not None:
        theirs = Transfer.objects.filter(payment__user=world.thief, fate="credited")
        if held(world.thief) != 100 * theirs.count():
            wrong.append(f"the thief holds {held(world.thief)}, credited were {theirs.count()}")
    refunds = Refund.objects.filter(payment=payment)
    if refunds.count() > 1 or (refunds.exists() and payment.status != "completed"):
        wrong.append(f"{refunds.count()} refunds of a payment that is {payment.status}")
    entries = JournalEntry.objects.filter(source=f"transfer:{world.receipt}", purpose__startswith="credit")
    if entries.count() > 1:
        wrong.append(f"{entries.count()} credits of one transfer")
    if not STAFF & set(names):
        if (payment.status, held(payment.user)) != ("completed", 100):
            wrong.append(f"the money did not arrive: {payment.status}, {held(payment.user)} cents")
        # Who is told "not found" and names the receipt within the cool-down is answered by the look-up of the
        # receipt: then, and only then, an item lies beside the credit.
        told_no = set(names) == {"claim", "expiry"}
        if ReviewItem.objects.filter(payment=payment).exists() and not told_no:
            wrong.append("an item was opened for money that fits")
    return wrong


def judged(name: str, outcome: Any) -> list[str]:
    """Return what a caller should not have been told."""
    if isinstance(outcome, Exception) and not isinstance(outcome, REFUSALS.get(name, ())):
        return [f"{name} was told {type(outcome).__name__}: {outcome}"]
    return []


def dealt(steps: list[Step], place: int) -> list[Step]:
    """Return the steps of an actor that a rival comes before.

    They are spread over all that change or lock rows and over both sides of each commit: one for each rival,
    HAND of them in `make prove`. PROVE=all: every step there is, before each question too.
    """
    if connection.vendor == "sqlite":  # between transactions only
        steps = [step for step in steps if not step.inside and step.name != "commit"]
    if PROVE == "all":
        return steps
    written = [step for step in steps if step.writes] or steps
    hand = HAND if PROVE else 1
    places = {(place * hand + turn) * len(written) // (len(ACTS) * hand) for turn in range(hand)}
    return [written[number] for number in sorted(places)]


COUNTS: dict[str, Counter[str]] = {}
# What these meetings brought to light while they were written; each is mended and has a test below.
FOUND = (
    (
        "cancel met by staff credit",
        "a transfer that people credited by its receipt ended the watch of the QR it was claimed for, so "
        "that QR's own money would never have been asked for",
        "only a QR's own answer ends its watch",
        "test_a_claim_that_people_credit_leaves_the_qr_watched",
    ),
    (
        "staff credit a thief met by worker, before the insert",
        "the desk looks whether a transfer is known and inserts it a moment later: a worker's insert "
        "between the two reached the person as a broken unique key",
        "the insert that finds a rival is a refusal in words",
        "test_staff_who_credit_a_claim_are_told_that_it_was_found_meanwhile",
    ),
    (
        "payer check, worker or claim met by claim",
        "while another asked about the payer's QR, a claim went on to the receipt and opened an item for "
        "money that was credited by itself a moment later",
        "a question under way is waited for",
        "test_a_claim_beside_a_question_under_way_opens_no_item",
    ),
)


@pytest.mark.parametrize("actor", ACTS)
def test_whoever_comes_between_the_money_is_there_once(
    actor: str,
    bank: Sandbox,
    world_of: Callable[[set[str]], World],
    moves: Callable[[], list[tuple[str, str]]],
) -> None:
    act = ACTS[actor]
    started = time.monotonic()
    count = COUNTS[actor] = Counter()
    faults: list[str] = []
    known: dict[frozenset[str], list[Step]] = {}
    with Rivals() as rivals:
        act(warm := world_of({actor}))
        calm(warm, bank)
        for place, rival in enumerate(ACTS):
            names = (actor, rival)
            desk = STAFF & set(names) | ({"settled"} if settled(set(names)) else set())
            if desk not in known:
                alone = world_of(set(names))
                known[desk] = steps_of(lambda: outcome_of(lambda: act(alone)))  # noqa: B023
                moves()
            for step in dealt(known[desk], place):
                world = world_of(set(names))
                met: Meeting = rivals.meet(
                    lambda: act(world),  # noqa: B023
                    lambda: ACTS[rival](world),  # noqa: B023
                    at=step,
                )
                calm(world, bank)
                wrong = breaches(world, names, moves())
                wrong += judged(actor, met.actor) + judged(rival, met.rival)
                if not met.came:
                    wrong.append("the step was never reached")
                faults += [f"{actor} met by {rival} before {step.number} {step.name}: {one}" for one in wrong]
                count["meetings"] += 1
                count["waited"] += met.waited
                count["refused"] += isinstance(met.actor, Exception) + isinstance(met.rival, Exception)
            count["pairs"] += 1
    count["ms"] = round(1000 * (time.monotonic() - started))

    assert not faults, "\n".join(faults)
    assert count["meetings"] >= len(ACTS)


def test_every_pair_has_met() -> None:
    """The campaign's own account: in `make prove` it becomes a table of the report."""
    if len(COUNTS) < len(ACTS):
        pytest.skip("only some of the actors were asked for")
    total = sum(COUNTS.values(), Counter())

    assert total["pairs"] == len(ACTS) ** 2
    assert total["meetings"] >= total["pairs"]
    if connection.vendor == "postgresql":
        assert total["waited"] >= len(ACTS), "no rival ever had to wait for a lock: the locks are not there"
    if WANTED:
        hand_over(
            "races-found",
            title="What the races found while they were written",
            head=["meeting", "cause", "mend", "test"],
            rows=FOUND,
            seed=0,
            count=len(FOUND),
            duration_s=0,
            text="Nothing random: each comes again by its meeting.",
        )
        columns = ("pairs", "meetings", "waited", "refused")
        postgres = connection.vendor == "postgresql"
        hand = "all" if PROVE == "all" else str(HAND if PROVE else 1)
        hand_over(
            "races" if postgres else "races-sqlite",
            title=f"Exact races of pairs on {'PostgreSQL' if postgres else 'SQLite'}",
            head=["actor", "pairs", "meetings", "rival waited for a lock", "refused by the rules", "seconds"],
            rows=[
                *([name, *(one[c] for c in columns), one["ms"] // 1000] for name, one in COUNTS.items()),
                ["all", *(total[c] for c in columns), total["ms"] // 1000],
            ],
            seed=0,
            count=total["meetings"],
            duration_s=total["ms"] / 1000,
            text="Every pair, the second one just before statements of the first that change or lock rows, "
            f"and before and after its commits: {hand} a pair, spread over all "
            "there are; on SQLite between transactions. Nothing here is random.",
            database=database_version(),
        )


def database_version() -> str:
    """Return the database's own name and number."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sqlite_version()")
            return f"SQLite {cursor.fetchone()[0]}"
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0].split()[0]}"


@pytest.mark.postgres
def test_staff_who_credit_a_claim_are_told_that_it_was_found_meanwhile(
    bank: Sandbox, world_of: Callable[[set[str]], World]
) -> None:
    """A worker stores the transfer between the desk's look and its insert: a sentence, not a broken key."""
    alone = world_of({"staff credit a thief"})
    insert = next(s for s in steps_of(lambda: thief_credit(alone)) if s.name == "INSERT payments_transfer")
    world = world_of({"staff credit a thief"})

    with Rivals() as rivals:
        met = rivals.meet(lambda: thief_credit(world), lambda: worker(world), at=insert)

    assert met.came
    assert isinstance(met.actor, ReviewRefused)
    assert "found for another payment" in str(met.actor)
    assert (held(world.thief), held(world.fresh().user)) == (0, 100)
    assert law.check(conf.environment()) == []


def test_a_claim_that_people_credit_leaves_the_qr_watched(
    bank: Sandbox, world_of: Callable[[set[str]], World]
) -> None:
    """The money of the payer's own QR came too, unseen so far: it must not be forgotten."""
    world = world_of({"staff credit"})

    assert staff_credit(world) == "credited"
    expiry(world)  # a "not found" that was under way does not end the watch either

    assert world.first().next_check_at is not None
    calm(world, bank)
    assert Transfer.objects.get(hash=world.receipt).reasons == ["already_paid"]
    assert law.check(conf.environment()) == []


def test_a_claim_beside_a_question_under_way_opens_no_item(
    bank: Sandbox, world_of: Callable[[set[str]], World]
) -> None:
    world = world_of({"claim"})
    gateway = gateways.current()
    leased = leasing.claim(at=clock.now(), limit=1, gateway=gateway)
    calls = len(bank.calls())

    assert own_claim(world) == "slow"

    assert len(bank.calls()) == calls
    assert not ReviewItem.objects.exists()
    answering.ask(leased, pool=Pool.LAST, at=clock.now(), gateway=gateway)
    assert world.fresh().status == "completed"

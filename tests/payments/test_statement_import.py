"""A statement imported: matched by hash, reference, amount and time; a QR paid twice comes to light, once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import DatabaseError, transaction

from vinflow.money import Currency, Money
from vinflow.payments import clock, law, watching
from vinflow.payments.claiming import claim
from vinflow.payments.errors import ReviewRefused
from vinflow.payments.models import (
    ClosingBalance,
    Payment,
    ReviewItem,
    Statement,
    StatementLine,
    Transfer,
)
from vinflow.payments.opening import open_payment
from vinflow.payments.reconciling import reconcile
from vinflow.payments.reviewing import approve, propose, withdraw
from vinflow.payments.statements.columns import ColumnMap
from vinflow.payments.statements.errors import StatementRefused
from vinflow.payments.statements.importing import (
    enter_closing_balance,
    import_statement,
    preview,
    save_format,
)
from vinflow.payments.statements.settling import link
from vinflow.sandbox import Sandbox
from vinflow.wallet.entries import bakong_ref, suspense_ref
from vinflow.wallet.queries import account_balance, balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

USD = Currency.USD
MAP = ColumnMap(
    date="Date", credit="Money in", debit="Money out", reference="Ref", hash="Hash", unit="USD", order="dmy"
)
WITH_BALANCE = ColumnMap(**{**MAP.as_json(), "balance": "Balance"})
HEAD = "Date,Ref,Hash,Money in,Money out,Balance"


def cents(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


def row(
    at: datetime, minor: int, ref: str = "", hash_: str = "", out: bool = False, balance: str = ""
) -> str:
    day = (at + timedelta(hours=7)).strftime("%d/%m/%Y %H:%M:%S")
    money = f",{cents(minor)}" if out else f"{cents(minor)},"
    return f"{day},{ref},{hash_},{money},{balance}"


def file_of(*rows: str) -> bytes:
    return "\n".join([HEAD, *rows]).encode()


def of_bank(bank: Sandbox, *, refs: bool = True, hashes: bool = False) -> list[str]:
    """The statement that the stand-in's own records make: what really came."""
    rows = []
    for one in bank.transfers:
        at = clock.from_epoch(one.created_ms / 1000)
        minor = Money.from_decimal(one.amount, USD).minor
        rows.append(row(at, minor, one.external_ref or "" if refs else "", one.hash if hashes else ""))
    return rows


def imported(bank: Sandbox, content: bytes, by: Any = None, columns: ColumnMap = MAP) -> Statement:
    return import_statement(
        content, columns, receiver=bank.account, filename="may.csv", by=by, at=clock.now()
    )


def fates(statement: Statement | None = None) -> dict[str, int]:
    lines = StatementLine.objects.all() if statement is None else statement.lines.all()
    found: dict[str, int] = {}
    for line in lines:
        found[str(line.fate)] = found.get(str(line.fate), 0) + 1
    return found


@pytest.fixture
def paid(bank: Sandbox, payer: Any, later: Callable[[float], datetime]) -> list[Payment]:
    """Three payments of one dollar, credited."""
    made = []
    for number in range(3):
        payment = open_payment(user=payer, money=Money(100, USD), key=f"k{number}", at=clock.now())
        bank.pay(payment.attempts.get().qr_string)
        later(90)
        watching.step()
        made.append(payment)
    assert Payment.objects.filter(status="completed").count() == 3
    return made


@pytest.fixture
def twice(bank: Sandbox, paid: list[Payment], later: Callable[[float], datetime]) -> Payment:
    """The second payment's QR was paid once more: Bakong's answer about the QR never shows it."""
    bank.pay(paid[1].attempts.get().qr_string, again=True)
    later(600)
    return paid[1]


@pytest.fixture
def people(db: None) -> tuple[Any, Any]:
    users = get_user_model().objects
    return users.create_user("one", is_staff=True), users.create_user("two", is_staff=True)


@pytest.mark.parametrize("how", [{"refs": True}, {"refs": False}, {"refs": False, "hashes": True}])
def test_what_is_booked_is_matched_and_a_qr_paid_twice_is_left_over(
    bank: Sandbox, twice: Payment, how: dict[str, bool]
) -> None:
    plan = preview(file_of(*of_bank(bank, **how)), MAP, receiver=bank.account, at=clock.now())
    assert plan.counts == {"matched": 3, "suspense": 1}
    assert StatementLine.objects.count() == 0

    imported(bank, file_of(*of_bank(bank, **how)))

    assert fates() == {"matched": 3, "suspense": 1}
    assert account_balance(suspense_ref("sandbox"), USD) == Money(100, USD)
    assert account_balance(bakong_ref(bank.account, "sandbox"), USD) == Money(400, USD)
    item = ReviewItem.objects.get()
    assert (item.payment, item.transfer, item.reasons) == (None, None, ["statement_line"])
    assert law.check("sandbox") == []


def test_the_same_or_an_overlapping_file_adds_nothing(bank: Sandbox, twice: Payment) -> None:
    rows = of_bank(bank)
    imported(bank, file_of(*rows[:3]))

    second = imported(bank, file_of(*rows))
    third = imported(bank, file_of(*rows))

    assert (second.new_count, third.new_count) == (1, 0)
    assert fates() == {"matched": 3, "suspense": 1}
    assert ReviewItem.objects.count() == 1
    assert law.check("sandbox") == []


def test_two_identical_genuine_lines_are_two(bank: Sandbox, paid: list[Payment]) -> None:
    at = clock.now() + timedelta(days=3)  # far from any transfer
    same = row(at, 777, "SAME-REF")

    imported(bank, file_of(same))
    imported(bank, file_of(same, same))
    imported(bank, file_of(same, same))

    assert fates() == {"suspense": 2}
    assert account_balance(suspense_ref("sandbox"), USD) == Money(1554, USD)
    assert sorted(StatementLine.objects.values_list("occurrence", flat=True)) == [1, 2]


def test_a_person_links_the_line_and_two_people_credit_it(
    bank: Sandbox, twice: Payment, payer: Any, people: tuple[Any, Any]
) -> None:
    imported(bank, file_of(*of_bank(bank)))
    item, (one, two) = ReviewItem.objects.get(), people
    propose(item=item, decision="credited", by=one, why="paid twice", at=clock.now())
    with pytest.raises(ReviewRefused, match="link the line"):
        approve(item=item, by=two, at=clock.now())

    withdraw(item=item, by=one, at=clock.now())
    link(item=item, payment=twice, by=one, at=clock.now())
    item.refresh_from_db()
    assert law.check("sandbox") == []
    propose(item=item, decision="credited", by=one, why="paid twice", at=clock.now())
    assert balances(payer, "sandbox")[0] == Money(300, USD)
    approve(item=item, by=two, at=clock.now())

    assert balances(payer, "sandbox")[0] == Money(400, USD)
    assert account_balance(suspense_ref("sandbox"), USD) == Money(0, USD)
    assert account_balance(bakong_ref(bank.account, "sandbox"), USD) == Money(400, USD)
    assert law.check("sandbox") == []
    assert fates() == {"matched": 3, "linked": 1}
    imported(bank, file_of(*of_bank(bank)))
    assert balances(payer, "sandbox")[0] == Money(400, USD)
    assert reconcile(at=clock.now()).differences.count() == 0


def test_nobody_links_money_to_a_payment_of_their_own_or_twice(
    bank: Sandbox, twice: Payment, payer: Any, people: tuple[Any, Any]
) -> None:
    imported(bank, file_of(*of_bank(bank)))
    item = ReviewItem.objects.get()
    with pytest.raises(ReviewRefused, match="own"):
        link(item=item, payment=twice, by=payer, at=clock.now())
    known = Transfer.objects.first()
    assert known is not None
    with pytest.raises(ReviewRefused, match="known already"):
        link(item=item, payment=twice, by=people[0], at=clock.now(), transfer_hash=known.hash)
    link(item=item, payment=twice, by=people[0], at=clock.now())
    with pytest.raises(ReviewRefused, match="does not wait"):
        link(item=item, payment=twice, by=people[0], at=clock.now())
    assert Transfer.objects.count() == 4


def test_money_nobody_knows_is_written_off_by_two(
    bank: Sandbox, twice: Payment, people: tuple[Any, Any]
) -> None:
    imported(bank, file_of(*of_bank(bank)))
    item = ReviewItem.objects.get()

    propose(item=item, decision="dismissed", by=people[0], why="nobody knows", at=clock.now())
    assert fates()["suspense"] == 1
    approve(item=item, by=people[1], at=clock.now())

    assert fates() == {"matched": 3, "written_off": 1}
    assert account_balance(suspense_ref("sandbox"), USD) == Money(0, USD)
    assert law.check("sandbox") == []


def test_a_line_that_may_be_an_open_qr_waits_and_the_money_comes_once(
    bank: Sandbox, opened: Payment, payer: Any, later: Callable[[float], datetime]
) -> None:
    bank.pay(opened.attempts.get().qr_string)
    imported(bank, file_of(*of_bank(bank, refs=False)))  # the statement is quicker than our own check
    assert fates() == {"waiting": 1}
    assert account_balance(suspense_ref("sandbox"), USD) == Money(0, USD)

    later(90)
    watching.step()
    imported(bank, file_of(*of_bank(bank, refs=False)))

    assert fates() == {"matched": 1}
    assert balances(payer, "sandbox")[0] == Money(100, USD)
    assert account_balance(bakong_ref(bank.account, "sandbox"), USD) == Money(100, USD)


def test_a_transfer_that_comes_after_its_line_takes_the_money_out_of_suspense(
    bank: Sandbox, twice: Payment, payer: Any, people: tuple[Any, Any]
) -> None:
    """The payer names the second transfer by its hash: claimed and credited, it came once."""
    imported(bank, file_of(*of_bank(bank, hashes=True)))
    second = bank.transfers[-1]
    report = claim(payment=twice, named=second.hash, at=clock.now())
    assert report.kind == "review"
    item = ReviewItem.objects.get(subject__startswith="claim:")

    propose(item=item, decision="credited", by=people[0], why="the receipt fits", at=clock.now())
    approve(item=item, by=people[1], at=clock.now())

    assert balances(payer, "sandbox")[0] == Money(400, USD)
    assert account_balance(suspense_ref("sandbox"), USD) == Money(0, USD)
    assert account_balance(bakong_ref(bank.account, "sandbox"), USD) == Money(400, USD)
    assert law.check("sandbox") == []
    line_item = ReviewItem.objects.get(subject__startswith="statement:")
    propose(item=line_item, decision="dismissed", by=people[0], why="it was claimed", at=clock.now())
    assert law.check("sandbox") == []


def test_closing_balances_are_read_and_entered_and_a_difference_is_found(
    bank: Sandbox, twice: Payment, later: Callable[[float], datetime], people: tuple[Any, Any]
) -> None:
    later(24 * 3600)
    rows = of_bank(bank)
    rows[-1] = rows[-1].removesuffix(",") + ",4.00"
    imported(bank, file_of(*rows), columns=WITH_BALANCE)
    told = ClosingBalance.objects.get()
    assert (told.balance, told.other) == (Money(400, USD), Money(0, USD))
    day = told.business_date.isoformat()

    assert reconcile(at=clock.now()).differences.count() == 0
    entered: dict[str, Any] = {"receiver": bank.account, "by": people[0], "at": clock.now()}
    right = enter_closing_balance(**entered, day=day, balance=Money(950, USD), other=Money(550, USD))
    assert right.other == Money(550, USD)
    assert reconcile(at=later(60)).differences.count() == 0
    enter_closing_balance(**entered, day=day, balance=Money(951, USD))
    (difference,) = reconcile(at=later(60)).differences.all()
    assert difference.kind == "closing_balance"
    with pytest.raises(StatementRefused, match="not over"):
        enter_closing_balance(**entered, day=clock.now().date().isoformat(), balance=Money(1, USD))
    with pytest.raises(StatementRefused, match="not an account"):
        enter_closing_balance(**{**entered, "receiver": "other@bank"}, day=day, balance=Money(1, USD))


def test_a_bad_file_leaves_nothing_behind(bank: Sandbox, paid: list[Payment]) -> None:
    good = of_bank(bank)
    for bad in (row(clock.now(), 100, "=cmd()"), "32/01/2026,,,1.00,,", "24/11/2026,,,1.00,2.00,"):
        with pytest.raises(StatementRefused):
            imported(bank, file_of(*good, bad))
    with pytest.raises(StatementRefused, match="not an account"):
        import_statement(file_of(*good), MAP, receiver="someone@else", filename="x", by=None, at=clock.now())
    assert (Statement.objects.count(), StatementLine.objects.count()) == (0, 0)


def test_a_map_of_columns_is_saved_under_a_name(people: tuple[Any, Any]) -> None:
    saved = save_format(name=" ABA  dollars ", columns=MAP, by=people[0], at=clock.now())

    assert ColumnMap.of_json(saved.columns) == MAP
    assert saved.name == "ABA dollars"
    with pytest.raises(StatementRefused):
        save_format(name="nothing", columns=ColumnMap(), by=people[0], at=clock.now())


def test_the_database_refuses_what_python_would_not_do(bank: Sandbox, twice: Payment) -> None:
    imported(bank, file_of(*of_bank(bank)))
    line = StatementLine.objects.filter(fate="suspense")
    matched = StatementLine.objects.filter(fate="matched")[:1]
    one = StatementLine.objects.filter(pk__in=list(matched.values_list("pk", flat=True)))
    again = line.get()
    again.pk = None
    again.item = None
    again.fate = StatementLine.Fate.WAITING
    attempts: dict[str, Callable[[], Any]] = {
        "delete": line.delete,
        "amount": lambda: line.update(amount_minor=1),
        "unbooked": lambda: line.update(booked_at=None),
        "decided": lambda: one.update(fate="suspense"),
        "parted": lambda: one.update(transfer=None),
        "no transfer": lambda: line.update(fate="linked"),
        "twice": again.save,
    }
    for name, attempt in attempts.items():
        refused = False
        try:
            with transaction.atomic():
                attempt()
        except DatabaseError:
            refused = True
        assert refused, name
    assert fates() == {"matched": 3, "suspense": 1}

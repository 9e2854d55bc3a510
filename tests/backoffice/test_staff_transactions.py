"""The list: filters against the database, the address, pages, counts, the two exports."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import pytest

from vinflow.money import Currency, Money

PAGE = "/admin/transactions/"
STATES = ("pending", "confirming", "completed", "late", "review", "expired", "failed", "canceled")


@pytest.fixture
def street(shop: Any) -> dict[str, Any]:
    """One payment in every state, of two payers in two currencies, by the state's name."""
    riel = Money(41_000, Currency.KHR)
    made = {
        state: shop.at_state(
            state, shop.payer("sok-dara" if place % 2 else "bopha"), riel if place % 3 == 0 else None
        )
        for place, state in enumerate(STATES)
    }
    made["old"] = shop.at_state("expired", ago_s=40 * 86400)
    return made


def shown(client: Any, query: str) -> set[str]:
    """The references of the list's rows."""
    text = client.get(PAGE + query).content.decode()
    return set(re.findall(r'data-testid="row" data-ref="(TXN\w+)"', text))


def total(client: Any, query: str = "") -> str:
    found = re.search(r'data-testid="total">([^<]*)<', client.get(PAGE + query).content.decode())
    assert found is not None
    return found[1]


@pytest.mark.both
def test_each_status_shows_exactly_the_payments_under_that_badge(
    manager: Any, street: dict[str, Any]
) -> None:
    for state in STATES:
        wanted = {street[state].transaction_id} | (
            {street["old"].transaction_id} if state == "expired" else set()
        )

        assert shown(manager, f"?status={state}") == wanted, state


@pytest.mark.both
def test_every_filter_alone_and_two_together_give_what_the_rows_say(
    manager: Any, street: dict[str, Any]
) -> None:
    from vinflow.payments.models import Payment

    rows = list(Payment.objects.select_related("user"))
    by_state = {street[name].pk: name for name in STATES} | {street["old"].pk: "expired"}
    now = street["pending"].created_at
    tests: dict[str, Callable[[Any], bool]] = {
        "status=late&status=completed": lambda p: by_state[p.pk] in ("late", "completed"),
        "currency=KHR": lambda p: p.currency == "KHR",
        "method=khqr": lambda p: p.method == "khqr",
        "method=manual": lambda p: p.method == "manual",
        "range=today": lambda p: now - p.created_at < timedelta(hours=12),
        "range=custom&to=2026-11-01": lambda p: now - p.created_at > timedelta(days=23),
        "date=paid&from=2026-11-24": lambda p: p.completed_at is not None,
        "least=500": lambda p: p.amount_minor >= (500 if p.currency == "KHR" else 50_000),
        "late=1": lambda p: p.completed_late,
        "review=1": lambda p: by_state[p.pk] == "review",
        "q=bopha": lambda p: p.user.username == "bopha",
    }
    for query, test in tests.items():
        assert shown(manager, f"?{query}&size=100") == {p.transaction_id for p in rows if test(p)}, query
    clashing = ({"method=khqr", "method=manual"},)
    ranges = {"range=today", "range=custom&to=2026-11-01", "date=paid&from=2026-11-24"}
    for one, other in combinations(tests, 2):
        if {one, other} in clashing or {one, other} <= ranges:
            continue  # these two are one field of the form
        wanted = {p.transaction_id for p in rows if tests[one](p) and tests[other](p)}
        assert shown(manager, f"?{one}&{other}&size=100") == wanted, (one, other)


@pytest.mark.both
def test_what_a_person_decided_about_is_listed_as_handled_by_hand(
    manager: Any, street: dict[str, Any], shop: Any
) -> None:
    decided = [shop.at_state("review", ago_s=60 * n) for n in (3, 1, 2)]
    for payment in decided:
        form = {"decision": "credited", "why": "as agreed by telephone"}
        manager.post(f"/admin/review/{shop.item(payment).pk}/decide/", form)
    newest, middle, oldest = decided[1], decided[2], decided[0]
    by_age = [payment.transaction_id for payment in (newest, middle, oldest)]

    def in_order(query: str) -> list[str]:
        text = manager.get(PAGE + query).content.decode()
        return re.findall(r'data-testid="row" data-ref="(TXN\w+)"', text)

    assert in_order("?manual=1") == by_age
    assert in_order("?manual=1&sort=created") == by_age[::-1]
    assert set(in_order("?manual=1&sort=amount")) == set(by_age)
    assert in_order("?manual=1&size=10&currency=USD") == by_age
    assert in_order("?manual=1&currency=KHR") == []
    assert in_order(f"?manual=1&q={by_age[1]}") == [by_age[1]]
    assert total(manager, "?manual=1") == total(manager, "?manual=1&currency=USD") == "3"
    assert street["review"].transaction_id not in in_order("?manual=1")  # nobody has decided yet


@pytest.mark.both
def test_decisions_from_before_the_note_of_them_are_noted_by_a_migration(manager: Any, shop: Any) -> None:
    from django.db import connection

    from vinflow.backoffice import tallies

    tallies.make_way(using="default", plan=[])  # no migration of ours: nothing to do
    assert tallies.missing_triggers(connection) == []
    with connection.cursor() as cursor:
        on = " ON payments_reviewitem" if connection.vendor == "postgresql" else ""
        cursor.execute(f"DROP TRIGGER tally_payments_reviewitem_update{on}")
    payment = shop.at_state("review")
    form = {"decision": "credited", "why": "as agreed by telephone"}
    manager.post(f"/admin/review/{shop.item(payment).pk}/decide/", form)
    assert shown(manager, "?manual=1") == set()

    tallies.after_migrate(using="default")

    assert shown(manager, "?manual=1") == {payment.transaction_id}


@pytest.mark.both
def test_a_payment_is_found_by_any_of_its_names(manager: Any, street: dict[str, Any]) -> None:
    paid = street["completed"]
    transfer, attempt = paid.transfers.get(), paid.attempts.get()
    names = [
        paid.transaction_id,
        paid.transaction_id[:12].lower(),
        attempt.md5,
        transfer.hash,
        transfer.hash[:8].upper(),
        transfer.external_ref,
    ]
    for name in names:
        assert shown(manager, f"?q={name}") == {paid.transaction_id}, name
    assert paid.transaction_id in shown(manager, f"?q={paid.user.email}")


@pytest.mark.both
def test_a_search_that_finds_nothing_does_no_harm(manager: Any, street: dict[str, Any]) -> None:
    for text in ("'; DROP TABLE payments_payment; --", "%", "_", "\x00", "x" * 5000, "ខ្មែរ", "<b>bold"):
        answer = manager.get(PAGE, {"q": text})

        assert answer.status_code == 200
        assert "<b>bold" not in answer.content.decode()


def test_what_cannot_be_read_is_left_out_and_said(manager: Any, street: dict[str, Any]) -> None:
    for query in (
        *("status=paid", "currency=EUR", "range=year", "from=2026-13-01"),
        *("least=ten", "sort=secret", "size=7", "late=yes", "date=always"),
    ):
        answer = manager.get(f"{PAGE}?{query}")

        assert answer.status_code == 200
        assert 'data-testid="unread"' in answer.content.decode(), query
        assert total(manager, f"?{query}") == str(len(street)), query


def test_the_address_of_a_chip_takes_one_filter_away(manager: Any, street: dict[str, Any]) -> None:
    text = manager.get(f"{PAGE}?status=late&status=failed&q=sok").content.decode()

    assert re.search(r'<a href="\?status=late&amp;q=sok">Failed', text)


@pytest.mark.both
def test_pages_sorts_and_sizes(manager: Any, street: dict[str, Any]) -> None:
    order = re.findall(r'data-ref="(TXN\w+)"', manager.get(f"{PAGE}?sort=amount&size=100").content.decode())
    from vinflow.payments.models import Payment

    assert order == list(
        Payment.objects.order_by("currency", "amount_minor", "pk").values_list("transaction_id", flat=True)
    )
    assert street["old"].transaction_id in shown(manager, "?sort=created&size=10&page=999")


def test_counting_stops_at_ten_thousand(manager: Any, shop: Any) -> None:
    from vinflow.payments.models import Payment

    user = shop.payer()
    rows = [
        Payment(
            transaction_id=f"TXN{n:020d}",
            user=user,
            amount_minor=100,
            currency="USD",
            environment="sandbox",
            principal="bulk",
            idempotency_key=str(n),
            body_digest="",
            created_at=shop.at,
        )
        for n in range(10_001)
    ]
    Payment.objects.bulk_create(rows[:10_000], batch_size=1000)
    assert total(manager) == "10,000"

    rows[10_000].save()
    assert total(manager) == "10,000+"
    assert manager.get(f"{PAGE}?page=400").status_code == 200
    assert "sorted by time only" in manager.get(f"{PAGE}?sort=amount").content.decode()


@pytest.mark.both
def test_the_list_takes_at_most_twelve_queries_however_it_is_filtered(
    manager: Any, street: dict[str, Any], django_assert_max_num_queries: Any
) -> None:
    for query in ("", "?q=sok&status=review&late=1&range=7&least=1&sort=user", f"?q={'a' * 64}"):
        with django_assert_max_num_queries(12):
            manager.get(PAGE + query)


def read_csv(answer: Any) -> list[dict[str, str]]:
    content = b"".join(answer.streaming_content)
    assert content.startswith("\ufeff".encode())
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))


@pytest.mark.both
def test_the_csv_has_the_rows_of_the_list_and_adds_up(manager: Any, street: dict[str, Any]) -> None:
    from vinflow.payments.models import Payment

    rows = read_csv(manager.get(f"{PAGE}payments.csv?currency=USD"))

    expected = Payment.objects.filter(currency="USD")
    assert len(rows) == expected.count()
    assert {row["reference"] for row in rows} == shown(manager, "?currency=USD&size=100")
    assert sum(Decimal(row["amount"]) for row in rows) == Decimal(sum(p.amount_minor for p in expected)) / 100
    assert all(row["created_at"].endswith("+07:00") for row in rows)
    late = next(row for row in read_csv(manager.get(f"{PAGE}payments.csv")) if row["late"] == "yes")
    assert late["status"] == "completed"
    assert len(late["hash"]) == 64
    assert re.fullmatch(r"R-2026-\d{6,}", late["receipt"])


def test_a_name_that_is_a_formula_leaves_as_text_in_both_files(manager: Any, shop: Any) -> None:
    from django.contrib.auth import get_user_model
    from openpyxl import load_workbook

    evil = get_user_model().objects.create(username="=1+1", email="@SUM(A1)")
    shop.at_state("completed", evil)

    (row,) = read_csv(manager.get(f"{PAGE}payments.csv"))
    assert (row["user"], row["email"]) == ("'=1+1", "'@SUM(A1)")

    answer = manager.get(f"{PAGE}payments.xlsx")
    sheet = load_workbook(io.BytesIO(b"".join(answer.streaming_content))).active
    heads = [cell.value for cell in sheet[1]]
    cells = dict(zip(heads, sheet[2], strict=True))
    assert (cells["user"].value, cells["user"].data_type) == ("=1+1", "s")
    assert cells["amount"].value == 10


def test_an_export_is_written_down(manager: Any, street: dict[str, Any]) -> None:
    from vinflow.backoffice.models import StaffAct

    read_csv(manager.get(f"{PAGE}payments.csv?status=late"))

    act = StaffAct.objects.get()
    assert (act.what, act.actor.username, act.note) == ("export", "the-manager", "?status=late")


def test_an_export_streams_in_pieces(shop: Any) -> None:
    from vinflow.backoffice import exports, listing
    from vinflow.payments.models import Payment

    user = shop.payer()
    Payment.objects.bulk_create(
        [
            Payment(
                transaction_id=f"TXN{n:020d}",
                user=user,
                amount_minor=100,
                currency="USD",
                environment="sandbox",
                principal="bulk",
                idempotency_key=str(n),
                body_digest="",
                created_at=shop.at,
            )
            for n in range(1_200)
        ],
        batch_size=600,
    )

    pieces = list(exports.csv_of(listing.dressed(Payment.objects.all(), at=shop.at)))

    assert len(pieces) == 4  # the heading, and 500 + 500 + 200
    assert b"".join(pieces).count(b"\r\n") == 1_201

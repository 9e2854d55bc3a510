"""Statements run with their balance, trial balances add up, and pages cost the same on a long wallet."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from vinflow.money import Currency, Money
from vinflow.wallet import queries
from vinflow.wallet.entries import AccountKind, bakong_ref, user_ref

pytestmark = [pytest.mark.both, pytest.mark.django_db]
USD, KHR = Currency.USD, Currency.KHR


def test_a_statement_runs_from_the_newest_line_with_the_balance_each_left(user, top_up, spend_some):
    top_up(user, 1000)
    spend_some(user, 300)
    top_up(user, 5)

    rows = queries.statement(user, USD, "sandbox")

    assert [(row.seq, row.money.minor, row.balance.minor) for row in rows] == [
        (3, 5, 705),
        (2, -300, 700),
        (1, 1000, 1000),
    ]
    assert rows[1].source.startswith("order:")


def test_pages_of_a_statement_meet_without_gap_or_overlap(user, top_up):
    for _ in range(7):
        top_up(user, 10)

    first = queries.statement(user, USD, "sandbox", limit=3)
    second = queries.statement(user, USD, "sandbox", limit=3, before_seq=first[-1].seq)
    third = queries.statement(user, USD, "sandbox", limit=3, before_seq=second[-1].seq)

    assert [row.seq for row in first + second + third] == [7, 6, 5, 4, 3, 2, 1]


def test_a_statement_of_some_days_counts_days_in_phnom_penh(user, top_up):
    for day in range(4):
        top_up(user, 10, at=datetime(2026, 11, 20, 17, 30, tzinfo=UTC) + timedelta(days=day))

    rows = queries.statement(user, USD, "sandbox", since=date(2026, 11, 22), until=date(2026, 11, 23))

    assert [row.business_date.day for row in rows] == [23, 22]


def test_nobody_reads_a_line_of_another_wallet(user, make_user, top_up):
    other = make_user()
    top_up(other, 1000)

    assert queries.statement(user, USD, "sandbox") == []
    assert queries.statement(other, KHR, "sandbox") == []
    assert queries.statement(other, USD, "production") == []
    assert queries.balances(user, "sandbox") == [Money(0, USD), Money(0, KHR)]


@pytest.mark.parametrize("limit", [0, -1, 501])
def test_a_page_has_one_to_five_hundred_rows(user, limit):
    with pytest.raises(ValueError):
        queries.statement(user, USD, "sandbox", limit=limit)


def test_a_trial_balance_adds_up_per_currency(user, make_user, top_up, spend_some):
    friend = make_user()
    top_up(user, 1000)
    top_up(friend, 500)
    top_up(user, 4100, currency=KHR)
    spend_some(user, 200)

    dollars, riel = queries.trial_balance("sandbox").values()

    assert dollars.is_balanced
    assert dollars.debit == Money(1700, USD)
    assert {(row.kind, row.balance.minor) for row in dollars.accounts} == {
        (AccountKind.BAKONG, 1500),
        (AccountKind.USER, 1300),
        (AccountKind.EXTERNAL, 200),
    }
    assert riel.is_balanced
    assert riel.debit == Money(4100, KHR)
    assert queries.trial_balance("production")[USD].accounts == ()


def test_a_trial_balance_names_each_wallet_when_asked(user, make_user, top_up):
    friend = make_user()
    top_up(user, 1000)
    top_up(friend, 500)

    rows = queries.trial_balance("sandbox", by_wallet=True)[USD].accounts

    wallets = {row.key: row.balance.minor for row in rows if row.kind is AccountKind.USER}
    assert wallets == {str(user.pk): 1000, str(friend.pk): 500}


def test_a_balance_of_an_earlier_day_leaves_later_lines_out(user, top_up, now):
    top_up(user, 1000, at=now - timedelta(days=1))
    top_up(user, 500, at=now)
    bank = bakong_ref("shop@bank", "sandbox")

    assert queries.account_balance(bank, USD, until=date(2026, 11, 23)) == Money(1000, USD)
    assert queries.account_balance(bank, USD) == Money(1500, USD)
    assert queries.account_balance(user_ref(user.pk, "sandbox"), USD) == Money(1500, USD)
    assert queries.trial_balance("sandbox", until=date(2026, 11, 23))[USD].debit == Money(1000, USD)


def test_a_balance_and_a_page_take_as_many_statements_on_a_long_wallet(user, top_up):
    top_up(user, 10)
    with CaptureQueriesContext(connection) as short:
        queries.balances(user, "sandbox")
        queries.statement(user, USD, "sandbox")
    for _ in range(60):
        top_up(user, 10)

    with CaptureQueriesContext(connection) as long:
        queries.balances(user, "sandbox")
        queries.statement(user, USD, "sandbox")

    assert len(long) == len(short) == 3

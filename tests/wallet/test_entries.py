"""Entries are balanced, of one environment and of positive amounts, or they are not built."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vinflow.money import Currency, Money
from vinflow.wallet.entries import (
    LINES_MAX,
    MINOR_MAX,
    AccountRef,
    Entry,
    Line,
    Side,
    bakong_ref,
    credit,
    debit,
    external_ref,
    suspense_ref,
    user_ref,
)
from vinflow.wallet.errors import Unbalanced, WrongEntry

USD, KHR = Currency.USD, Currency.KHR
BANK = bakong_ref("shop@bank", "sandbox")
ANNA = user_ref(1, "sandbox")


def two_lines(minor: int = 5) -> tuple[Line, Line]:
    return debit(BANK, Money(minor, USD)), credit(ANNA, Money(minor, USD))


def test_an_entry_takes_its_environment_from_its_lines():
    entry = Entry("payment:1", "credited", two_lines())

    assert entry.environment == "sandbox"


def test_an_entry_whose_sides_differ_is_not_built():
    with pytest.raises(Unbalanced, match="5 debit, 6 credit"):
        Entry("payment:1", "credited", (debit(BANK, Money(5, USD)), credit(ANNA, Money(6, USD))))


def test_dollars_do_not_balance_riel():
    with pytest.raises(Unbalanced):
        Entry("payment:1", "credited", (debit(BANK, Money(5, USD)), credit(ANNA, Money(5, KHR))))


def test_each_currency_of_an_entry_balances_by_itself():
    lines = (*two_lines(), debit(BANK, Money(7, KHR)), credit(ANNA, Money(7, KHR)))

    assert Entry("payment:1", "credited", lines).sums() == {USD: (5, 5), KHR: (7, 7)}


@pytest.mark.parametrize("minor", [0, -1, MINOR_MAX + 1])
def test_an_amount_is_positive_and_fits(minor):
    with pytest.raises(WrongEntry):
        debit(BANK, Money(minor, USD))


def test_environments_never_meet_in_one_entry():
    elsewhere = user_ref(1, "production")

    with pytest.raises(WrongEntry, match="across environments"):
        Entry("payment:1", "credited", (debit(BANK, Money(5, USD)), credit(elsewhere, Money(5, USD))))
    with pytest.raises(WrongEntry):
        Entry("payment:1", "credited", two_lines(), environment="production")


@pytest.mark.parametrize(
    ("source", "purpose", "memo"),
    [
        ("", "p", ""),
        ("s", "", ""),
        ("s" * 121, "p", ""),
        ("s", "p" * 81, ""),
        ("s", "p", "m" * 501),
        ("a\0b", "p", ""),
    ],
)
def test_a_key_or_memo_that_does_not_fit_its_column_is_refused(source, purpose, memo):
    with pytest.raises(WrongEntry):
        Entry(source, purpose, two_lines(), memo)


def test_an_entry_has_two_lines_at_least_and_a_thousand_at_most():
    with pytest.raises(WrongEntry):
        Entry("s", "p", two_lines()[:1])
    with pytest.raises(WrongEntry):
        Entry("s", "p", two_lines() * (LINES_MAX // 2 + 1))


@pytest.mark.parametrize(
    ("kind", "key", "environment"), [("cash", "", "sandbox"), ("user", "", "sandbox"), ("user", "1", "moon")]
)
def test_an_account_name_that_means_nothing_is_refused(kind, key, environment):
    with pytest.raises(WrongEntry):
        AccountRef(kind, key, environment)


def test_the_body_hash_follows_the_money_and_not_the_memo():
    plain = Entry("s", "p", two_lines())

    assert plain.body_hash() == Entry("other", "words", two_lines(), "another memo").body_hash()
    assert plain.body_hash() != Entry("s", "p", two_lines(6)).body_hash()
    assert plain.body_hash() != Entry("s", "p", tuple(reversed(two_lines()))).body_hash()


accounts = st.sampled_from(
    [BANK, ANNA, suspense_ref("sandbox"), external_ref("sandbox"), user_ref(2, "sandbox")]
)
moneys = st.builds(Money, st.integers(1, 10**12), st.sampled_from(list(Currency)))


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    pairs = draw(st.lists(st.tuples(accounts, accounts, moneys), min_size=1, max_size=8))
    lines = [line for a, b, money in pairs for line in (debit(a, money), credit(b, money))]
    return Entry("s", "p", tuple(draw(st.permutations(lines))))


@given(entries())
def test_an_entry_and_its_opposite_undo_each_other_on_every_account(entry):
    both = [*entry.lines, *entry.opposite(purpose="undone").lines]

    for account in {line.account for line in both}:
        for currency in Currency:
            moved = [
                line.money.minor if line.side is Side.DEBIT else -line.money.minor
                for line in both
                if line.account == account and line.money.currency is currency
            ]
            assert sum(moved) == 0


@given(entries(), st.integers(1, 50), st.data())
def test_an_entry_with_one_amount_changed_is_refused(entry, more, data):
    index = data.draw(st.integers(0, len(entry.lines) - 1))
    changed = list(entry.lines)
    line = changed[index]
    changed[index] = Line(line.account, line.side, line.money + Money(more, line.money.currency))

    with pytest.raises(Unbalanced):
        Entry("s", "p", tuple(changed))

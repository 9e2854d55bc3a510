"""Posting: once by key, balanced, never below what is there, in at most six statements."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from django.db import connection, transaction
from django.db.models import ProtectedError
from django.test.utils import CaptureQueriesContext

from vinflow.money import Currency, Money
from vinflow.wallet import queries
from vinflow.wallet.accounts import close_account, freeze_wallet, unfreeze_wallet
from vinflow.wallet.audit import audit
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, external_ref, suspense_ref, user_ref
from vinflow.wallet.errors import (
    AccountClosed,
    AlreadyReversed,
    EntryDiffers,
    InsufficientFunds,
    NotEmpty,
    NotInTransaction,
    NotReversible,
    WalletFrozen,
    WrongEntry,
)
from vinflow.wallet.models import Account, JournalEntry, JournalLine
from vinflow.wallet.posting import post, reverse, spend

pytestmark = [pytest.mark.both, pytest.mark.django_db]
USD, KHR = Currency.USD, Currency.KHR


def topping(user, minor, key="1", currency=USD):
    money = Money(minor, currency)
    lines = (debit(bakong_ref("shop@bank", "sandbox"), money), credit(user_ref(user.pk, "sandbox"), money))
    return Entry(f"payment:{key}", "credited", lines)


def dollars(user):
    return queries.balances(user, "sandbox")[0].minor


def test_a_posting_moves_the_balance_and_leaves_a_chained_line(user, top_up):
    top_up(user, 1050)
    top_up(user, 50)

    first, second = JournalLine.objects.filter(account__kind="user").order_by("seq")
    assert (first.seq, first.balance_after, first.previous_hash) == (1, 1050, "")
    assert (second.seq, second.balance_after, second.previous_hash) == (2, 1100, first.hash)
    assert queries.balances(user, "sandbox") == [Money(1100, USD), Money(0, KHR)]


def test_a_posting_takes_six_statements_at_most(user, top_up, now):
    top_up(user, 100)

    with transaction.atomic(), CaptureQueriesContext(connection) as statements:
        post(topping(user, 5, "counted"), at=now)

    # PostgreSQL tells of an earlier posting when the entry is written, so that nobody looks for it before:
    # the lock, the entry, its lines, its seal.
    most = 4 if connection.vendor == "postgresql" else 6
    assert len(statements) <= most, [one["sql"] for one in statements]


def test_a_posting_between_two_wallets_takes_no_more_statements(user, make_user, top_up, now):
    friend = make_user()
    top_up(user, 100)
    top_up(friend, 100)
    money = Money(30, USD)
    gift = Entry(
        "gift:1",
        "given",
        (debit(user_ref(user.pk, "sandbox"), money), credit(user_ref(friend.pk, "sandbox"), money)),
    )

    with transaction.atomic(), CaptureQueriesContext(connection) as statements:
        post(gift, at=now)

    assert len(statements) <= 6
    assert (dollars(user), dollars(friend)) == (70, 130)


def test_a_posting_repeated_returns_the_same_entry_and_moves_nothing(user, now):
    with transaction.atomic():
        first = post(topping(user, 100), at=now)
    with transaction.atomic():
        second = post(topping(user, 100), at=datetime(2027, 1, 1, tzinfo=UTC))

    assert second == first
    assert second.posted_at == now
    assert dollars(user) == 100


def test_what_was_posted_is_known_to_be_stored_and_its_lines_are_numbered_from_one(user, now):
    entry = post(topping(user, 100), at=now)

    assert entry._state.adding is False
    lines = JournalLine.objects.filter(entry=entry).order_by("number")
    assert [(line.number, line.account.kind) for line in lines] == [(1, "bakong"), (2, "user")]


def test_a_key_posted_again_with_another_body_is_refused(user, now):
    with transaction.atomic():
        post(topping(user, 100), at=now)

    with pytest.raises(EntryDiffers), transaction.atomic():
        post(topping(user, 101), at=now)
    assert dollars(user) == 100


@pytest.mark.django_db(transaction=True)
def test_posting_outside_a_transaction_is_refused(make_user, now):
    user = make_user()

    with pytest.raises(NotInTransaction):
        post(topping(user, 100), at=now)
    assert not JournalEntry.objects.exists()


def test_a_naive_moment_is_refused(user):
    with pytest.raises(ValueError, match=r"^at is an aware moment$"):
        post(topping(user, 100), at=datetime(2026, 11, 24))


@pytest.mark.parametrize(
    ("at", "day"),
    [
        (datetime(2026, 11, 23, 16, 59, 59, tzinfo=UTC), date(2026, 11, 23)),
        (datetime(2026, 11, 23, 17, 0, tzinfo=UTC), date(2026, 11, 24)),
    ],
)
def test_the_business_day_is_the_one_in_phnom_penh(user, at, day):
    assert post(topping(user, 100), at=at).business_date == day
    assert JournalEntry.objects.get().business_date == day


def test_a_wallet_pays_what_it_has_and_not_a_cent_more(user, top_up, spend_some):
    top_up(user, 100)
    spend_some(user, 100)

    with pytest.raises(InsufficientFunds) as refused:
        spend_some(user, 1)
    assert (refused.value.available, refused.value.wanted) == (Money(0, USD), Money(1, USD))
    assert dollars(user) == 0


def test_a_refusal_leaves_the_callers_transaction_clean(user, now):
    with transaction.atomic():
        with pytest.raises(InsufficientFunds):
            spend(
                wallet=user_ref(user.pk, "sandbox"),
                to=external_ref("sandbox"),
                money=Money(1, USD),
                source="order:1",
                purpose="paid",
                at=now,
            )
        post(topping(user, 7), at=now)

    assert dollars(user) == 7
    assert JournalEntry.objects.count() == 1


def test_a_spending_repeated_after_the_money_is_gone_is_still_the_same(user, top_up, spend_some):
    top_up(user, 100)
    first = spend_some(user, 100, key="one")

    assert spend_some(user, 100, key="one") == first


def test_riel_and_dollars_have_wallets_of_their_own(user, top_up):
    top_up(user, 100)
    top_up(user, 4100, currency=KHR)

    assert queries.balances(user, "sandbox") == [Money(100, USD), Money(4100, KHR)]
    assert queries.balances(user, "production") == [Money(0, USD), Money(0, KHR)]


def test_two_lines_of_one_entry_on_one_wallet_follow_each_other(user, now):
    wallet, bank, fees = (
        user_ref(user.pk, "sandbox"),
        bakong_ref("b@b", "sandbox"),
        external_ref("sandbox", "fees"),
    )
    lines = (
        debit(bank, Money(100, USD)),
        credit(wallet, Money(100, USD)),
        debit(wallet, Money(3, USD)),
        credit(fees, Money(3, USD)),
    )

    post(Entry("payment:1", "credited with a fee", lines), at=datetime(2026, 1, 1, tzinfo=UTC))

    kept = JournalLine.objects.filter(account__kind="user").order_by("seq")
    assert [(line.seq, line.balance_after) for line in kept] == [(1, 100), (2, 97)]
    assert dollars(user) == 97


def test_a_reversal_is_the_opposite_entry(user, top_up, now):
    entry = top_up(user, 100)

    with transaction.atomic():
        undone = reverse(entry, at=now, memo="typed twice")

    assert dollars(user) == 0
    assert undone.reverses == entry
    assert (undone.source, undone.purpose) == (entry.source, "credited:reversed")
    sums = queries.trial_balance("sandbox")[USD]
    assert [account.balance.minor for account in sums.accounts] == [0, 0]


def test_an_entry_is_reversed_once_whatever_the_purpose(user, top_up, now):
    entry = top_up(user, 100)
    top_up(user, 100)
    reverse(entry, at=now)

    with pytest.raises(AlreadyReversed):
        reverse(entry, at=now)
    with pytest.raises(AlreadyReversed):
        reverse(entry, at=now, purpose="once more")
    assert dollars(user) == 100


def test_a_reversal_repeated_after_the_money_is_gone_is_still_told_as_one(user, top_up, now):
    entry = top_up(user, 100)
    undone = reverse(entry, at=now)

    with pytest.raises(AlreadyReversed, match=f"was reversed by entry {undone.pk}"):
        reverse(entry, at=now)
    with pytest.raises(AlreadyReversed, match="was reversed under another purpose"):
        reverse(entry, at=now, purpose="once more")
    assert dollars(user) == 0


def test_a_reversal_is_not_reversed(user, top_up, now):
    undone = reverse(top_up(user, 100), at=now)

    with pytest.raises(NotReversible):
        reverse(undone, at=now)


def test_money_already_spent_cannot_be_reversed_away(user, top_up, spend_some, now):
    entry = top_up(user, 100)
    spend_some(user, 1)

    with pytest.raises(InsufficientFunds):
        reverse(entry, at=now)
    assert dollars(user) == 99


def test_a_closed_account_takes_no_line(user, top_up, now):
    entry = top_up(user, 100)
    wallet = user_ref(user.pk, "sandbox")
    with pytest.raises(NotEmpty):
        close_account(wallet, USD, at=now)
    reverse(entry, at=now)
    close_account(wallet, USD, at=now)

    with pytest.raises(AccountClosed):
        top_up(user, 5)
    assert top_up(user, 5, currency=KHR)


def test_a_frozen_wallet_receives_and_does_not_spend(user, top_up, spend_some, now):
    top_up(user, 100)
    wallet = user_ref(user.pk, "sandbox")
    freeze_wallet(wallet, USD, at=now)

    top_up(user, 5)
    with pytest.raises(WalletFrozen, match=f"user:{user.pk} may receive and not spend"):
        spend_some(user, 1)
    unfreeze_wallet(wallet, USD)
    spend_some(user, 1)
    assert dollars(user) == 104


def test_house_accounts_carry_no_balance_column(user, now):
    money = Money(100, USD)
    lines = (debit(bakong_ref("b@b", "sandbox"), money), credit(suspense_ref("sandbox"), money))
    post(Entry("transfer:1", "to suspense", lines), at=now)

    assert set(Account.objects.values_list("balance_minor", flat=True)) == {None}
    assert queries.account_balance(bakong_ref("b@b", "sandbox"), USD) == money
    assert queries.account_balance(suspense_ref("sandbox"), USD) == money


def test_a_wallet_needs_a_key_that_could_be_a_users(now):
    money = Money(100, USD)
    lines = (debit(bakong_ref("b@b", "sandbox"), money), credit(user_ref("nobody", "sandbox"), money))

    with pytest.raises(WrongEntry, match="no key of a user"):
        post(Entry("payment:1", "credited", lines), at=now)


def test_a_user_with_money_cannot_be_deleted(user, top_up):
    top_up(user, 100)

    with pytest.raises(ProtectedError):
        user.delete()


def test_everything_posted_here_would_pass_the_audit(user, top_up, spend_some, now):
    entry = top_up(user, 100, at=now)
    top_up(user, 400)
    spend_some(user, 150)
    reverse(entry, at=now)

    report = audit()

    assert report.problems == []
    assert (report.entries, report.lines) == (4, 8)

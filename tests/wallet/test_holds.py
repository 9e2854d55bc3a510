"""Holds: set aside once, then captured or released, once."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from vinflow.money import Currency, Money, OtherCurrency
from vinflow.wallet import queries
from vinflow.wallet.accounts import close_account, freeze_wallet
from vinflow.wallet.audit import audit
from vinflow.wallet.entries import bakong_ref, external_ref, user_ref
from vinflow.wallet.errors import (
    AccountClosed,
    HoldClosed,
    HoldDiffers,
    InsufficientFunds,
    NotInTransaction,
    UnknownHold,
    WalletFrozen,
    WrongEntry,
)
from vinflow.wallet.holds import capture, hold, release
from vinflow.wallet.models import Account, Hold

pytestmark = [pytest.mark.both, pytest.mark.django_db]
USD = Currency.USD
BANK = bakong_ref("shop@bank", "sandbox")


@pytest.fixture
def hold_some(now):
    def hold_some(user, minor, key="1"):
        with transaction.atomic():
            return hold(
                wallet=user_ref(user.pk, "sandbox"),
                money=Money(minor, USD),
                source=f"refund:{key}",
                purpose="refund",
                at=now,
            )

    return hold_some


def money_of(user):
    return queries.balances(user, "sandbox")[0].minor, queries.available(user, "sandbox")[0].minor


def test_what_is_held_stays_in_the_balance_and_cannot_be_spent(user, top_up, spend_some, hold_some):
    top_up(user, 100)
    hold_some(user, 60)

    assert money_of(user) == (100, 40)
    with pytest.raises(InsufficientFunds):
        spend_some(user, 41)
    spend_some(user, 40)
    assert money_of(user) == (60, 0)


def test_no_more_is_held_than_is_free(user, top_up, hold_some):
    top_up(user, 100)
    hold_some(user, 60)

    with pytest.raises(InsufficientFunds) as refused:
        hold_some(user, 41, key="2")
    assert refused.value.available == Money(40, USD)
    assert Hold.objects.count() == 1


def test_a_capture_takes_the_money_once(user, top_up, hold_some, now):
    top_up(user, 100)
    held = hold_some(user, 60)

    entry = capture(held.pk, to=BANK, at=now)

    assert (entry.source, entry.purpose) == ("refund:1", "refund:captured")
    assert money_of(user) == (40, 40)
    with pytest.raises(HoldClosed, match="captured"):
        capture(held.pk, to=BANK, at=now)
    with pytest.raises(HoldClosed):
        release(held.pk, at=now)
    assert money_of(user) == (40, 40)


def test_a_part_is_captured_and_the_rest_is_free_again(user, top_up, hold_some, now):
    top_up(user, 100)
    held = hold_some(user, 60)

    capture(held.pk, to=BANK, money=Money(25, USD), at=now)

    assert money_of(user) == (75, 75)
    assert audit().problems == []


@pytest.mark.parametrize("minor", [0, -1, 61])
def test_no_more_is_captured_than_is_held(user, top_up, hold_some, now, minor):
    top_up(user, 100)
    held = hold_some(user, 60)

    with pytest.raises(WrongEntry):
        capture(held.pk, to=BANK, money=Money(minor, USD), at=now)
    with pytest.raises(OtherCurrency):
        capture(held.pk, to=BANK, money=Money(5, Currency.KHR), at=now)


def test_a_release_frees_the_money_once(user, top_up, hold_some, now):
    top_up(user, 100)
    held = hold_some(user, 60)

    release(held.pk, at=now)

    assert money_of(user) == (100, 100)
    with pytest.raises(HoldClosed, match="released"):
        capture(held.pk, to=BANK, at=now)
    with pytest.raises(HoldClosed):
        release(held.pk, at=now)
    assert money_of(user) == (100, 100)


def test_a_hold_repeated_is_the_same_hold(user, top_up, hold_some):
    top_up(user, 100)
    first = hold_some(user, 60)

    assert hold_some(user, 60) == first
    assert money_of(user) == (100, 40)


def test_a_hold_of_the_same_key_with_another_body_is_refused(user, make_user, top_up, hold_some):
    friend = make_user()
    top_up(user, 100)
    top_up(friend, 100)
    hold_some(user, 60)

    with pytest.raises(HoldDiffers):
        hold_some(user, 59)
    with pytest.raises(HoldDiffers):
        hold_some(friend, 60)
    assert money_of(friend) == (100, 100)


def test_a_capture_whose_target_refuses_leaves_the_hold_open(user, top_up, hold_some, now):
    top_up(user, 100)
    held = hold_some(user, 60)
    gone = external_ref("sandbox", "gone")
    close_account(gone, USD, at=now)

    with pytest.raises(AccountClosed):
        capture(held.pk, to=gone, at=now)
    held.refresh_from_db()
    assert held.state == Hold.State.HELD
    assert money_of(user) == (100, 40)


def test_a_frozen_or_closed_wallet_holds_nothing(user, make_user, top_up, hold_some, now):
    top_up(user, 100)
    freeze_wallet(user_ref(user.pk, "sandbox"), USD, at=now)
    friend = make_user()
    close_account(user_ref(friend.pk, "sandbox"), USD, at=now)

    with pytest.raises(WalletFrozen):
        hold_some(user, 1)
    with pytest.raises(AccountClosed):
        hold_some(friend, 1, key="2")


def test_only_wallets_and_positive_amounts_are_held(user, now):
    with pytest.raises(WrongEntry):
        hold(wallet=BANK, money=Money(1, USD), source="s", purpose="p", at=now)
    with pytest.raises(WrongEntry):
        hold(wallet=user_ref(user.pk, "sandbox"), money=Money(0, USD), source="s", purpose="p", at=now)
    with pytest.raises(UnknownHold):
        release(404, at=now)


@pytest.mark.django_db(transaction=True)
def test_holding_outside_a_transaction_is_refused(make_user, now):
    with pytest.raises(NotInTransaction):
        hold(wallet=user_ref(make_user().pk, "sandbox"), money=Money(1, USD), source="s", purpose="p", at=now)


def test_the_held_column_is_the_sum_of_open_holds(user, top_up, hold_some, now):
    top_up(user, 1000)
    held = [hold_some(user, minor, key=str(minor)) for minor in (1, 20, 300)]
    capture(held[1].pk, to=BANK, at=now)

    assert Account.objects.get(kind="user").held_minor == 301


def test_a_hold_takes_six_statements_at_most(user, top_up, hold_some, now):
    top_up(user, 1000)

    with transaction.atomic(), CaptureQueriesContext(connection) as statements:
        hold(wallet=user_ref(user.pk, "sandbox"), money=Money(1, USD), source="s", purpose="p", at=now)

    assert len(statements) <= 6

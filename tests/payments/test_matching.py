"""Does this transfer pay this QR? Each check alone decides; all reasons are named."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vinflow.money import Currency, Money
from vinflow.payments.matching import (
    BAD_TRACKING,
    EARLY,
    Asked,
    Difference,
    Expected,
    Match,
    Mismatch,
    Reason,
    Reported,
    differences,
    judge,
    reported_money,
)

T0 = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
ASKED = Asked(
    money=Money(1050, Currency.USD),
    receivers={"shop@devb"},
    created_at=T0,
    expires_at=T0 + timedelta(minutes=10),
    watch_until=T0 + timedelta(days=1),
)
PAID = Reported(
    hash="ab" * 32,
    amount=Decimal("10.5"),
    currency="USD",
    to_account="SHOP@devb",
    created_at=T0 + timedelta(minutes=1),
    acknowledged_at=None,
    tracking_status=None,
    asked_at=T0 + timedelta(minutes=2),
)


def test_a_transfer_that_holds_in_every_check_matches_in_time() -> None:
    assert judge(PAID, ASKED) == Match(late=False)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"hash": "xy"}, Reason.HASH_MALFORMED),
        ({"hash": "AB" * 32}, Reason.HASH_MALFORMED),
        ({"currency": "KHR"}, Reason.CURRENCY_DIFFERS),
        ({"amount": Decimal("10.49")}, Reason.AMOUNT_DIFFERS),
        ({"amount": Decimal("10.501")}, Reason.AMOUNT_DIFFERS),
        ({"amount": None}, Reason.AMOUNT_DIFFERS),
        ({"to_account": "other@devb"}, Reason.RECEIVER_UNKNOWN),
        ({"to_account": None}, Reason.RECEIVER_UNKNOWN),
        ({"tracking_status": "REFUNDED_BY_RECEIVER"}, Reason.SENT_BACK),
        ({"tracking_status": "FAILED_AT_ACH"}, Reason.SENT_BACK),
        ({"created_at": T0 - timedelta(minutes=6)}, Reason.TOO_EARLY),
        ({"created_at": T0 + timedelta(days=2)}, Reason.AFTER_WATCH),
        ({"created_at": None, "asked_at": T0 + timedelta(hours=1)}, Reason.TIME_UNKNOWN),
    ],
)
def test_each_check_alone_sends_a_transfer_to_review(change: dict[str, Any], reason: Reason) -> None:
    assert judge(replace(PAID, **change), ASKED) == Mismatch((reason,))


@pytest.mark.parametrize(
    ("seconds_after_expiry", "late"), [(-1, False), (0, False), (60, False), (61, True), (3600, True)]
)
def test_late_begins_a_minute_after_expiry(seconds_after_expiry: int, late: bool) -> None:
    sent = ASKED.expires_at + timedelta(seconds=seconds_after_expiry)

    assert judge(replace(PAID, created_at=sent), ASKED) == Match(late=late)


def test_without_any_date_only_a_question_before_expiry_counts() -> None:
    assert judge(replace(PAID, created_at=None), ASKED) == Match(late=False)


def test_the_acknowledged_time_stands_in_for_a_missing_one() -> None:
    late = ASKED.expires_at + timedelta(hours=1)

    assert judge(replace(PAID, created_at=None, acknowledged_at=late), ASKED) == Match(late=True)


def test_all_reasons_are_named_not_just_the_first() -> None:
    wrong = replace(PAID, currency="KHR", to_account="x@y", tracking_status="FAILED_AT_ACH")

    assert judge(wrong, ASKED) == Mismatch(
        (Reason.CURRENCY_DIFFERS, Reason.RECEIVER_UNKNOWN, Reason.SENT_BACK)
    )


def test_a_dialect_without_receivers_is_matched_by_its_bill_number() -> None:
    hosted = replace(ASKED, receiver_stated=False, bill_number="TXN1")

    assert judge(replace(PAID, to_account=None, bill_number="TXN1"), hosted) == Match(late=False)
    assert judge(replace(PAID, to_account=None, bill_number="TXN2"), hosted) == Mismatch(
        (Reason.BILL_DIFFERS,)
    )


@given(
    st.decimals(allow_nan=True, allow_infinity=True),
    st.sampled_from(["USD", "KHR", "EUR", "", "usd"]),
    st.sampled_from([ASKED.money, Money(41_000, Currency.KHR)]),
)
def test_no_amount_but_the_exact_one_ever_matches(amount: Decimal, currency: str, money: Money) -> None:
    verdict = judge(replace(PAID, amount=amount, currency=currency), replace(ASKED, money=money))

    exact = amount.is_finite() and amount == money.decimal and currency == money.currency
    assert isinstance(verdict, Match) == exact


@given(st.decimals(allow_nan=True, allow_infinity=True), st.sampled_from(["USD", "KHR"]))
def test_reported_money_is_positive_and_exact_or_none(amount: Decimal, currency: str) -> None:
    money = reported_money(amount, currency)

    assert money is None or (money.minor > 0 and money.decimal == amount)


# ---- money that should have gone out ----------------------------------------------------------------------

ASKED_BACK = Expected(
    hash="ab" * 32,
    money=Money(1050, Currency.USD),
    senders={"shop@devb"},
    to_account="dara@aclb",
    since=T0,
)
SENT: dict[str, Any] = {
    "hash": "ab" * 32,
    "amount": Decimal("10.50"),
    "currency": "USD",
    "from_account": "SHOP@devb",
    "to_account": "Dara@ACLB",
    "sent_at": T0 + timedelta(minutes=5),
    "tracking_status": None,
}


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"sent_at": None},
        {"sent_at": T0 - EARLY},
        {"tracking_status": "SUCCESS"},
    ],
)
def test_what_was_sent_as_it_was_asked_for_differs_in_nothing(change: dict[str, Any]) -> None:
    assert differences(ASKED_BACK, **{**SENT, **change}) == ()


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        ({"hash": "cd" * 32}, Difference.HASH),
        ({"amount": Decimal("10.49")}, Difference.MONEY),
        ({"amount": None}, Difference.MONEY),
        ({"currency": "KHR"}, Difference.MONEY),
        ({"from_account": None}, Difference.FROM_UNSTATED),
        ({"from_account": "other@devb"}, Difference.FROM_ACCOUNT),
        ({"to_account": "other@aclb"}, Difference.TO_ACCOUNT),
        ({"to_account": None}, Difference.TO_ACCOUNT),
        ({"sent_at": T0 - EARLY - timedelta(seconds=1)}, Difference.TOO_EARLY),
        *[({"tracking_status": status}, Difference.SENT_BACK) for status in sorted(BAD_TRACKING)],
    ],
)
def test_each_difference_of_what_was_sent_is_named_alone(
    change: dict[str, Any], difference: Difference
) -> None:
    assert differences(ASKED_BACK, **{**SENT, **change}) == (difference,)


def test_where_nobody_knows_whose_account_it_must_reach_any_will_do() -> None:
    unknown = replace(ASKED_BACK, to_account="")

    assert differences(unknown, **{**SENT, "to_account": "anybody@aclb"}) == ()


def test_all_differences_of_what_was_sent_are_named() -> None:
    wrong = {
        "hash": "cd" * 32, "amount": None, "from_account": "x@y", "to_account": "x@y",
        "sent_at": T0 - timedelta(days=1), "tracking_status": min(BAD_TRACKING),
    }  # fmt: skip
    unstated = Difference.FROM_UNSTATED

    assert set(differences(ASKED_BACK, **{**SENT, **wrong})) == set(Difference) - {unstated}

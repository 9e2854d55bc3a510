"""Money in whole minor units: what a person may write, and what is printed back."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vinflow.money import (
    AmountMissing,
    CommaAsPoint,
    Currency,
    Money,
    MoneyError,
    NotANumber,
    OtherCurrency,
    TooPrecise,
    format_money,
    parse_amount,
)

USD, KHR = Currency.USD, Currency.KHR
amounts = st.builds(Money, st.integers(0, 10**15), st.sampled_from(Currency))


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("1,000", USD, 100_000),
        ("1000", USD, 100_000),
        ("1 000", USD, 100_000),
        ("១០០០", USD, 100_000),
        ("$10", USD, 1_000),
        ("10.5", USD, 1_050),
        ("0.01", USD, 1),
        ("៤១០០០", KHR, 41_000),
        ("41,000 ៛", KHR, 41_000),
        ("៛100", KHR, 100),
        ("0", KHR, 0),
    ],
)
def test_what_people_write_is_read(text: str, currency: Currency, minor: int) -> None:
    assert parse_amount(text, currency) == Money(minor, currency)


@pytest.mark.parametrize(
    ("text", "currency", "error"),
    [
        ("", USD, AmountMissing),
        ("  $ ", USD, AmountMissing),
        ("ten", USD, NotANumber),
        ("-5", USD, NotANumber),
        ("+5", USD, NotANumber),
        ("1e3", USD, NotANumber),
        ("NaN", USD, NotANumber),
        ("Infinity", USD, NotANumber),
        ("1,00,000", USD, NotANumber),
        ("٥", USD, NotANumber),
        ("9" * 41, USD, NotANumber),
        ("10,50", USD, CommaAsPoint),
        ("10.555", USD, TooPrecise),
        ("100.5", KHR, TooPrecise),
        ("100.0", KHR, TooPrecise),
    ],
)
def test_what_is_no_amount_is_refused_by_name(text: str, currency: Currency, error: type[MoneyError]) -> None:
    with pytest.raises(error):
        parse_amount(text, currency)


def test_ten_to_the_thirty_is_read_exactly_and_left_to_the_limits() -> None:
    assert parse_amount("1" + "0" * 30, USD).minor == 10**32


@given(amounts)
def test_what_is_printed_is_read_back(money: Money) -> None:
    assert parse_amount(format_money(money), money.currency) == money
    assert parse_amount(money.plain, money.currency) == money
    assert Money.from_decimal(money.decimal, money.currency) == money


@given(st.text(max_size=60), st.sampled_from(Currency))
def test_any_text_is_an_amount_or_a_money_error(text: str, currency: Currency) -> None:
    try:
        assert parse_amount(text, currency).minor >= 0
    except MoneyError as error:
        assert error.code in {  # noqa: PT017 - it may also not raise
            "required",
            "invalid",
            "comma",
            "decimals",
        }


@given(st.decimals(allow_nan=True, allow_infinity=True, places=None), st.sampled_from(Currency))
def test_a_decimal_is_money_exactly_or_refused(amount: Decimal, currency: Currency) -> None:
    try:
        money = Money.from_decimal(amount, currency)
    except MoneyError:
        return
    assert money.decimal == amount


@pytest.mark.parametrize("minor", [1.0, True, "1", None, Decimal(1)])
def test_minor_units_are_whole_numbers_and_nothing_else(minor: object) -> None:
    with pytest.raises(TypeError):
        Money(minor, USD)  # type: ignore[arg-type]


def test_dollars_and_riel_never_meet() -> None:
    with pytest.raises(OtherCurrency):
        Money(1, USD) + Money(1, KHR)
    with pytest.raises(OtherCurrency):
        assert Money(1, USD) < Money(1, KHR)


@pytest.mark.parametrize(
    ("money", "text"),
    [
        (Money(125_000, USD), "$1,250.00"),
        (Money(-500, USD), "\u2212$5.00"),
        (Money(41_000, KHR), "41,000\u00a0៛"),
        (Money(0, USD), "$0.00"),
    ],
)
def test_amounts_are_printed_the_same_in_both_languages(money: Money, text: str) -> None:
    assert format_money(money) == text


def test_a_currency_is_known_by_its_number() -> None:
    assert Currency.from_numeric("840") is USD
    assert Currency.from_numeric("116") is KHR
    with pytest.raises(ValueError, match="978"):
        Currency.from_numeric("978")

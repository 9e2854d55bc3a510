"""Moments, spans and masked accounts as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vinflow.money import Currency, Money
from vinflow.storefront import formats
from vinflow.storefront.statements import _row, masked

EVENING = datetime(2025, 11, 30, 18, 5, 9, tzinfo=UTC)  # already December in Phnom Penh


def test_a_moment_is_shown_in_phnom_penh_with_latin_digits() -> None:
    assert formats.moment(EVENING, "en") == "1 Dec 2025, 01:05"
    assert formats.moment(EVENING, "km") == "1 ធ្នូ 2025, 01:05"


def test_every_khmer_month_has_its_own_name() -> None:
    names = [formats.day(datetime(2026, month, 15, tzinfo=UTC), "km").split()[1] for month in range(1, 13)]

    assert len(set(names)) == 12
    assert names[10] == "វិច្ឆិកា"


def test_machines_are_told_utc_and_spreadsheets_the_offset() -> None:
    assert formats.iso_utc(EVENING) == "2025-11-30T18:05:09Z"
    assert formats.iso_local(EVENING) == "2025-12-01T01:05:09+07:00"


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="zone"):
        formats.hour(datetime(2025, 1, 1))


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [(151_000, "02:31"), (1, "00:01"), (0, "00:00"), (-5, "00:00"), (600_000, "10:00")],
)
def test_a_countdown_never_shows_zero_while_time_is_left(milliseconds: int, shown: str) -> None:
    assert formats.span(milliseconds) == shown


def test_an_amount_is_spoken_without_its_sign() -> None:
    assert formats.spoken_amount(Money(125_000, Currency.USD)) == ("{n} US dollars", "1,250.00")
    assert formats.spoken_amount(Money(41_000, Currency.KHR)) == ("{n} riel", "41,000")


@pytest.mark.parametrize(
    ("account", "shown"),
    [
        ("dara_sok4321@aclb", "••••4321@aclb"),
        ("dara@aclb", "••••a@aclb"),
        ("85512345678", "••••5678"),
        ("", ""),
    ],
)
def test_a_payers_account_shows_its_last_four_signs(account: str, shown: str) -> None:
    assert masked(account) == shown


def test_a_cell_that_a_spreadsheet_would_run_becomes_text_and_a_negative_amount_stays_a_number() -> None:
    assert _row(["=1+1", "-5.00", "@x", "+855"]) == b"'=1+1,-5.00,'@x,'+855\r\n"

"""The transaction object: tolerant of how it is written, strict about what is taken from it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from vinflow.bakong.reading import decode
from vinflow.bakong.results import TrackingStatus
from vinflow.bakong.transfers import Unreadable, read_transfer

from .conftest import HASH, transaction


def read(**changes: Any) -> Any:
    """A transfer as it would be read off the wire."""
    return read_transfer(decode(json.dumps(transaction(**changes)).encode()))


def test_the_sample_of_the_specification_is_read_in_full() -> None:
    transfer = read(description="tea", trackingStatus="ACKNOWLEDGED_BY_FI", receiverBank="ABAAKHPP")

    assert transfer.hash == HASH
    assert transfer.amount == Decimal("0.01")
    assert transfer.currency == "USD"
    assert transfer.from_account == "abaakhppxxx@abaa"
    assert transfer.to_account == "shop_owner@bkrt"
    assert transfer.created_at == datetime(2026, 2, 26, 17, 2, 29, tzinfo=UTC)
    assert transfer.acknowledged_at == datetime(2026, 2, 26, 17, 2, 31, tzinfo=UTC)
    assert transfer.external_ref == "100FT36931627892"
    assert transfer.description == "tea"
    assert transfer.tracking_status is TrackingStatus.ACKNOWLEDGED_BY_FI
    assert transfer.receiver_bank == "ABAAKHPP"
    assert transfer.receiver_bank_account is None
    assert transfer.instruction_ref is None


def test_hash_amount_and_currency_are_enough() -> None:
    transfer = read_transfer({"hash": HASH, "amount": 1, "currency": "KHR"})

    assert transfer.created_at is None
    assert transfer.to_account is None
    assert transfer.amount == 1


@pytest.mark.parametrize("wire", [b"0.1", b'"0.1"', b"0.10", b"1e-1", b'" 0.1 "'])
def test_an_amount_may_be_a_number_or_text_and_never_becomes_a_float(wire: bytes) -> None:
    body = json.dumps(transaction()).encode().replace(b'"amount": 0.01', b'"amount": ' + wire)

    transfer = read_transfer(decode(body))

    assert type(transfer.amount) is Decimal
    assert transfer.amount == Decimal("0.1")
    assert transfer.amount + Decimal("0.2") == Decimal("0.3")


def test_riel_written_with_a_point_are_the_same_riel() -> None:
    assert read(currency="KHR", amount=9800.0).amount == read(currency="KHR", amount=9800).amount == 9800


def test_more_digits_than_the_currency_has_are_kept_to_be_seen() -> None:
    body = json.dumps(transaction()).encode().replace(b"0.01", b"0.0100000000000000001")

    assert read_transfer(decode(body)).amount == Decimal("0.0100000000000000001")


@pytest.mark.parametrize("ms", [1605774370608, 1605774370608.0, "1605774370608", "1605774370608.0"])
def test_a_moment_may_be_written_in_many_ways(ms: object) -> None:
    assert read(createdDateMs=ms).created_at == datetime(2020, 11, 19, 8, 26, 10, 608000, tzinfo=UTC)


@pytest.mark.parametrize("ms", [None, "", "yesterday", -5, 0, 1e30, True, [], {}, 10**18])
def test_a_moment_that_cannot_be_read_is_missing(ms: object) -> None:
    assert read(createdDateMs=ms).created_at is None


@pytest.mark.parametrize("absent", ["fromAccountId", "toAccountId", "externalRef", "acknowledgedDateMs"])
def test_what_may_be_missing_may_be_missing(absent: str) -> None:
    data = transaction(amount="0.01")
    del data[absent]

    assert read_transfer(data).hash == HASH


def test_a_hash_in_upper_case_is_the_same_hash() -> None:
    assert read(hash=HASH.upper()).hash == HASH


def test_a_tracking_status_no_document_names_is_kept_as_it_is() -> None:
    assert read(trackingStatus="ON_ITS_WAY").tracking_status == "ON_ITS_WAY"


def test_an_unknown_currency_is_kept_so_that_it_is_seen_to_differ() -> None:
    assert read(currency="THB").currency == "THB"


@pytest.mark.parametrize(
    "changes",
    [
        {"hash": "g" * 64},
        {"hash": HASH + "0"},
        {"hash": HASH[:-1]},
        {"hash": HASH + "\n"},
        {"hash": 12},
        {"hash": ["a"]},
        {"amount": None},
        {"amount": ""},
        {"amount": "1,000"},
        {"amount": "1_000"},
        {"amount": "១"},
        {"amount": "NaN"},
        {"amount": "Infinity"},
        {"amount": "0x10"},
        {"amount": True},
        {"amount": -1},
        {"amount": 0},
        {"amount": "0.00"},
        {"amount": 10**40},
        {"amount": "1e99"},
        {"amount": [1]},
        {"amount": {"value": 1}},
        {"currency": None},
        {"currency": ""},
        {"currency": 840},
        {"currency": "X" * 300},
    ],
)
def test_what_must_be_there_and_cannot_be_read_makes_it_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(Unreadable):
        read(**changes)


@pytest.mark.parametrize("amount", [b"1e999999999999", b"1e-999999999", b"9" * 5000, b"0." + b"1" * 5000])
def test_absurd_numbers_cost_nothing_and_are_unreadable(amount: bytes) -> None:
    body = json.dumps(transaction()).encode().replace(b"0.01", amount)

    with pytest.raises(Unreadable):
        read_transfer(decode(body))


@pytest.mark.parametrize("data", [None, [], "x", 1, True, object()])
def test_what_is_no_object_is_no_transfer(data: object) -> None:
    with pytest.raises(Unreadable):
        read_transfer(data)

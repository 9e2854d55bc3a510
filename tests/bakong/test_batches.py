"""A batch answer: each item goes to the question it echoes, or to nobody."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vinflow.bakong.batches import read_list
from vinflow.bakong.results import CannotTell, Failed, Found, NotFound, Reason, StaticQr
from vinflow.bakong.wire import Reply

from .conftest import HASH, NGINX_403, NOT_FOUND, QUOTA, envelope, transaction

A, B, C = "a" * 32, "b" * 32, "c" * 32
SUCCESS = {"status": "SUCCESS", "message": "Transaction success"}
MISSING = {"status": "NOT_FOUND", "message": "Transaction could not be found.", "data": None}
STATIC = {"status": "STATIC_QR", "message": "the system does not support static QR code.", "data": None}


def read(items: Any, asked: list[str] | None = None, key: Any = "md5", status: int = 200) -> Any:
    """Read an answer with these items (or with this body, when it is no list)."""
    body = envelope(0, None, "Getting transaction data successfully.", items)
    if isinstance(items, dict) and "responseCode" in items:
        body = items
    content = items if isinstance(items, bytes) else json.dumps(body).encode()
    return read_list(asked or [A, B, C], key)(Reply(status, content))


def shaped(shape: str, **changes: Any) -> dict[str, Any]:
    """A transaction in one of the three places where sources show it."""
    if shape == "inline":
        return transaction(**changes)
    return {shape: transaction(**changes)}


@pytest.mark.parametrize("shape", ["data", "transaction", "inline"])
def test_three_items_in_three_shapes_give_three_outcomes(shape: str) -> None:
    batch = read([{"md5": A} | SUCCESS | shaped(shape), {"md5": B} | MISSING, {"md5": C} | STATIC])

    assert isinstance(batch[A], Found)
    assert batch[A].transfer.hash == HASH
    assert isinstance(batch[B], NotFound)
    assert isinstance(batch[C], StaticQr)


def test_items_are_matched_by_what_they_echo_in_any_order_and_case() -> None:
    batch = read([{"md5": C.upper()} | STATIC, {"md5": A} | MISSING, {"md5": B} | SUCCESS | shaped("data")])

    assert [type(batch[name]) for name in (A, B, C)] == [NotFound, Found, StaticQr]


def test_what_a_short_answer_leaves_out_is_unknown_and_the_rest_is_not_shifted() -> None:
    batch = read([{"md5": A} | MISSING, {"md5": C} | SUCCESS | shaped("data")])

    assert isinstance(batch[A], NotFound)
    assert batch[B].reason is Reason.MALFORMED
    assert isinstance(batch[C], Found)


def test_a_short_answer_without_echoes_tells_nothing_of_anything() -> None:
    batch = read([MISSING, MISSING])

    assert {outcome.reason for outcome in batch.values()} == {Reason.MALFORMED}


def test_an_answer_without_echoes_and_as_long_as_the_question_is_matched_by_position() -> None:
    batch = read([MISSING, SUCCESS | shaped("data"), STATIC])

    assert [type(batch[name]) for name in (A, B, C)] == [NotFound, Found, StaticQr]


def test_one_item_without_an_echo_among_others_is_nobodys() -> None:
    batch = read([{"md5": A} | MISSING, SUCCESS | shaped("data"), {"md5": B} | MISSING])

    assert isinstance(batch[C], CannotTell)


def test_an_item_that_nobody_asked_for_is_ignored() -> None:
    batch = read([{"md5": "d" * 32} | SUCCESS | shaped("data"), {"md5": A} | MISSING])

    assert set(batch) == {A, B, C}
    assert isinstance(batch[A], NotFound)


def test_two_items_that_contradict_each_other_are_not_believed() -> None:
    batch = read([{"md5": A} | MISSING, {"md5": A} | SUCCESS | shaped("data"), {"md5": B} | MISSING])

    assert batch[A].reason is Reason.MALFORMED
    assert isinstance(batch[B], NotFound)


@pytest.mark.parametrize("data", [None, {}, [], "x", {"hash": HASH}, transaction(hash="short")])
def test_success_without_a_readable_transaction_is_never_unpaid(data: Any) -> None:
    batch = read([{"md5": A, "data": data} | SUCCESS])

    assert batch[A].reason is Reason.MALFORMED


def test_not_found_with_a_transaction_is_not_believed() -> None:
    batch = read([{"md5": A} | MISSING | {"data": transaction()}])

    assert batch[A].reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("SERVICE_FAILED", Reason.UPSTREAM),
        ("success", Reason.UNKNOWN_CODE),
        ("PAID", Reason.UNKNOWN_CODE),
        ("", Reason.UNKNOWN_CODE),
        (None, Reason.UNKNOWN_CODE),
        (1, Reason.UNKNOWN_CODE),
        (["NOT_FOUND"], Reason.UNKNOWN_CODE),
    ],
)
def test_any_other_status_tells_nothing_of_its_item_only(status: object, meaning: Reason) -> None:
    batch = read([{"md5": A, "status": status, "data": None}, {"md5": B} | MISSING])

    assert batch[A].reason is meaning
    assert isinstance(batch[B], NotFound)


def test_a_failed_item_is_a_failed_attempt() -> None:
    assert isinstance(read([{"hash": HASH, "status": "FAILED"}], [HASH], "hash")[HASH], Failed)


def test_a_hash_list_reads_an_inline_transaction_whose_hash_is_its_echo() -> None:
    other = "0" * 64
    batch = read([SUCCESS | transaction(), {"hash": other} | MISSING], [HASH, other], "hash")

    assert isinstance(batch[HASH], Found)
    assert isinstance(batch[other], NotFound)


def test_a_hash_list_never_gives_one_transfer_for_another() -> None:
    other = "0" * 64
    batch = read([{"hash": other, "data": transaction()} | SUCCESS], [other], "hash")

    assert batch[other].reason is Reason.MALFORMED


@pytest.mark.parametrize("items", [None, {}, "x", 3, {"a": []}])
def test_success_without_a_list_tells_nothing(items: Any) -> None:
    assert read(items).reason is Reason.MALFORMED


@pytest.mark.parametrize("item", [None, [], "x", 1, [{}]])
def test_an_item_that_is_no_object_tells_nothing(item: Any) -> None:
    batch = read([item, {"md5": B} | MISSING])

    assert isinstance(batch[A], CannotTell)
    assert isinstance(batch[B], NotFound)


def test_items_that_are_no_objects_are_not_read_by_position_either() -> None:
    batch = read([None, 1, "x"])

    assert {outcome.reason for outcome in batch.values()} == {Reason.MALFORMED}


def test_not_found_for_a_whole_list_expires_nothing() -> None:
    told = read(NOT_FOUND)

    assert isinstance(told, CannotTell)
    assert told.reason is Reason.UNKNOWN_CODE


def test_the_first_rows_of_the_table_hold_for_lists_too() -> None:
    assert read(QUOTA).reason is Reason.QUOTA
    assert read(NGINX_403, status=403).reason is Reason.BLOCKED
    assert read(b"[]").reason is Reason.MALFORMED

"""Many md5s at once: one call where Bakong lets us, single calls where it does not, and no more than that."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pytest

from vinflow.bakong import CannotTell, Found, NotFound, Reason

from .conftest import (
    NGINX_403,
    NOT_FOUND,
    QUOTA,
    UNAUTHORIZED,
    Desk,
    Make,
    answer,
    envelope,
    jwt,
    transaction,
)

A, B, C = "a" * 32, "b" * 32, "c" * 32
LIST, SINGLE = "check_transaction_by_md5_list", "check_transaction_by_md5"
ITEMS = [{"md5": name, "status": "NOT_FOUND", "data": None} for name in (A, B, C)]
OPEN = envelope(0, None, "", ITEMS)
NOW = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)


def closed(request: httpx2.Request) -> httpx2.Response:
    """A Bakong that closes the md5 list to this token, and answers single calls."""
    if request.url.path.endswith("_list"):
        return answer(NGINX_403, 403)
    return answer(envelope(0, None, "", transaction()) if A.encode() in request.content else NOT_FOUND)


@pytest.mark.parametrize(
    "refusal",
    [
        answer(NGINX_403, 403),
        answer(b"<h1>404</h1>", 404),
        answer(b"<h1>405</h1>", 405),
        answer(envelope(1, 5, "Missing required fields."), 400),
    ],
)
def test_a_closed_list_falls_back_to_single_calls_and_is_remembered(
    make: Make, refusal: httpx2.Response
) -> None:
    desk = Desk(refusal, envelope(0, None, "", transaction()), NOT_FOUND, NOT_FOUND, NOT_FOUND, NOT_FOUND)
    memory: dict[str, datetime] = {}
    client = make(desk, closed_lists=memory, clock=NOW.timestamp)

    first = client.check_md5_many([A, B, C])
    second = client.check_md5_many([B, C])

    assert isinstance(first[A], Found)
    assert isinstance(first[B], NotFound)
    assert isinstance(second[C], NotFound)
    assert desk.paths == [LIST, SINGLE, SINGLE, SINGLE, SINGLE, SINGLE]
    assert memory == {"00112233445566aa": NOW}


def test_a_closed_list_is_tried_again_after_a_week(make: Make) -> None:
    moment = [NOW.timestamp()]
    desk = Desk(closed)
    memory: dict[str, datetime] = {}
    client = make(desk, closed_lists=memory, clock=lambda: moment[0])
    client.check_md5_many([A, B])

    moment[0] += timedelta(days=7).total_seconds() - 1
    client.check_md5_many([A, B])
    tries_within = desk.paths.count(LIST)
    moment[0] += 1
    desk._answers[:] = [OPEN]
    client.check_md5_many([A, B])

    assert tries_within == 1
    assert desk.paths.count(LIST) == 2
    assert memory == {}


def test_another_token_finds_out_for_itself(make: Make) -> None:
    memory = {"00112233445566aa": NOW}
    desk = Desk(OPEN)

    make(
        desk, token=jwt(4_000_000_000, "ffffffffffffffff"), closed_lists=memory, clock=NOW.timestamp
    ).check_md5_many([A, B])

    assert desk.paths == [LIST]
    assert memory == {"00112233445566aa": NOW}


def test_what_one_process_learnt_another_need_not_learn(make: Make) -> None:
    desk = Desk(closed)

    make(desk, closed_lists={"00112233445566aa": NOW}, clock=NOW.timestamp).check_md5_many([A, B])

    assert desk.paths == [SINGLE, SINGLE]


def test_a_machine_that_is_refused_altogether_learns_nothing_about_the_list(make: Make) -> None:
    desk = Desk(answer(NGINX_403, 403))
    memory: dict[str, datetime] = {}

    outcomes = make(desk, closed_lists=memory).check_md5_many([A, B, C])

    assert {outcome.reason for outcome in outcomes.values()} == {Reason.BLOCKED}
    assert desk.paths == [LIST, SINGLE]
    assert memory == {}


def test_one_md5_is_asked_by_the_single_call_that_is_always_open(make: Make) -> None:
    desk = Desk(NOT_FOUND)

    make(desk).check_md5_many([A])

    assert desk.paths == [SINGLE]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (QUOTA, 200, Reason.QUOTA),
        (UNAUTHORIZED, 401, Reason.AUTH),
        (b"", 429, Reason.THROTTLED),
        (b"<h1>503</h1>", 503, Reason.UPSTREAM),
        (b"<html>", 200, Reason.MALFORMED),
        (envelope(1, 42, "new"), 200, Reason.UNKNOWN_CODE),
        (b"", 302, Reason.REDIRECT),
    ],
)
def test_any_other_trouble_with_the_list_is_not_spent_again_on_single_calls(
    make: Make, body: Any, status: int, reason: Reason
) -> None:
    desk = Desk(answer(body, status))

    outcomes = make(desk).check_md5_many([A, B, C])

    assert [outcome.reason for outcome in outcomes.values()] == [reason] * 3
    assert desk.paths == [LIST]


@pytest.mark.parametrize(
    "trouble",
    [
        QUOTA,
        answer(UNAUTHORIZED, 401),
        answer(b"", 429),
        answer(b"", 503),
        httpx2.ReadTimeout("slow"),
        httpx2.ConnectError("gone"),
    ],
)
def test_single_calls_stop_where_the_next_would_fare_no_better(make: Make, trouble: Any) -> None:
    desk = Desk(answer(NGINX_403, 403), NOT_FOUND, trouble)

    outcomes = make(desk).check_md5_many([A, B, C])

    assert isinstance(outcomes[A], NotFound)
    assert isinstance(outcomes[B], CannotTell)
    assert isinstance(outcomes[C], CannotTell)
    assert outcomes[B].reason is outcomes[C].reason
    assert "not asked" in outcomes[C].detail
    assert desk.paths == [LIST, SINGLE, SINGLE]


def test_one_unreadable_answer_does_not_stop_the_others(make: Make) -> None:
    desk = Desk(answer(NGINX_403, 403), NOT_FOUND, answer(b"<html>"), NOT_FOUND)

    outcomes = make(desk).check_md5_many([A, B, C])

    assert outcomes[B].reason is Reason.MALFORMED
    assert isinstance(outcomes[C], NotFound)


def test_single_calls_stay_within_the_budget(make: Make) -> None:
    left = [3]

    def budget(call: Any) -> object | None:
        left[0] -= 1
        return object() if left[0] >= 0 else None

    desk = Desk(closed)

    outcomes = make(desk, budget=budget).check_md5_many([A, B, C])

    assert isinstance(outcomes[A], Found)
    assert isinstance(outcomes[B], NotFound)
    assert outcomes[C].reason is Reason.BUDGET
    assert desk.paths == [LIST, SINGLE, SINGLE]


def test_a_closed_hash_list_is_reported_for_each(make: Make) -> None:
    desk = Desk(answer(NGINX_403, 403))

    outcomes = make(desk).check_hash_many(["1" * 64, "2" * 64])

    assert [outcome.reason for outcome in outcomes.values()] == [Reason.BLOCKED] * 2
    assert len(desk.asked) == 1

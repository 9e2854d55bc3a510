"""A hundred calls a token and day, which day it is, and what counts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from vinflow.sandbox import Sandbox

CHECK = "check_transaction_by_md5"
HOUR_S = 3600


def codes(ask: Any, times: int) -> list[int]:
    return [ask(CHECK, {"md5": "a"}).json()["errorCode"] for _ in range(times)]


def test_the_call_after_the_limit_is_code_17_with_status_200(ask: Any, bank: Sandbox) -> None:
    bank.set_used(99)

    last, refused = ask(CHECK, {"md5": "a"}), ask(CHECK, {"md5": "a"})

    assert last.json()["errorCode"] == 1
    assert (refused.status_code, refused.content) == (
        200,
        b'{"responseCode":1,'
        b'"responseMessage":"Daily request limit of 100 exceeded. Please try again tomorrow.",'
        b'"errorCode":17,"data":null}',
    )


@pytest.mark.parametrize(("reset", "hours_to_midnight"), [("phnom_penh", 12), ("utc", 19)])
def test_the_day_ends_at_midnight_of_the_switch(
    ask: Any, bank: Sandbox, reset: str, hours_to_midnight: int
) -> None:
    bank.switch(quota=1, quota_reset=reset)

    assert codes(ask, 2) == [1, 17]
    bank.advance(hours_to_midnight * HOUR_S - 1)
    assert codes(ask, 1) == [17]
    bank.advance(1)
    assert codes(ask, 2) == [1, 17]


def test_no_limit_is_no_limit(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=None)

    assert codes(ask, 120) == [1] * 120


def test_each_token_has_its_own_hundred(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=1)

    assert codes(ask, 2) == [1, 17]
    assert ask(CHECK, {"md5": "a"}, token=bank.issue_token()).json()["errorCode"] == 1


def test_a_refused_call_is_not_counted_unless_the_switch_says_so(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=2)
    codes(ask, 5)
    uncounted = bank.used()
    bank.switch(quota_counts_refused=True)
    codes(ask, 3)

    assert (uncounted, bank.used()) == (2, 5)


def test_a_list_costs_one_unit_or_one_for_each_entry(ask: Any, bank: Sandbox) -> None:
    ask("check_transaction_by_hash_list", ["a", "b", "c"])
    bank.switch(quota_list_each=True)
    ask("check_transaction_by_hash_list", ["a", "b", "c"])

    assert bank.used() == 1 + 3


def test_renewal_is_free_until_the_switch_meters_it(ask: Any, bank: Sandbox) -> None:
    ask("renew_token", {"email": bank.email}, token=None)
    bank.switch(quota=0, quota_counts_renewal=True)

    assert ask("renew_token", {"email": bank.email}, token=None).json()["errorCode"] == 17


@pytest.mark.parametrize(
    ("call", "body", "switch"),
    [
        ("generate_deeplink_by_qr", {"qr": "x"}, "quota_counts_deeplink"),
        ("check_bakong_account", {"accountId": "a@b"}, "quota_counts_account"),
    ],
)
def test_open_calls_are_metered_only_with_a_token(
    ask: Any, bank: Sandbox, call: str, body: Any, switch: str
) -> None:
    ask(call, body, token=None)
    without = bank.used()
    ask(call, body)
    with_token = bank.used()
    bank.switch(**{switch: False})
    ask(call, body)

    assert (without, with_token, bank.used()) == (0, 1, 1)


def test_an_unauthorized_call_costs_nothing(ask: Any, bank: Sandbox) -> None:
    ask(CHECK, {"md5": "a"}, token=bank.expired_token())

    assert sum(record.metered for record in bank.calls()) == 0


def test_forty_callers_at_once_spend_exactly_the_limit(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=25)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(CHECK, {"md5": "a"}).json()["errorCode"], range(40)))

    assert sorted(answers) == [1] * 25 + [17] * 15
    assert bank.used() == 25


def test_without_a_limit_calls_are_counted_all_the_same(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=None)

    codes(ask, 3)

    assert bank.used() == 3
    bank.switch(quota=3)
    assert codes(ask, 1) == [17]  # the day does not begin anew

"""The guide's dialect: the gateway makes the QR, and is asked by the hash it gave."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from vinflow import khqr
from vinflow.sandbox import Sandbox

MAKE, CHECK = "generate_deeplink_by_qr", "check_transaction_by_hash"


def order(ask: Any, bank: Sandbox, **changes: Any) -> httpx2.Response:
    body = {
        "md5": bank.merchant_md5,
        "amount": 10.50,
        "currency": "USD",
        "info": "Payment description",
        "bill_number": "TXN123456789",
    } | changes
    answer: httpx2.Response = ask(MAKE, body, token=bank.hosted_token)
    return answer


def check(ask: Any, bank: Sandbox, hash_: str) -> httpx2.Response:
    answer: httpx2.Response = ask(CHECK, {"hash": hash_}, token=bank.hosted_token)
    return answer


def test_an_order_gives_the_seven_keys_of_the_guide(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank)

    body = made.json()
    assert made.status_code == 200
    assert list(body) == [
        "hash", "qr_string", "deeplink", "amount", "currency", "merchant_id", "bill_number",
    ]  # fmt: skip
    assert b'"amount":10.50,"currency":"USD"' in made.content
    assert body["qr_string"].startswith("khqr://0002")
    assert body["deeplink"] == f"bakong://qr?qr={body['qr_string']}"


def test_the_qr_is_a_valid_khqr_of_that_order(ask: Any, bank: Sandbox) -> None:
    text = order(ask, bank).json()["qr_string"].removeprefix("khqr://")

    read = khqr.decode(text)
    assert khqr.verify(text, now_ms=bank.clock.now_ms()).valid
    assert (read.bakong_account_id, read.amount, read.bill_number) == (bank.account, "10.50", "TXN123456789")
    assert read.expiration_timestamp == bank.clock.now_ms() + 600_000


@pytest.mark.parametrize(
    ("style", "status", "content"),
    [
        ("not_found_404", 404, b'{"message":"Transaction not found","error":"not_found"}'),
        ("null_404", 404, b"null"),
        ("null_200", 200, b"null"),
        ("not_found_200", 200, b'{"message":"Transaction not found","error":"not_found"}'),
    ],
)
def test_unpaid_is_one_of_four_answers_of_the_guide(
    ask: Any, bank: Sandbox, style: str, status: int, content: bytes
) -> None:
    bank.switch(hosted_not_paid=style)
    made = order(ask, bank).json()

    for hash_ in (made["hash"], "0" * 64):
        answer = check(ask, bank, hash_)
        assert (answer.status_code, answer.content) == (status, content)


def test_paid_has_the_eight_keys_of_the_guide(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank).json()
    transfer = bank.pay(made["qr_string"])

    answer = check(ask, bank, made["hash"])

    body = answer.json()
    assert answer.status_code == 200
    assert body == {
        "hash": made["hash"],
        "paid": True,
        "status": "completed",
        "amount": 10.5,
        "currency": "USD",
        "paid_at": "2025-12-01T05:00:00Z",
        "transaction_id": body["transaction_id"],
        "bill_number": "TXN123456789",
    }
    assert body["transaction_id"].startswith("BAK")
    assert transfer.hash == made["hash"]


def test_riel_are_whole_numbers(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank, amount=41000, currency="KHR")
    bank.pay(made.json()["qr_string"])

    assert b'"amount":41000,' in made.content
    assert b'"amount":41000,' in check(ask, bank, made.json()["hash"]).content


def test_a_failed_attempt_is_not_paid_and_a_later_success_is(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank).json()
    bank.pay(made["qr_string"], fail=True)
    failed = check(ask, bank, made["hash"]).json()
    bank.pay(made["qr_string"])

    assert (failed["paid"], failed["status"]) == (False, "failed")
    assert check(ask, bank, made["hash"]).json()["paid"] is True


def test_what_was_really_paid_is_what_is_answered(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank).json()
    bank.pay(made["qr_string"], amount="10.51")

    assert b'"amount":10.51,' in check(ask, bank, made["hash"]).content


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 0},
        {"amount": -1},
        {"amount": "10.50"},
        {"amount": 10.505},
        {"amount": 0.5, "currency": "KHR"},
        {"amount": True},
        {"amount": None},
        {"amount": 10**14},
        {"currency": "EUR"},
        {"currency": None},
        {"bill_number": ""},
        {"bill_number": "x" * 26},
        {"bill_number": 5},
        {"info": 5},
        {"info": "x" * 256},
        {"md5": None},
        {"bill_number": "a\nb"},
    ],
)
def test_a_misshapen_order_is_400_with_its_reason(ask: Any, bank: Sandbox, changes: dict[str, Any]) -> None:
    answer = order(ask, bank, **changes)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_another_merchants_md5_is_401(ask: Any, bank: Sandbox) -> None:
    bank.add_merchant("f" * 32, account=bank.account, name="Other")

    assert order(ask, bank, md5="f" * 32).status_code == 401
    assert order(ask, bank, md5="0" * 32).status_code == 401


def test_a_merchant_sees_only_its_own_orders(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank).json()
    bank.pay(made["qr_string"])
    bank.add_merchant("f" * 32, account=bank.account, name="Other")
    stranger = bank.issue_token(merchant="f" * 32)

    assert ask(CHECK, {"hash": made["hash"]}, token=stranger).status_code == 404


def test_the_token_decides_the_dialect(ask: Any, bank: Sandbox) -> None:
    made = order(ask, bank).json()
    bank.pay(made["qr_string"])

    by_open_api = ask(CHECK, {"hash": made["hash"]}).json()

    assert by_open_api["data"]["hash"] == made["hash"]
    assert ask(MAKE, {"md5": bank.merchant_md5, "amount": 1, "currency": "USD"}).json()["errorCode"] == 5
    assert ask(MAKE, {"md5": bank.merchant_md5}, token=None).status_code == 401


def test_token_quota_and_edge_are_those_of_the_open_api(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=1)
    first, second = order(ask, bank), order(ask, bank)
    bank.advance(91 * 86_400)

    assert (first.status_code, second.status_code) == (200, 200)
    assert second.json()["errorCode"] == 17
    assert order(ask, bank).status_code == 401


def test_the_deeplink_can_open_the_stand_ins_own_phone(ask: Any, http: httpx2.Client, bank: Sandbox) -> None:
    bank.switch(short_link="own")
    made = order(ask, bank).json()

    page = http.get(made["deeplink"], follow_redirects=True)

    assert made["deeplink"].startswith("http://127.0.0.1")
    assert "TXN123456789" in page.text

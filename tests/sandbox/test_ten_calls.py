"""What each of the ten calls answers, to the byte where the specification gives bytes."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import pytest

from vinflow.money import Currency
from vinflow.sandbox import Sandbox

NOT_FOUND = (
    b'{"responseCode":1,"responseMessage":"Transaction could not be found. Please check and try again.",'
    b'"errorCode":1,"data":null}'
)
UNAUTHORIZED = (
    b'{"responseCode":1,"responseMessage":"Unauthorized, not yet requested for token or code invalid",'
    b'"errorCode":6,"data":null}'
)
FIELDS = b'{"responseCode":1,"responseMessage":"Missing required fields.","errorCode":5,"data":null}'


def md5_of(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


def test_an_unpaid_qr_is_not_found_with_status_200(ask: Any, bank: Sandbox) -> None:
    answer = ask("check_transaction_by_md5", {"md5": md5_of(bank.qr("1.50"))})

    assert (answer.status_code, answer.content) == (200, NOT_FOUND)
    assert answer.headers["content-type"] == "application/json"


def test_a_paid_qr_is_found_with_every_field(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("0.50")
    transfer = bank.pay(qr)

    answer = ask("check_transaction_by_md5", {"md5": md5_of(qr)})

    assert answer.status_code == 200
    assert answer.content.decode() == (
        '{"responseCode":0,"responseMessage":"Getting transaction successfully.","errorCode":null,"data":'
        f'{{"hash":"{transfer.hash}","fromAccountId":"abaakhppxxx@abaa","toAccountId":"vinflow_test@devb",'
        '"currency":"USD","amount":0.5,"description":null,"createdDateMs":1764565200000,'
        '"acknowledgedDateMs":1764565200000,"trackingStatus":null,"receiverBank":null,"receiverBankAccount":null,'
        f'"instructionRef":null,"externalRef":"{transfer.external_ref}"}}}}'
    )
    assert re.fullmatch("[0-9a-f]{64}", transfer.hash)
    assert re.fullmatch("100FT[0-9]{11}", transfer.external_ref or "")


def test_riel_leave_as_whole_numbers(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("9800", Currency.KHR)
    bank.pay(qr)

    assert b'"currency":"KHR","amount":9800,' in ask("check_transaction_by_md5", {"md5": md5_of(qr)}).content


def test_a_failed_attempt_is_code_3_until_a_success_arrives(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr, fail=True)
    failed = ask("check_transaction_by_md5", {"md5": md5_of(qr)}).json()
    bank.pay(qr)
    paid = ask("check_transaction_by_md5", {"md5": md5_of(qr)}).json()

    assert (failed["responseCode"], failed["errorCode"], failed["data"]) == (1, 3, None)
    assert paid["responseCode"] == 0


def test_the_full_hash_finds_what_the_md5_finds(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    transfer = bank.pay(qr)

    by_hash = ask("check_transaction_by_hash", {"hash": transfer.hash})

    assert by_hash.content == ask("check_transaction_by_md5", {"md5": md5_of(qr)}).content
    assert ask("check_transaction_by_hash", {"hash": "0" * 64}).content == NOT_FOUND


@pytest.mark.parametrize(
    ("amount", "currency", "found"),
    [(1.5, "USD", True), (2, "USD", False), (1.5, "KHR", False), (1.51, "USD", False)],
)
def test_a_short_hash_needs_its_amount_and_currency(
    ask: Any, bank: Sandbox, amount: float, currency: str, found: bool
) -> None:
    transfer = bank.pay(bank.qr("1.50"))

    answer = ask(
        "check_transaction_by_short_hash",
        {"hash": transfer.short_hash, "amount": amount, "currency": currency},
    )

    assert (answer.json()["responseCode"] == 0) is found
    assert found or answer.content == NOT_FOUND


def test_references_find_a_transfer_and_the_bill_number_does_not(ask: Any, bank: Sandbox) -> None:
    transfer = bank.pay(bank.qr("1.00", bill_number="TXN-1"), instruction_ref="IR77")

    found = ask("check_transaction_by_external_ref", {"externalRef": transfer.external_ref})
    instructed = ask("check_transaction_by_instruction_ref", {"instructionRef": "IR77"})

    assert found.json()["data"]["hash"] == instructed.json()["data"]["hash"] == transfer.hash
    assert ask("check_transaction_by_external_ref", {"externalRef": "TXN-1"}).content == NOT_FOUND
    assert ask("check_transaction_by_instruction_ref", {"instructionRef": "TXN-1"}).content == NOT_FOUND


@pytest.mark.parametrize(
    ("account", "code", "message"),
    [
        ("vinflow_test@devb", None, "Account ID exists"),
        ("nobody@devb", 11, "Account ID not found"),
        ("nobody", 12, "Account ID is invalid"),
        ("@devb", 12, "Account ID is invalid"),
        ("a@b@c", 12, "Account ID is invalid"),
        ("a" * 28 + "@devb", 12, "Account ID is invalid"),
    ],
)
def test_the_account_check_says_exists_unknown_or_malformed_and_needs_no_token(
    ask: Any, account: str, code: int | None, message: str
) -> None:
    answer = ask("check_bakong_account", {"accountId": account}, token=None)

    assert answer.status_code == 200
    assert answer.json() == {
        "responseCode": 0 if code is None else 1,
        "responseMessage": message,
        "errorCode": code,
        "data": None,
    }


def test_every_deeplink_is_another_one_and_needs_no_token(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")

    first = ask("generate_deeplink_by_qr", {"qr": qr}, token=None).json()
    second = ask("generate_deeplink_by_qr", {"qr": qr}, token=None).json()

    assert first["responseMessage"] == "Getting deep link successfully"
    assert re.fullmatch(r"https://bakongsit\.page\.link/[A-Za-z0-9]{17}", first["data"]["shortLink"])
    assert first["data"]["shortLink"] != second["data"]["shortLink"]


@pytest.mark.parametrize(
    "source",
    [
        {},
        {"appIconUrl": "https://a/i.png", "appName": "A"},
        {"appIconUrl": "", "appName": "A", "appDeepLinkCallback": "https://a"},
        {"appIconUrl": "https://a/i.png", "appName": "A", "appDeepLinkCallBack": "https://a"},
        "text",
        [],
    ],
)
def test_an_incomplete_source_is_code_5_with_status_200(ask: Any, bank: Sandbox, source: Any) -> None:
    answer = ask("generate_deeplink_by_qr", {"qr": bank.qr("1.00"), "sourceInfo": source})

    assert (answer.status_code, answer.content) == (200, FIELDS)


def test_renewal_issues_a_token_that_works_at_once(ask: Any, bank: Sandbox) -> None:
    answer = ask("renew_token", {"email": bank.email}, token=None).json()

    assert (answer["responseCode"], answer["responseMessage"]) == (0, "Token has been issued")
    checked = ask("check_transaction_by_md5", {"md5": "0" * 32}, token=answer["data"]["token"])
    assert checked.content == NOT_FOUND


def test_renewal_for_an_unknown_address_is_code_10(ask: Any) -> None:
    assert ask("renew_token", {"email": "x@y.example"}, token=None).content == (
        b'{"responseCode":1,"responseMessage":"Not registered yet","errorCode":10,"data":null}'
    )


def test_the_md5_list_is_closed_until_it_is_opened(ask: Any, bank: Sandbox) -> None:
    closed = ask("check_transaction_by_md5_list", ["0" * 32])
    bank.switch(md5_list="open")
    opened = ask("check_transaction_by_md5_list", ["0" * 32])

    assert (closed.status_code, closed.headers["content-type"]) == (403, "text/html")
    assert b"403 Forbidden" in closed.content
    assert b"nginx" in closed.content
    assert opened.json()["data"] == [
        {
            "md5": "0" * 32,
            "status": "NOT_FOUND",
            "message": "Transaction could not be found. Please check and try again",
            "data": None,
        }
    ]


@pytest.mark.parametrize("shape", ["data", "transaction", "inline"])
def test_a_list_answers_item_by_item_in_any_of_three_shapes(ask: Any, bank: Sandbox, shape: str) -> None:
    bank.switch(md5_list="open", list_shape=shape)
    paid, unpaid, static = bank.qr("1.00"), bank.qr("2.00"), bank.qr(None)
    transfer = bank.pay(paid)
    bank.pay(static, amount="3.00")

    body = ask("check_transaction_by_md5_list", [md5_of(text) for text in (paid, unpaid, static)]).json()

    assert body["responseMessage"] == "Getting transaction data successfully."
    first, second, third = body["data"]
    assert [item["status"] for item in (first, second, third)] == ["SUCCESS", "NOT_FOUND", "STATIC_QR"]
    assert first["md5"] == md5_of(paid)
    held = first if shape == "inline" else first[shape]
    assert held["hash"] == transfer.hash
    assert shape != "transaction" or "data" not in first


def test_the_hash_list_is_open_and_knows_failed_attempts(ask: Any, bank: Sandbox) -> None:
    paid = bank.pay(bank.qr("1.00"))
    failed = bank.pay(bank.qr("2.00"), fail=True)

    items = ask("check_transaction_by_hash_list", [paid.hash, failed.hash, "0" * 64]).json()["data"]

    assert [item["status"] for item in items] == ["SUCCESS", "FAILED", "NOT_FOUND"]
    assert [item["hash"] for item in items] == [paid.hash, failed.hash, "0" * 64]


def test_a_list_can_be_short_or_without_keys_or_spoilt_for_one_item(ask: Any, bank: Sandbox) -> None:
    rows = [bank.pay(bank.qr(f"{n}.00")).hash for n in (1, 2, 3)]
    bank.item_fault(rows[0], "SERVICE_FAILED")
    bank.item_fault(rows[1], "EMPTY_SUCCESS")

    spoilt = ask("check_transaction_by_hash_list", rows).json()["data"]
    bank.switch(list_short=True, list_keys=False)
    short = ask("check_transaction_by_hash_list", rows).json()["data"]

    assert [(item["status"], item["data"] is None) for item in spoilt] == [
        ("SERVICE_FAILED", True),
        ("SUCCESS", True),
        ("SUCCESS", False),
    ]
    assert len(short) == 2
    assert all("hash" not in item for item in short)


@pytest.mark.parametrize("body", [[], ["0" * 32] * 51, {}, {"md5": []}, "0" * 32, None, 7])
@pytest.mark.parametrize("status", [400, 200])
def test_a_list_of_none_or_over_fifty_is_code_5(ask: Any, bank: Sandbox, body: Any, status: int) -> None:
    bank.switch(list_bounds_status=status)

    answer = ask("check_transaction_by_hash_list", body)

    assert (answer.status_code, answer.content) == (status, FIELDS)


@pytest.mark.parametrize(
    ("call", "body"),
    [
        ("check_transaction_by_md5", {}),
        ("check_transaction_by_md5", {"md5": ""}),
        ("check_transaction_by_md5", {"md5": 5}),
        ("check_transaction_by_md5", {"md5": "a" * 256}),
        ("check_transaction_by_md5", ["a"]),
        ("check_transaction_by_hash", {"hash": None}),
        ("check_transaction_by_hash_list", ["ok", 3]),
        ("check_transaction_by_short_hash", {"hash": "1234567", "amount": 1, "currency": "USD"}),
        ("check_transaction_by_short_hash", {"hash": "12345678", "amount": "1", "currency": "USD"}),
        ("check_transaction_by_short_hash", {"hash": "12345678", "amount": True, "currency": "USD"}),
        ("check_transaction_by_short_hash", {"hash": "12345678", "amount": 1, "currency": "EUR"}),
        ("check_transaction_by_external_ref", {"externalRef": []}),
        ("check_transaction_by_instruction_ref", {}),
        ("check_bakong_account", {"accountId": None}),
        ("renew_token", {"email": "a" * 25 + "@b.com"}),
        ("renew_token", {}),
    ],
)
def test_missing_and_misshapen_fields_are_code_5(ask: Any, bank: Sandbox, call: str, body: Any) -> None:
    strict = ask(call, body)
    bank.switch(bad_request_status=200)
    mild = ask(call, body)

    assert (strict.status_code, strict.content) == (400, FIELDS)
    assert (mild.status_code, mild.content) == (200, FIELDS)


def test_an_md5_in_capitals_is_found_and_noted(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr)

    assert ask("check_transaction_by_md5", {"md5": md5_of(qr).upper()}).json()["responseCode"] == 0
    assert "capital" in bank.calls()[-1].warnings[0]


def test_the_same_hash_can_be_made_to_answer_for_two_qrs(ask: Any, bank: Sandbox) -> None:
    one, two = bank.qr("1.00"), bank.qr("2.00")
    transfer = bank.pay(one)
    bank.pay(two, hash=transfer.hash)

    found = ask("check_transaction_by_md5", {"md5": md5_of(two)}).json()["data"]

    assert (found["hash"], found["amount"]) == (transfer.hash, 2)

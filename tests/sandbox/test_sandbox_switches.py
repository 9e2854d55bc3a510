"""Every switch changes exactly what its line in the specification says."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from vinflow.money import Currency
from vinflow.sandbox import Sandbox, Switches
from vinflow.sandbox.errors import WrongSwitch
from vinflow.sandbox.switches import CHOICES

CHECK = "check_transaction_by_md5"


def paid(
    ask: Any, bank: Sandbox, amount: str = "9800", currency: Currency = Currency.KHR, **options: Any
) -> bytes:
    qr = bank.qr(amount, currency)
    bank.pay(qr, **options)
    content: bytes = ask(CHECK, {"md5": hashlib.md5(qr.encode()).hexdigest()}).content
    return content


@pytest.mark.parametrize(
    ("style", "riel", "dollars", "cents"),
    [
        ("shortest", b'"amount":9800,', b'"amount":1,', b'"amount":0.5,'),
        ("point_zero", b'"amount":9800.0,', b'"amount":1.0,', b'"amount":0.5,'),
        ("string", b'"amount":"9800",', b'"amount":"1",', b'"amount":"0.5",'),
    ],
)
def test_amounts(ask: Any, bank: Sandbox, style: str, riel: bytes, dollars: bytes, cents: bytes) -> None:
    bank.switch(amounts=style)

    assert riel in paid(ask, bank)
    assert dollars in paid(ask, bank, "1.00", Currency.USD)
    assert cents in paid(ask, bank, "0.50", Currency.USD)


@pytest.mark.parametrize(
    ("style", "shown"),
    [("integer", b'"createdDateMs":1764565200000,'), ("float", b'"createdDateMs":1764565200000.0,')],
)
def test_milliseconds(ask: Any, bank: Sandbox, style: str, shown: bytes) -> None:
    bank.switch(milliseconds=style)

    assert shown in paid(ask, bank)


def test_optional_fields(ask: Any, bank: Sandbox) -> None:
    answers = {}
    for style in CHOICES["optional_fields"]:
        bank.switch(optional_fields=style)
        answers[style] = paid(ask, bank, external_ref=None)
        bank.advance(1)  # another QR

    assert b'"receiverBank":null' in answers["null"]
    assert b"receiverBank" not in answers["absent"]
    assert b"createdDateMs" in answers["absent"]
    assert b'"receiverBankAccount":"8*******123"' in answers["filled"]
    assert b"Ms" not in answers["minimal"]
    assert b"receiverBank" not in answers["minimal"]


def test_a_tracking_status_is_said_under_every_setting(ask: Any, bank: Sandbox) -> None:
    for style in CHOICES["optional_fields"]:
        bank.switch(optional_fields=style)
        assert b'"trackingStatus":"REFUNDED_BY_RECEIVER"' in paid(
            ask, bank, tracking_status="REFUNDED_BY_RECEIVER"
        )
        bank.advance(1)


def test_error_code_on_success_extra_keys_and_key_order(ask: Any, bank: Sandbox) -> None:
    bank.switch(error_code_on_success=False, extra_keys=True)
    first = paid(ask, bank)
    bank.advance(1)
    bank.switch(key_order="reversed")
    second = paid(ask, bank)

    assert b"errorCode" not in first
    assert b"settlementBatch" in first
    assert second.startswith(b'{"data":{"settlementBatch":')


@pytest.mark.parametrize(("style", "place"), [("first", 0), ("last", 1)])
def test_paid_twice(ask: Any, bank: Sandbox, style: str, place: int) -> None:
    bank.switch(paid_twice=style)

    answer = paid(ask, bank, twice=True)

    assert bank.transfers[place].hash.encode() in answer
    assert bank.transfers[0].hash != bank.transfers[1].hash


def test_a_failed_attempt_can_be_code_1_with_the_failed_text(ask: Any, bank: Sandbox) -> None:
    bank.switch(failed_attempt="code_1")

    assert paid(ask, bank, fail=True) == (
        b'{"responseCode":1,"responseMessage":"Transaction failed.","errorCode":1,"data":null}'
    )


@pytest.mark.parametrize(("style", "code"), [("code_1", 1), ("code_2", 2), ("found", None)])
def test_static_qr(ask: Any, bank: Sandbox, style: str, code: int | None) -> None:
    bank.switch(static_qr=style)
    qr = bank.qr(None)
    transfer = bank.pay(qr, amount="2.00")

    answer = ask(CHECK, {"md5": hashlib.md5(qr.encode()).hexdigest()}).json()

    assert answer["errorCode"] == code
    assert ask("check_transaction_by_hash", {"hash": transfer.hash}).json()["responseCode"] == 0


def test_short_links_can_lead_to_the_stand_ins_own_phone(ask: Any, http: Any, bank: Sandbox) -> None:
    bank.switch(short_link="own")
    qr = bank.qr("1.00", bill_number="TXN-77")

    link = ask("generate_deeplink_by_qr", {"qr": qr}).json()["data"]["shortLink"]
    page = http.get(link, follow_redirects=True)

    assert link.startswith(f"{http.base_url}".rstrip("/") + "/d/")
    assert len(link.rsplit("/", 1)[1]) == 17
    assert 'data-testid="phone-review"' in page.text
    assert "TXN-77" in page.text


def test_a_delay_for_all_payments(ask: Any, bank: Sandbox) -> None:
    bank.switch(acknowledge_delay_s=90)

    before = paid(ask, bank)
    bank.advance(90)
    transfer = bank.transfers[0]

    assert b'"errorCode":1' in before
    assert (
        ask(CHECK, {"md5": transfer.md5}).json()["data"]["acknowledgedDateMs"] == transfer.created_ms + 90_000
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"nothing": 1},
        {"quota": -1},
        {"quota": 1.5},
        {"quota": True},
        {"md5_list": "ajar"},
        {"unauthorized_status": 500},
        {"unauthorized_status": True},
        {"list_short": 1},
        {"list_keys": None},
        {"amounts": ["shortest"]},
    ],
)
def test_a_wrong_switch_raises_and_changes_nothing(bank: Sandbox, changes: dict[str, Any]) -> None:
    with pytest.raises(WrongSwitch):
        bank.switch(quota_reset="utc", **changes)

    assert bank.switches == Switches()


def test_the_first_choice_of_every_list_is_the_default() -> None:
    defaults = Switches().as_dict()

    assert all(defaults[name] == choices[0] for name, choices in CHOICES.items())

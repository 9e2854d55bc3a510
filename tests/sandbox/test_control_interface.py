"""The control interface: closed unless asked for, guarded, and the same powers as the object in Python."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.control import Control
from vinflow.sandbox.control_desk import OPERATIONS
from vinflow.sandbox.errors import ControlError, UnsafeControl

CHECK = "check_transaction_by_md5"


@pytest.fixture
def control(server: SandboxServer) -> Control:
    return Control(server.url)


def test_it_is_closed_unless_asked_for(bank: Sandbox) -> None:
    with SandboxServer(bank) as server, pytest.raises(ControlError) as refused:
        Control(server.url).state()

    assert refused.value.status == 404


def test_an_open_address_needs_a_secret(bank: Sandbox) -> None:
    with pytest.raises(UnsafeControl):
        SandboxServer(bank, "0.0.0.0", control=True)


@pytest.fixture
def open_server(bank: Sandbox) -> Iterator[SandboxServer]:
    with SandboxServer(bank, "0.0.0.0", control=True, secret="sesame") as running:
        yield running


def test_the_secret_opens_and_anything_else_does_not(open_server: SandboxServer) -> None:
    assert Control(open_server.url, "sesame").state()["transfers"] == 0
    for wrong in (None, "Sesame", "sesam", "ស"):
        with pytest.raises((ControlError, UnicodeEncodeError)) as refused:
            Control(open_server.url, wrong).state()
        assert not isinstance(refused.value, ControlError) or refused.value.status == 403


def test_the_secret_may_come_as_a_bearer_token(open_server: SandboxServer, bank: Sandbox) -> None:
    def status(token: str) -> int:
        headers = {"authorization": f"Bearer {token}"}
        return httpx2.get(f"{open_server.url}/_control/state", headers=headers).status_code

    assert (status("sesame"), status(bank.token)) == (200, 403)


def test_no_web_page_reaches_in(http: httpx2.Client) -> None:
    foreign = http.post("/_control/reset", headers={"origin": "https://evil.example"})
    renamed = http.post("/_control/reset", headers={"host": "evil.example"})
    own = http.post("/_control/reset", headers={"origin": str(http.base_url).rstrip("/")})

    assert [answer.status_code for answer in (foreign, renamed, own)] == [403, 403, 200]


def test_paying_advancing_and_reading_the_log(control: Control, ask: Any, bank: Sandbox) -> None:
    qr = control.qr("2.50", bill_number="TXN-5")
    md5 = hashlib.md5(qr.encode()).hexdigest()

    transfer = control.pay(qr, amount="2.51", delay_s=30, receiver="bridge_account@devb")
    early = ask(CHECK, {"md5": md5}).json()
    clock = control.advance(30)
    found = ask(CHECK, {"md5": md5}).json()

    assert early["errorCode"] == 1
    assert clock["now"].startswith("2025-12-01T05:00:30")
    assert found["data"]["hash"] == transfer["hash"]
    assert (found["data"]["amount"], found["data"]["toAccountId"]) == (2.51, "bridge_account@devb")
    assert [line["code"] for line in control.log(CHECK)] == [1, None]
    assert [line["code"] for line in control.log(CHECK, after=control.log(CHECK)[0]["seq"])] == [None]
    assert [row["hash"] for row in control.transfers()] == [transfer["hash"]]


def test_amounts_keep_their_digits_on_the_way(control: Control, bank: Sandbox) -> None:
    control.call("POST", "pay", {"qr": bank.qr(None), "amount": "0.30"})

    assert str(bank.transfers[0].amount) == "0.30"


def test_a_refused_payment_names_the_sentence(control: Control, bank: Sandbox) -> None:
    with pytest.raises(ControlError) as refused:
        control.pay("not a qr")

    assert (refused.value.status, refused.value.answer["code"]) == (409, "e_not_khqr")


def test_faults_switches_and_quota(control: Control, ask: Any, bank: Sandbox) -> None:
    control.fault(CHECK, "throttled", times=1, retry_after_s=5)
    throttled = ask(CHECK, {"md5": "a"})
    control.fault(style="nginx")
    control.clear_faults()
    control.switch(unauthorized_status=200)
    control.quota(limit=3, used=3)
    refused = ask(CHECK, {"md5": "a"})
    free = control.quota(limit=None)

    assert throttled.headers["retry-after"] == "5"
    assert refused.json()["errorCode"] == 17
    assert free == {"limit": None, "used": 3}
    assert ask(CHECK, {"md5": "a"}, token=None).status_code == 200


def test_tokens_accounts_and_addresses(control: Control, ask: Any) -> None:
    expired = control.issue_token(age_s=7_776_001)
    fresh = control.issue_token(email="a@b.example")
    control.add_account("new@devb", name="New")
    renewed = ask("renew_token", {"email": "a@b.example"}).json()
    control.revoke_token(fresh)
    control.remove_account("dave@devb")
    control.remove_email("a@b.example")

    assert ask(CHECK, {"md5": "a"}, token=expired).status_code == 401
    assert ask(CHECK, {"md5": "a"}, token=fresh).status_code == 401
    assert renewed["responseCode"] == 0
    assert ask("check_bakong_account", {"accountId": "new@devb"}).json()["errorCode"] is None
    assert ask("check_bakong_account", {"accountId": "dave@devb"}).json()["errorCode"] == 11
    assert ask("renew_token", {"email": "a@b.example"}).json()["errorCode"] == 10


def test_the_clock_can_be_set_stopped_and_started(control: Control, bank: Sandbox) -> None:
    there = control.set_clock(1_800_000_000_000, frozen=True)
    running = control.call("POST", "clock", {"frozen": False})

    assert (there["now_ms"], there["frozen"]) == (1_800_000_000_000, True)
    assert running["frozen"] is False
    assert 0 <= running["now_ms"] - 1_800_000_000_000 < 60_000


def test_state_tells_a_new_driver_all_it_needs(control: Control, bank: Sandbox) -> None:
    state = control.state()

    assert (state["account"], state["token"], state["merchant_md5"]) == (
        bank.account,
        bank.token,
        bank.merchant_md5,
    )
    assert state["switches"]["md5_list"] == "closed"


def test_an_item_of_a_list_can_be_spoilt(control: Control, ask: Any) -> None:
    control.item_fault("a" * 64, "SERVICE_FAILED")

    items = ask("check_transaction_by_hash_list", ["a" * 64, "b" * 64]).json()["data"]
    assert [item["status"] for item in items] == ["SERVICE_FAILED", "NOT_FOUND"]


@pytest.mark.parametrize(
    ("method", "name", "body", "status"),
    [
        ("POST", "pay", {}, 400),
        ("POST", "pay", {"qr": 5}, 400),
        ("POST", "pay", {"qr": "x", "colour": "red"}, 400),
        ("POST", "pay", [], 400),
        ("POST", "clock", {"advance_s": "soon"}, 400),
        ("POST", "clock", {"advance_s": 1e300}, 400),
        ("POST", "clock", {"set_ms": 10**30}, 400),
        ("POST", "faults", {"style": "melt"}, 400),
        ("POST", "faults", {"delay_s": -5}, 400),
        ("POST", "switches", {"quota": "many"}, 400),
        ("POST", "switches", [], 400),
        ("POST", "quota", {"used": 1, "token": "x"}, 400),
        ("POST", "item-faults", {"key": "a", "style": "BROKEN"}, 400),
        ("POST", "qr", {"amount": "1.005"}, 400),
        ("POST", "tokens", {"life_s": "long"}, 400),
        ("GET", "nothing", None, 404),
        ("PUT", "pay", {}, 405),
        ("DELETE", "switches", {}, 405),
    ],
)
def test_nonsense_is_refused_with_a_reason(
    control: Control, method: str, name: str, body: Any, status: int
) -> None:
    with pytest.raises(ControlError) as refused:
        control.call(method, name, body)

    assert refused.value.status == status
    assert refused.value.answer["error"]


def test_the_list_of_operations_is_the_list_of_operations(control: Control) -> None:
    told = control.call("GET", "")

    assert len(told["operations"]) == len(OPERATIONS)
    assert "POST /_control/pay" in told["operations"]


def test_reset_empties_the_stand_in(control: Control, bank: Sandbox) -> None:
    control.pay(control.qr())
    control.fault()
    control.reset()

    assert (bank.transfers, bank.faults) == ((), ())

"""Each way an answer can be spoilt, seen from the other end of a real connection."""

from __future__ import annotations

import contextlib
import hashlib
import socket
from typing import Any

import httpx2
import pytest

from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.sandbox.errors import SandboxError, WrongFault
from vinflow.sandbox.faults import STYLES

CHECK = "check_transaction_by_md5"


@pytest.mark.parametrize("status", [403, 500, 502, 503, 504])
@pytest.mark.parametrize("style", ["nginx", "cloudfront"])
def test_pages_of_the_edge(ask: Any, bank: Sandbox, style: str, status: int) -> None:
    bank.fault(CHECK, style, status=status)

    answer = ask(CHECK, {"md5": "a"})

    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html")
    assert str(status) in answer.text
    assert (answer.headers.get("x-cache") == "Error from cloudfront") is (style == "cloudfront")


@pytest.mark.parametrize(
    ("style", "details", "status", "content"),
    [
        ("empty", {}, 200, b""),
        ("raw", {"body": "ok", "status": 202}, 202, b"ok"),
        ("raw", {"body": '{"responseCode": 0}'}, 200, b'{"responseCode": 0}'),
        ("code", {"code": 42, "message": "?"}, 200,
         b'{"responseCode":1,"responseMessage":"?","errorCode":42,"data":null}'),
        ("code", {"code": 9, "status": 500}, 500,
         b'{"responseCode":1,"responseMessage":"Cannot connect to server. Please try again later.",'
         b'"errorCode":9,"data":null}'),
        ("data_null", {}, 200, b'{"responseCode":0,"responseMessage":"Getting transaction successfully.",'
         b'"errorCode":null,"data":null}'),
    ],
)  # fmt: skip
def test_bodies_to_the_byte(
    ask: Any, bank: Sandbox, style: str, details: dict[str, Any], status: int, content: bytes
) -> None:
    bank.fault(CHECK, style, **details)

    answer = ask(CHECK, {"md5": "a"})

    assert (answer.status_code, answer.content) == (status, content)


def test_true_answers_spoilt(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr)
    body = {"md5": hashlib.md5(qr.encode()).hexdigest()}
    true = ask(CHECK, body).content

    def spoilt(style: str) -> bytes:
        bank.fault(CHECK, style, times=1)
        content: bytes = ask(CHECK, body).content
        return content

    assert spoilt("truncated") == true[: len(true) // 2]
    assert spoilt("array") == b"[" + true + b"]"
    assert spoilt("code_as_text") == true.replace(b'"responseCode":0', b'"responseCode":"0"')
    assert len(spoilt("too_large")) > 1_048_576
    assert b"<form" in spoilt("login_page")
    assert spoilt("slow") == true
    noise = spoilt("garbage")
    assert len(noise) == 512
    assert not noise.startswith(b"{")


def test_refusals_and_redirects(ask: Any, bank: Sandbox) -> None:
    def met(style: str, **details: Any) -> httpx2.Response:
        bank.fault(CHECK, style, times=1, **details)
        answer: httpx2.Response = ask(CHECK, {"md5": "a"})
        return answer

    throttled = met("throttled", retry_after_s=30)
    assert (throttled.status_code, throttled.headers["retry-after"]) == (429, "30")
    assert met("quota").json()["errorCode"] == 17
    assert (met("unauthorized").status_code, met("unauthorized", status=200).status_code) == (401, 200)
    away = met("redirect", location="https://elsewhere.invalid/v1/x")
    assert (away.status_code, away.headers["location"]) == (302, "https://elsewhere.invalid/v1/x")
    assert "Bearer" not in away.text


@pytest.mark.parametrize("style", ["reset", "reset_after"])
def test_a_reset_is_a_reset(ask: Any, bank: Sandbox, style: str) -> None:
    bank.fault(CHECK, style)

    with pytest.raises(httpx2.ReadError, match="reset"):
        ask(CHECK, {"md5": "a"})
    assert bank.used() == (1 if style == "reset_after" else 0)


@pytest.mark.parametrize("style", ["hang", "hang_after"])
def test_an_answer_that_does_not_come(http: httpx2.Client, bank: Sandbox, style: str) -> None:
    bank.fault(CHECK, style)

    with pytest.raises(httpx2.ReadTimeout):
        http.post(f"/v1/{CHECK}", json={}, headers={"authorization": f"Bearer {bank.token}"}, timeout=0.2)
    assert bank.used() == (1 if style == "hang_after" else 0)


def test_a_dripping_answer_comes_byte_by_byte_and_whole(
    ask: Any, bank: Sandbox, server: SandboxServer
) -> None:
    bank.fault(CHECK, "drip")
    server.drip_s = 0.002

    answer = ask(CHECK, {"md5": "a"})

    assert answer.json()["errorCode"] == 1
    # the head alone is over a hundred bytes, and no timer wakes early
    assert answer.elapsed.total_seconds() > 0.2


def test_a_body_cut_off_and_bytes_that_are_no_http(ask: Any, bank: Sandbox) -> None:
    bank.fault(CHECK, "cut", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(CHECK, {"md5": "a"})
    bank.fault(CHECK, "noise", times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(CHECK, {"md5": "a"})

    assert ask(CHECK, {"md5": "a"}).status_code == 200


def test_a_delay_is_real_time(ask: Any, bank: Sandbox) -> None:
    bank.fault(CHECK, "slow", delay_s=0.2)

    assert ask(CHECK, {"md5": "a"}).elapsed.total_seconds() >= 0.2


def test_a_slow_answer_holds_up_nobody_else(ask: Any, bank: Sandbox, server: SandboxServer) -> None:
    bank.fault(CHECK, "hang")
    with socket.create_connection((server.host, server.port)) as waiting:
        request = f"POST /v1/{CHECK} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{{}}"
        waiting.sendall(request.encode())

        assert ask("renew_token", {"email": bank.email}).elapsed.total_seconds() < 2


def test_a_fault_strikes_its_call_as_often_as_told_and_after_what_it_skips(ask: Any, bank: Sandbox) -> None:
    bank.fault(CHECK, "nginx", status=503, times=2, skip=1)

    seen = [ask(CHECK, {"md5": "a"}).status_code for _ in range(5)]

    assert seen == [200, 503, 503, 200, 200]
    assert ask("check_transaction_by_hash", {"hash": "a"}).status_code == 200
    assert bank.faults == ()
    assert [record.fault for record in bank.calls(CHECK)] == [None, "nginx", "nginx", None, None]


def test_faults_for_all_calls_and_clearing_them(ask: Any, bank: Sandbox) -> None:
    bank.fault(style="nginx", status=502)
    bank.fault(CHECK, "nginx", status=503)
    first = ask(CHECK, {"md5": "a"}).status_code
    bank.clear_faults("*")
    second = ask(CHECK, {"md5": "a"}).status_code
    bank.clear_faults()

    assert (first, second, ask(CHECK, {"md5": "a"}).status_code) == (502, 503, 200)


def test_garbage_is_the_same_in_the_same_run() -> None:
    def run() -> bytes:
        bank = Sandbox(5)
        return bank.fault(style="garbage").answer(lambda: pytest.fail("not needed")).body

    assert run() == run()


@pytest.mark.parametrize(
    "details",
    [
        {"call": "check_everything"},
        {"style": "melt"},
        {"times": 0},
        {"times": True},
        {"status": 99},
        {"status": "503"},
        {"delay_s": -1},
        {"delay_s": float("nan")},
        {"delay_s": "1"},
        {"style": "redirect", "location": "https://x\r\nset-cookie: a=b"},
        {"style": "raw", "content_type": "text/ខ្មែរ"},
        {"message": 5},
    ],
)
def test_a_wrong_fault_raises_and_sets_nothing(bank: Sandbox, details: dict[str, Any]) -> None:
    with pytest.raises(WrongFault):
        bank.fault(**details)
    assert bank.faults == ()


def test_an_unknown_detail_is_named(bank: Sandbox) -> None:
    with pytest.raises(SandboxError, match="colour"):
        bank.fault(colour="red")


def test_every_style_leaves_the_server_able_to_answer(
    ask: Any, http: httpx2.Client, bank: Sandbox, server: SandboxServer
) -> None:
    server.drip_s = 0
    for style in STYLES:
        bank.fault(CHECK, style, times=1)
        with contextlib.suppress(httpx2.TransportError):
            http.post(f"/v1/{CHECK}", json={"md5": "a"}, timeout=0.2)
        assert ask(CHECK, {"md5": "a"}).json()["errorCode"] == 1, style

"""Nothing a caller can send makes the stand-in fail: the answer of the specification, or a 4xx page."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vinflow.sandbox import Clock, Sandbox, SandboxServer
from vinflow.sandbox.answers import Request
from vinflow.sandbox.open_api import CALL_OF
from vinflow.sandbox.site import Site

NOON_MS = 1_764_565_200_000
PATHS = [
    *CALL_OF,
    "/phone/read",
    "/phone/pay",
    "/phone/text",
    "/phone/controls",
    "/phone/faults",
    "/phone/clock",
    "/phone/switches",
    "/phone/faults/clear",
    "/phone/reset",
    "/phone",
    "/phone/activity",
    "/_control/pay",
    "/_control/clock",
    "/_control/faults",
    "/_control/switches",
    "/_control/tokens",
    "/_control/qr",
    "/_control/accounts",
    "/_control/log",
    "/_control/quota",
    "/_control/item-faults",
    "/d/x",
]

names = st.text(max_size=8) | st.sampled_from(
    [
        "md5",
        "hash",
        "amount",
        "currency",
        "qr",
        "sourceInfo",
        "accountId",
        "email",
        "externalRef",
        "info",
        "instructionRef",
        "bill_number",
        "delay_s",
        "advance_s",
        "set_ms",
        "style",
        "call",
        "id",
        "balances",
        "overrides",
        "amount",
        "drop",
        "life_s",
        "age_s",
        "limit",
        "used",
        "times",
        "appName",
        "appIconUrl",
        "appDeepLinkCallback",
    ]
)
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.sampled_from(["USD", "KHR", "a" * 300, "0" * 32, "vinflow_test@devb", "1e999", "-0"]),
    lambda inner: st.lists(inner, max_size=60) | st.dictionaries(names, inner, max_size=8),
    max_leaves=40,
)
bodies = (
    st.binary(max_size=300)
    | json_values.map(lambda value: json.dumps(value).encode())
    | st.dictionaries(names, json_values, max_size=6).map(lambda value: json.dumps(value).encode())
    | st.lists(st.text(max_size=64), max_size=60).map(lambda value: json.dumps(value).encode())
)
header_values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=60)


def site_of(bank: Sandbox) -> Site:
    return Site(bank, control=True)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    method=st.sampled_from(["POST", "POST", "POST", "GET", "DELETE", "PUT", "BREW"]),
    path=st.sampled_from(PATHS) | st.text(max_size=40).map(lambda text: "/" + text),
    query=st.text(max_size=30),
    body=bodies,
    hosted=st.booleans(),
    kind=st.sampled_from(
        [
            "application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "",
            "ខ្មែរ",
        ]
    ),
    extra=st.dictionaries(
        st.sampled_from(["accept", "accept-language", "cookie", "origin", "host"]), header_values
    ),
)
@example("POST", "/v1/check_transaction_by_md5", "", b"[" * 100_000, False, "application/json", {})
@example("POST", "/v1/check_transaction_by_md5", "", b"1" * 10_000, False, "application/json", {})
@example("POST", "/v1/check_transaction_by_md5", "", b'{"md5":"\\ud800"}', False, "application/json", {})
@example(
    "POST",
    "/v1/check_transaction_by_short_hash",
    "",
    b'{"hash":"12345678","amount":1e999999999,"currency":"USD"}',
    False,
    "application/json",
    {},
)
@example(
    "POST",
    "/v1/generate_deeplink_by_qr",
    "",
    b'{"md5":"60a4da7f6ac852ce53c40d39b4172eab","amount":1e-999999,"currency":"USD","bill_number":"a"}',
    True,
    "application/json",
    {},
)
@example("POST", "/_control/pay", "", b'{"qr":"x","amount":1e-999999}', False, "application/json", {})
@example("POST", "/_control/clock", "", b'{"advance_s":-1e15}', False, "application/json", {})
@example("GET", "/phone", "lang=\x00&qr=%ff", b"", False, "", {"accept-language": "km;q=ខ", "host": "[["})
def test_any_request_gets_an_answer_and_never_a_failure_of_ours(
    method: str, path: str, query: str, body: bytes, hosted: bool, kind: str, extra: dict[str, str]
) -> None:
    bank = Sandbox(clock=Clock(frozen_at_ms=NOON_MS))
    token = bank.hosted_token if hosted else bank.token
    headers = {"authorization": f"Bearer {token}", "content-type": kind, **extra}
    target = path + (f"?{query}" if query else "")

    answer = site_of(bank).answer(Request(method, target, headers, body))

    assert answer.status < 500
    if path in CALL_OF and method == "POST" and path != "/v1/check_transaction_by_md5_list":
        value = json.loads(answer.body)
        assert (
            value is None
            or {"responseCode", "errorCode"} <= set(value)
            or "error" in value
            or "hash" in value
        )
    for name, text in answer.headers:
        assert not any(ord(c) < 32 or ord(c) > 126 for c in name + text), (name, text)


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxServer]:
    with SandboxServer(Sandbox(), control=True) as server:
        yield server


def exchange(server: SandboxServer, raw: bytes, *, finish: bool = True) -> bytes:
    """Send bytes as they are and return all that comes back until the other side closes."""
    with socket.create_connection((server.host, server.port), timeout=5) as talk:
        talk.sendall(raw)
        if finish:
            talk.shutdown(socket.SHUT_WR)
        parts = []
        while part := talk.recv(65_536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"garbage\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
        (b"POST /v1/renew_token HTTP/1.1\r\n\r\n", b"400"),  # no Host
        (b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nContent-Length: 1, 2\r\n\r\n", b"400"),
        (b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST /phone/read HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\n", b"413"),
        (b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", b"400"),
        (b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 70_000 + b"\r\n\r\n", b"431"),
        (b"POST /v1/renew_token HTTP/9.9\r\nHost: x\r\n\r\n", b"400"),
        (b"POST http://[::1 HTTP/1.1\r\nHost: [::1\r\nContent-Length: 2\r\n\r\n{}", b"404"),
        (b"POST /v1/%00%ff%zz HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}", b"404"),
        (b"GET /phone?lang=%ff&qr=%00 HTTP/1.1\r\nHost: \xff\r\n\r\n", b"303"),
    ],
)
def test_bytes_that_are_no_proper_request_get_a_page_or_a_closed_door(
    running: SandboxServer, raw: bytes, status: bytes
) -> None:
    answer = exchange(running, raw)

    assert answer.split(b" ")[1] == status


def test_a_request_cut_off_in_its_middle_ends_quietly(running: SandboxServer) -> None:
    head = b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{"

    assert exchange(running, head).split(b" ")[1:2] in ([], [b"400"])
    assert exchange(running, b"") == b""


def test_a_body_over_a_mebibyte_is_413_however_it_is_sent(running: SandboxServer) -> None:
    head = b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"

    assert exchange(running, head + chunk * 17, finish=False).startswith(b"HTTP/1.1 413")


def test_requests_sent_ahead_are_answered_in_turn(running: SandboxServer) -> None:
    one = b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    last = b"GET /v1/renew_token HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    answer = exchange(running, one * 5 + last, finish=False)

    assert answer.count(b'"errorCode":5') == 5
    assert answer.count(b"HTTP/1.1 405") == 1


def test_a_caller_that_asks_before_sending_is_told_to_go_on(running: SandboxServer) -> None:
    with socket.create_connection((running.host, running.port), timeout=5) as talk:
        talk.sendall(
            b"POST /v1/renew_token HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
        )
        first = talk.recv(100)
        talk.sendall(b"{}")
        second = talk.recv(1000)

    assert first.startswith(b"HTTP/1.1 100")
    assert b'"errorCode":5' in second


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=st.binary(max_size=200), tail=st.sampled_from([b"", b"\r\n\r\n", b" HTTP/1.1\r\nHost: x\r\n\r\n"]))
def test_no_bytes_at_all_stop_the_server(running: SandboxServer, raw: bytes, tail: bytes) -> None:
    answer = exchange(running, raw + tail)

    assert answer == b"" or int(answer.split(b" ")[1]) < 500
    assert running.sandbox.token  # and it still answers the next caller:
    alive: Any = exchange(running, b"GET /v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert alive.startswith(b"HTTP/1.1 404")

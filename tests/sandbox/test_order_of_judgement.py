"""Edge, path and method, token, quota, body, work: which refusal wins when several would fit."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

import httpx2
import jwt
import pytest

from vinflow.sandbox import Clock, Sandbox

CHECK = "check_transaction_by_md5"
DAY_S = 86_400


def code_of(answer: httpx2.Response) -> tuple[int, int | None]:
    return answer.status_code, answer.json()["errorCode"]


def test_an_unknown_path_is_a_404_page_even_without_token(http: httpx2.Client) -> None:
    for path in (
        "/v1/request_token",
        "/v1/verify",
        "/v1/",
        "/v2/renew_token",
        "/v1/renew_token/",
        "/nothing",
    ):
        answer = http.post(path, json={})
        assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html"), path


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_a_wrong_method_is_a_405_page_before_the_token_is_looked_at(http: httpx2.Client, method: str) -> None:
    answer = http.request(method, f"/v1/{CHECK}")

    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


def test_the_token_is_judged_before_the_body(http: httpx2.Client) -> None:
    answer = http.post(f"/v1/{CHECK}", content=b"no json at all")

    assert code_of(answer) == (401, 6)
    assert answer.json()["responseMessage"] == "Unauthorized, not yet requested for token or code invalid"


def test_the_quota_is_judged_before_the_body(ask: Any, bank: Sandbox) -> None:
    bank.switch(quota=0)

    assert code_of(ask(CHECK, {})) == (200, 17)


def test_a_fault_is_met_before_the_token(ask: Any, bank: Sandbox) -> None:
    bank.fault(CHECK, "nginx", status=503)

    assert ask(CHECK, {}, token=None).status_code == 503


def test_an_outage_of_everything_hits_unknown_paths_too(http: httpx2.Client, bank: Sandbox) -> None:
    bank.fault(CHECK, "nginx", status=502)
    bank.fault("*", "nginx", status=503)

    assert http.post("/v1/request_token", json={}).status_code == 503
    assert http.get("/favicon.ico").status_code == 404


def test_the_edge_refuses_before_anything_else(ask: Any, http: httpx2.Client, bank: Sandbox) -> None:
    bank.switch(geo_block="nginx")
    nginx = ask("nothing", {}, token=None)
    bank.switch(geo_block="cloudfront")
    cloudfront = ask(CHECK, {})

    assert (nginx.status_code, b"403 Forbidden" in nginx.content) == (403, True)
    assert cloudfront.status_code == 403
    assert cloudfront.headers["x-cache"] == "Error from cloudfront"
    assert b"The request could not be satisfied" in cloudfront.content


def test_the_edge_can_dislike_callers_that_do_not_say_who_they_are(
    http: httpx2.Client, bank: Sandbox
) -> None:
    bank.switch(user_agent_filter=True)

    def status(agent: str) -> int:
        return http.post(f"/v1/{CHECK}", json={}, headers={"user-agent": agent}).status_code

    assert [status(agent) for agent in ("", "python-requests/2.32", "curl/8.0")] == [403, 403, 403]
    assert status("Shop/1.0 (+https://shop.example)") == 401


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: "x",
        lambda token: token[:-2] + ("AA" if token[-2:] != "AA" else "BB"),
        lambda token: token + ".x",
        lambda token: token.split(".")[1],
        lambda token: "a.b.c",
        lambda token: "é.é.é",
        lambda token: "." * 5000,
    ],
)
def test_a_spoilt_token_is_401(http: httpx2.Client, bank: Sandbox, spoil: Any) -> None:
    headers = {"authorization": f"Bearer {spoil(bank.token)}".encode()}

    assert code_of(http.post(f"/v1/{CHECK}", json={"md5": "a"}, headers=headers)) == (401, 6)


def test_a_token_without_the_word_bearer_is_401(http: httpx2.Client, bank: Sandbox) -> None:
    for value in (bank.token, f"Basic {bank.token}", f"Token {bank.token}"):
        answer = http.post(f"/v1/{CHECK}", json={"md5": "a"}, headers={"authorization": value})
        assert code_of(answer) == (401, 6)


def test_unauthorized_can_come_with_status_200(ask: Any, bank: Sandbox) -> None:
    bank.switch(unauthorized_status=200)

    assert code_of(ask(CHECK, {"md5": "a"}, token=None)) == (200, 6)


def test_tokens_are_jwts_that_another_library_verifies() -> None:
    bank = Sandbox(
        clock=Clock(frozen_at_ms=1_764_565_200_000), secret="a key that both of us know, long enough"
    )

    payload = jwt.decode(
        bank.token,
        "a key that both of us know, long enough",
        algorithms=["HS256"],
        options={"verify_exp": False, "verify_iat": False},
    )

    assert jwt.get_unverified_header(bank.token) == {"alg": "HS256", "typ": "JWT"}
    assert set(payload) == {"data", "iat", "exp"}
    assert payload["exp"] - payload["iat"] == 7_776_000
    assert len(payload["data"]["id"]) == 16
    assert 160 <= len(bank.token) <= 190


def test_a_token_with_the_algorithm_none_is_refused(ask: Any, bank: Sandbox) -> None:
    _, payload, _ = bank.token.split(".")
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()

    assert code_of(ask(CHECK, {"md5": "a"}, token=f"{header}.{payload}.")) == (401, 6)


def test_a_rightly_signed_token_of_a_strange_shape_is_refused(ask: Any) -> None:
    bank_secret = hashlib.sha256(b"vinflow sandbox 0").hexdigest()
    for payload in ([], {"data": 5}, {"data": {"id": "x"}}, {"data": {"id": "x"}, "iat": 1, "exp": "never"}):
        parts = [
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in ({"alg": "HS256"}, payload)
        ]
        signature = hmac.new(bank_secret.encode(), ".".join(parts).encode(), "sha256").digest()
        token = ".".join([*parts, base64.urlsafe_b64encode(signature).rstrip(b"=").decode()])

        assert code_of(ask(CHECK, {"md5": "a"}, token=token)) == (401, 6)


def test_a_token_dies_after_ninety_days(ask: Any, bank: Sandbox) -> None:
    bank.advance(90 * DAY_S - 1)
    alive = ask(CHECK, {"md5": "a"})
    bank.advance(1)
    dead = ask(CHECK, {"md5": "a"})

    assert (code_of(alive), code_of(dead)) == ((200, 1), (401, 6))


def test_renewal_can_revoke_the_old_token(ask: Any, bank: Sandbox) -> None:
    kept = ask("renew_token", {"email": bank.email}, token=None).json()["data"]["token"]
    both_work = code_of(ask(CHECK, {"md5": "a"})), code_of(ask(CHECK, {"md5": "a"}, token=kept))
    bank.switch(renewal_revokes=True)
    newest = ask("renew_token", {"email": bank.email}, token=None).json()["data"]["token"]

    assert both_work == ((200, 1), (200, 1))
    assert code_of(ask(CHECK, {"md5": "a"})) == (401, 6)
    assert code_of(ask(CHECK, {"md5": "a"}, token=kept)) == (401, 6)
    assert code_of(ask(CHECK, {"md5": "a"}, token=newest)) == (200, 1)


def test_a_token_of_another_environment_is_refused(ask: Any, bank: Sandbox) -> None:
    assert code_of(ask(CHECK, {"md5": "a"}, token=bank.issue_token(environment="production"))) == (401, 6)
    assert code_of(ask(CHECK, {"md5": "a"}, token=bank.issue_token(environment="sandbox"))) == (200, 1)


def test_an_expired_token_on_the_open_list_can_meet_a_bare_403(ask: Any, bank: Sandbox) -> None:
    bank.switch(md5_list="open", expired_token_403=True)

    assert ask("check_transaction_by_md5_list", ["a"], token=bank.expired_token()).status_code == 403
    assert code_of(ask("check_transaction_by_md5_list", ["a"], token=None)) == (401, 6)


def test_deeplink_and_account_check_can_be_made_to_demand_a_token(ask: Any, bank: Sandbox) -> None:
    bank.switch(token_everywhere=True)

    assert code_of(ask("check_bakong_account", {"accountId": bank.account}, token=None)) == (401, 6)
    assert code_of(ask("generate_deeplink_by_qr", {"qr": "x"}, token=None)) == (401, 6)
    assert code_of(ask("check_bakong_account", {"accountId": bank.account})) == (200, None)


def test_the_log_holds_what_was_asked_and_never_a_token(ask: Any, bank: Sandbox) -> None:
    ask(CHECK, {"md5": "ab" * 16})
    ask("renew_token", {"email": bank.email})

    first, second = bank.calls()
    assert (first.call, first.status, first.code, first.key, first.metered) == (CHECK, 200, 1, "ab" * 16, 1)
    assert (second.call, second.metered) == ("renew_token", 0)
    assert first.token_id == jwt.decode(bank.token, options={"verify_signature": False})["data"]["id"]
    assert bank.token not in repr(bank.calls())
    assert bank.email not in repr(bank.calls())

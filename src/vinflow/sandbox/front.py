"""The order in which a request is judged: edge, path and method, token, quota, body, work; then the log."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from vinflow.sandbox import hosted
from vinflow.sandbox.answers import (
    NOT_JSON,
    Answer,
    Request,
    cloudfront_page,
    failure,
    json_value,
    nginx_page,
)
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.open_api import CALL_OF, Auth, Call
from vinflow.sandbox.tokens import Claims

__all__ = ["answer_api"]

# What programs call themselves when their author did not choose: some have been turned away at the edge.
GENERIC_AGENTS = ("python-requests", "python-urllib", "curl/", "go-http-client", "java/", "okhttp", "wget")


@dataclass(slots=True)
class _Course:
    """What has been learnt of one request on its way, for the log."""

    token_id: str | None = None
    metered: int = 0
    fault: str | None = None
    key: str | None = None
    warnings: list[str] = field(default_factory=list)


def answer_api(sandbox: Sandbox, request: Request) -> Answer:
    """Return the answer to a request under /v1, and note the call."""
    started = time.perf_counter()
    course = _Course()
    with sandbox.lock:
        call = CALL_OF.get(request.path)
        answer = _edge(sandbox, request, call, course)
        sandbox.note(
            call=call.name if call else "",
            method=request.method[:20],
            path=request.path[:200],
            status=answer.status,
            code=_code_of(answer),
            key=course.key,
            token_id=course.token_id,
            authorized="authorization" in request.headers,
            metered=course.metered,
            fault=course.fault,
            manner=answer.manner.value,
            user_agent=request.headers.get("user-agent", "")[:200],
            milliseconds=round((time.perf_counter() - started) * 1000, 3),
            warnings=tuple(course.warnings),
        )
    return answer


def _code_of(answer: Answer) -> int | None:
    # Only small JSON bodies are envelopes with a code worth noting; a success needs no second parse.
    if not answer.body.startswith(b'{"responseCode":1'):
        return None
    value = json_value(answer.body)
    code = value.get("errorCode") if isinstance(value, dict) else None
    return code if isinstance(code, int) else None


def _edge(sandbox: Sandbox, request: Request, call: Call | None, course: _Course) -> Answer:
    switches = sandbox.switches
    if switches.geo_block == "nginx":
        return nginx_page(403)
    if switches.geo_block == "cloudfront":
        return cloudfront_page(403)
    agent = request.headers.get("user-agent", "").strip().lower()
    if switches.user_agent_filter and (not agent or agent.startswith(GENERIC_AGENTS)):
        return cloudfront_page(403)
    # An outage hits whatever is asked for under the API, known or not.
    fault = sandbox.strike(call.name if call else "") if call or request.path.startswith("/v1/") else None
    if fault is not None:
        course.fault = fault.style
        return fault.answer(lambda: _inside(sandbox, request, call, course))
    return _inside(sandbox, request, call, course)


def _inside(sandbox: Sandbox, request: Request, call: Call | None, course: _Course) -> Answer:
    switches = sandbox.switches
    if call is None:
        return nginx_page(404)
    if call.name == "check_transaction_by_md5_list" and switches.md5_list == "closed":
        return nginx_page(403)
    if request.method != "POST":
        return nginx_page(405, (("allow", "POST"),))
    body = json_value(request.body)
    _note_key(call, body, course)

    claims, token = _bearer(sandbox, request)
    course.token_id = claims.id if claims else None
    needed = call.auth is Auth.ALWAYS or (call.auth is Auth.OPTIONAL and switches.token_everywhere)
    # The guide's call of this name always wants its key; only the Open API's answers without one.
    needed = needed or (call.name == "generate_deeplink_by_qr" and isinstance(body, dict) and "md5" in body)
    # A shop that speaks the guide's dialect with a dead token must hear 401, not that it forgot "qr".
    needed = needed or (call.name == "generate_deeplink_by_qr" and _speaks_hosted(body))
    if needed and claims is None:
        closed_look = call.name == "check_transaction_by_md5_list" and switches.expired_token_403
        if closed_look and token is not None and sandbox.is_expired(token):
            return nginx_page(403)
        return failure(6, status=switches.unauthorized_status)

    units = _units(sandbox, call, body)
    spender = claims.id if claims else None
    if spender is None and call.name == "renew_token" and isinstance(body, dict):
        spender = sandbox.newest_token_of(str(body.get("email")))  # it carries no token: its e-mail's pays
    if spender is not None and units:
        if not sandbox.spend(spender, units):
            return failure(17, quota=switches.quota)
        course.metered = units

    return _work(sandbox, request, call, body, claims)


def _work(sandbox: Sandbox, request: Request, call: Call, body: Any, claims: Claims | None) -> Answer:
    merchant = claims.merchant if claims else None
    if merchant is not None:
        if call.name == "generate_deeplink_by_qr":
            return hosted.generate_deeplink_by_qr(sandbox, body, merchant, request.base)
        if call.name == "check_transaction_by_hash":
            return hosted.check_transaction_by_hash(sandbox, body, merchant)
    return call.work(sandbox, body, request.base)


def _speaks_hosted(body: Any) -> bool:
    return isinstance(body, dict) and "md5" in body and "qr" not in body


def _bearer(sandbox: Sandbox, request: Request) -> tuple[Claims | None, str | None]:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None, None
    token = token.strip()
    return sandbox.read_token(token), token


def _units(sandbox: Sandbox, call: Call, body: Any) -> int:
    switches = sandbox.switches
    free: dict[str, bool] = {
        "renew_token": not switches.quota_counts_renewal,
        "generate_deeplink_by_qr": not switches.quota_counts_deeplink,
        "check_bakong_account": not switches.quota_counts_account,
    }
    if free.get(call.name, False):
        return 0
    if call.is_list and switches.quota_list_each and isinstance(body, list):
        return max(1, len(body))
    return 1


def _note_key(call: Call, body: Any, course: _Course) -> None:
    if body is NOT_JSON:
        course.warnings.append("body is not JSON")
        return
    value = body.get(call.key) if call.key and isinstance(body, dict) else None
    if isinstance(value, str):
        course.key = value[:64]
        if call.key in ("md5", "hash") and value != value.lower():
            course.warnings.append(f"{call.key} in capital letters: read as small ones")

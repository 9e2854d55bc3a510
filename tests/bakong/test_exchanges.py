"""The budget before every request, the hook after it, and a secret that is found nowhere."""

from __future__ import annotations

import dataclasses
import json
import logging
import traceback
from datetime import UTC
from typing import Any

import httpx2
import pytest

from vinflow.bakong import BakongError, CannotTell, Exchange, MemoryTokenStore, NotFound, Operation, Reason
from vinflow.money import Currency, Money

from .conftest import HASH, NGINX_403, NOT_FOUND, UNAUTHORIZED, Desk, Make, answer, envelope, jwt, transaction

MD5 = "0dbe08d3829a8b6b59844e51aa38a4e2"
EMAIL = "canary@shop.example"
OLD = jwt(4_000_000_000, salt="canary-old")
NEW = jwt(4_000_500_000, salt="canary-new")


def test_every_request_that_was_sent_is_told_of(make: Make) -> None:
    told: list[Exchange] = []
    client = make(
        Desk(NOT_FOUND), on_exchange=told.append, budget=lambda call: f"ticket for {call.operation.value}"
    )

    client.check_md5(MD5)

    (exchange,) = told
    assert exchange.operation is Operation.CHECK_MD5
    assert exchange.path == "/v1/check_transaction_by_md5"
    assert exchange.request == {"md5": MD5}
    assert exchange.http_status == 200
    assert json.loads(exchange.answer) == NOT_FOUND
    assert (exchange.outcome, exchange.reason, exchange.code) == ("not_found", None, None)
    assert 0 < exchange.milliseconds < 5000
    assert exchange.started_at.tzinfo is UTC
    assert exchange.ticket == "ticket for check_transaction_by_md5"
    assert exchange.token_id == "00112233445566aa"


@pytest.mark.parametrize(
    ("given", "status", "outcome", "reason", "code"),
    [
        (envelope(0, None, "", transaction()), 200, "found", None, None),
        (envelope(1, 3, ""), 200, "failed", None, None),
        (envelope(1, 2, ""), 200, "static_qr", None, None),
        (envelope(1, 17, ""), 200, "cannot_tell", "quota", 17),
        (answer(NGINX_403, 403), 403, "cannot_tell", "blocked", None),
        (httpx2.ReadTimeout("slow"), None, "cannot_tell", "timeout", None),
        (httpx2.ConnectError("gone"), None, "cannot_tell", "network", None),
    ],
)
def test_an_exchange_names_its_outcome(
    make: Make, given: Any, status: int | None, outcome: str, reason: str | None, code: int | None
) -> None:
    told: list[Exchange] = []

    make(Desk(given), on_exchange=told.append).check_md5(MD5)

    (exchange,) = told
    assert (exchange.http_status, exchange.outcome, exchange.reason, exchange.code) == (
        status,
        outcome,
        reason,
        code,
    )


def test_a_batch_and_an_amount_are_told_as_json_would_show_them(make: Make) -> None:
    told: list[Exchange] = []
    client = make(Desk(envelope(0, None, "", [])), on_exchange=told.append)

    client.check_hash_many([HASH])
    client.check_short_hash("5b1f0c0e", Money(1050, Currency.USD))

    assert (told[0].outcome, told[0].request) == ("batch", [HASH])
    assert told[1].request == {"hash": "5b1f0c0e", "amount": "10.50", "currency": "USD"}
    json.dumps([exchange.request for exchange in told])


def test_a_refused_call_never_leaves_and_is_no_exchange(make: Make) -> None:
    told: list[Exchange] = []
    desk = Desk(NOT_FOUND)

    outcome = make(desk, budget=lambda _: None, on_exchange=told.append).check_md5(MD5)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is Reason.BUDGET
    assert desk.asked == []
    assert told == []


def test_the_budget_is_asked_before_every_request_and_knows_which(make: Make) -> None:
    asked: list[tuple[str, bool]] = []

    def budget(call: Any) -> object:
        asked.append((call.operation.value, call.metered))
        return True

    desk = Desk(answer(UNAUTHORIZED, 401), envelope(0, None, "", {"token": NEW}), NOT_FOUND)
    client = make(desk, tokens=MemoryTokenStore(OLD), email=EMAIL, budget=budget)

    client.check_md5(MD5)

    assert asked == [
        ("check_transaction_by_md5", True),
        ("renew_token", False),
        ("check_transaction_by_md5", True),
    ]


def test_a_time_out_was_charged(make: Make) -> None:
    charged: list[object] = []

    make(Desk(httpx2.ReadTimeout("slow")), budget=lambda call: charged.append(call) or True).check_md5(MD5)

    assert len(charged) == 1


@pytest.mark.parametrize("given", [False, 0, ""])
def test_only_none_refuses(make: Make, given: object) -> None:
    told: list[Exchange] = []

    outcome = make(Desk(NOT_FOUND), budget=lambda _: given, on_exchange=told.append).check_md5(MD5)

    assert isinstance(outcome, NotFound)
    assert told[0].ticket == given


def test_a_budget_that_breaks_lets_nothing_through(make: Make) -> None:
    desk = Desk(NOT_FOUND)

    def budget(call: Any) -> object:
        raise OSError("the ledger cannot be written")

    with pytest.raises(OSError, match="ledger"):
        make(desk, budget=budget).check_md5(MD5)

    assert desk.asked == []


async def test_an_async_budget_and_an_async_hook_are_waited_for() -> None:
    from vinflow.bakong import AsyncClient

    told: list[Exchange] = []

    async def budget(call: Any) -> object:
        return "ticket"

    async def hook(exchange: Exchange) -> None:
        told.append(exchange)

    transport = httpx2.MockTransport(Desk(NOT_FOUND))
    async with AsyncClient(
        "https://x.test", OLD, transport=transport, budget=budget, on_exchange=hook
    ) as client:
        await client.check_md5(MD5)

    assert told[0].ticket == "ticket"


def everything(value: object) -> str:
    """All that can be seen of a value: its repr, its text, its fields."""
    parts = [repr(value), str(value)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts += [everything(getattr(value, field.name)) for field in dataclasses.fields(value)]
    if isinstance(value, dict):
        parts += [everything(item) for item in value.values()]
    return "\n".join(parts)


SPELLINGS = [EMAIL, EMAIL.upper(), EMAIL.replace("@", "\\u0040"), EMAIL.replace("@", "%40")]
ECHOES = [
    lambda message: answer(envelope(1, 1, message)),
    lambda message: answer(envelope(1, 42, message)),
    lambda message: answer(envelope(1, 6, message), 401),
    lambda message: answer(envelope(0, None, message, transaction(description=message, externalRef=message))),
    lambda message: answer(f"<html>{message}</html>".encode(), 403),
    lambda message: answer(message.encode(), 500),
]


@pytest.mark.parametrize("echo", ECHOES)
def test_a_secret_that_is_echoed_is_found_in_no_outcome_exchange_log_or_text(
    make: Make, echo: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    seen: list[str] = []
    other = jwt(3_900_000_000, salt="another shop's")

    def bank(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("renew_token"):
            return answer(envelope(0, None, f"issued to {EMAIL}", {"token": NEW, "email": EMAIL}))
        return echo(" ".join([OLD, NEW, other, *SPELLINGS]))  # type: ignore[no-any-return]

    client = make(
        bank,
        tokens=MemoryTokenStore(OLD),
        email=EMAIL,
        on_exchange=lambda exchange: seen.append(everything(exchange)),
    )
    questions = (
        lambda: client.check_md5(MD5),
        lambda: client.check_md5_many([MD5, "b" * 32]),
        lambda: client.account_exists("dave@devb"),
        lambda: client.deeplink("000201"),
        lambda: client.renew(),
        lambda: client.diagnose("dave@devb"),
    )
    seen += [everything(question()) for question in questions]
    try:
        client.check_md5("nonsense")
    except BakongError as fault:
        seen.append("".join(traceback.format_exception(fault)))
    seen += [repr(client.client), repr(vars(client.client)["_keyring"].store)]

    text = "\n".join(seen) + caplog.text
    assert len(seen) > 10
    for secret in (OLD, NEW, other, *SPELLINGS, OLD.split(".")[2]):
        assert secret.lower() not in text.lower()


def test_what_a_renewal_gives_is_not_kept_even_when_it_is_no_token(make: Make) -> None:
    told: list[Exchange] = []
    given = {"token": "opaque-secret-of-a-gateway", "note": "x"}
    client = make(
        Desk(answer(UNAUTHORIZED, 401), envelope(0, None, "", given)),
        token=OLD,
        email=EMAIL,
        on_exchange=told.append,
    )

    outcome = client.check_md5(MD5)

    assert outcome.reason is Reason.AUTH
    assert told[1].outcome == "cannot_tell"
    assert "opaque-secret" not in everything(told[1]) + everything(outcome)


def test_a_renewal_is_told_as_a_token(make: Make) -> None:
    told: list[Exchange] = []
    desk = Desk(answer(UNAUTHORIZED, 401), envelope(0, None, "", {"token": NEW}), NOT_FOUND)

    make(desk, token=OLD, email=EMAIL, on_exchange=told.append).check_md5(MD5)

    assert [exchange.outcome for exchange in told] == ["cannot_tell", "token", "not_found"]
    assert told[1].request == {"email": "[redacted]"}


def test_a_short_word_used_as_a_token_does_not_spoil_the_answers(make: Make) -> None:
    outcome = make(Desk(envelope(0, None, "", transaction())), token="test").check_md5(MD5)

    assert outcome.transfer.hash == HASH


def test_the_log_has_a_line_for_every_exchange_without_addresses_or_bodies(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "vinflow.bakong")

    make(Desk(NOT_FOUND)).check_md5(MD5)

    (line,) = [record.getMessage() for record in caplog.records if record.name == "vinflow.bakong"]
    assert line.startswith("check_transaction_by_md5: not_found in ")

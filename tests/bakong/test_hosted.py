"""The guide's dialect: the gateway makes the QR, and answers with `paid`."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from vinflow.bakong import (
    CannotTell,
    Exchange,
    Failed,
    Found,
    HostedQr,
    NotFound,
    Operation,
    Reason,
    WrongArgument,
)
from vinflow.money import Currency, Money

from .conftest import NGINX_403, NOT_FOUND, QUOTA, UNAUTHORIZED, Desk, Make, answer, envelope, transaction

HASH = "be06d47899294df86270319b292ed0917bd0fe920ead1dc2bdf3078cf6c50158"
MERCHANT = "0dbe08d3829a8b6b59844e51aa38a4e2"
DOLLARS = Money(1050, Currency.USD)
QR = "00020101021230820016your_qr_data_here"
CREATED = {
    "hash": HASH,
    "qr_string": f"khqr://{QR}",
    "deeplink": f"bakong://qr?qr=khqr://{QR}",
    "amount": 10.50,
    "currency": "USD",
    "merchant_id": "merchant_123",
    "bill_number": "TXN123456789",
}
PAID = {
    "hash": HASH,
    "paid": True,
    "status": "completed",
    "amount": 10.50,
    "currency": "USD",
    "paid_at": "2024-12-02T10:30:45Z",
    "transaction_id": "BAK123456789",
    "bill_number": "TXN123456789",
}
MISSING = {"message": "Transaction not found", "error": "not_found"}


def gateway(make: Make, *answers: Any, **options: Any) -> tuple[Any, Desk]:
    """A hosted client and its other side."""
    desk = Desk(*answers)
    return make(desk, hosted=True, merchant_id=MERCHANT.upper(), **options), desk


def created(make: Make, body: Any, status: int = 200) -> Any:
    """What create() makes of an answer."""
    client, _ = gateway(make, answer(body, status))
    return client.create(DOLLARS, "Add funds", "TXN123456789")


def checked(make: Make, body: Any, status: int = 200) -> Any:
    """What check() makes of an answer."""
    client, _ = gateway(make, answer(body, status))
    return client.check(HASH)


def test_a_qr_is_asked_for_as_the_guide_says(make: Make) -> None:
    client, desk = gateway(make, CREATED)

    qr = client.create(DOLLARS, "Add funds", "TXN123456789")

    assert desk.asked[0].url.path == "/v1/generate_deeplink_by_qr"
    assert desk.asked[0].content == (
        b'{"md5":"0dbe08d3829a8b6b59844e51aa38a4e2","amount":10.50,"currency":"USD",'
        b'"info":"Add funds","bill_number":"TXN123456789"}'
    )
    assert isinstance(qr, HostedQr)
    assert qr.hash == HASH
    assert qr.qr_string == QR
    assert qr.deeplink == f"bakong://qr?qr=khqr://{QR}"
    assert (qr.amount, qr.currency) == (Decimal("10.50"), Currency.USD)
    assert (qr.merchant_id, qr.bill_number) == ("merchant_123", "TXN123456789")
    assert qr.raw["qr_string"] == f"khqr://{QR}"
    assert qr.raw["amount"] == "10.5"


def test_riel_are_asked_for_whole(make: Make) -> None:
    client, desk = gateway(make, CREATED | {"amount": 41000.0, "currency": "KHR"})

    qr = client.create(Money(41000, Currency.KHR), "Add funds", "TXN123456789")

    assert b'"amount":41000,"currency":"KHR"' in desk.asked[0].content
    assert qr.amount == 41000


@pytest.mark.parametrize("text", [QR, f"khqr://{QR}", f"KHQR://{QR}", f" khqr://{QR}\n"])
def test_the_scheme_is_not_part_of_the_qr(make: Make, text: str) -> None:
    assert created(make, CREATED | {"qr_string": text}).qr_string == QR


@pytest.mark.parametrize(
    ("link", "taken"),
    [
        ("bakong://qr?qr=khqr://0002", True),
        ("https://bakong.page.link/abc", True),
        ("http://bakong.page.link/abc", False),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("aba://pay", False),
        ("bakong:", False),
        ("bakong://qr?\nqr=1", False),
        ("bakong://qr?" + "x" * 5000, False),
        ("", False),
        (None, False),
        (5, False),
    ],
)
def test_a_deeplink_is_the_apps_or_https_or_left_out(make: Make, link: Any, taken: bool) -> None:
    qr = created(make, CREATED | {"deeplink": link})

    assert qr.deeplink == (link if taken else None)
    assert qr.qr_string == QR


def test_what_no_url_may_hold_is_escaped_in_the_apps_link(make: Make) -> None:
    link = "bakong://qr?qr=khqr://0002 VinFlow Shop\"'><script>ហាង%20"

    qr = created(make, CREATED | {"deeplink": link})

    assert qr.deeplink == (
        "bakong://qr?qr=khqr://0002%20VinFlow%20Shop%22%27%3E%3Cscript%3E%E1%9E%A0%E1%9E%B6%E1%9E%84%20"
    )
    assert qr.raw["deeplink"] == link


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 10.51},
        {"amount": "10.501"},
        {"amount": None},
        {"amount": True},
        {"currency": "KHR"},
        {"currency": None},
        {"bill_number": "TXN000000000"},
        {"hash": "abc"},
        {"hash": None},
        {"qr_string": ""},
        {"qr_string": "khqr://"},
        {"qr_string": "a\x00b"},
        {"qr_string": "x" * 5000},
        {"qr_string": ["x"]},
    ],
)
def test_a_qr_for_another_amount_or_bill_or_none_is_no_qr(make: Make, changes: dict[str, Any]) -> None:
    told = created(make, CREATED | changes)

    assert isinstance(told, CannotTell)
    assert told.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (UNAUTHORIZED, 401, Reason.AUTH),
        ({"message": "Unauthorized", "error": "unauthorized"}, 401, Reason.AUTH),
        (QUOTA, 200, Reason.QUOTA),
        (NGINX_403, 403, Reason.BLOCKED),
        ({"message": "bad amount", "error": "invalid_request"}, 400, Reason.BAD_REQUEST),
        ({"message": "bad amount", "error": "invalid_request"}, 200, Reason.BAD_REQUEST),
        (b"<h1>404</h1>", 404, Reason.CONFIG),
        (MISSING, 404, Reason.CONFIG),
        (b"<h1>502</h1>", 502, Reason.UPSTREAM),
        (b"", 302, Reason.REDIRECT),
        (b"", 200, Reason.MALFORMED),
        ([CREATED], 200, Reason.MALFORMED),
        (None, 200, Reason.MALFORMED),
        (envelope(0, None, "ok", {"shortLink": "https://bakong.page.link/x"}), 200, Reason.UNKNOWN_CODE),
    ],
)
def test_no_qr_is_a_reason(make: Make, body: Any, status: int, reason: Reason) -> None:
    told = created(make, body, status)

    assert isinstance(told, CannotTell)
    assert told.reason is reason


def test_a_payment_is_found_with_all_that_the_guide_tells(make: Make) -> None:
    client, desk = gateway(make, PAID)

    outcome = client.check(HASH.upper())

    assert desk.asked[0].url.path == "/v1/check_transaction_by_hash"
    assert desk.body() == {"hash": HASH}
    assert isinstance(outcome, Found)
    transfer = outcome.transfer
    assert transfer.hash == HASH
    assert transfer.amount == Decimal("10.50")
    assert transfer.currency == "USD"
    assert transfer.created_at == datetime(2024, 12, 2, 10, 30, 45, tzinfo=UTC)
    assert transfer.external_ref == "BAK123456789"
    assert transfer.to_account is None
    assert outcome.raw["bill_number"] == "TXN123456789"
    assert outcome.raw["amount"] == "10.5"


@pytest.mark.parametrize(
    ("body", "status"),
    [(None, 200), (None, 404), (MISSING, 404), (MISSING, 200), ({"error": "not_found"}, 404)],
)
def test_null_and_not_found_are_not_paid_yet(make: Make, body: Any, status: int) -> None:
    outcome = checked(make, body, status)

    assert isinstance(outcome, NotFound)
    assert outcome.answered_at is not None


@pytest.mark.parametrize(
    "status", ["pending", "PENDING", "created", "unpaid", "expired", "canceled", "cancelled"]
)
def test_not_paid_with_a_status_that_says_so_is_not_paid_yet(make: Make, status: str) -> None:
    assert isinstance(checked(make, PAID | {"paid": False, "status": status}), NotFound)


@pytest.mark.parametrize("status", ["failed", "declined"])
def test_not_paid_and_failed_is_a_failed_attempt(make: Make, status: str) -> None:
    assert isinstance(checked(make, PAID | {"paid": False, "status": status}), Failed)


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "pending"},
        {"status": "refunded"},
        {"status": "failed"},
        {"status": None},
        {"status": True},
        {"paid": False},
        {"paid": False, "status": "processing"},
        {"paid": False, "status": None},
        {"paid": "true"},
        {"paid": 1},
        {"paid": None},
        {"hash": "0" * 64},
        {"hash": None},
        {"amount": None},
        {"amount": 0},
        {"amount": -1},
        {"amount": "ten"},
        {"currency": None},
    ],
)
def test_an_answer_that_contradicts_itself_or_the_question_tells_nothing(
    make: Make, changes: dict[str, Any]
) -> None:
    outcome = checked(make, PAID | changes)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"<h1>404 Not Found</h1>", 404, Reason.CONFIG),
        (b"", 404, Reason.CONFIG),
        ({"message": "no Route matched with those values"}, 404, Reason.CONFIG),
        ([], 404, Reason.CONFIG),
        (UNAUTHORIZED, 401, Reason.AUTH),
        (UNAUTHORIZED, 200, Reason.AUTH),
        (QUOTA, 200, Reason.QUOTA),
        (None, 500, Reason.UPSTREAM),
        (MISSING, 503, Reason.UPSTREAM),
        (None, 403, Reason.BLOCKED),
        (None, 429, Reason.THROTTLED),
        (None, 301, Reason.REDIRECT),
        (None, 204, Reason.UNEXPECTED),
        (b"", 200, Reason.MALFORMED),
        (b"<html>", 200, Reason.MALFORMED),
        (False, 200, Reason.MALFORMED),
        ([], 200, Reason.MALFORMED),
        ([PAID], 200, Reason.MALFORMED),
        ({}, 200, Reason.MALFORMED),
        (NOT_FOUND, 200, Reason.UNKNOWN_CODE),
        (envelope(0, None, "ok", transaction()), 200, Reason.UNKNOWN_CODE),
    ],
)
def test_anything_else_tells_nothing(make: Make, body: Any, status: int, reason: Reason) -> None:
    outcome = checked(make, body, status)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is reason


@pytest.mark.parametrize(
    "paid_at", [None, "", "yesterday", "2024-12-02T10:30:45", 1733135445, "9999-12-31T23:59:59-23:59"]
)
def test_a_time_without_a_zone_or_sense_is_no_time(make: Make, paid_at: Any) -> None:
    assert checked(make, PAID | {"paid_at": paid_at}).transfer.created_at is None


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ((Money(0, Currency.USD), "info", "B"), "amount"),
        ((10.5, "info", "B"), "amount"),
        ((DOLLARS, "", "B"), "info"),
        ((DOLLARS, "x" * 256, "B"), "info"),
        ((DOLLARS, "info", ""), "bill_number"),
        ((DOLLARS, "info", "x" * 26), "bill_number"),
        ((DOLLARS, "info", "a\nb"), "bill_number"),
    ],
)
def test_a_mistake_never_leaves(make: Make, arguments: tuple[Any, ...], argument: str) -> None:
    client, desk = gateway(make, CREATED)

    with pytest.raises(WrongArgument) as fault:
        client.create(*arguments)

    assert fault.value.argument == argument
    assert desk.asked == []


@pytest.mark.parametrize("value", ["", "abc", "g" * 64, None, HASH + "0"])
def test_a_check_needs_a_hash(make: Make, value: Any) -> None:
    client, desk = gateway(make, PAID)

    with pytest.raises(WrongArgument):
        client.check(value)

    assert desk.asked == []


@pytest.mark.parametrize("merchant", ["", "merchant_123", "shop@devb", None, "0" * 31])
def test_a_merchant_is_known_by_an_md5(make: Make, merchant: Any) -> None:
    with pytest.raises(WrongArgument) as fault:
        make(Desk(PAID), hosted=True, merchant_id=merchant)

    assert fault.value.argument == "merchant_id"


def test_exchanges_of_the_dialect_have_names_of_their_own(make: Make) -> None:
    told: list[Exchange] = []
    client, _ = gateway(make, CREATED, PAID, None, on_exchange=told.append)

    client.create(DOLLARS, "Add funds", "TXN123456789")
    client.check(HASH)
    client.check(HASH)

    assert [(exchange.operation, exchange.outcome) for exchange in told] == [
        (Operation.HOSTED_CREATE, "hosted_qr"),
        (Operation.HOSTED_CHECK, "found"),
        (Operation.HOSTED_CHECK, "not_found"),
    ]
    assert told[0].request["amount"] == "10.50"
    assert told[0].path == "/v1/generate_deeplink_by_qr"


@pytest.mark.parametrize("unknown", [answer(None, 404), answer(MISSING, 404), answer(UNAUTHORIZED, 401)])
def test_a_gateway_is_reachable_whichever_way_it_answers_without_a_token(make: Make, unknown: Any) -> None:
    client, desk = gateway(make, unknown, None)

    found = client.diagnose()

    assert found.reachable
    assert found.token_accepted
    assert desk.tokens()[0] is None
    assert found.metered_calls == 1

"""The reading table, row by row: what came, what it means, and which row wins when two fit."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from vinflow.bakong.reading import answered_at, decode, envelope, read_check, retry_after_s
from vinflow.bakong.results import CannotTell, Failed, Found, NotFound, Reason, StaticQr
from vinflow.bakong.transfers import Number
from vinflow.bakong.wire import Reply

from .conftest import HASH, NGINX_403, NOT_FOUND, QUOTA, UNAUTHORIZED, transaction
from .conftest import envelope as enveloped


def reply(body: Any, status: int = 200, **headers: str) -> Reply:
    """A reply with a body: bytes as they are, anything else as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Reply(status, content, **headers)


def reason(body: Any, status: int = 200) -> Reason | str:
    """The reason of a CannotTell, or the name of another outcome."""
    outcome = read_check(reply(body, status))
    return outcome.reason if isinstance(outcome, CannotTell) else outcome.name


FOUND = enveloped(0, None, "Getting transaction successfully.", transaction())

ROWS = [
    # row, body, status, meaning
    (2, b"", 301, Reason.REDIRECT),
    (2, FOUND, 302, Reason.REDIRECT),
    (2, UNAUTHORIZED, 307, Reason.REDIRECT),
    (3, UNAUTHORIZED, 401, Reason.AUTH),
    (3, b"<html>401</html>", 401, Reason.AUTH),
    (3, UNAUTHORIZED, 200, Reason.AUTH),
    (3, UNAUTHORIZED, 403, Reason.AUTH),
    (3, UNAUTHORIZED, 500, Reason.AUTH),
    (3, QUOTA, 401, Reason.AUTH),
    (4, QUOTA, 200, Reason.QUOTA),
    (4, QUOTA, 403, Reason.QUOTA),
    (4, QUOTA, 429, Reason.QUOTA),
    (4, QUOTA, 500, Reason.QUOTA),
    (4, enveloped(1, 19, "no"), 200, Reason.QUOTA),
    (4, enveloped(1, 42, "Daily request limit of 250 exceeded"), 200, Reason.QUOTA),
    (4, enveloped(1, 1, "Your quota is used up"), 200, Reason.QUOTA),
    (4, enveloped(1, None, "Too many requests today"), 200, Reason.QUOTA),
    (4, enveloped(1, 3, "Rate limit reached"), 200, Reason.QUOTA),
    (4, enveloped(1, 3, "Rate-limit reached"), 503, Reason.QUOTA),
    (5, b"", 429, Reason.THROTTLED),
    (5, b"<h1>429 Too Many Requests</h1>", 429, Reason.THROTTLED),
    (5, enveloped(1, None, "Too many requests"), 429, Reason.THROTTLED),
    (6, NGINX_403, 403, Reason.BLOCKED),
    (6, NOT_FOUND, 403, Reason.BLOCKED),
    (6, b"quota", 403, Reason.BLOCKED),
    (7, b"<h1>502 Bad Gateway</h1>", 502, Reason.UPSTREAM),
    (7, NOT_FOUND, 503, Reason.UPSTREAM),
    (7, FOUND, 500, Reason.UPSTREAM),
    (7, enveloped(1, 9, "Cannot connect to server. Please try again later."), 200, Reason.UPSTREAM),
    (7, enveloped(1, 9, ""), 404, Reason.UPSTREAM),
    (8, b"<h1>404 Not Found</h1>", 404, Reason.CONFIG),
    (8, b"null", 404, Reason.CONFIG),
    (8, {"message": "no Route matched"}, 404, Reason.CONFIG),
    (8, b"", 405, Reason.CONFIG),
    (9, enveloped(1, 5, "Missing required fields."), 400, Reason.BAD_REQUEST),
    (9, enveloped(1, 5, "Missing required fields."), 200, Reason.BAD_REQUEST),
    (9, enveloped(1, 5, ""), 404, Reason.BAD_REQUEST),
    (9, b"", 400, Reason.BAD_REQUEST),
    (10, NOT_FOUND, 404, Reason.UNEXPECTED),
    (10, NOT_FOUND, 405, Reason.UNEXPECTED),
    (10, NOT_FOUND, 201, Reason.UNEXPECTED),
    (10, FOUND, 202, Reason.UNEXPECTED),
    (10, b"", 204, Reason.UNEXPECTED),
    (10, NOT_FOUND, 422, Reason.UNEXPECTED),
    (11, b"", 200, Reason.MALFORMED),
    (11, b"<html>log in</html>", 200, Reason.MALFORMED),
    (11, json.dumps(NOT_FOUND).encode()[:-4], 200, Reason.MALFORMED),
    (11, b"null", 200, Reason.MALFORMED),
    (11, [NOT_FOUND], 200, Reason.MALFORMED),
    (11, {"data": transaction()}, 200, Reason.MALFORMED),
    (11, NOT_FOUND | {"responseCode": "1"}, 200, Reason.MALFORMED),
    (11, NOT_FOUND | {"responseCode": True}, 200, Reason.MALFORMED),
    (11, FOUND | {"responseCode": False}, 200, Reason.MALFORMED),
    (11, NOT_FOUND | {"responseCode": 1.5}, 200, Reason.MALFORMED),
    (11, NOT_FOUND | {"responseCode": None}, 200, Reason.MALFORMED),
    (12, FOUND, 200, "found"),
    (12, {"responseCode": 0, "data": transaction()}, 200, "found"),
    (12, enveloped(0, None, "Success. Rate limit: 40 left, daily quota 100", transaction()), 200, "found"),
    (13, enveloped(0), 200, Reason.MALFORMED),
    (13, enveloped(0, None, "", {}), 200, Reason.MALFORMED),
    (13, enveloped(0, None, "", []), 200, Reason.MALFORMED),
    (13, enveloped(0, None, "", transaction(hash="")), 200, Reason.MALFORMED),
    (13, enveloped(0, None, "", transaction(hash=None)), 200, Reason.MALFORMED),
    (13, enveloped(0, None, "", transaction(hash="5b1f0c0e")), 200, Reason.MALFORMED),
    (14, enveloped(1, 3, "Transaction failed."), 200, "failed"),
    (14, enveloped(1, 1, "Transaction failed."), 200, "failed"),
    (14, enveloped(1, 1, "TRANSACTION HAS FAILED"), 200, "failed"),
    (15, enveloped(1, 2, "Sorry, the system does not support static QR code."), 200, "static_qr"),
    (16, NOT_FOUND, 200, "not_found"),
    (16, enveloped(1, 1, "Failed: transaction could not be found"), 200, "not_found"),
    (16, {"errorCode": 1, "responseCode": 1}, 200, "not_found"),
    (16, enveloped(1, 1, "The limit of the account is fine"), 200, "not_found"),
    (17, enveloped(1, 42, "Something new"), 200, Reason.UNKNOWN_CODE),
    (17, enveloped(1, None, "Transaction could not be found"), 200, Reason.UNKNOWN_CODE),
    (17, enveloped(2, 1, "Transaction could not be found"), 200, Reason.UNKNOWN_CODE),
    (17, enveloped(-1, 1, ""), 200, Reason.UNKNOWN_CODE),
    (17, NOT_FOUND | {"errorCode": "1"}, 200, Reason.UNKNOWN_CODE),
    (17, NOT_FOUND | {"errorCode": True}, 200, Reason.UNKNOWN_CODE),
]


@pytest.mark.parametrize(("row", "body", "status", "meaning"), ROWS)
def test_every_row_of_the_table_reads_as_it_says(row: int, body: Any, status: int, meaning: object) -> None:
    assert reason(body, status) == meaning


def test_every_row_has_an_example() -> None:
    assert {row for row, *_ in ROWS} == set(range(2, 18))


def test_not_found_with_a_transaction_beside_it_is_not_believed() -> None:
    assert reason(NOT_FOUND | {"data": transaction()}) is Reason.MALFORMED


def test_a_code_written_as_a_float_is_the_code() -> None:
    body = json.dumps(QUOTA).replace("17,", "17.0,").encode()

    assert reason(body) is Reason.QUOTA


def test_an_answer_about_another_transfer_is_not_found_money() -> None:
    asked = "0" * 64

    outcome = read_check(reply(FOUND), about=asked.__eq__)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is Reason.MALFORMED


def test_the_moment_of_the_answer_comes_from_its_date_header() -> None:
    moment = datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    bodies = [FOUND, NOT_FOUND, enveloped(1, 3), enveloped(1, 2), QUOTA, b"<html>"]

    for body in bodies:
        outcome = read_check(reply(body, date="Tue, 24 Nov 2026 03:00:00 GMT"))

        assert outcome.answered_at == moment
        assert outcome.answered_at is not None
        assert outcome.answered_at.tzinfo is UTC


@pytest.mark.parametrize("date", [None, "", "yesterday", "Tue, 99 Nov 2026 03:00:00 GMT", "-1"])
def test_a_date_that_cannot_be_read_is_no_date(date: str | None) -> None:
    assert answered_at(date) is None


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("Tue, 24 Nov 2026 03:01:30 GMT", 90.0),
        ("Tue, 24 Nov 2026 02:00:00 GMT", 0.0),
        ("999999999", 86_400.0),
        ("soon", 60.0),
        ("-5", 60.0),
        ("9" * 5000, 60.0),
        (None, 60.0),
    ],
)
def test_a_429_says_how_long_to_wait(header: str | None, seconds: float) -> None:
    answer = Reply(429, b"", None, "Tue, 24 Nov 2026 03:00:00 GMT", header)

    outcome = read_check(answer)

    assert isinstance(outcome, CannotTell)
    assert outcome.retry_after_s == seconds


def test_other_answers_ask_for_no_wait_unless_they_say_so() -> None:
    silent, asking = Reply(503, b""), Reply(503, b"", None, None, "12")

    assert retry_after_s(silent) is None
    assert read_check(silent).retry_after_s is None  # type: ignore[union-attr]
    assert read_check(asking).retry_after_s == 12.0  # type: ignore[union-attr]


def test_the_code_and_the_words_of_an_unknown_answer_are_kept_for_the_log() -> None:
    outcome = read_check(reply(enveloped(1, 42, "Something   new\nhappened")))

    assert isinstance(outcome, CannotTell)
    assert outcome.code == 42
    assert outcome.status == 200
    assert "Something new happened" in outcome.detail


def test_numbers_keep_the_digits_they_were_sent_with() -> None:
    value = decode(b'{"a": 0.10, "b": 9800, "c": 9800.0, "d": 0.1000000000000000000001, "e": "0.10"}')

    assert value == {"a": "0.10", "b": 9800, "c": "9800.0", "d": "0.1000000000000000000001", "e": "0.10"}
    assert [type(value[name]) for name in "abcde"] == [Number, int, Number, Number, str]
    assert json.dumps(value["a"]) == '"0.10"'


def test_a_nul_never_reaches_a_database_that_has_no_place_for_it() -> None:
    body = json.dumps(enveloped(0, None, "", transaction(description="a\x00b"))).encode()

    outcome = read_check(reply(body))

    assert isinstance(outcome, Found)
    assert outcome.transfer.description == "a\ufffdb"
    assert "\x00" not in json.dumps(outcome.raw, ensure_ascii=False)


def test_the_raw_answer_can_be_stored_as_json_and_says_the_same() -> None:
    outcome = read_check(reply(FOUND | {"more": {"list": [1.5, None, True]}}))

    assert isinstance(outcome, Found)
    stored = json.loads(json.dumps(outcome.raw))
    assert stored["data"]["amount"] == "0.01"
    assert stored["data"]["hash"] == HASH
    assert stored["more"] == {"list": ["1.5", None, True]}


def test_unknown_keys_are_ignored_and_the_order_does_not_matter() -> None:
    body = {"data": transaction(extra=1, more={"a": []}), "trace": "x", "errorCode": None, "responseCode": 0}

    assert isinstance(read_check(reply(body)), Found)


def test_an_envelope_is_read_alike_for_every_call() -> None:
    told = envelope(reply(enveloped(0, None, "ok", {"a": 1})))

    assert not isinstance(told, CannotTell)
    assert (told.response_code, told.error_code, told.message, told.data) == (0, None, "ok", {"a": 1})


def test_only_one_answer_is_not_found() -> None:
    names = [type(read_check(reply(body, status))) for _, body, status, _ in ROWS]

    assert {NotFound, Failed, StaticQr, Found, CannotTell} == set(names)

"""The batch in the schema of the vectors: every vector, every shape of answer, every broken line."""

from __future__ import annotations

import json

import pytest

from vinflow.khqr.batch import answer, answer_line, payload_of

NOW_MS = 1735689600000
INPUT = {"merchant_type": "individual", "bakong_account_id": "sok_dara@aclb", "merchant_name": "Sok Dara"}


def test_every_vector_is_answered_in_the_exact_schema(vectors):
    for kind in ("encode", "errors", "decode", "verify"):
        for vector in vectors(kind):
            operation = vector.get("operation", kind)
            request = {"id": vector["id"], "operation": operation, "input": vector["input"]}
            if "now_ms" in vector:
                request["now_ms"] = vector["now_ms"]
            reply = json.loads(answer_line(json.dumps(request)))
            wanted = vector["expected"]
            if kind == "errors" and operation == "verify":
                wanted = {"ok": True, "valid": False, "reason_code": wanted["error_code"]}
            elif kind == "errors" or not vector.get("well_formed", True):
                refusal = {
                    "error_code": 8,
                    "error_name": "KHQR_INVALID",
                    "message": "KHQR provided is invalid",
                }
                wanted = {"ok": False, **(wanted if kind == "errors" else refusal)}
            else:
                wanted = {"ok": True, **wanted}

            if wanted.get("reason_code", 0) is None and not wanted["valid"]:
                reply["reason_code"] = None  # any code will do for a text that is not clean
            assert reply == {"id": vector["id"], **wanted}


def test_other_keys_are_given_back_and_cannot_forge_an_answer():
    reply = answer(
        {"operation": "encode", "input": {}, "id": [1], "ok": True, "message": "x", "tags": {"a": 1}}
    )

    assert reply["ok"] is False
    assert reply["message"] == "Merchant type cannot be null or empty"
    assert (reply["id"], reply["tags"]) == ([1], {"a": 1})
    assert "input" not in reply


def test_half_surrogate_pairs_go_in_and_out_as_escapes():
    line = '{"id": "\\udead", "operation": "decode", "input": {"qr": "\\ud800"}}'

    reply = answer_line(line)

    assert reply.isascii()
    assert json.loads(reply)["id"] == "\udead"
    assert json.loads(reply)["error_code"] == 8


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"5",
        b"null",
        b"{",
        b"\xff\xfe",
        b'{"operation": ',
        b"[" * 100_000,
        b"9" * 5000,
        b'"\\ud800"',
    ],
)
def test_a_line_that_is_no_request_is_refused(line):
    assert json.loads(answer_line(line))["error_code"] == 8


@pytest.mark.parametrize(
    "request_",
    [
        {"operation": "encode"},
        {"operation": "encode", "input": None},
        {"operation": "sing", "input": {}},
        {"operation": ["encode"], "input": {}},
        {"operation": "verify", "input": {"qr": ""}},
        {"operation": "verify", "input": {"qr": ""}, "now_ms": "soon"},
        {"operation": "verify", "input": {"qr": ""}, "now_ms": True},
        {"operation": "verify", "input": {"qr": ""}, "now_ms": float("nan")},
    ],
)
def test_a_request_that_makes_no_sense_is_refused(request_):
    assert answer(request_)["ok"] is False


def test_numbers_are_read_by_value():
    def amount(value: object) -> str | None:
        given = {**INPUT, "currency": 840, "amount": value, "expiration_timestamp": 1735689660000.0}
        return payload_of(given, now_ms=NOW_MS).amount

    assert (amount(1), amount(1.0), amount(1.5), amount(0), amount(0.0), amount(-0.0)) == (
        "1",
        "1",
        "1.50",
        None,
        None,
        None,
    )
    assert (
        answer({"operation": "encode", "now_ms": float(NOW_MS), "input": {**INPUT, "amount": 5.0}})[
            "error_code"
        ]
        == 45
    )
    endless = f'{{"operation": "encode", "input": {json.dumps(INPUT)[:-1]}, "amount": {"9" * 5000}}}}}'
    assert json.loads(answer_line(endless))["error_code"] == 4


def test_a_clock_is_used_only_where_the_request_has_none(static_text, top_up_text):
    request = {"operation": "verify", "input": {"qr": top_up_text}}

    assert answer(request, now_ms=NOW_MS)["valid"] is True
    assert answer(request, now_ms=NOW_MS * 2)["reason_code"] == 46
    assert answer({**request, "now_ms": NOW_MS}, now_ms=NOW_MS * 2)["valid"] is True

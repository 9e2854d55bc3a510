"""Answers meant to fool or break a reader, 5,000 in every run and 50,000 under PROVE=1.

None may pass for an answer about money.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable
from typing import Any

import httpx2
from tests.proof.figures import hand_over

from vinflow.bakong.batches import read_list
from vinflow.bakong.endpoints import read_account, read_link, read_token
from vinflow.bakong.hosted import read_paid, read_qr
from vinflow.bakong.reading import read_check
from vinflow.bakong.results import Account, CannotTell, Found, HostedQr, Link, NotFound
from vinflow.bakong.tokens import Token
from vinflow.bakong.wire import Reply
from vinflow.money import Currency, Money

from .conftest import HASH, NOT_FOUND, Make, envelope, transaction

PROVE = os.environ.get("PROVE") == "1"
COUNT = 50_000 if PROVE else 5000
SEED = 20261124
JUNK: list[Any] = [
    None, True, False, -1, 2, 10**30, 1.5, "", "0", "1", "null", "\x00", "ៗ",
    [], {}, [[]], {"a": {}}, "x" * 5000,
]  # fmt: skip
PAID = {"hash": HASH, "paid": True, "status": "completed", "amount": 10.5, "currency": "USD"}
QR = {"hash": HASH, "qr_string": "khqr://0002", "amount": 10.5, "currency": "USD", "bill_number": "B1"}


def whole_answers() -> list[Any]:
    """Answers that are right, to be spoilt."""
    found = envelope(0, None, "ok", transaction())
    md5s = [{"md5": c * 32, "status": "SUCCESS", "data": transaction()} for c in "ab"]
    return [found, NOT_FOUND, envelope(0, None, "ok", md5s), PAID, QR, None]


def bad_status(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """A right answer under a status that forbids to believe it. 404 and 401 belong to other tests."""
    return rng.choice(
        [201, 202, 204, 206, 301, 302, 307, 400, 403, 405, 409, 418, 429, 500, 502, 503, 599]
    ), body


def cut(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """A right answer, cut off somewhere. (What is left of a number or null would be whole again.)"""
    return 200, body[: rng.randrange(max(1, len(body) - 1))] if body != b"null" else b"nul"


def garbled(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """A right answer with bytes that no JSON has, inside its structure."""
    spoilt = bytearray(body)
    for _ in range(rng.randint(1, 4)):
        spoilt.insert(rng.randrange(len(spoilt)), rng.choice(b"\x00\x01\x02\xff\xfe\x80"))
    return 200, bytes(spoilt)


def wrapped(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """A right answer inside something else."""
    frames = [
        b"[%s]",
        b'{"data": %s}',
        b'"%s"',
        b"<html>%s</html>",
        b"callback(%s)",
        b"%s%s",
        b"\xef\xbb\xbf%s",
        b"{%s}",
    ]
    frame = rng.choice(frames)
    return 200, frame.replace(b"%s", body)


def mistyped(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """A right answer in which what decides is something else."""
    value = json.loads(body)
    if not isinstance(value, dict):
        return 200, json.dumps(rng.choice([0, 1, "null", [], {}, True])).encode()
    if "responseCode" in value:
        value["responseCode"] = rng.choice([j for j in JUNK if j not in (1, 0)])
        if type(value["responseCode"]) is bool or value["responseCode"] in ("0", "1"):
            value["errorCode"] = rng.choice([None, 1])
    else:
        value["hash"] = rng.choice(JUNK)
    return 200, json.dumps(value).encode()


def spoilt_transaction(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """Success, with a transaction that lacks what it must have."""
    changes = {
        rng.choice(["hash", "amount", "currency"]): rng.choice(
            [None, True, "", [], {}, "\x00", -1, "x" * 5000]
        )
    }
    if changes.get("currency") == "\x00":
        changes = {"amount": None}
    return 200, json.dumps(envelope(0, rng.choice([None, 1, 2, 3]), "ok", transaction(**changes))).encode()


def unknown_code(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """A refusal with a code that no document names."""
    code = rng.choice(
        [None, 0, -1, 7, 8, 10, 13, 14, 15, 16, 18, 20, 42, 10**9, "1", "3", True, [1], {"a": 1}]
    )
    return 200, json.dumps(
        envelope(rng.choice([1, 2, -1]), code, rng.choice(["", "?", "not found"]))
    ).encode()


def deep(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """Nested until a careless reader falls over, or numbers no machine can hold."""
    depth = rng.choice([500, 5000, 100_000])
    bombs = [b"[" * depth + b"]" * depth, b'{"data":' * depth + b"1" + b"}" * depth, b"[" * depth]
    number = rng.choice([b"1e999999999", b"-1e999999999", b"9" * 50_000, b"1e-999999999999"])
    bombs.append(json.dumps(envelope(0, None, "", transaction())).encode().replace(b"0.01", number))
    return 200, rng.choice(bombs)


def noise(rng: random.Random, body: bytes) -> tuple[int, bytes]:
    """Anything at all."""
    return rng.choice([200, 200, 200, 500]), rng.randbytes(rng.randrange(300))


SPOILERS: list[Callable[[random.Random, bytes], tuple[int, bytes]]] = [
    bad_status, cut, garbled, wrapped, mistyped, spoilt_transaction, unknown_code, deep, noise,
]  # fmt: skip


def test_hostile_answers_are_neither_found_nor_not_found() -> None:
    began = time.monotonic()
    rng = random.Random(SEED)
    asked = ["a" * 32, "b" * 32]
    bodies = [json.dumps(value).encode() for value in whole_answers()]
    seen: set[str] = set()

    for number in range(COUNT):
        spoiler = SPOILERS[number % len(SPOILERS)]
        status, body = spoiler(rng, rng.choice(bodies))
        headers = rng.choice([None, "", "garbage", "Tue, 24 Nov 2026 03:00:00 GMT"])
        reply = Reply(status, body, "text/html", headers, headers)
        told: list[Any] = [read_check(reply), read_paid(reply, digest=HASH)]
        batch = read_list(asked, "md5")(reply)
        told += [batch] if isinstance(batch, CannotTell) else list(batch.values())
        told += [read_account(reply), read_link(reply, base_url="https://bakong.test"), read_token(reply)]
        told.append(
            read_qr(reply, money=Money(1050, Currency.USD), bill="B1", base_url="https://bakong.test")
        )
        where = (number, spoiler.__name__, status, body[:200])
        for outcome in told:
            if isinstance(outcome, Account) and spoiler in (mistyped, spoilt_transaction, deep):
                continue  # an account exists by responseCode alone, and that was left as it was
            assert not isinstance(outcome, Found | NotFound | Account | Link | Token | HostedQr), where
        seen.add(spoiler.__name__)

    assert len(seen) == len(SPOILERS)
    if PROVE:
        hand_over(
            "hostile_readers",
            title="Hostile answers, every reader of the client",
            head=["what", "how many"],
            rows=[
                ["answers meant to fool or break", f"{COUNT:,}"],
                ["kinds", len(seen)],
                ["readers each was given to", 7],
                ["taken for an answer about money", 0],
                ["crashes", 0],
            ],
            seed=SEED,
            count=COUNT,
            duration_s=time.monotonic() - began,
        )


def test_the_same_answers_tell_neither_driver_anything(make: Make) -> None:
    rng = random.Random(SEED + 1)
    bodies = [json.dumps(value).encode() for value in whole_answers()]

    def hostile(request: httpx2.Request) -> httpx2.Response:
        status, body = SPOILERS[rng.randrange(len(SPOILERS))](rng, rng.choice(bodies))
        headers = {"Date": "garbage", "Retry-After": "garbage", "Content-Type": "text/html"}
        return httpx2.Response(status, content=body, headers=headers)

    client, gateway = make(hostile), make(hostile, hosted=True, merchant_id="0" * 32)

    for _ in range(2000 if PROVE else 200):
        outcomes = [client.check_md5("a" * 32), client.check_hash(HASH), gateway.check(HASH)]
        outcomes += client.check_md5_many(["a" * 32, "b" * 32]).values()
        outcomes += client.check_hash_many([HASH]).values()
        assert {type(outcome) for outcome in outcomes} == {CannotTell}

"""Answers written by hand from the specification, fed to both clients through httpx2's own transport."""

from __future__ import annotations

import asyncio
import base64
import inspect
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from vinflow.bakong import AsyncClient, AsyncHostedClient, Client, HostedClient

HASH = "5b1f0c0e7a9d4c1d8f3a2b6e9c7d5e4f1a0b3c2d5e6f7a8b9c0d1e2f3a4b5c6d"
DATE = "Tue, 24 Nov 2026 03:00:00 GMT"


def transaction(**changes: Any) -> dict[str, Any]:
    """The transaction object of the specification's own sample, with changes."""
    return {
        "hash": HASH,
        "fromAccountId": "abaakhppxxx@abaa",
        "toAccountId": "shop_owner@bkrt",
        "currency": "USD",
        "amount": 0.01,
        "description": None,
        "createdDateMs": 1772125349000,
        "acknowledgedDateMs": 1772125351000,
        "trackingStatus": None,
        "receiverBank": None,
        "receiverBankAccount": None,
        "instructionRef": None,
        "externalRef": "100FT36931627892",
    } | changes


def envelope(code: int = 0, error: int | None = None, message: str = "", data: Any = None) -> dict[str, Any]:
    """An answer in the envelope of the Open API."""
    return {"responseCode": code, "responseMessage": message, "errorCode": error, "data": data}


NOT_FOUND = envelope(1, 1, "Transaction could not be found. Please check and try again.")
UNAUTHORIZED = envelope(1, 6, "Unauthorized, not yet requested for token or code invalid")
QUOTA = envelope(1, 17, "Daily request limit of 100 exceeded. Please try again tomorrow.")
NGINX_403 = b"<html><head><title>403 Forbidden</title></head><body><h1>403 Forbidden</h1></body></html>"


def answer(body: Any, status: int = 200, **headers: str) -> httpx2.Response:
    """An HTTP answer. bytes are sent as they are, as HTML; anything else as JSON."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if isinstance(body, bytes):
        return httpx2.Response(
            status, content=body, headers={"Content-Type": "text/html", "Date": DATE} | named
        )
    text = json.dumps(body)
    kind = {"Content-Type": "application/json", "Date": DATE}
    return httpx2.Response(status, content=text.encode(), headers=kind | named)


def jwt(exp_s: float, token_id: str = "00112233445566aa", salt: str = "x") -> str:
    """A token as Bakong gives them out, with a signature that nobody can check."""

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    head = part({"alg": "HS256", "typ": "JWT"})
    payload = part({"data": {"id": token_id}, "iat": int(exp_s) - 7_776_000, "exp": int(exp_s), "s": salt})
    return f"{head}.{payload}.c2lnbmF0dXJlLW9mLWEtdG9rZW4tdGhhdC1pcy1ub25l"


class Desk:
    """The other side: a queue of answers, or a function of the request. Keeps what it was asked."""

    def __init__(self, *answers: Any) -> None:
        self.asked: list[httpx2.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        given = self._answers[0] if len(self._answers) == 1 else self._answers.pop(0)
        if callable(given):
            given = given(request)
        if isinstance(given, Exception):
            raise given
        return given if isinstance(given, httpx2.Response) else answer(given)

    @property
    def paths(self) -> list[str]:
        """The last part of every path that was asked."""
        return [request.url.path.rsplit("/", 1)[-1] for request in self.asked]

    def body(self, number: int = -1) -> Any:
        """The JSON of one request."""
        return json.loads(self.asked[number].content)

    def tokens(self) -> list[str | None]:
        """The token of every request."""
        return [(r.headers.get("authorization") or "").removeprefix("Bearer ") or None for r in self.asked]


class Facade:
    """A blocking or an async client, called the same way."""

    def __init__(self, client: Any, runner: asyncio.Runner | None) -> None:
        self.client = client
        self._runner = runner

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.client, name)

        def call(*args: Any, **options: Any) -> Any:
            result = method(*args, **options)
            if not inspect.isawaitable(result):
                return result
            assert self._runner is not None

            async def wait() -> Any:
                return await result

            return self._runner.run(wait())

        return call

    def close(self) -> None:
        """Close the client and its loop."""
        if self._runner is None:
            self.client.close()
        else:
            self.aclose()
            self._runner.close()


Make = Callable[..., Facade]


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every test that makes a client runs with both drivers."""
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Iterator[Make]:
    """Make a client that is answered by a function: make(desk, **options)."""
    made: list[Facade] = []

    def build(
        desk: Any = None, *, hosted: bool = False, base_url: str = "https://bakong.test", **options: Any
    ) -> Facade:
        blocking = kind == "blocking"
        cls: Any = (
            (HostedClient if blocking else AsyncHostedClient)
            if hosted
            else (Client if blocking else AsyncClient)
        )
        if desk is not None:
            options["transport"] = httpx2.MockTransport(desk)
        if "tokens" not in options:
            options.setdefault("token", jwt(4_000_000_000))
        if options.get("token") is None:
            options.pop("token", None)
        facade = Facade(cls(base_url, **options), None if blocking else asyncio.Runner())
        made.append(facade)
        return facade

    yield build
    for facade in made:
        facade.close()

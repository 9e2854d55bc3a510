"""The client meets the stand-in: two programs that share no line of code, over a real socket."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.bakong.conftest import Facade

from vinflow.bakong import AsyncClient, AsyncHostedClient, Client, Exchange, HostedClient
from vinflow.sandbox import Sandbox, SandboxServer, Switches


class Bank:
    """A stand-in on a port of its own, and what tests do to it."""

    def __init__(self, switches: dict[str, Any], *, tls: bool = False) -> None:
        self.sandbox = Sandbox(seed=4, settings=Switches().change(**switches))
        self.server = SandboxServer(self.sandbox, tls=tls).start()

    @property
    def url(self) -> str:
        return self.server.url

    def calls(self, name: str | None = None) -> list[Any]:
        """The call log of the other side."""
        return self.sandbox.calls(name)

    def names(self) -> list[str]:
        """Which calls came in, in order."""
        return [record.call for record in self.sandbox.calls()]

    def qr(self, amount: str | None = "10.50", **options: Any) -> tuple[str, str]:
        """A KHQR and its md5."""
        text = self.sandbox.qr(amount, **options)
        return text, hashlib.md5(text.encode()).hexdigest()

    def close(self) -> None:
        """Stop listening and forget."""
        self.server.stop()
        self.sandbox.close()


@pytest.fixture
def open_bank() -> Iterator[Callable[..., Bank]]:
    """Open a stand-in: open_bank(md5_list="open", ...)."""
    opened: list[Bank] = []

    def build(*, tls: bool = False, **switches: Any) -> Bank:
        bank = Bank(switches, tls=tls)
        opened.append(bank)
        return bank

    yield build
    for bank in opened:
        bank.close()


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every meeting happens twice, with both drivers."""
    return str(request.param)


@pytest.fixture
def shop(kind: str) -> Iterator[Callable[..., Facade]]:
    """A client of a stand-in, with its token and its clock: shop(bank, email=..., ...)."""
    made: list[Facade] = []

    def build(bank: Bank, *, hosted: bool = False, **options: Any) -> Facade:
        sandbox = bank.sandbox
        options.setdefault("clock", lambda: sandbox.clock.now_ms() / 1000)
        if "tokens" not in options:
            options.setdefault("token", sandbox.hosted_token if hosted else sandbox.token)
        if hosted:
            options.setdefault("merchant_id", sandbox.merchant_md5)
        blocking = kind == "blocking"
        cls: Any = (
            (HostedClient if hosted else Client)
            if blocking
            else (AsyncHostedClient if hosted else AsyncClient)
        )
        facade = Facade(cls(bank.url, **options), None if blocking else asyncio.Runner())
        made.append(facade)
        return facade

    yield build
    for facade in made:
        facade.close()


@pytest.fixture
def told() -> list[Exchange]:
    """A hook's list of exchanges."""
    return []

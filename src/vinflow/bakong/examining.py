"""Looking at one way to Bakong because a person asks: how it is reached, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from .advice import Finding
from .client import Client, HostedClient
from .diagnosis import Diagnosis
from .results import Account, CannotTell
from .tokens import TokenStore
from .wire import Call, Exchange

__all__ = ["Way", "examine", "look_up_account"]


@dataclass(frozen=True, slots=True)
class Way:
    """How Bakong is reached from here. calls_left: of the day, by the site's ledger; None without one."""

    url: str
    merchant: str
    hosted: bool
    tokens: TokenStore
    email: str | None
    proxy: str | None
    timeout_s: float
    calls_left: int | None = None
    budget: Callable[[Call[Any]], object | None] | None = None
    on_exchange: Callable[[Exchange], None] | None = None
    notes: tuple[Finding, ...] = field(default=())


def examine(way: Way, ca_file: str | None = None) -> tuple[Diagnosis, bool]:
    """Return the diagnosis, and whether the budget of the way refused some of its calls.

    Three metered calls at most. Raises WrongArgument, NotConfigured before anything is sent.
    """
    with _opened(way, ca_file) as (client, spared):
        found = client.diagnose() if isinstance(client, HostedClient) else client.diagnose(way.merchant)
        return found, bool(spared)


def look_up_account(way: Way) -> Account | CannotTell:
    """Return what Bakong says of the receiving account, by one metered call.

    way: not a hosted one, whose dialect knows no such call. Raises WrongArgument before anything is sent
    when the merchant is no account.
    """
    with _opened(way, None) as (client, _spared):
        assert isinstance(client, Client), "the hosted dialect knows no such call"
        return client.account_exists(way.merchant)


@contextmanager
def _opened(way: Way, ca_file: str | None) -> Iterator[tuple[Client | HostedClient, list[bool]]]:
    """Yield a client on this way, and a list that grows with each call its budget refuses."""
    spared: list[bool] = []

    def budget(call: Call[Any]) -> object | None:
        # The look without a token is free at Bakong, so it takes nothing from the ledger either.
        if way.budget is None or not call.metered:
            return ""
        ticket = way.budget(call)
        if ticket is None:
            spared.append(True)
        return ticket

    options: dict[str, Any] = {
        "email": way.email,
        "tokens": way.tokens,
        "proxy": way.proxy,
        "timeout_s": way.timeout_s,
        "budget": budget,
        "on_exchange": way.on_exchange,
        "ca_file": ca_file,
    }
    client: Client | HostedClient
    if way.hosted:
        client = HostedClient(way.url, merchant_id=way.merchant, **options)
    else:
        client = Client(way.url, **options)
    with client:
        yield client, spared

"""A stand-in for each test, at a moment that stands still, and a client that asks it questions."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import pytest

from vinflow.sandbox import Clock, Sandbox, SandboxServer

NOON_MS = 1_764_565_200_000  # 1 December 2025, 12:00 in Phnom Penh

Ask = Callable[..., httpx2.Response]


@pytest.fixture
def bank() -> Iterator[Sandbox]:
    """A stand-in whose clock stands still at noon."""
    sandbox = Sandbox(clock=Clock(frozen_at_ms=NOON_MS))
    yield sandbox
    sandbox.close()


@pytest.fixture
def server(bank: Sandbox) -> Iterator[SandboxServer]:
    """The same stand-in on a port, its control interface open."""
    with SandboxServer(bank, control=True) as running:
        yield running


@pytest.fixture(scope="session")
def trust() -> ssl.SSLContext:
    """A TLS context that plain http never uses: reading the authorities takes longer than a test."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def http(server: SandboxServer, trust: ssl.SSLContext) -> Iterator[httpx2.Client]:
    """A plain HTTP client at the stand-in's address."""
    agent = {"user-agent": "shop/1"}
    with httpx2.Client(
        base_url=server.url, timeout=10, headers=agent, verify=trust, trust_env=False
    ) as client:
        yield client


@pytest.fixture
def ask(http: httpx2.Client, bank: Sandbox) -> Ask:
    """Call one of the ten by name: ask("check_transaction_by_md5", {"md5": ...}); token=None sends none."""

    def call(
        name: str, body: Any, *, token: str | None = bank.token, method: str = "POST"
    ) -> httpx2.Response:
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        return http.request(method, f"/v1/{name}", json=body, headers=headers)

    return call

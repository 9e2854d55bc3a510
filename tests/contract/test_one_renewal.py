"""Ten threads, ten tasks and two processes meet an expired token: one renewal stands in the call log."""

from __future__ import annotations

import asyncio
import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from vinflow.bakong import AsyncClient, Client, FileTokenStore, MemoryTokenStore, NotFound

Open = Callable[..., Any]
MD5 = "0" * 32


@pytest.fixture(params=["known to be over", "refused", "refused with 200", "revoked by its renewal"])
def bank(request: pytest.FixtureRequest, open_bank: Open) -> Any:
    """A stand-in, and .old: a token that has ended. .behind_s: how slow the shop's clock is."""
    opened = open_bank(
        quota=None,
        unauthorized_status=200 if request.param == "refused with 200" else 401,
        renewal_revokes=request.param == "revoked by its renewal",
    )
    opened.old = opened.sandbox.expired_token(email=opened.sandbox.email)
    opened.behind_s = 0.0 if request.param == "known to be over" else 30 * 86_400.0
    return opened


def clock_of(bank: Any) -> Callable[[], float]:
    """The shop's clock."""
    return lambda: bank.sandbox.clock.now_ms() / 1000 - bank.behind_s


def test_ten_threads_renew_once(bank: Any) -> None:
    together = threading.Barrier(10)

    def ask(_: int) -> object:
        together.wait(10)
        return client.check_md5(MD5)

    with Client(bank.url, bank.old, bank.sandbox.email, clock=clock_of(bank)) as client:
        with ThreadPoolExecutor(10) as threads:
            outcomes = list(threads.map(ask, range(10)))
        outcomes.append(client.check_md5(MD5))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert len(bank.calls("renew_token")) == 1


def test_ten_threads_with_a_client_each_renew_once(bank: Any) -> None:
    store = MemoryTokenStore(bank.old)
    together = threading.Barrier(10)

    def ask(_: int) -> object:
        with Client(bank.url, email=bank.sandbox.email, tokens=store, clock=clock_of(bank)) as client:
            together.wait(10)
            return client.check_md5(MD5)

    with ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(ask, range(10)))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert len(bank.calls("renew_token")) == 1


async def test_ten_tasks_renew_once(bank: Any) -> None:
    async with AsyncClient(bank.url, bank.old, bank.sandbox.email, clock=clock_of(bank)) as client:
        outcomes = await asyncio.gather(*(client.check_md5(MD5) for _ in range(10)))
        outcomes.append(await client.check_md5(MD5))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert len(bank.calls("renew_token")) == 1


async def test_tasks_of_two_clients_with_one_store_renew_once(bank: Any) -> None:
    store = MemoryTokenStore(bank.old)
    options: dict[str, Any] = {"email": bank.sandbox.email, "tokens": store, "clock": clock_of(bank)}
    async with AsyncClient(bank.url, **options) as one, AsyncClient(bank.url, **options) as other:
        outcomes = await asyncio.gather(*(client.check_md5(MD5) for client in (one, other) * 5))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert len(bank.calls("renew_token")) == 1


def ask_from_a_process(
    url: str, path: str, old: str, email: str, behind_s: float, ready: Any, told: Any
) -> None:
    """Five threads of another process, with the store in a file."""

    store = FileTokenStore(path, old)
    with Client(url, email=email, tokens=store, clock=lambda: time.time() - behind_s) as client:
        ready.wait(30)
        with ThreadPoolExecutor(5) as threads:
            outcomes = list(threads.map(lambda _: client.check_md5(MD5), range(5)))
    told.put([type(outcome).__name__ for outcome in outcomes])


def test_two_processes_renew_once(bank: Any, tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    ready, told = spawn.Barrier(2), spawn.Queue()
    arguments = (bank.url, str(tmp_path / "token"), bank.old, bank.sandbox.email, bank.behind_s, ready, told)
    processes = [spawn.Process(target=ask_from_a_process, args=arguments) for _ in range(2)]
    for process in processes:
        process.start()

    names = told.get(timeout=60) + told.get(timeout=60)
    for process in processes:
        process.join(30)

    assert names == ["NotFound"] * 10
    assert len(bank.calls("renew_token")) == 1
    assert FileTokenStore(tmp_path / "token", bank.old).current().value != bank.old  # type: ignore[union-attr]


def test_the_next_process_starts_with_the_renewed_token(bank: Any, tmp_path: Path) -> None:
    for _ in range(2):
        store = FileTokenStore(tmp_path / "token", bank.old)
        with Client(bank.url, email=bank.sandbox.email, tokens=store, clock=clock_of(bank)) as client:
            assert isinstance(client.check_md5(MD5), NotFound)

    assert len(bank.calls("renew_token")) == 1

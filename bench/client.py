"""What the Bakong client costs over what it is made of: ratios, measured interleaved in one run.

    call    one check_md5 over the bare HTTP library asking the same server: at most 1.25 (medians)
    batch   reading an answer about 50 QRs over reading an answer about one: at most 25 times
    pool    100 async checks at once: as many connections as the one pool holds, no more

Run: python -m bench.client            prints a table; exit code 1 when a bound is broken
     python -m bench.client --json     one JSON object
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

import httpx2

from vinflow.bakong import AsyncClient, Call, Client, Found, endpoints
from vinflow.bakong.carrying import CONNECTIONS_MAX, reply
from vinflow.bakong.keyring import Send
from vinflow.bakong.wire import Reply

CALL_RATIO_MAX = 1.25
BATCH_RATIO_MAX = 25.0
DATE = "Tue, 24 Nov 2026 03:00:00 GMT"
MD5 = "0dbe08d3829a8b6b59844e51aa38a4e2"


def transaction(number: int) -> dict[str, Any]:
    """A transaction object in full."""
    return {
        "hash": f"{number:064x}",
        "fromAccountId": "abaakhppxxx@abaa",
        "toAccountId": "shop_owner@bkrt",
        "currency": "USD",
        "amount": 10.5,
        "description": None,
        "createdDateMs": 1772125349000,
        "acknowledgedDateMs": 1772125351000,
        "trackingStatus": None,
        "receiverBank": None,
        "receiverBankAccount": None,
        "instructionRef": None,
        "externalRef": f"100FT{number:011d}",
    }


def single() -> bytes:
    """The answer about one paid QR."""
    return json.dumps(
        {
            "responseCode": 0,
            "responseMessage": "Getting transaction successfully.",
            "errorCode": None,
            "data": transaction(1),
        }
    ).encode()


def batch(md5s: list[str]) -> bytes:
    """The answer about many paid QRs."""
    items = [
        {"md5": md5, "status": "SUCCESS", "message": "Transaction success", "data": transaction(number)}
        for number, md5 in enumerate(md5s)
    ]
    return json.dumps(
        {"responseCode": 0, "responseMessage": "Getting transaction data successfully.", "data": items}
    ).encode()


class ConstantServer:
    """Says the same to everyone, as fast as asyncio can, in a thread of its own; counts connections."""

    def __init__(self, body: bytes, delay_s: float = 0.0) -> None:
        self.answer = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: %s\r\nContent-Length: %d\r\n\r\n%s"
            % (DATE.encode(), len(body), body)
        )
        self.delay_s = delay_s
        self.connections = 0
        self.requests = 0
        self._ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                self.requests += 1
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def quiet() -> Any:
    """No garbage collection in the middle of a measurement."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def interleaved(
    one: Callable[[], Any],
    other: Callable[[], Any],
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> tuple[float, float]:
    """Return the median seconds of each, taken in turns, so that noise falls on both alike.

    clock: the time of the wall, or of this thread alone where nothing but computing is measured.
    """
    for _ in range(200):
        one()
        other()
    ones, others = [], []
    with quiet():
        for number in range(rounds):
            pair = ((one, ones), (other, others))
            for do, times in pair if number % 2 else pair[::-1]:
                begun = clock()
                do()
                times.append(clock() - begun)
    return statistics.median(ones), statistics.median(others)


def call_cost(rounds: int) -> dict[str, float]:
    """Blocking: a check over a bare POST of the same body with the same headers."""
    server = ConstantServer(single())
    token = jwt_like()
    with Client(server.url, token) as client, httpx2.Client(trust_env=False) as bare:
        url = f"{server.url}/v1/check_transaction_by_md5"
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

        def ours() -> None:
            assert isinstance(client.check_md5(MD5), Found)

        def theirs() -> None:
            assert bare.post(url, json={"md5": MD5}, headers=headers).json()["responseCode"] == 0

        mine, base = interleaved(ours, theirs, rounds)
    return {"client_us": mine * 1e6, "bare_us": base * 1e6, "ratio": mine / base}


def async_call_cost(rounds: int) -> dict[str, float]:
    """Async: the same, one after the other in one loop."""
    server = ConstantServer(single())
    token = jwt_like()
    url = f"{server.url}/v1/check_transaction_by_md5"
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}

    async def measure() -> tuple[float, float]:
        ones: list[float] = []
        others: list[float] = []
        async with AsyncClient(server.url, token) as client, httpx2.AsyncClient(trust_env=False) as bare:
            for number in range(200 + rounds):
                if number == 200:
                    ones, others = [], []
                for mine in (True, False) if number % 2 else (False, True):
                    begun = time.perf_counter()
                    if mine:
                        assert isinstance(await client.check_md5(MD5), Found)
                    else:
                        answer = await bare.post(url, json={"md5": MD5}, headers=headers)
                        assert answer.json()["responseCode"] == 0
                    (ones if mine else others).append(time.perf_counter() - begun)
        return statistics.median(ones), statistics.median(others)

    with quiet():
        mine, base = asyncio.run(measure())
    return {"client_us": mine * 1e6, "bare_us": base * 1e6, "ratio": mine / base}


def reading_cost(rounds: int) -> dict[str, float]:
    """Reading: from an HTTP answer in memory to outcomes, secrets taken out. table_ratio: the table alone."""
    md5s = [f"{number:032x}" for number in range(50)]
    headers = {
        "Content-Type": "application/json",
        "Date": DATE,
        "Server": "nginx",
        "Connection": "keep-alive",
    }
    client = Client("http://127.0.0.1:1", jwt_like())
    token = client._keyring.store.current()
    asked_one = next(endpoints.check_md5(MD5))
    asked_many = next(endpoints.check_md5_list(md5s))
    assert isinstance(asked_one, Call)
    assert isinstance(asked_many, Call)
    body_one, body_many = single(), batch(md5s)
    answer_one, answer_many = (
        httpx2.Response(200, headers=headers, content=body) for body in (body_one, body_many)
    )

    def one() -> None:
        outcome, _ = client._understand(Send(asked_one, token), reply(answer_one, body_one))
        assert isinstance(outcome, Found)

    def many() -> None:
        outcomes, _ = client._understand(Send(asked_many, token), reply(answer_many, body_many))
        assert len(outcomes) == 50

    single_s, many_s = interleaved(one, many, rounds, time.thread_time)
    plain_one, plain_many = (Reply(200, body, None, DATE) for body in (body_one, body_many))
    table_one, table_many = interleaved(
        lambda: asked_one.read(plain_one), lambda: asked_many.read(plain_many), rounds, time.thread_time
    )
    return {
        "one_us": single_s * 1e6,
        "fifty_us": many_s * 1e6,
        "ratio": many_s / single_s,
        "table_ratio": table_many / table_one,
    }


def jwt_like() -> str:
    """A token as long as Bakong's."""
    return "x" * 172


def pool_use() -> dict[str, float]:
    """A hundred checks at once: how many connections the server saw."""
    server = ConstantServer(single(), delay_s=0.01)

    async def measure() -> float:
        async with AsyncClient(server.url, jwt_like()) as client:
            begun = time.perf_counter()
            outcomes = await asyncio.gather(*(client.check_md5(MD5) for _ in range(100)))
            seconds = time.perf_counter() - begun
        assert all(isinstance(outcome, Found) for outcome in outcomes)
        return seconds

    seconds = asyncio.run(measure())
    return {"connections": server.connections, "requests": server.requests, "seconds": seconds}


def main() -> int:
    """Measure, print, and say by the exit code whether the bounds hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3000)
    options = parser.parse_args()
    results = {
        "call": call_cost(options.rounds),
        "async call": async_call_cost(options.rounds),
        "batch of 50": reading_cost(options.rounds),
        "pool of 100 checks": pool_use(),
    }
    kept = {
        "call": results["call"]["ratio"] <= CALL_RATIO_MAX,
        "async call": results["async call"]["ratio"] <= CALL_RATIO_MAX,
        "batch of 50": results["batch of 50"]["ratio"] <= BATCH_RATIO_MAX,
        "pool of 100 checks": results["pool of 100 checks"]["connections"] <= CONNECTIONS_MAX,
    }
    if options.json:
        print(json.dumps({"results": results, "kept": kept}))
    else:
        for name, figures in results.items():
            shown = ", ".join(f"{key} {value:.2f}" for key, value in figures.items())
            print(f"{name:20} {'kept  ' if kept[name] else 'BROKEN'}  {shown}")
    return 0 if all(kept.values()) else 1


if __name__ == "__main__":
    sys.exit(main())

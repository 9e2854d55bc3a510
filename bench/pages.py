"""The payer's pages: what a page and its status address cost, and two thousand open pages on one process.

    python -m bench.pages [--json] [--streams 2000]

Server time of the checkout, of its status address and of a view that does nothing, behind the same
middleware, in interleaved rounds (medians); their queries. Then one granian process with thousands of
event streams open: memory a page, and, when every payment is credited by another process, who hears of
it and when; on SQLite (the poll alone carries the news) and on PostgreSQL (NOTIFY does).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from scripts.postgres import scratch_cluster

from vinflow.cli.ports import free_port, wait_until_answers

ROOT = Path(__file__).resolve().parent.parent
SPARE_FILES = 500  # of the process beside its streams
USERS = 100
ROUNDS = 300


def environment(folder: Path, database: str) -> dict[str, str]:
    """Return what every process of the bench is given."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "vinflow.project.settings",
        "VINFLOW_ENV_FILE": "",
        "VINFLOW_HOME": str(folder),
        "DATABASE_URL": database,
        "SECRET_KEY": "only-the-bench-uses-this-key-" + "0123456789" * 3,
        "ALLOWED_HOSTS": "127.0.0.1,testserver",
        "VINFLOW_HTTPS": "off",
        "VINFLOW_WATCHER": "none",
        "LOG_LEVEL": "error",
        "KHQR_API_URL": "http://127.0.0.1:9",
        "KHQR_MERCHANT_ID": "vinflow_bench@devb",
        "KHQR_API_KEY": "a-token-of-the-bench",
        "KHQR_ENVIRONMENT": "sandbox",
        "KHQR_MERCHANT_NAME": "VinFlow Bench",
    }


def in_process(part: str, given: dict[str, str], *arguments: str) -> Any:
    """Run one of the parts below in a process of its own; return what it printed, read as JSON."""
    command = [sys.executable, "-m", "bench.pages", "--part", part, *arguments]
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# ---- parts: each in a process with the site's settings ----


def part_prepare() -> list[dict[str, str]]:
    """Make the tables, the payers and a payment for each; return references with a session of their owner."""
    import django

    django.setup()
    from django.contrib.auth import get_user_model
    from django.core.management import call_command
    from django.test import Client

    from vinflow.money import Currency, Money
    from vinflow.payments import clock
    from vinflow.payments.opening import open_payment

    call_command("migrate", verbosity=0)
    made = []
    for number in range(USERS):
        user = get_user_model().objects.create_user(f"payer{number}", f"payer{number}@example.com")
        money = Money(1000, Currency.USD)
        payment = open_payment(user=user, money=money, key=f"bench-{number}", at=clock.now())
        client = Client()
        client.force_login(user)
        made.append({"reference": payment.transaction_id, "session": client.cookies["sessionid"].value})
    return made


def part_credit() -> dict[str, float]:
    """Credit every payment, as the watcher does; return the moment each credit began, by reference."""
    import django

    django.setup()
    from datetime import timedelta
    from decimal import Decimal

    from vinflow.bakong import Found
    from vinflow.bakong.results import Transfer
    from vinflow.payments import answering, clock, gateways
    from vinflow.payments.models import Attempt

    gateway = gateways.current()
    done: dict[str, float] = {}
    for number, attempt in enumerate(Attempt.objects.select_related("payment").order_by("pk")):
        at = clock.now() - timedelta(seconds=1)
        found = Transfer(
            hash=f"{number:064x}",
            amount=Decimal(attempt.payment.money.plain),
            currency=str(attempt.payment.money.currency),
            from_account="dara@aclb",
            to_account=attempt.receiver,
            created_at=at,
            acknowledged_at=at,
            external_ref=f"100FT{number}",
            raw={},
        )
        outcome = Found(transfer=found, raw={})
        done[attempt.payment.transaction_id] = time.time()  # before the commit: what is told is the longest
        answering.take_answer(attempt, outcome, started_at=clock.now(), gateway=gateway)
    return done


def part_times() -> dict[str, Any]:
    """Return medians in milliseconds of the page, its status and a view that does nothing, interleaved."""
    made = part_prepare()[0]
    from django.db import connection
    from django.http import HttpResponse, JsonResponse
    from django.test import Client
    from django.test.utils import CaptureQueriesContext
    from django.urls import path

    from vinflow.project import urls

    def nothing(_request: Any) -> HttpResponse:
        return JsonResponse({"state": "pending"})

    urls.urlpatterns.insert(0, path("nothing/", nothing))
    client = Client()
    client.cookies["sessionid"] = made["session"]
    address = f"/payment/{made['reference']}/"
    asked = {
        "nothing": ("/nothing/", {"Accept": "application/json"}),
        "status": (f"{address}status/", {"Accept": "application/json"}),
        "checkout": (address, {}),
    }
    queries, sizes = {}, {}
    for name, (where, headers) in asked.items():
        client.get(where, headers=headers)  # compiled templates and queries are the usual case
        with CaptureQueriesContext(connection) as seen:
            answer = client.get(where, headers=headers)
        if answer.status_code != 200:
            raise SystemExit(f"{where}: {answer.status_code}")
        queries[name], sizes[name] = len(seen), len(answer.content)
    took: dict[str, list[float]] = {name: [] for name in asked}
    for _ in range(ROUNDS):
        for name, (where, headers) in asked.items():
            began = time.perf_counter()
            client.get(where, headers=headers)
            took[name].append((time.perf_counter() - began) * 1000)
    medians = {name: statistics.median(each) for name, each in took.items()}
    return {"ms": medians, "queries": queries, "bytes": sizes}


PARTS = {"prepare": part_prepare, "credit": part_credit, "times": part_times}


# ---- two thousand streams ----


def allow_files(streams: int) -> None:
    """Let this process and the server it starts hold a socket for each stream; stop when they may not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = streams + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise SystemExit(f"{streams} streams need {needed} open files; this machine allows {hard}")
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def resident_kb(pid: int) -> int:
    """Return the resident memory of a process and its children, in kB."""
    total = 0
    todo = [pid]
    while todo:
        each = todo.pop()
        for line in Path(f"/proc/{each}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                total += int(line.split()[1])
        todo += [int(child) for child in Path(f"/proc/{each}/task/{each}/children").read_text().split()]
    return total


async def hold(port: int, made: list[dict[str, str]], streams: int, given: dict[str, str], pid: int) -> Any:
    """Open the streams, measure, let another process credit everything, and wait for the news on each."""
    heard: list[tuple[str, float]] = []
    statuses: list[bytes] = []
    opened = asyncio.Semaphore(50)
    writers: list[asyncio.StreamWriter] = []

    async def page(one: dict[str, str]) -> None:
        async with opened:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writers.append(writer)
            request = f"GET /payment/{one['reference']}/events HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            writer.write(f"{request}Cookie: sessionid={one['session']}\r\n\r\n".encode())
            await writer.drain()
            statuses.append((await reader.readline()).split()[1])
            while b"retry" not in await reader.readline():
                pass
        ready.append(one["reference"])
        while b"event: change" not in await reader.readline():
            pass
        heard.append((one["reference"], time.time()))

    ready: list[str] = []
    before = resident_kb(pid)
    began = time.perf_counter()
    pages = [asyncio.create_task(page(made[number % len(made)])) for number in range(streams)]
    while len(ready) < streams:
        await asyncio.sleep(0.05)
        if failed := [each.exception() for each in pages if each.done() and each.exception()]:
            raise SystemExit(f"a page could not be opened: {failed[0]!r}")
    opening_s = time.perf_counter() - began
    await asyncio.sleep(2)
    after = resident_kb(pid)
    credited = await asyncio.to_thread(in_process, "credit", given)
    missed = 0
    try:
        async with asyncio.timeout(30):
            await asyncio.gather(*pages)
    except TimeoutError:
        missed = sum(not each.done() for each in pages)
    late = sorted((at - credited[reference]) * 1000 for reference, at in heard)
    for writer in writers:
        writer.close()
    return {
        "streams": streams,
        "opening_s": opening_s,
        "refused": sum(status != b"200" for status in statuses),
        "kb_a_page": (after - before) / streams,
        "server_mb": after / 1024,
        "missed": missed,
        "news_ms": {
            "p50": late[len(late) // 2] if late else None,
            "p95": late[int(len(late) * 0.95)] if late else None,
            "max": late[-1] if late else None,
        },
    }


def open_pages(streams: int, *, postgres: bool) -> Any:
    """Start a site, hold the streams, stop it; return the figures."""
    with ExitStack() as endings:
        folder = Path(endings.enter_context(tempfile.TemporaryDirectory(prefix="vinflow-pages-")))
        database = f"sqlite:///{folder / 'site.sqlite3'}"
        if postgres:
            database = urlsplit(endings.enter_context(scratch_cluster())).geturl()
        given = environment(folder, database)
        made = in_process("prepare", given)
        port = free_port()
        given |= {"VINFLOW_PORT": str(port), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        command = ["sh", str(ROOT / "deploy" / "start.sh"), "web"]  # as it is deployed
        server = subprocess.Popen(command, env=given)
        try:
            wait_until_answers(port, alive=lambda: server.poll() is None, wait_s_max=60)
            return asyncio.run(hold(port, made, streams, given, server.pid))
        finally:
            server.terminate()
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def main() -> int:
    """Measure and print; return 1 when a promise is broken."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--json", action="store_true")
    reader.add_argument("--streams", type=int, default=2000)
    reader.add_argument("--part", choices=sorted(PARTS))
    arguments = reader.parse_args()
    if arguments.part:
        print(json.dumps(PARTS[arguments.part]()))
        return 0
    allow_files(arguments.streams)
    with tempfile.TemporaryDirectory(prefix="vinflow-pages-") as folder:
        database = f"sqlite:///{Path(folder) / 'site.sqlite3'}"
        times = in_process("times", environment(Path(folder), database))
    found = {
        "server": times,
        "sqlite": open_pages(arguments.streams, postgres=False),
        "postgresql": open_pages(arguments.streams, postgres=True),
    }
    if arguments.json:
        print(json.dumps(found, indent=1))
    else:
        tell(found)
    ratio = times["ms"]["status"] / times["ms"]["nothing"]
    missed = sum(found[name]["missed"] + found[name]["refused"] for name in ("sqlite", "postgresql"))
    slowest_ms = max(found[name]["news_ms"]["max"] or 0 for name in ("sqlite", "postgresql"))
    return int(ratio > 4 or times["queries"]["status"] > 2 or missed > 0 or slowest_ms > 1000)


def tell(found: dict[str, Any]) -> None:
    """Print the figures as sentences of one line."""
    times = found["server"]
    for name, milliseconds in times["ms"].items():
        ratio = milliseconds / times["ms"]["nothing"]
        print(
            f"{name:9} {milliseconds:7.2f} ms  {ratio:5.1f} x a view that does nothing, "
            f"{times['queries'][name]} queries, {times['bytes'][name]} bytes"
        )
    for name in ("sqlite", "postgresql"):
        one = found[name]
        news = {key: "-" if value is None else f"{value:.0f}" for key, value in one["news_ms"].items()}
        print(
            f"{name}: {one['streams']} open pages, {one['kb_a_page']:.1f} kB each "
            f"(server {one['server_mb']:.0f} MB); refused {one['refused']}, missed {one['missed']}; from the "
            f"credit's start to heard p50 {news['p50']} ms, p95 {news['p95']} ms, all {news['max']} ms"
        )


if __name__ == "__main__":
    sys.exit(main())

"""Money credited by one process is seen by a page that another holds open: PostgreSQL carries the news."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from asgiref.sync import sync_to_async
from django.db import connection

from vinflow.storefront import events, listening
from vinflow.storefront.events import Hub

pytestmark = pytest.mark.postgres

# A process of its own: says that it is ready, waits for a line, credits, says when the commit was over.
OTHER = """
import sys, django
django.setup()
from datetime import timedelta
from decimal import Decimal
from vinflow.bakong import Found
from vinflow.bakong.results import Transfer
from vinflow.payments import answering, clock, gateways
from vinflow.payments.models import Attempt
attempt = Attempt.objects.select_related("payment").get(md5=sys.argv[1])
gateway = gateways.current()
print("ready", flush=True)
sys.stdin.readline()
at = clock.now() - timedelta(seconds=1)
money = attempt.payment.money
transfer = Transfer(hash="ab" * 32, amount=Decimal(money.plain), currency=str(money.currency),
                    from_account="dara@aclb", to_account=attempt.receiver, created_at=at,
                    acknowledged_at=at, external_ref="100FT1", raw={})
answering.take_answer(attempt, Found(transfer=transfer, raw={}), started_at=clock.now(), gateway=gateway)
"""


LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'vinflow pages'"


@pytest.fixture
def opened(transactional_db: None, house_class: Any) -> Any:
    """(payment, md5 of its QR), committed."""
    shop = house_class()
    payment = shop.opened(shop.payer())
    return payment, payment.attempts.get().md5


@pytest.fixture
def other(opened: Any) -> Any:
    """Another process on the same database, ready to credit."""
    url = (
        urlsplit(os.environ["TEST_DATABASE_URL"])
        ._replace(path=f"/{connection.settings_dict['NAME']}")
        .geturl()
    )
    process = subprocess.Popen(
        [sys.executable, "-c", OTHER, opened[1]],
        env={**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "vinflow.project.settings"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        yield process
    finally:
        process.kill()
        process.communicate()


@sync_to_async
def mark_of(payment: Any) -> Any:
    try:
        return events.marks([payment.transaction_id])[payment.transaction_id]
    finally:
        connection.close()  # of this thread: it would keep the test database from being dropped


@sync_to_async
def ask(statement: str) -> Any:
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchone()[0]
    finally:
        connection.close()


async def test_the_page_hears_of_it_without_any_poll(opened: Any, other: Any) -> None:
    payment, _md5 = opened
    hub = Hub(poll_s=3600)  # the poll could not have told it
    mark = await mark_of(payment)

    async with hub.page(payment.transaction_id, user=1, mark=mark) as bell, asyncio.timeout(30):
        assert bell is not None
        await hub.listening.wait()
        assert not bell.is_set()
        other.stdin.write("\n")
        other.stdin.flush()
        await bell.wait()

    assert await mark_of(payment) != mark


async def test_one_connection_listens_for_all_pages_and_leaves_with_the_last(opened: Any) -> None:
    payment, _md5 = opened
    hub = Hub(poll_s=3600)

    async def until(count: int) -> None:
        async with asyncio.timeout(30):
            while await ask(LISTENERS) != count:
                await asyncio.sleep(0.02)

    async with hub.page(payment.transaction_id, user=1, mark=None), asyncio.timeout(30):
        await hub.listening.wait()
        async with hub.page("TXN2", user=2, mark=None):
            await until(1)
        await until(1)
    await until(0)


async def test_a_listener_that_was_cut_off_comes_back(opened: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(listening, "AGAIN_S", 0.05)
    began: list[float] = []
    heard: list[str] = []
    again = asyncio.Event()

    def ready() -> None:
        began.append(time.monotonic())
        if len(began) == 2:
            again.set()

    task = asyncio.create_task(listening.listen(heard.append, ready=ready))
    async with asyncio.timeout(20):
        while not began:
            await asyncio.sleep(0.02)
        await ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'vinflow pages'"
        )
        await again.wait()
        await ask(f"SELECT pg_notify('{listening.CHANNEL}', 'TXN7')")
        while not heard:
            await asyncio.sleep(0.02)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert heard == ["TXN7"]

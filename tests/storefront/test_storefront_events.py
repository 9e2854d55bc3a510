"""Live events: who may listen, that news arrives, that pages cost no thread and are counted."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from vinflow.storefront import events
from vinflow.storefront.events import Hub


class Listener:
    """A browser that holds a stream open, without a server between."""

    def __init__(self, path: str, cookies: str = "") -> None:
        self.scope: dict[str, Any] = {"type": "http", "method": "GET", "path": path, "headers": []}
        if cookies:
            self.scope["headers"].append((b"cookie", cookies.encode()))
        self.status = 0
        self.body = b""
        self.arrived = asyncio.Event()
        self.gone = asyncio.Event()

    async def receive(self) -> dict[str, Any]:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.body += message.get("body", b"")
        self.arrived.set()

    async def until(self, true: Callable[[], bool], timeout_s: float = 30) -> None:
        async with asyncio.timeout(timeout_s):
            while not true():
                self.arrived.clear()
                await self.arrived.wait()


@asynccontextmanager
async def listening(listener: Listener) -> AsyncIterator[Listener]:
    task = asyncio.create_task(events.application(listener.scope, listener.receive, listener.send))
    try:
        yield listener
    finally:
        listener.gone.set()
        await asyncio.wait_for(task, 30)


def cookie_of(user: Any) -> str:
    from django.conf import settings
    from django.test import Client

    client = Client()
    client.force_login(user)
    return f"a=b; {settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


@pytest.fixture
def shop(transactional_db: None, house_class: Any) -> Any:
    """The shop, its rows seen by all threads."""
    return house_class()


@pytest.fixture
def watched(shop: Any) -> Any:
    """(payment, its owner's cookie, a stranger's cookie)"""
    payment = shop.opened(shop.payer())
    return payment, cookie_of(shop.payer()), cookie_of(shop.payer("stranger"))


async def test_only_the_owner_may_listen(watched: Any) -> None:
    payment, owner, stranger = watched
    path = f"/payment/{payment.transaction_id}/events"
    answers = {}

    for name, cookie in (("nobody", ""), ("forged", "sessionid=nonsense"), ("stranger", stranger)):
        listener = Listener(path, cookie)
        async with listening(listener):
            await listener.until(lambda each=listener: each.status > 0)  # type: ignore[misc]
        answers[name] = listener.status
    listener = Listener(path, owner)
    async with listening(listener):
        await listener.until(lambda: b"retry" in listener.body)

    assert answers == {"nobody": 401, "forged": 401, "stranger": 404}
    assert listener.status == 200
    assert listener.headers[b"content-type"].startswith(b"text/event-stream")
    assert listener.headers[b"cache-control"] == b"no-store"
    assert len(events.hub) == 0


async def test_money_rings_the_page_without_any_poll(
    watched: Any, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How soon the bell is heard is `bench.pages`' figure; that it is the bell is told here."""
    monkeypatch.setattr(events.hub, "poll_s", 3600)
    payment, owner, _stranger = watched
    listener = Listener(f"/payment/{payment.transaction_id}/events", owner)

    async with listening(listener):
        await listener.until(lambda: b"retry" in listener.body)
        assert b"change" not in listener.body
        await sync_to_async(shop.paid, thread_sensitive=False)(payment)
        await listener.until(lambda: b"event: change\ndata: 1\n\n" in listener.body)

    assert payment.transaction_id.encode() not in listener.body


async def test_a_change_made_by_another_process_is_seen_by_the_poll(watched: Any, shop: Any) -> None:
    from vinflow.payments.models import Payment

    payment, owner, _stranger = watched
    listener = Listener(f"/payment/{payment.transaction_id}/events", owner)

    async with listening(listener):
        await listener.until(lambda: b"retry" in listener.body)
        touch = Payment.objects.filter(pk=payment.pk).update  # no signal is sent, as from another process
        await sync_to_async(touch, thread_sensitive=False)(version=payment.version + 1)
        await listener.until(lambda: b"change" in listener.body)


async def test_two_thousand_pages_cost_no_thread_and_nobody_misses_the_news() -> None:
    known = {f"TXN{number}": (0, False, 1) for number in range(2000)}
    hub = Hub(poll_s=0.05, read=lambda references: {reference: known[reference] for reference in references})
    opened: list[asyncio.Event] = []
    leave = asyncio.Event()

    async def page(reference: str) -> None:
        async with hub.page(reference, user=reference, mark=known[reference]) as bell:
            assert bell is not None
            opened.append(bell)
            await leave.wait()

    pages = [asyncio.create_task(page(reference)) for reference in known]
    while len(opened) < 2000:
        await asyncio.sleep(0.01)
    before = threading.active_count()
    known.update(dict.fromkeys(known, (1, False, 1)))
    async with asyncio.timeout(30):
        await asyncio.gather(*(bell.wait() for bell in opened))

    assert threading.active_count() - before <= 1
    assert len(hub) == 2000
    leave.set()
    await asyncio.gather(*pages)
    assert len(hub) == 0


async def test_one_payer_cannot_hold_all_the_streams() -> None:
    hub = Hub(read=lambda references: {})
    async with _many(hub, events.PAGES_MAX_PER_USER):
        async with hub.page("TXN1", user="greedy", mark=None) as refused:
            assert refused is None
        async with hub.page("TXN1", user="other", mark=None) as bell:
            assert bell is not None


@asynccontextmanager
async def _many(hub: Hub, count: int) -> AsyncIterator[None]:
    from contextlib import AsyncExitStack

    async with AsyncExitStack() as stack:
        for _ in range(count):
            assert await stack.enter_async_context(hub.page("TXN1", user="greedy", mark=None)) is not None
        yield


async def test_a_page_that_knows_less_than_the_hub_is_rung_at_once() -> None:
    hub = Hub(read=lambda references: {})
    async with (
        hub.page("TXN1", user=1, mark=(2, False, 1)),
        hub.page("TXN1", user=2, mark=(1, False, 1)) as late,
    ):
        assert late is not None
        assert late.is_set()


async def test_other_methods_are_refused() -> None:
    listener = Listener("/payment/TXN1/events")
    listener.scope["method"] = "POST"
    async with listening(listener):
        await listener.until(lambda: listener.status > 0)

    assert listener.status == 405


def test_where_no_stream_is_served_the_browser_is_told_to_stop_asking(client: Any) -> None:
    assert client.get("/payment/TXN1/events").status_code == 204


@pytest.mark.parametrize(
    ("soft", "hard", "room", "soft_then"),
    [(1024, 1024, 524, 1024), (1024, 4096, 2000, 2500), (256, 256, 0, 256), (9000, 9000, 2000, 9000)],
)
def test_a_process_holds_no_more_streams_than_its_open_files_allow(
    soft: int, hard: int, room: int, soft_then: int
) -> None:
    """In a process of its own: the limit is a process's, and one that was lowered stays low."""
    script = (
        f"import resource as r; r.setrlimit(r.RLIMIT_NOFILE, ({soft}, {hard}))\n"
        "from vinflow.storefront.open_files import room_for\n"
        "print(room_for(2000), r.getrlimit(r.RLIMIT_NOFILE)[0])"
    )

    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert told.split() == [str(room), str(soft_then)]

"""One process for everything: live events by a coroutine, the pages by Django's WSGI handler."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def application() -> Any:
    """The project's ASGI application."""
    from vinflow.project import asgi

    return asgi.application


def _scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1"), *headers],
        "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 5),
    }


async def _ask(application: Any, scope: dict[str, Any], body: bytes = b"") -> tuple[int, bytes]:
    """Return status and body, the request handed over as granian does it: by futures, not coroutines."""
    sent: list[MutableMapping[str, Any]] = []
    told = False

    def receive() -> asyncio.Future[MutableMapping[str, Any]]:
        nonlocal told
        future = asyncio.get_running_loop().create_future()
        if not told:
            future.set_result({"type": "http.request", "body": body, "more_body": False})
        told = True
        return future

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


async def test_a_page_is_answered_by_django(application: Any) -> None:
    status, body = await _ask(application, _scope("GET", "/accounts/login/"))

    assert status == 200
    assert b"csrfmiddlewaretoken" in body


async def test_a_posted_form_arrives_whole(application: Any) -> None:
    body = b"csrfmiddlewaretoken=none&login=somebody&password=x"
    kind = (b"content-type", b"application/x-www-form-urlencoded")
    scope = _scope("POST", "/accounts/login/", kind, (b"content-length", str(len(body)).encode()))

    status, _ = await _ask(application, scope, body)

    assert status == 403  # read, and refused for its token


async def test_live_events_never_reach_django(application: Any) -> None:
    status, body = await _ask(application, _scope("GET", "/payment/TXN0123456789ABCDEFGHJKMN/events"))

    assert (status, body) == (401, b"")  # Django would have led to the sign-in page


@pytest.mark.parametrize("path", ["/payment//events", "/payment/a/b/events", "/payment/TXN1/events/more"])
async def test_an_address_that_only_looks_like_events_is_a_page(application: Any, path: str) -> None:
    status, body = await _ask(application, _scope("GET", path))

    assert status == 404
    assert b"<html" in body


async def test_a_web_socket_is_declined(application: Any) -> None:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await application({"type": "websocket", "path": "/"}, receive, send)

    assert sent == [{"type": "websocket.close", "code": 1000}]


async def test_the_watcher_lives_from_the_server_s_start_to_its_end(application: Any, settings: Any) -> None:
    import threading

    settings.VINFLOW_WATCHER = "inline"
    messages: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
    sent: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()

    def watchers() -> int:
        return sum(thread.name == "watcher" for thread in threading.enumerate())

    before = watchers()
    life = asyncio.create_task(application({"type": "lifespan"}, messages.get, sent.put))
    await messages.put({"type": "lifespan.startup"})
    assert await sent.get() == {"type": "lifespan.startup.complete"}
    assert watchers() == before + 1
    await messages.put({"type": "lifespan.shutdown"})
    assert await sent.get() == {"type": "lifespan.shutdown.complete"}
    await life

    assert watchers() == before

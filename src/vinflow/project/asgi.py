"""The site as an ASGI application: `vinflow.project.asgi:application`, for one process that does everything.

A small dispatcher. Live events are answered by a coroutine of their own, so that a thousand open pages cost
no thread; every other request goes to Django's WSGI handler in a pool of threads, several times faster than
Django's own ASGI handler. The server's start and end start and stop the watcher.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from a2wsgi import WSGIMiddleware

from vinflow.project.wsgi import application as pages  # first: it loads the settings and the applications

# isort: split
from django.conf import settings

from vinflow.project.watcher import InlineWatcher
from vinflow.storefront.events import application as events

__all__ = ["application"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EVENTS_PATH = re.compile(r"/payment/[A-Za-z0-9_-]{1,25}/events")
THREADS = 10

_pages = cast("Callable[[Scope, Receive, Send], Awaitable[None]]", WSGIMiddleware(pages, workers=THREADS))


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one connection, or the server's own start and end."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "http":
        if EVENTS_PATH.fullmatch(scope["path"]):
            await events(scope, receive, send)
        else:
            await _pages(scope, _as_coroutine(receive), send)
    elif scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1000})


def _as_coroutine(receive: Receive) -> Receive:
    """a2wsgi hands what receive() returns to its loop as a coroutine; granian's returns a future."""

    async def received() -> MutableMapping[str, Any]:
        return await receive()

    return received


async def _live(receive: Receive, send: Send) -> None:
    """Keep the watcher running from the server's start to its end."""
    watcher = InlineWatcher() if settings.VINFLOW_WATCHER == "inline" else None
    while True:
        message = await receive()
        if message["type"] == "lifespan.startup":
            if watcher:
                watcher.start()
            await send({"type": "lifespan.startup.complete"})
        elif message["type"] == "lifespan.shutdown":
            if watcher:
                watcher.stop()
            await send({"type": "lifespan.shutdown.complete"})
            return

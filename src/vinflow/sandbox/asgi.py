"""The stand-in as an ASGI application, for tests that want no socket at all.

transport = httpx.ASGITransport(app=App(sandbox)); the base address may be anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from email.utils import format_datetime
from typing import Any

from vinflow.sandbox.answers import Answer, Manner, Request, nginx_page
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.site import Site

__all__ = ["App"]

BODY_MAX = 11_000_000

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class App:
    """ASGI over a Sandbox. Faults of the connection become exceptions: a reset raises ConnectionResetError.

    control: whether the control interface is open, to callers on this machine or with the secret.
    """

    def __init__(self, sandbox: Sandbox, *, control: bool = False, secret: str | None = None) -> None:
        self.sandbox = sandbox
        self._site = Site(sandbox, control=control, secret=secret)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request. Other protocols are refused."""
        if scope["type"] != "http":
            raise RuntimeError(f"the stand-in speaks HTTP only, not {scope['type']}")
        body = bytearray()
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > BODY_MAX:
                await self._send(send, nginx_page(413))
                return
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        target = scope.get("raw_path") or scope["path"].encode()
        query = scope.get("query_string", b"")
        request = Request(
            scope["method"],
            target.decode("latin-1").split("?", 1)[0] + (f"?{query.decode('latin-1')}" if query else ""),
            headers,
            bytes(body),
            f"{scope.get('scheme', 'http')}://{headers.get('host', 'sandbox.invalid')}",
        )
        if self._site.is_slow(request):
            answer = await asyncio.to_thread(self._site.answer, request)
        else:
            answer = self._site.answer(request)
        await self._send(send, answer)

    async def _send(self, send: Send, answer: Answer) -> None:
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        if answer.manner in (Manner.RESET, Manner.NOISE):
            raise ConnectionResetError("the stand-in was told to reset this connection")
        if answer.manner is Manner.HANG:
            await asyncio.sleep(3600)
        headers = [
            ("date", format_datetime(self.sandbox.clock.now(), usegmt=True)),
            ("content-type", answer.content_type),
            ("content-length", str(len(answer.body))),
            *answer.headers,
        ]
        body = answer.body[: len(answer.body) // 2] if answer.manner is Manner.CUT else answer.body
        await send(
            {
                "type": "http.response.start",
                "status": answer.status,
                "headers": [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers],
            }
        )
        await send({"type": "http.response.body", "body": body})

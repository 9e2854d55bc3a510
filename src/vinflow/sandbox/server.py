"""A small HTTP/1.1 server on asyncio and h11, ours so that it can misbehave: reset, hang, drip, cut, noise.

A usual server closes politely and repairs what a program gets wrong; a stand-in must be able to do neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
import struct
import threading
from email.utils import format_datetime
from pathlib import Path
from types import TracebackType
from typing import Self

import h11

from vinflow.sandbox.answers import Answer, Manner, Request, nginx_page
from vinflow.sandbox.bank import Sandbox
from vinflow.sandbox.errors import UnsafeControl
from vinflow.sandbox.site import Site

__all__ = ["SandboxServer", "is_loopback"]

BODY_MAX = 1_048_576
PICTURE_PATH = "/phone/read"
PICTURE_MAX = 11_000_000  # ten megabytes of picture and the form around it
UPLOAD_MAX = 100_000_000
HEAD_MAX = 32_768
IDLE_S = 75.0
HANG_S = 3600.0
DRIP_S = 0.05
CHUNK = 65_536

log = logging.getLogger("vinflow.sandbox")


def is_loopback(host: str) -> bool:
    """Whether an address can be reached from this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _TooLong(Exception):
    """A body over its limit."""


class SandboxServer:
    """The stand-in on a port, in a thread of its own: .start(), .stop(), or a with block.

    port: 0 takes a free one; .port and .url say which. tls: serve HTTPS with a certificate from a local
    authority; .ca_path is what a client must trust. tls_folder: where that authority is kept (a temporary
    folder otherwise). control: open the control interface. secret: what its callers must show; needed when
    host is not loopback. .drip_s: real seconds between two bytes of a dripping answer. Raises UnsafeControl.
    """

    def __init__(
        self,
        sandbox: Sandbox,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        *,
        control: bool = False,
        secret: str | None = None,
        tls_folder: str | Path | None = None,
        phone: bool = True,
    ) -> None:
        open_address = not is_loopback(host)
        if control and open_address and not secret:
            raise UnsafeControl(f"{host} can be reached from outside: the control interface needs a secret")
        self.sandbox = sandbox
        self.host = host
        self.port = port
        self.tls = tls
        self.ca_path: Path | None = None
        self.drip_s = DRIP_S
        self._tls_folder = tls_folder
        self._site = Site(sandbox, control=control, secret=secret, open_address=open_address, phone=phone)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopping: asyncio.Event | None = None
        self._ready = threading.Event()
        self._trouble: BaseException | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The address without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if self.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
            host = "127.0.0.1"
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    def start(self) -> Self:
        """Listen, and return when the first request may come. Raises OSError when the port is taken."""
        if self._thread is not None:
            return self
        self._ready.clear()
        self._thread = threading.Thread(target=self._run, name="vinflow-sandbox", daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._trouble is not None:
            self._thread.join()
            self._thread, trouble, self._trouble = None, self._trouble, None
            raise trouble
        return self

    def stop(self) -> None:
        """Close every connection and the port. Safe to repeat."""
        thread, self._thread = self._thread, None
        if thread is None or self._loop is None or self._stopping is None:
            return
        with contextlib.suppress(RuntimeError):  # the loop ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        thread.join()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._trouble = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        context: ssl.SSLContext | None = None
        if self.tls:
            from vinflow.sandbox.tls import Authority  # only those who ask for TLS pay for cryptography

            authority = Authority.at(self._tls_folder)
            self.ca_path = authority.path
            context = authority.context(self.host)
        server = await asyncio.start_server(
            self._connected, self.host, self.port, ssl=context, backlog=1024, limit=CHUNK
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            await self._stopping.wait()
        finally:
            server.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            await _Conversation(self, self._site, reader, writer).run()
        except (ConnectionError, TimeoutError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            with contextlib.suppress(Exception):
                writer.transport.abort() if not writer.is_closing() and self._stopped else writer.close()

    @property
    def _stopped(self) -> bool:
        return self._stopping is not None and self._stopping.is_set()


class _Conversation:
    """One connection: requests and answers in turn until either side has had enough."""

    def __init__(
        self, server: SandboxServer, site: Site, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self.server = server
        self.site = site
        self.reader = reader
        self.writer = writer
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
        peer = writer.get_extra_info("peername")
        self.peer = str(peer[0]) if peer else ""

    async def run(self) -> None:
        while True:
            try:
                request = await self._request()
            except h11.RemoteProtocolError as error:
                await self._refuse(error.error_status_hint or 400)
                return
            except _TooLong:
                await self._refuse(413)
                return
            if request is None:
                return
            answer = await self._answer(request)
            if not await self._send(request, answer):
                return
            if self.http.our_state is h11.MUST_CLOSE or self.http.their_state is h11.MUST_CLOSE:
                return
            self.http.start_next_cycle()

    async def _event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        while True:
            event = self.http.next_event()
            if event is not h11.NEED_DATA:
                return event
            if self.http.they_are_waiting_for_100_continue:
                self.writer.write(
                    self.http.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
                )
            self.http.receive_data(await asyncio.wait_for(self.reader.read(CHUNK), IDLE_S))

    async def _request(self) -> Request | None:
        event = await self._event()
        if not isinstance(event, h11.Request):
            return None
        target = event.target.decode("latin-1")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in event.headers}
        picture = target.split("?", 1)[0] == PICTURE_PATH
        most, end = (PICTURE_MAX, UPLOAD_MAX) if picture else (BODY_MAX, BODY_MAX)
        promised = headers.get("content-length", "0")
        if promised.isdigit() and int(promised) > end:
            raise _TooLong
        parts: list[bytes] = []
        size = 0
        while True:
            part = await self._event()
            if not isinstance(part, h11.Data):
                break
            size += len(part.data)
            if size > end:
                raise _TooLong
            if size <= most:
                parts.append(bytes(part.data))
            else:
                # A browser in the middle of its upload hears no answer: let it finish, keep nothing, and let
                # the page say that the picture is too large.
                parts.clear()
        if not isinstance(part, h11.EndOfMessage):
            return None
        scheme = "https" if self.server.tls else "http"
        base = f"{scheme}://{headers['host']}" if headers.get("host") else self.server.url
        return Request(event.method.decode("latin-1"), target, headers, b"".join(parts), base, self.peer)

    async def _answer(self, request: Request) -> Answer:
        try:
            if self.site.is_slow(request):
                return await asyncio.to_thread(self.site.answer, request)
            return self.site.answer(request)
        except Exception:  # a fault of ours must be seen in the log, and not end the other connections
            log.exception("the stand-in failed at %s %s", request.method, request.path)
            return nginx_page(500)

    async def _send(self, request: Request, answer: Answer) -> bool:
        """Send the answer in its manner; False when the connection is over."""
        if answer.delay_s:
            await asyncio.sleep(answer.delay_s)
        match answer.manner:
            case Manner.RESET:
                self._reset()
                return False
            case Manner.HANG:
                await asyncio.sleep(HANG_S)
                return False
            case Manner.NOISE:
                self.writer.write(b"\x16\x03\x01\x02\x00 this is not HTTP \xff\xfe\r\n\r\n")
                await self.writer.drain()
                return False
            case _:
                pass
        head, body = self._bytes(request, answer)
        if answer.manner is Manner.CUT:
            self.writer.write(head + body[: len(body) // 2])
            await self.writer.drain()
            return False
        if answer.manner is Manner.DRIP:
            for byte in head + body:
                self.writer.write(bytes([byte]))
                await self.writer.drain()
                await asyncio.sleep(self.server.drip_s)
        else:
            self.writer.write(head + body)
            await self.writer.drain()
        return True

    def _bytes(self, request: Request | None, answer: Answer) -> tuple[bytes, bytes]:
        bare = answer.status in (204, 304)
        headers = [
            ("date", format_datetime(self.server.sandbox.clock.now(), usegmt=True)),
            ("server", "nginx"),
        ]
        if not bare:
            headers += [("content-type", answer.content_type), ("content-length", str(len(answer.body)))]
        headers += answer.headers
        phrase = b""
        head = self.http.send(h11.Response(status_code=answer.status, headers=headers, reason=phrase)) or b""
        body = b"" if bare or (request and request.method == "HEAD") else answer.body
        sent = self.http.send(h11.Data(data=body)) if body else b""
        if len(body) == (0 if bare else len(answer.body)) or (request and request.method == "HEAD"):
            sent = (sent or b"") + (self.http.send(h11.EndOfMessage()) or b"")
        return head, sent or b""

    async def _refuse(self, status: int) -> None:
        if self.http.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            answer = nginx_page(status if 400 <= status < 500 else 400, (("connection", "close"),))
            head, body = self._bytes(None, answer)
            self.writer.write(head + body)
            await self.writer.drain()

    def _reset(self) -> None:
        # Linger of zero seconds makes the kernel answer with RST instead of a polite FIN.
        sock = self.writer.get_extra_info("socket")
        if isinstance(sock, socket.socket) or hasattr(sock, "setsockopt"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

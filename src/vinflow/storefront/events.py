"""Live events: a page is told that something changed, within a second, at the cost of no thread.

A raw ASGI application, mounted by the project's dispatcher at /payment/<reference>/events. The owner
is checked once, before the stream starts; what is sent is the bare word "change", and the page then
asks our status address, which checks again. What happens in this very process is told at once; what
happens in another one PostgreSQL tells (storefront.listening); and a poll every 0.8 s reads a cheap mark
of every payment that has an open page, for all pages of this process together, so that nothing is missed
anywhere. Nothing here asks the bank.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from importlib import import_module
from typing import Any, Final

from django.conf import settings
from django.contrib.auth import get_user
from django.db import close_old_connections
from django.db.models import Exists, Max, OuterRef
from django.http import HttpRequest

from vinflow.payments import announcing
from vinflow.payments.models import Payment, ReviewItem
from vinflow.storefront.links import opened_by_link
from vinflow.storefront.listening import can_listen, listen
from vinflow.storefront.open_files import room_for
from vinflow.storefront.pages.access import payment_of

__all__ = ["Hub", "application", "hub", "marks"]

log = logging.getLogger(__name__)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Mark = tuple[int, bool, int | None]

POLL_S: Final = 0.8  # where nothing else tells, news is still less than a second old
KEEPALIVE_S: Final = 15.0
STREAM_S_MAX: Final = 1800.0  # the browser comes again by itself
PAGES_MAX: Final = 20_000  # of this process
PAGES_MAX_PER_USER: Final = 20
CHUNK: Final = 500


def marks(references: Iterable[str]) -> dict[str, Mark]:
    """Return (version, in review, newest QR's number) by reference: whatever changes a page changes it."""
    wanted = list(references)
    opened = ReviewItem.objects.filter(payment=OuterRef("pk"), decision="")
    found: dict[str, Mark] = {}
    for start in range(0, len(wanted), CHUNK):
        rows = (
            Payment.objects.filter(transaction_id__in=wanted[start : start + CHUNK])
            .annotate(in_review=Exists(opened), newest=Max("attempts__number"))
            .values_list("transaction_id", "version", "in_review", "newest")
        )
        found.update({reference: (version, review, newest) for reference, version, review, newest in rows})
    return found


@dataclass(slots=True)
class Waiting:
    """The open pages of one payment: what they know, and the bell of each."""

    mark: Mark | None
    bells: set[asyncio.Event] = field(default_factory=set)


class Hub:
    """All open pages of one process; belongs to one event loop."""

    def __init__(
        self, *, poll_s: float = POLL_S, read: Callable[[Iterable[str]], Mapping[str, Mark]] = marks
    ) -> None:
        self.poll_s = poll_s
        self._read = read
        self._waiting: dict[str, Waiting] = {}
        self._pages: Counter[Any] = Counter()
        self._pages_max: int | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poller: asyncio.Task[None] | None = None
        self._listener: asyncio.Task[None] | None = None
        self.listening = asyncio.Event()
        # One thread for the poll, one for owners: a slow sign-in check must not delay the news.
        self._poll_thread = ThreadPoolExecutor(1, thread_name_prefix="events-poll")
        self._door_thread = ThreadPoolExecutor(2, thread_name_prefix="events-door")
        for signal in (announcing.payment_completed, announcing.payment_ended, announcing.review_item_opened):
            signal.connect(
                self._told, weak=False, dispatch_uid=f"vinflow.storefront.events.{id(self)}.{id(signal)}"
            )

    def __len__(self) -> int:
        return self._pages.total()

    def _told(self, **what: Any) -> None:
        """Hear of a change in this process, from whatever thread made it."""
        subject = what.get("payment") or getattr(what.get("item"), "payment", None)
        if self._loop is not None and subject is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ring, subject.transaction_id)

    def _ring(self, reference: str) -> None:
        if (waiting := self._waiting.get(reference)) is not None:
            for bell in waiting.bells:
                bell.set()

    async def at_the_door(self, function: Callable[..., Any], *values: Any) -> Any:
        """Run a short read in the door's threads."""
        return await asyncio.get_running_loop().run_in_executor(self._door_thread, function, *values)

    @contextlib.asynccontextmanager
    async def page(
        self, reference: str, *, user: Any, mark: Mark | None
    ) -> AsyncIterator[asyncio.Event | None]:
        """Yield the bell of a newly opened page, None when there are too many pages already."""
        if self._pages_max is None:
            self._pages_max = room_for(PAGES_MAX)
        if len(self) >= self._pages_max or self._pages[user] >= PAGES_MAX_PER_USER:
            yield None
            return
        self._loop = asyncio.get_running_loop()
        bell = asyncio.Event()
        waiting = self._waiting.setdefault(reference, Waiting(mark))
        waiting.bells.add(bell)
        self._pages[user] += 1
        if mark != waiting.mark:
            bell.set()
        if self._poller is None or self._poller.done():
            self._poller = asyncio.create_task(self._poll())
        if (self._listener is None or self._listener.done()) and can_listen():
            self._listener = asyncio.create_task(listen(self._ring, ready=self.listening.set))
        try:
            yield bell
        finally:
            waiting.bells.discard(bell)
            if not waiting.bells and self._waiting.get(reference) is waiting:
                del self._waiting[reference]
            self._pages[user] -= 1
            if not self._pages[user]:
                del self._pages[user]
            if not self._waiting and self._listener is not None:
                self._listener.cancel()
                self._listener = None
                self.listening.clear()

    async def _poll(self) -> None:
        """Compare marks every poll_s while a page is open; end when none is."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            await asyncio.sleep(self.poll_s)
            try:
                found = await loop.run_in_executor(self._poll_thread, self._read_quietly, list(self._waiting))
            except Exception:
                log.exception("live pages could not be compared; their own polling goes on")
                continue
            for reference, mark in found.items():
                waiting = self._waiting.get(reference)
                if waiting is not None and waiting.mark != mark:
                    waiting.mark = mark
                    self._ring(reference)

    def _read_quietly(self, references: list[str]) -> Mapping[str, Mark]:
        close_old_connections()
        try:
            return self._read(references)
        finally:
            close_old_connections()


hub = Hub()


def owner_of(cookies: str, reference: str) -> tuple[int, Any, Mark | None]:
    """Return (HTTP status, who, mark) for whoever opens a stream: 200, 401 or 404.

    who: the user's key, or the reference itself for the holder of its link; streams are counted by it.
    """
    close_old_connections()
    try:
        try:
            jar = SimpleCookie(cookies)
        except CookieError:
            return 401, None, None
        morsel = jar.get(settings.SESSION_COOKIE_NAME)
        if morsel is None:
            return 401, None, None
        request = HttpRequest()
        request.session = import_module(settings.SESSION_ENGINE).SessionStore(morsel.value)
        request.user = get_user(request)
        if not (request.user.is_authenticated or opened_by_link(request.session, reference)):
            return 401, None, None
        payment = payment_of(request, reference)
        if payment is None:
            return 404, None, None
        return 200, payment.user_id or reference, marks([reference]).get(reference)
    finally:
        close_old_connections()


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer GET /payment/<reference>/events with a stream of "change" events."""
    if scope["method"] != "GET":
        await _answer(send, 405)
        return
    reference = scope["path"].rstrip("/").split("/")[-2]
    cookies = "; ".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"cookie")
    status, user, mark = await hub.at_the_door(owner_of, cookies, reference)
    if status != 200:
        await _answer(send, status)
        return
    async with hub.page(reference, user=user, mark=mark) as bell:
        if bell is None:
            await _answer(send, 204)  # a browser does not come again; the page goes on polling
            return
        await _stream(receive, send, bell)


async def _stream(receive: Receive, send: Send, bell: asyncio.Event) -> None:
    headers = [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"retry: 5000\n\n", "more_body": True})
    loop = asyncio.get_running_loop()
    until = loop.time() + STREAM_S_MAX
    gone = asyncio.create_task(_gone(receive))
    try:
        while not gone.done() and loop.time() < until:
            ring = asyncio.create_task(bell.wait())
            await asyncio.wait({ring, gone}, timeout=KEEPALIVE_S, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                ring.cancel()
                return
            if ring.done():
                bell.clear()
                body = b"event: change\ndata: 1\n\n"
            else:
                ring.cancel()
                body = b":\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
    finally:
        gone.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _answer(send: Send, status: int) -> None:
    headers = [(b"cache-control", b"no-store"), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b""})

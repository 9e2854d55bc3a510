"""The two drivers, blocking and async, side by side.

What to ask and how to read it is in endpoints.py, hosted.py and diagnosis.py; the token's life in
keyring.py. The drivers only carry: each has the same four steps to take (Send, Aside, Hold, LetGo),
and nothing else differs. None sleeps, and none repeats a call on its own; the one repeat there is
belongs to a token that was renewed.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self, TypedDict, TypeVar, Unpack

import httpx2
import msgspec

from vinflow import __version__

from .carrying import CONNECT_S, address, async_transport, blocking_transport, carry, carry_async, late
from .endpoints import email_of
from .errors import NotConfigured, WrongArgument
from .keyring import Hold, Keyring, LetGo, Script, Send
from .lists import ListMemory
from .redaction import clean_answer, clean_request
from .results import CannotTell, Reason
from .tokens import MemoryTokenStore, Token, TokenStore
from .wire import Aside, Call, Exchange, Flow, Operation, Reply

__all__ = ["AsyncBudget", "AsyncHook", "Asynchronous", "Blocking", "Budget", "Hook", "Options"]

T = TypeVar("T")

PRODUCTION_URL = "https://api-bakong.nbc.gov.kh"
# A missing or generic one has been refused by the edge. Sites add how to reach them: user_agent=.
USER_AGENT = f"vinflow-bakong/{__version__} (KHQR payments; Python)"

# Amounts travel as JSON numbers in exactly their digits: 10.50, 41000.
BODY = msgspec.json.Encoder(decimal_format="number")

log = logging.getLogger("vinflow.bakong")

Budget = Callable[[Call[Any]], object | None]
Hook = Callable[[Exchange], None]
AsyncBudget = Callable[[Call[Any]], object | Awaitable[object | None] | None]
AsyncHook = Callable[[Exchange], Awaitable[None] | None]


class Options(TypedDict, total=False):
    """What every client takes beside its address, token and e-mail; all of it optional.

    timeout_s: for each read, 15; connecting has 5 s, the whole exchange 5 s and twice this.
    proxy: the address of your own proxy.
    tokens: a TokenStore, instead of a token, where processes share one.
    user_agent: name your site in it and how to reach you.
    ca_file: PEM file of the only authorities to trust.
    prefix: what stands before every path, "/v1".
    closed_lists: a mapping that remembers which token (by id) found the md5 list closed, and when.
    clock: epoch seconds; plans renewals.
    """

    timeout_s: float
    proxy: str | None
    tokens: TokenStore | None
    user_agent: str
    ca_file: str | None
    prefix: str
    closed_lists: MutableMapping[str, datetime] | None
    clock: Callable[[], float]


class Core:
    """What both drivers share: settings, requests, and what is told of an exchange. Not used by itself."""

    def __init__(self, base_url: str, token: str | Token | None, email: str | None, options: Options) -> None:
        timeout_s = options.get("timeout_s", 15.0)
        user_agent = options.get("user_agent", USER_AGENT)
        prefix = options.get("prefix", "/v1")
        tokens = options.get("tokens")
        closed_lists = options.get("closed_lists")
        clock = options.get("clock", time.time)
        if not 0 < timeout_s <= 600:
            raise NotConfigured("timeout_s", "between 0 and 600 seconds")
        if not user_agent.strip() or not user_agent.isascii() or not user_agent.isprintable():
            raise NotConfigured("user_agent", "one line of ASCII text; Bakong's edge refuses an empty one")
        if prefix and not prefix.startswith("/"):
            raise NotConfigured("prefix", "starts with a slash, or is empty")
        if token is not None and tokens is not None:
            raise WrongArgument("token", "a token or a store of tokens, not both")
        url = address(base_url, prefix.rstrip("/"))
        self.base_url = base_url.strip().rstrip("/")
        self._email = email_of(email) if email is not None else None
        self._prefix = prefix.rstrip("/")
        self._urls = {op: httpx2.URL(str(url).rstrip("/") + op.path) for op in Operation}
        self._timeout_s = float(timeout_s)
        # Connecting, waiting for the first byte, and as long again for the rest.
        self._total_s = CONNECT_S + 2 * self._timeout_s
        self._extensions = {
            "timeout": {"connect": CONNECT_S, "read": timeout_s, "write": timeout_s, "pool": self._total_s}
        }
        self._headers = [
            ("Accept", "application/json"),
            ("Accept-Encoding", "identity"),
            ("User-Agent", user_agent.strip()),
            ("Content-Type", "application/json"),
        ]
        self._clock = clock
        self._closed_lists = closed_lists if closed_lists is not None else {}
        store = tokens if tokens is not None else MemoryTokenStore(token)
        self._keyring = Keyring(store, self._email, clock)

    def __repr__(self) -> str:
        token = self._keyring.token
        return f"<{type(self).__name__} {self.base_url} token {token.id if token else 'not read yet'}>"

    def _request(self, send: Send) -> httpx2.Request:
        """Return the HTTP request of a call."""
        headers = self._headers
        if send.token is not None:
            headers = [*headers, ("Authorization", f"Bearer {send.token.value}")]
        return httpx2.Request(
            "POST",
            self._urls[send.call.operation],
            headers=headers,
            content=BODY.encode(send.call.body),
            extensions=self._extensions,
        )

    def _understand(self, send: Send, reply: Reply | CannotTell) -> tuple[Any, Reply | None]:
        """Return what a reply means, and the reply as it may be kept."""
        if isinstance(reply, CannotTell):
            return reply, None
        clean = clean_answer(reply.body, send.token, self._email)
        kept = reply if clean is reply.body else replace(reply, body=clean)
        # Only the reader of a renewal may see a token: everybody else is handed what was cleaned.
        seen = reply if send.call.operation is Operation.RENEW_TOKEN else kept
        return send.call.read(seen), kept

    def _exchange(
        self,
        send: Send,
        answer: Any,
        kept: Reply | None,
        started_at: datetime,
        seconds: float,
        ticket: object,
    ) -> Exchange:
        """Return what is told of an exchange."""
        call = send.call
        told = answer if isinstance(answer, CannotTell) else None
        return Exchange(
            operation=call.operation,
            path=self._prefix + call.operation.path,
            request=clean_request(call.body),
            http_status=kept.status if kept is not None else told.status if told is not None else None,
            answer=kept.body.decode("utf-8", "replace").replace("\x00", "\ufffd") if kept is not None else "",
            outcome=getattr(answer, "name", "batch"),
            reason=told.reason.value if told is not None else None,
            code=told.code if told is not None else None,
            milliseconds=seconds * 1000,
            started_at=started_at,
            ticket=ticket,
            token_id=send.token.id if send.token is not None else None,
            retry_after_s=told.retry_after_s if told is not None else None,
        )

    def _list_memory(self) -> ListMemory:
        return ListMemory(self._closed_lists, self._keyring, self._clock)


def tell(send: Send, answer: Any, seconds: float) -> None:
    """Leave a line about an exchange in the log: never a body, a header or an address."""
    if log.isEnabledFor(logging.DEBUG):
        name = getattr(answer, "name", "batch")
        log.debug("%s: %s in %.1f ms", send.call.operation.value, name, seconds * 1000)


REFUSED = CannotTell(Reason.BUDGET, "the budget has no call left for this; nothing was sent")


class Blocking(Core):
    """The blocking driver. Threads may share one; close it, or use it in a with statement."""

    def __init__(
        self,
        base_url: str = PRODUCTION_URL,
        token: str | Token | None = None,
        email: str | None = None,
        *,
        budget: Budget | None = None,
        on_exchange: Hook | None = None,
        transport: httpx2.BaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        """See client.py; Options names the rest. Raises NotConfigured, WrongArgument."""
        super().__init__(base_url, token, email, options)
        self._budget = budget
        self._on_exchange = on_exchange
        if transport is None:
            transport = blocking_transport(options.get("proxy"), options.get("ca_file"))
        self._transport = transport

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its result."""
        return self._drive(self._keyring.run(flow))

    def _drive(self, script: Script[T]) -> T:
        """Take the steps of a script, one after the other."""
        answer: Any = None
        with ExitStack() as held:
            while True:
                try:
                    step = script.send(answer)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                match step:
                    case Send():
                        answer = self._send(step)
                    case Aside():
                        answer = step.do()
                    case Hold():
                        answer = held.enter_context(self._keyring.store.renewing(step.wait_s))
                    case LetGo():
                        held.pop_all().close()
                        answer = None

    def _send(self, send: Send) -> Any:
        """Carry one call: ask the budget, send, read, tell."""
        ticket = None
        if self._budget is not None and (ticket := self._budget(send.call)) is None:
            return REFUSED
        started_at, started_s = datetime.now(UTC), time.perf_counter()
        reply = carry(self._transport, self._request(send), self._total_s)
        answer, kept = self._understand(send, reply)
        seconds = time.perf_counter() - started_s
        if self._on_exchange is not None:
            self._on_exchange(self._exchange(send, answer, kept, started_at, seconds, ticket))
        tell(send, answer, seconds)
        return answer


class Asynchronous(Core):
    """The async driver, for one event loop. Its tasks share one pool of connections.

    budget and on_exchange may be plain functions or coroutine functions. The store of tokens is asked
    in a worker thread of the client's own, so that a slow store or a taken lock holds up no task.
    """

    def __init__(
        self,
        base_url: str = PRODUCTION_URL,
        token: str | Token | None = None,
        email: str | None = None,
        *,
        budget: AsyncBudget | None = None,
        on_exchange: AsyncHook | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        **options: Unpack[Options],
    ) -> None:
        """See client.py; Options names the rest. Raises NotConfigured, WrongArgument."""
        super().__init__(base_url, token, email, options)
        self._budget = budget
        self._on_exchange = on_exchange
        if transport is None:
            transport = async_transport(options.get("proxy"), options.get("ca_file"))
        self._transport = transport
        self._worker: ThreadPoolExecutor | None = None
        self._turn: asyncio.Lock | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._transport.aclose()
        if self._worker is not None:
            self._worker.shutdown(wait=False)
            self._worker = None

    async def _run(self, flow: Flow[T]) -> T:
        """Run a flow to its result."""
        return await self._drive(self._keyring.run(flow))

    async def _drive(self, script: Script[T]) -> T:
        """Take the steps of a script, one after the other."""
        answer: Any = None
        held: Held | None = None
        try:
            while True:
                try:
                    step = script.send(answer)
                except StopIteration as stop:
                    result: T = stop.value
                    return result
                match step:
                    case Send():
                        answer = await self._send(step)
                    case Aside():
                        answer = await self._aside(step.do)
                    case Hold():
                        held = await self._hold(step.wait_s)
                        answer = held is not None
                    case LetGo():
                        if held is not None:
                            held.let_go()
                        answer = held = None
        finally:
            if held is not None:
                held.let_go()

    def _submit(self, do: Callable[[], T]) -> Future[T]:
        """Have something done in the client's own thread."""
        if self._worker is None:
            self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="vinflow-bakong")
        return self._worker.submit(do)

    async def _aside(self, do: Callable[[], T]) -> T:
        return await asyncio.wrap_future(self._submit(do))

    async def _hold(self, wait_s: float) -> Held | None:
        """Return the renewing lock, held, or None. Among the tasks of this client first, then at large."""
        if self._turn is None:
            self._turn = asyncio.Lock()
        turn, ends_s = self._turn, time.monotonic() + wait_s
        if wait_s <= 0 and turn.locked():
            return None
        try:
            async with asyncio.timeout(max(wait_s, 0.001)):
                await turn.acquire()
        except TimeoutError:
            return None
        held = None
        try:
            lock = self._keyring.store.renewing(max(ends_s - time.monotonic(), 0.0))
            entering = self._submit(lock.__enter__)
            held = Held(self, turn, lock, entering)
            # Cancelled while waiting, the lock may still be entered later: Held leaves it then.
            if await asyncio.shield(asyncio.wrap_future(entering)):
                return held
            held.let_go()
            return None
        except BaseException:
            if held is not None:
                held.let_go()
            else:
                turn.release()
            raise

    async def _send(self, send: Send) -> Any:
        """Carry one call: ask the budget, send, read, tell."""
        ticket = None
        if self._budget is not None:
            asked = self._budget(send.call)
            ticket = await asked if inspect.isawaitable(asked) else asked
            if ticket is None:
                return REFUSED
        started_at, started_s = datetime.now(UTC), time.perf_counter()
        reply: Reply | CannotTell
        try:
            async with asyncio.timeout(self._total_s):
                reply = await carry_async(self._transport, self._request(send))
        except TimeoutError:
            reply = late(self._total_s)
        answer, kept = self._understand(send, reply)
        seconds = time.perf_counter() - started_s
        if self._on_exchange is not None:
            told = self._on_exchange(self._exchange(send, answer, kept, started_at, seconds, ticket))
            if inspect.isawaitable(told):
                await told
        tell(send, answer, seconds)
        return answer


class Held:
    """The renewing lock of a store, entered in the client's own thread, and to be left there."""

    def __init__(
        self,
        driver: Asynchronous,
        turn: asyncio.Lock,
        lock: AbstractContextManager[bool],
        entering: Future[bool],
    ) -> None:
        self._driver, self._turn, self._lock, self._entering = driver, turn, lock, entering

    def let_go(self) -> None:
        """Leave the lock, whether or not it is entered yet: the one thread does both in order."""

        def leave() -> None:
            if self._entering.exception() is None:
                self._lock.__exit__(None, None, None)

        self._driver._submit(leave)
        self._turn.release()

"""The two drivers, blocking and async, side by side.

What to ask and how to read it is in endpoints.py, hosted.py and diagnosis.py; the token's life in
keyring.py. The drivers only carry: each has the same four steps to take (Send, Aside, Hold, LetGo),
and nothing else differs. None sleeps, and none repeats a call on its own; the one repeat there is
belongs to a token that was renewed.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC, datetime
from typing import Any, Self, TypeVar, Unpack

import httpx2

from .carrying import async_transport, blocking_transport, carry, carry_async, late
from .core import PRODUCTION_URL, REFUSED, Core, Options, tell
from .keyring import Hold, LetGo, Script, Send
from .results import CannotTell
from .tokens import Token
from .wire import Aside, Call, Exchange, Flow, Reply

__all__ = ["AsyncBudget", "AsyncHook", "Asynchronous", "Blocking", "Budget", "Hook"]

T = TypeVar("T")

Budget = Callable[[Call[Any]], object | None]
Hook = Callable[[Exchange], None]
AsyncBudget = Callable[[Call[Any]], object | Awaitable[object | None] | None]
AsyncHook = Callable[[Exchange], Awaitable[None] | None]


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

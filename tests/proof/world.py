"""The world of a run: one clock, one stand-in, one database, and actors who may be cut off anywhere.

Everything the product does here is its own code on a real database; the world decides when each actor
acts, what happens in the gaps between two transactions, and who dies at which statement.
"""

from __future__ import annotations

import contextvars
import heapq
import logging
import random
import traceback
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

from django.db import OperationalError, connection
from tests.proof import pristine
from tests.proof.faults import Fault, drawn
from tests.proof.listening import Listener, Settings
from tests.proof.transport import Carried, InProcess, Recording, words_of

from vinflow.bakong import Client
from vinflow.bakong.carrying import blocking_transport
from vinflow.payments import clock, gateways, learning
from vinflow.payments.errors import IllegalTransition, OpeningRefused, ReviewRefused
from vinflow.payments.models.choices import ALPHABET
from vinflow.sandbox import Clock, Sandbox, SandboxServer

__all__ = ["Actor", "Died", "Doom", "World"]

# At noon in Phnom Penh, shortly before its midnight, and shortly before the quota's other midnight, in UTC.
STARTS = tuple(datetime(2026, 11, 24, *at, tzinfo=UTC) for at in ((5, 0), (5, 0), (16, 45), (23, 45)))
REFUSALS = (OpeningRefused, ReviewRefused, IllegalTransition)
BRIDGE = "bridge_account@devb"


class Died(BaseException):
    """The end of an actor, in the middle of whatever it did."""


class Refused(OperationalError):
    """What a database says that gives up a transaction."""

    ordered = True


@dataclass
class Doom:
    """What will befall an actor: at which of its statements, and what."""

    name: str
    at: int
    after: bool = False  # the statement still reaches the database


@dataclass
class Actor:
    """Somebody who acts: a worker's step, a payer's request, a member of staff."""

    who: str
    doom: Doom | None = None
    statements: int = 0
    dead: bool = False


@dataclass
class World:
    """One seed's world. Enter it, act in it, and read what happened."""

    seed: int
    socket: bool = False
    verbose: bool = False
    faults: list[Fault] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    carried: list[Carried] = field(default_factory=list)
    words: dict[str, list[tuple[int, str, str]]] = field(default_factory=dict)  # md5: (at_ms, word, hash)
    truths: dict[str, str] = field(default_factory=dict)  # hash or md5: which truth fault made it
    deaths: int = 0
    rival_share: float = 0.0
    storm: bool = True
    looking: bool = False
    skew_s: float = 0.0
    ever_skewed: bool = False

    def __post_init__(self) -> None:
        self.chance = random.Random(f"run {self.seed}")
        self.faults = self.faults or drawn(self.seed)
        self.names = {fault.name for fault in self.faults}
        self.stack: list[Actor] = []
        self.heap: list[tuple[int, int, str, Callable[[], Any]]] = []
        self.count = 0
        self.logged: list[str] = []
        self.secrets: list[str] = []
        self.after_act: Callable[[str], None] = lambda who: None
        self.meanwhile: Callable[[], None] = lambda: None
        self.meanwhile_worker: Callable[[], None] = lambda: None
        self.foreign = False  # another program has spent calls of our token
        self.seen: list[str] = []  # pages, metrics and exports as they were served
        self.spoils: dict[int, str] = {}
        self.waiting_spoils: list[Fault] = []
        self.kept_settings: dict[str, Any] = {}
        self.flow = ExitStack()

    # ---- time ----------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the site's own moment: the bank's, and what our clock is off by."""
        return self.bank.clock.now() + timedelta(seconds=self.skew_s)

    def wait(self, seconds: float) -> None:
        """Let virtual seconds pass."""
        self.bank.clock.advance(seconds)

    def at(self, seconds: float, what: str, do: Callable[[], Any]) -> None:
        """Plan something for so many seconds from now."""
        self.count += 1
        moment = self.bank.clock.now_ms() + round(seconds * 1000)
        heapq.heappush(self.heap, (moment, self.count, what, do))

    def skew(self, seconds: float) -> None:
        """Put our clock off by so many seconds."""
        self.skew_s = seconds
        self.ever_skewed = self.ever_skewed or seconds != 0
        self.note(f"our clock is {seconds:+.0f} s off")

    # ---- entering and leaving ------------------------------------------------------------------------------

    def __enter__(self) -> World:
        began = (
            STARTS[2] if "resets_at_utc" in self.names else random.Random(f"at {self.seed}").choice(STARTS)
        )
        self.bank = Sandbox(seed=self.seed, clock=Clock(frozen_at_ms=clock.in_ms(began)))
        self.bank.strike = self._struck  # type: ignore[method-assign]
        server = self.flow.enter_context(SandboxServer(self.bank)) if self.socket else None
        if server is not None:
            server.drip_s = 0.0005
        pristine.restore()
        quota = 30 if "small_quota" in self.names else self.chance.choice((100, 100, 100, 60, None))
        self.quota = quota
        told = self.chance.choice(("auto", "phnom-penh", "phnom-penh"))
        if "resets_at_utc" in self.names:
            told = self.chance.choice(("auto", "utc"))
        self.bank.switch(quota=quota)
        self.kept_settings = {
            "KHQR_API_URL": server.url if server is not None else "http://127.0.0.1:9",
            "KHQR_MERCHANT_ID": self.bank.account,
            "KHQR_API_KEY": self.bank.token,
            "KHQR_ENVIRONMENT": "sandbox",
            "KHQR_PROTOCOL": "auto",
            "KHQR_RECEIVERS": (self.bank.account, BRIDGE),
            "KHQR_DAILY_CALLS": "none" if quota is None else str(quota),
            "KHQR_WATCH_S": str(self.chance.choice((3600, 3600, 7200, 14400, 86400))),
            "KHQR_TIMEOUT_S": "1" if self.socket else "15",
            "KHQR_API_EMAIL": self.bank.email if "token_ends" in self.names else "",
            "KHQR_QUOTA_RESET": told,
            "VINFLOW_LEDGER_KEY": "the-simulator-signs-with-this-key-0123456789",
            "VINFLOW_NEWCOMERS_SHARE": self.chance.choice(("0.30", "1", "1", "1")),
        }
        self.configured = self.flow.enter_context(Settings(self.kept_settings))
        self.secrets += [self.bank.token, self.bank.hosted_token, self.bank.email]
        self.flow.enter_context(clock.used(self.now))
        made = self.flow.enter_context
        made(mock.patch("vinflow.payments.gateways.open_api.Client", self._client))
        made(mock.patch("vinflow.payments.opening.new_reference", self._reference))
        made(mock.patch("vinflow.bakong.keyring.WAIT_S", 0.0))  # nobody waits in real time
        made(connection.execute_wrapper(self._statement))
        self.flow.callback(gateways.close_all)
        gateways.close_all()
        self._listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.flow.close()
        self.bank.close()

    def reset_settings(self, **changes: Any) -> None:
        """Change the site's settings, as a restart with another environment would."""
        self.kept_settings |= changes
        self.configured.change(self.kept_settings)

    def _client(self, **options: Any) -> Client:
        options |= {"clock": lambda: self.now().timestamp()}
        if not self.socket:
            way: Any = InProcess(self.bank, gap=self.gap, keep=self.keep, wait=self.wait)
        else:
            way = Recording(blocking_transport(None, None), self.bank, gap=self.gap, keep=self.keep)
        return Client(**options, transport=way)

    def _reference(self) -> str:
        return "TXN" + "".join(self.chance.choice(ALPHABET) for _ in range(20))

    def _listen(self) -> None:
        handler = Listener(self)
        root = logging.getLogger("vinflow")
        old = (root.level, root.propagate)
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        root.propagate = False

        def back() -> None:
            root.removeHandler(handler)
            root.level, root.propagate = old
            logging.Logger.manager._clear_cache()  # type: ignore[attr-defined]

        self.flow.callback(back)

    # ---- what is noted -------------------------------------------------------------------------------------

    def note(self, text: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.bank.clock.now():%d %H:%M:%S} {'  ' * len(self.stack)}{text}")
        if self.verbose:
            print(self.trace[-1], flush=True)

    def meet(self, name: str) -> None:
        """Count that a drawn fault took effect."""
        if name in self.names:
            self.met[name] += 1

    def violate(self, what: str) -> None:
        """Note that something happened that never may."""
        if len(self.violations) < 20 and what not in self.violations:
            self.violations.append(what)
            self.note(f"VIOLATION {what}")

    def keep(self, carried: Carried) -> None:
        """Keep a request that arrived and what came back."""
        self.carried.append(carried)
        for md5, word, hash_ in words_of(carried):
            self.words.setdefault(md5, []).append((carried.at_ms, word, hash_))
            for key in (hash_, md5 if word == "failed" else "", f"{md5}:{hash_}"):
                if key in self.truths:
                    self.meet(self.truths[key])
        if self.skew_s and self.storm and any(words_of(carried)):
            for name in ("clock_ahead", "clock_behind", "clock_apart"):
                self.meet(name)
        self._seen_switches(carried)

    def _seen_switches(self, carried: Carried) -> None:
        found = any(word == "found" for _md5, word, _hash in words_of(carried))
        failed = any(word == "failed" for _md5, word, _hash in words_of(carried))
        listed = carried.operation.endswith("_md5_list")
        open_list = listed and carried.status == 200
        hour = (carried.at_ms // 3_600_000) % 24
        body = carried.body or b""
        seen = {
            "found": found,
            "found_twice": found
            and any(self.truths.get(h) == "paid_twice" for _m, _w, h in words_of(carried) if h),
            "failed": failed,
            "list": open_list,
            "list_found": open_list and found,
            "list_many": open_list and len(carried.asked) > 1,
            "list_closed": listed and carried.status == 403,
            "quota": b'"errorCode":17' in body,
            "401": carried.status == 401 or b'"errorCode":6' in body,
            "between_midnights": hour >= 17 and carried.status == 200,
            "renewed": carried.operation == "renew_token" and carried.status == 200,
            "geo": carried.status == 403 and bool(body) and self.bank.switches.geo_block != "off",
            "item": b'"SERVICE_FAILED"' in body
            or b'"status":"SUCCESS","message":"Transaction success","data":null' in body,
        }
        if self.storm:
            for fault in self.faults:
                if fault.seen and seen[fault.seen]:
                    self.meet(fault.name)

    def _struck(self, call: str) -> Any:
        fault = Sandbox.strike(self.bank, call)
        if fault is not None and fault.id in self.spoils:
            self.meet(self.spoils[fault.id])
            self.note(f"the answer to {call} is spoilt: {self.spoils[fault.id]}")
        return fault

    # ---- acting --------------------------------------------------------------------------------------------

    def act(self, who: str, do: Callable[[], Any], *, doom: Doom | None = None) -> Any:
        """Let somebody act to the end, to a refusal, to a failed transaction or to their death."""
        actor = Actor(who, doom)
        self.note(who + (f" [{doom.name} at {doom.at}]" if doom else ""))
        self.stack.append(actor)
        learning.forget_cached()
        result: Any = None
        try:
            # Another thread or process would not see whose calls these are.
            result = contextvars.Context().run(do)
        except Died:
            self.deaths += 1
            self.note(f"{who} has died after {actor.statements} statements")
            result = Died
        except Refused:
            self.note(f"{who}: the database gave up")
            result = Refused
        except REFUSALS as refused:
            self.note(f"{who} is refused: {type(refused).__name__}")
            result = refused
        except Exception as error:
            if getattr(error, "ordered", False):
                self.note(f"{who}: {error}")
                return error
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.violate(f"crash of {who}: {type(error).__name__}: {error} ({where.name}:{where.lineno})")
        finally:
            self.stack.pop()
            if not self.stack and connection.in_atomic_block:
                self.violate(f"{who} left a transaction open")
                connection.rollback()
        if not connection.in_atomic_block:
            self._seen(who)
        return result

    def _seen(self, who: str) -> None:
        """Let the checkers look; nobody acts meanwhile, or a rival's act would be put down to this actor."""
        looking, self.looking = self.looking, True
        try:
            self.after_act(who)
        finally:
            self.looking = looking

    def gap(self, where: str) -> None:
        """What happens while a call is on its way."""
        if connection.in_atomic_block:
            self.violate("a call was made inside a transaction")
        if not self.stack:
            return
        actor = self.stack[-1]
        self._die_here(actor, where)
        if not self.storm or len(self.stack) > 2:
            return
        if where == "answer" and "lease_lost" in self.names and self.chance.random() < 0.25:
            self._outlive_the_lease()
        elif self.chance.random() < max(0.05, 3 * self.rival_share):
            self._rival()

    def _die_here(self, actor: Actor, where: str) -> None:
        doom = actor.doom
        if doom is not None and doom.name.endswith("_dies") and doom.at == (-1 if where == "send" else -2):
            self._end(actor, doom)

    def _end(self, actor: Actor, doom: Doom) -> None:
        actor.doom, actor.dead = None, True
        self.meet(doom.name)
        raise Died

    def _rival(self) -> None:
        before = len(self.trace)
        self.meanwhile()
        if len(self.trace) > before:
            self.meet("rival")

    def _outlive_the_lease(self) -> None:
        """Let more time pass than a lease lasts, and another worker come by."""
        held = self._leases()
        if not held:
            return
        self.wait(self.chance.uniform(62, 200))
        self.meanwhile_worker()
        if any(self._leases().get(key, lease) != lease for key, lease in held.items()):
            self.meet("lease_lost")

    def _leases(self) -> dict[int, str]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT id, lease_id FROM payments_attempt WHERE leased_until IS NOT NULL")
            return dict(cursor.fetchall())

    def _statement(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """Stand at every statement of every actor: the gaps, the deaths and the failed transactions."""
        if not self.stack or self.looking:
            return execute(sql, params, many, context)
        actor = self.stack[-1]
        if actor.dead:
            raise Died  # a dead process cleans up nothing
        actor.statements += 1
        inside = connection.in_atomic_block
        free = not inside and self.storm and len(self.stack) < 3 and not _waited_for()
        if free and self.chance.random() < self.rival_share:
            self._rival()
        doom = actor.doom
        if doom is not None and 0 < doom.at <= actor.statements:
            if doom.name == "serialization":
                if inside and not sql.startswith(("RELEASE", "ROLLBACK", "SAVEPOINT")):
                    actor.doom = None
                    self.meet("serialization")
                    self.note(f"the database gives up at: {sql[:60]}")
                    raise Refused("could not serialize access due to concurrent update")
            else:
                if doom.after and not sql.startswith("BEGIN"):
                    execute(sql, params, many, context)
                self.note(f"dies at: {sql[:60]}")
                self._end(actor, doom)
        return execute(sql, params, many, context)


def _waited_for() -> bool:
    """Whether a lock of this process is held: a rival in this very thread would wait for it forever."""
    return learning._lock.locked() or any(
        getattr(getattr(gateway, "tokens", None), "_guard", learning._lock).locked()
        for gateway in gateways._made.values()
    )

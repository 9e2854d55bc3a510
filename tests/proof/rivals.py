"""A rival at an exact moment: just before a statement of an actor, or just before or after its commit.

    steps = steps_of(act)                         the moments at which something may come between
    with Rivals() as rivals:
        met = rivals.meet(act, rival, at=steps[7])

The rival runs in another thread, on a connection of its own. When it has to wait for a lock that the actor
holds, PostgreSQL says so (pg_blocking_pids) and the actor goes on; nobody sleeps and hopes. On SQLite a
writing transaction is alone, so a rival comes between transactions only.
"""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock

from django.db import connection, connections

__all__ = ["Meeting", "Rivals", "Step", "at_steps", "outcome_of", "steps_of"]

Act = Callable[[], Any]
STUCK_S = (
    60.0  # neither done nor waiting for a lock for so long: something else holds it, and that is a fault
)
TABLE = re.compile(r'(?:FROM|INTO|UPDATE|JOIN)\s+"?([a-z_]+)"?', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Step:
    """A moment in what an actor does.

    number: in order, from 0. name: what the actor does next ("UPDATE payments_payment", "commit",
    "committed" when it has just done so). inside: a transaction is open. writes: it changes or locks rows.
    """

    number: int
    name: str
    inside: bool
    writes: bool


@dataclass(slots=True)
class Meeting:
    """How it went when two met. A result that is an exception was raised to the caller."""

    step: Step
    actor: Any = None
    rival: Any = None
    came: bool = False
    waited: bool = False
    facts: dict[str, Any] = field(default_factory=dict)


def named(sql: str) -> tuple[str, bool]:
    """Return the short name of a statement, and whether it changes or locks rows."""
    words = sql.lstrip().split(None, 1)
    verb = words[0].upper()
    table = TABLE.search(sql)
    locks = "FOR NO KEY UPDATE" in sql or "FOR UPDATE" in sql
    short = f"{verb} {table.group(1) if table else ''}".strip() + (" (lock)" if locks else "")
    return short, locks or verb in ("INSERT", "UPDATE", "DELETE", "WITH")


@contextmanager
def at_steps(see: Callable[[Step], None]) -> Iterator[None]:
    """Call see(step) at every step that this thread takes on its connection inside the body."""
    own = connections["default"]
    count = 0
    committing = type(own)._commit

    def pass_by(name: str, *, writes: bool) -> None:
        nonlocal count
        step = Step(count, name, own.in_atomic_block, writes)
        count += 1
        see(step)

    def wrapper(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        name, writes = named(sql)
        if not name.startswith(("SAVEPOINT", "RELEASE", "ROLLBACK")):
            pass_by(name, writes=writes)
        return execute(sql, params, many, context)

    def commit() -> Any:
        pass_by("commit", writes=True)
        done = committing(own)
        pass_by("committed", writes=True)
        return done

    with connection.execute_wrapper(wrapper), mock.patch.object(own, "_commit", commit):
        yield


def steps_of(act: Act) -> list[Step]:
    """Return the steps that an actor takes when nobody comes between; it is run for that."""
    seen: list[Step] = []
    with at_steps(seen.append):
        act()
    return seen


class Rivals:
    """One thread with a connection of its own, and a third connection that looks who waits for whom."""

    def __init__(self) -> None:
        self._orders: queue.Queue[Act | None] = queue.Queue()
        self._answers: queue.Queue[Any] = queue.Queue()
        self._pid = 0
        self._ends = ExitStack()
        self._thread = threading.Thread(target=self._work, name="rival", daemon=True)
        self._lookout: Any = None

    def __enter__(self) -> Rivals:
        self._thread.start()
        self._answers.get(timeout=STUCK_S)
        if connection.vendor == "postgresql":
            import psycopg

            self._lookout = psycopg.connect(**connections["default"].get_connection_params(), autocommit=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._orders.put(None)
        self._thread.join(STUCK_S)
        if self._lookout is not None:
            self._lookout.close()

    def _work(self) -> None:
        try:
            connection.ensure_connection()
            if connection.vendor == "postgresql":
                self._pid = connection.connection.info.backend_pid
            self._answers.put("ready")
            while (act := self._orders.get()) is not None:
                self._answers.put(outcome_of(act))
        finally:
            connection.close()

    def waits_for_a_lock(self) -> bool:
        """Return whether PostgreSQL has the rival wait for somebody."""
        if self._lookout is None:
            return False
        asked = self._lookout.execute("SELECT cardinality(pg_blocking_pids(%s::int)) > 0", [self._pid])
        return bool(asked.fetchone()[0])

    def strike(self, rival: Act) -> tuple[bool, Any]:
        """Let the rival run; return (whether it waits for a lock now, its outcome otherwise)."""
        self._orders.put(rival)
        for _ in range(int(STUCK_S / 0.01)):
            try:
                return False, self._answers.get(timeout=0.01)
            except queue.Empty:
                if self.waits_for_a_lock():
                    return True, None
        raise AssertionError("the rival is neither done nor waiting for a lock")

    def meet(self, act: Act, rival: Act, *, at: Step) -> Meeting:
        """Let the rival come just before this step of the actor; return what became of both."""
        meeting = Meeting(at)

        def see(step: Step) -> None:
            if step.number != at.number or meeting.came:
                return
            meeting.came = True
            meeting.waited, meeting.rival = self.strike(rival)

        with at_steps(see):
            meeting.actor = outcome_of(act)
        if meeting.waited:
            meeting.rival = self._answers.get(timeout=STUCK_S)
        return meeting


def outcome_of(act: Act) -> Any:
    """Return what an act returned or raised."""
    try:
        return act()
    except Exception as error:
        return error

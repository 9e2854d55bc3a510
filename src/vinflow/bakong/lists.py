"""Asking after many at once, where Bakong lets us.

The md5 list is closed to some tokens: a bare 403, at times another 4xx, for any body. That is learnt by
trying, told apart from a machine that is refused altogether by one single call, remembered for a week
with the token's id, and then tried again. Meanwhile single calls do, one after the other, until one of
them shows that no more can be learnt now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .batches import Batch
from .endpoints import check_hash_list, check_md5, check_md5_list, hashes, md5s
from .keyring import Keyring
from .results import CannotTell, Outcome, Reason
from .tokens import Token
from .wire import Aside, Flow

__all__ = ["ListMemory", "check_hash_many", "check_md5_many"]

CLOSED_FOR = timedelta(days=7)
# What a closed list answers with. BLOCKED may also mean that this machine is refused: a single call tells.
CLOSED = frozenset({Reason.BLOCKED, Reason.CONFIG, Reason.BAD_REQUEST})
# After one of these the next single call would say the same, or cost what is not there.
SHUT = frozenset(
    {
        Reason.NETWORK,
        Reason.TIMEOUT,
        Reason.AUTH,
        Reason.QUOTA,
        Reason.THROTTLED,
        Reason.BLOCKED,
        Reason.UPSTREAM,
        Reason.CONFIG,
        Reason.REDIRECT,
        Reason.BUDGET,
    }
)


class ListMemory:
    """Which tokens find the md5 list closed, and since when."""

    def __init__(
        self, closed: MutableMapping[str, datetime], keyring: Keyring, clock: Callable[[], float]
    ) -> None:
        """closed: token id -> aware moment; handed in by the caller to outlive the process."""
        self._closed, self._keyring, self._clock = closed, keyring, clock

    @property
    def now(self) -> datetime:
        """The moment, aware."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def _token(self) -> Token | None:
        """The token of the call before this one; before the first call, the one it will be asked with."""
        return self._keyring.token or self._keyring.store.current()

    def is_closed(self) -> bool:
        """Was the list found closed to this token within the last week?"""
        token = self._token()
        since = self._closed.get(token.id) if token is not None else None
        return since is not None and since <= self.now < since + CLOSED_FOR

    def remember(self, *, closed: bool) -> None:
        """Keep what was found."""
        token = self._token()
        if token is None:
            return
        if closed:
            self._closed[token.id] = self.now
        else:
            self._closed.pop(token.id, None)


def check_md5_many(values: Iterable[str], memory: ListMemory) -> Flow[dict[str, Outcome]]:
    """Return a flow to an outcome for each md5, by one call where the list is open, else one by one.

    values: 1 to 50, in either case; the keys of the result are as given. A question that was not asked
    because an earlier one shut the door is CannotTell for that reason.
    Raises WrongArgument, TooMany before anything is sent.
    """
    given = md5s(values)
    asked = list(dict.fromkeys(value.lower() for value in given))

    def flow() -> Flow[dict[str, Outcome]]:
        closed: bool = len(asked) == 1 or (yield Aside(memory.is_closed))
        batch: Batch | CannotTell
        if not closed:
            batch = yield from check_md5_list(asked)
            if not (isinstance(batch, CannotTell) and batch.reason in CLOSED):
                if not isinstance(batch, CannotTell):
                    yield Aside(lambda: memory.remember(closed=False))
                return spread(given, batch)
        outcomes: Batch = {}
        for number, md5 in enumerate(asked):
            outcome = yield from check_md5(md5)
            if number == 0 and not closed and spoke(outcome):
                # The door is open to us, and this call alone is not.
                yield Aside(lambda: memory.remember(closed=True))
            outcomes[md5] = outcome
            if isinstance(outcome, CannotTell) and outcome.reason in SHUT:
                for unasked in asked[number + 1 :]:
                    outcomes[unasked] = replace(outcome, detail=f"not asked after this: {outcome.detail}")
                break
        return spread(given, outcomes)

    return flow()


def check_hash_many(values: Iterable[str]) -> Flow[dict[str, Outcome]]:
    """Return a flow to an outcome for each transfer hash, by one call.

    values: 1 to 50, in either case; the keys of the result are as given.
    Raises WrongArgument, TooMany before anything is sent.
    """
    given = hashes(values)
    asked = list(dict.fromkeys(value.lower() for value in given))

    def flow() -> Flow[dict[str, Outcome]]:
        batch = yield from check_hash_list(asked)
        return spread(given, batch)

    return flow()


def spoke(outcome: Outcome) -> bool:
    """Did Bakong itself answer this single call, rather than its edge, its absence or our budget?"""
    return not isinstance(outcome, CannotTell) or outcome.reason in (Reason.QUOTA, Reason.UNKNOWN_CODE)


def spread(given: list[str], batch: Batch | CannotTell) -> dict[str, Outcome]:
    """Return the outcomes under the keys the caller used."""
    if isinstance(batch, CannotTell):
        return dict.fromkeys(given, batch)
    return {value: batch[value.lower()] for value in given}

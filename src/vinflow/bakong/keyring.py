"""The life of the token: planned from its `exp`, renewed once by one, proved before it replaces the old.

This wraps every flow. A call is sent with the current token; a refused or ending token is renewed under
the store's lock, the very call that needed it is sent again with the new one, and only an answer that
shows the new token at work puts it in the old one's place. A 403 is never a reason to renew.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

from .endpoints import renew_token
from .errors import NotConfigured
from .reading import read_check
from .results import CannotTell, Reason, TokenInfo
from .tokens import Token, TokenStore
from .wire import Aside, Auth, Call, Flow, Operation

__all__ = ["Hold", "Keyring", "LetGo", "Script", "Send"]

T = TypeVar("T")

RENEW_AHEAD_S = 7 * 86_400  # a token lives 90 days; the last hour is no time to find renewal broken
REREAD_S = 60.0  # how long a token is trusted before the store is asked for a newer one
PAUSE_S = 300.0  # after a renewal that failed: a dead e-mail must not cost two calls for every check
WAIT_S = 25.0  # for somebody else's renewal: two requests of a healthy Bakong, and then some

# Reasons that only come from behind the door where tokens are checked.
PROOF = frozenset({Reason.QUOTA, Reason.BAD_REQUEST, Reason.UNKNOWN_CODE})


@dataclass(frozen=True, slots=True)
class Send:
    """Carry a call, with this token or none. Handed what the answer means."""

    call: Call[Any]
    token: Token | None


@dataclass(frozen=True, slots=True)
class Hold:
    """Enter the store's renewing lock. Handed whether it is held."""

    wait_s: float


@dataclass(frozen=True, slots=True)
class LetGo:
    """Leave the lock. Drivers leave it by themselves when a script ends early."""


Step: TypeAlias = Send | Aside | Hold | LetGo
Script: TypeAlias = Generator[Step, Any, T]


def proves(call: Call[Any], answer: object) -> bool:
    """Does this answer show that the token it was asked with is good?"""
    if call.auth is not Auth.NEEDED:
        return False
    return not isinstance(answer, CannotTell) or (answer.reason in PROOF and answer.status == 200)


class Keyring:
    """The current token as one client knows it, and the rules for changing it.

    Threads may share it: every attribute is replaced as a whole, and what must happen once happens
    under the store's lock.
    """

    def __init__(self, store: TokenStore, email: str | None, clock: Callable[[], float]) -> None:
        """clock: epoch seconds, to plan by and to measure pauses with."""
        self.store = store
        self.email = email
        self.clock = clock
        self.token: Token | None = None
        self._read_at: float | None = None
        self._candidate: tuple[Token | None, Token] | None = None  # (the old one, the new, not yet proved)
        self._failed: NotRenewed | None = None  # the last renewal, and why
        self._paused_until = 0.0

    def run(self, flow: Flow[T]) -> Script[T]:
        """Return the steps of a flow with the token seen to."""
        answer: Any = None
        while True:
            try:
                step = flow.send(answer)
            except StopIteration as stop:
                result: T = stop.value
                return result
            if isinstance(step, Aside):
                answer = yield step
            elif step.auth is Auth.NONE:
                answer = yield Send(step, None)
            else:
                answer = yield from self._ask(step)

    def load(self) -> Script[Token | None]:
        """Return the token to use, from memory or from the store."""
        now = self.clock()
        if self._read_at is None or not 0 <= now - self._read_at < REREAD_S:
            stored: Token | None = yield Aside(self.store.current)
            if self._candidate is not None and self._candidate[0] != stored:
                self._candidate = None  # somebody else has replaced the old one meanwhile
            self.token, self._read_at = stored, now
        return self._candidate[1] if self._candidate is not None else self.token

    def _ask(self, call: Call[Any]) -> Script[Any]:
        """Return what the answer to a call means, the token renewed around it where it must be."""
        token = yield from self.load()
        if token is None and call.auth is Auth.WELCOME:
            return (yield Send(call, None))
        if token is None and self.email is None:
            raise NotConfigured("token", "no token, and no e-mail to get one by")
        left_s = token.seconds_left(self.clock()) if token is not None else 0.0
        if self.email is not None and left_s is not None and left_s <= RENEW_AHEAD_S:
            # While the old one lives, whoever finds the lock taken simply goes on with it.
            renewed = yield from self._renewed(call, token, WAIT_S if left_s <= 0 else 0.0)
            if not isinstance(renewed, NotRenewed):
                return renewed
            if token is None:
                return CannotTell(Reason.AUTH, renewed.why, renewed.code)
        answer = yield Send(call, token)
        if self._must_renew(call, token, answer):
            renewed = yield from self._renewed(call, token, WAIT_S)
            if not isinstance(renewed, NotRenewed):
                return renewed
            why = f"the token was refused; {renewed.why}"
            return CannotTell(Reason.AUTH, why, answer.code, None, answer.answered_at, answer.status)
        yield from self._keep_if_proved(call, token, answer)
        return answer

    def _must_renew(self, call: Call[Any], token: Token | None, answer: object) -> bool:
        """Is the token dead? Never by a 403, but for one call that answers so to an expired one."""
        if not isinstance(answer, CannotTell):
            return False
        if answer.reason is Reason.AUTH:
            return answer.status != 403
        if (
            answer.reason is Reason.BLOCKED
            and call.operation is Operation.CHECK_MD5_LIST
            and token is not None
        ):
            # Bakong's own clock counts too: ours may be slow.
            now = max(self.clock(), answer.answered_at.timestamp() if answer.answered_at else 0.0)
            left_s = token.seconds_left(now)
            return left_s is not None and left_s <= 0
        return False

    def _keep_if_proved(self, call: Call[Any], token: Token | None, answer: object) -> Script[None]:
        """Put a new token that has just worked in the old one's place."""
        candidate = self._candidate
        if candidate is None or token is not candidate[1] or not proves(call, answer):
            return
        yield Aside(lambda: self.store.replace(*candidate))
        self._candidate, self._read_at = None, None

    def _renewed(self, call: Call[Any], old: Token | None, wait_s: float) -> Script[Any]:
        """Return what the call's answer means with a new token, or NotRenewed.

        One renewal, whoever else wants one: what somebody else brought while we waited is used as it is.
        """
        if self.email is None:
            return NotRenewed("no e-mail is set to renew it by")
        if (failed := self._paused()) is not None:
            return failed
        held: bool = yield Hold(wait_s)
        if not held:
            return NotRenewed("somebody else is renewing it")
        if (failed := self._paused()) is not None:  # whoever held it before us has just failed
            yield LetGo()
            return failed
        stored: Token | None = yield Aside(self.store.current)
        other = self._brought_by_others(old, stored)
        if other is not None:
            yield LetGo()
            answer = yield Send(call, other)
            yield from self._keep_if_proved(call, other, answer)
            return answer
        new = yield from self._fetch(old)
        if isinstance(new, NotRenewed):
            yield LetGo()
            return new
        self._candidate = (stored, new)
        answer = yield Send(call, new)
        if isinstance(answer, CannotTell) and answer.reason is Reason.AUTH:
            self._candidate = None  # it never worked: the old one stays
            self._pause(NotRenewed("a new token came, and was refused too"))
        else:
            yield from self._keep_if_proved(call, new, answer)
        yield LetGo()
        return answer

    def _brought_by_others(self, old: Token | None, stored: Token | None) -> Token | None:
        """Return a token that came while we waited: not yet proved, or in the store already."""
        candidate = self._candidate
        if candidate is not None and candidate[0] == stored:
            return None if old is candidate[1] else candidate[1]
        if stored is None or (old is not None and stored.value == old.value):
            return None
        self.token, self._read_at, self._candidate = stored, self.clock(), None
        return stored

    def _fetch(self, old: Token | None) -> Script[Any]:
        """Return a new token, or NotRenewed. One that ends before the old one, or is the old one, is none."""
        assert self.email is not None
        answer = yield from self.run(renew_token(self.email))
        if isinstance(answer, CannotTell):
            return self._pause(NotRenewed(f"renewal failed: {answer.detail}", answer.code))
        new: Token = answer
        if old is not None and (new.value == old.value or ends_sooner(new, old)):
            return self._pause(NotRenewed("renewal gave a token that ends no later than the old one"))
        left_s = new.seconds_left(self.clock())
        if left_s is not None and left_s <= RENEW_AHEAD_S:
            # Our clock is months ahead: a good token must not be renewed at every call.
            self._pause(NotRenewed("it was renewed a short while ago"))
        return new

    def _pause(self, failed: NotRenewed) -> NotRenewed:
        """Renew no more for a while, and remember why."""
        self._failed, self._paused_until = failed, self.clock() + PAUSE_S
        return failed

    def _paused(self) -> NotRenewed | None:
        """Return why the last renewal failed while it is too early for another, else None."""
        return self._failed if self.clock() < self._paused_until else None

    def require_email(self) -> None:
        """Raise NotConfigured unless there is an e-mail to renew by."""
        if self.email is None:
            raise NotConfigured("email", "a token is renewed by the e-mail it was registered with")

    def renew(self) -> Script[TokenInfo | CannotTell]:
        """Renew now, whatever `exp` says; the look-up of an md5 that nobody has proves the new token."""
        self._paused_until = 0.0  # a person asked for it
        old = yield from self.load()
        probe = Call(Operation.CHECK_MD5, {"md5": "0" * 32}, read_check)
        answer = yield from self._renewed(probe, old, WAIT_S)
        if isinstance(answer, NotRenewed):
            return CannotTell(Reason.AUTH, answer.why, answer.code)
        if not proves(probe, answer):
            told: CannotTell = answer
            return replace(told, detail=f"a new token came, but could not be proved: {told.detail}")
        token = yield from self.load()
        assert token is not None
        return token.info


def ends_sooner(new: Token, old: Token) -> bool:
    """Does the new token end before the old one? In the same second is not before: the old may be young."""
    return bool(old.expires_at and new.expires_at and new.expires_at < old.expires_at)


@dataclass(frozen=True, slots=True)
class NotRenewed:
    """Why there is no new token."""

    why: str
    code: int | None = None

"""One exchange with Bakong, before any socket.

A flow is a generator: it yields a Call and is handed what the answer meant. It never sees a socket, a
clock or a lock, so the blocking and the async client run the very same flows (client.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Generic, TypeAlias, TypeVar

__all__ = ["Aside", "Auth", "Call", "Exchange", "Flow", "Operation", "Reply"]

R = TypeVar("R")
T = TypeVar("T")


class Operation(StrEnum):
    """What can be asked: the ten calls of the Open API, and the two of the guide's hosted dialect."""

    RENEW_TOKEN = "renew_token"  # noqa: S105 - the name of a call
    DEEPLINK = "generate_deeplink_by_qr"
    CHECK_MD5 = "check_transaction_by_md5"
    CHECK_HASH = "check_transaction_by_hash"
    CHECK_SHORT_HASH = "check_transaction_by_short_hash"
    CHECK_ACCOUNT = "check_bakong_account"
    CHECK_INSTRUCTION_REF = "check_transaction_by_instruction_ref"
    CHECK_EXTERNAL_REF = "check_transaction_by_external_ref"
    CHECK_MD5_LIST = "check_transaction_by_md5_list"
    CHECK_HASH_LIST = "check_transaction_by_hash_list"
    HOSTED_CREATE = "hosted_create"
    HOSTED_CHECK = "hosted_check"

    @property
    def path(self) -> str:
        """The path under the prefix: "/check_transaction_by_md5". The dialects share two of them."""
        if self is Operation.HOSTED_CREATE:
            return "/generate_deeplink_by_qr"
        if self is Operation.HOSTED_CHECK:
            return "/check_transaction_by_hash"
        return f"/{self.value}"


class Auth(Enum):
    """Does a call carry the token?"""

    NEEDED = "needed"  # yes, and its answer proves that the token is good
    WELCOME = "welcome"  # yes if there is one; Bakong answers without, so it proves nothing
    NONE = "none"  # no


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: an HTTP answer, whole and within the cap. Header values as text, None if absent."""

    status: int
    body: bytes
    content_type: str | None = None
    date: str | None = None
    retry_after: str | None = None


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """One request to be sent: what is asked, and how the answer is to be read.

    body: plain JSON values, amounts as Decimal. metered: whether Bakong is taken to count it against the
    day's quota; calls with a token are counted, renewal and calls without a token are not.
    """

    operation: Operation
    body: Any
    read: Callable[[Reply], R] = field(repr=False)
    auth: Auth = Auth.NEEDED

    @property
    def metered(self) -> bool:
        """True for a call that is taken to cost one unit of the day's quota."""
        return self.auth is not Auth.NONE


@dataclass(frozen=True, slots=True)
class Aside:
    """Something a flow wants done that may block for a moment: a look into a store. Handed its result."""

    do: Callable[[], Any]


Flow: TypeAlias = Generator[Call[Any] | Aside, Any, T]


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request that was sent and what became of it, fit to be stored: no token and no e-mail inside.

    path: with its prefix. request: the body, redacted. http_status: None when no whole answer came.
    answer: the body of the answer as text, redacted. outcome: "found", "not_found", "cannot_tell" ...;
    reason, code: of a CannotTell. milliseconds: from before connecting to after the last byte.
    ticket: what the budget gave for this call. retry_after_s: the wait the other side asked for.
    """

    operation: Operation
    path: str
    request: Any
    http_status: int | None
    answer: str
    outcome: str
    reason: str | None
    code: int | None
    milliseconds: float
    started_at: datetime
    ticket: object | None = None
    token_id: str | None = None
    retry_after_s: float | None = None

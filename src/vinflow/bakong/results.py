"""What Bakong may answer, as values. Unknown is not unpaid.

    Outcome = Found | NotFound | Failed | StaticQr | CannotTell

Only NotFound may ever be shown as "not yet paid", and only NotFound may lead to "expired". A time-out,
a refusal, a spent quota, a page of HTML: all of them are CannotTell, with the reason beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from vinflow.money import Currency

__all__ = [
    "Account",
    "AccountState",
    "CannotTell",
    "Failed",
    "Found",
    "HostedQr",
    "Link",
    "NotFound",
    "Outcome",
    "Reason",
    "StaticQr",
    "TokenInfo",
    "TrackingStatus",
    "Transfer",
]


class Reason(StrEnum):
    """Why nothing can be told. Each calls for something else, so they are kept apart."""

    NETWORK = "network"  # no connection, or it broke: ask later
    TIMEOUT = "timeout"  # no whole answer in time: ask later; the call may have been counted
    TOO_LARGE = "too_large"  # an answer beyond the cap
    REDIRECT = "redirect"  # never followed: the token would travel with it
    AUTH = "auth"  # the token is refused and could not be renewed: an operator must act
    QUOTA = "quota"  # the day's calls are spent: ask after the reset
    THROTTLED = "throttled"  # HTTP 429: ask after .retry_after_s
    BLOCKED = "blocked"  # HTTP 403: this machine or this call is refused; no token problem
    UPSTREAM = "upstream"  # Bakong, or what stands behind it, is out of order
    CONFIG = "config"  # nothing of Bakong's lives at this address
    BAD_REQUEST = "bad_request"  # Bakong finds our question faulty: a bug of ours
    UNEXPECTED = "unexpected"  # an HTTP status or a shape that no document names
    MALFORMED = "malformed"  # an answer that cannot be read; money may be behind it
    UNKNOWN_CODE = "unknown_code"  # a code that no document names
    BUDGET = "budget"  # the caller's own budget refused the call: nothing was sent


class TrackingStatus(StrEnum):
    """Where an interbank transfer stands. The last two must never be credited."""

    RECEIVE_AT_ACH = "RECEIVE_AT_ACH"
    RECEIVE_AT_RECEIVER_BANK = "RECEIVE_AT_RECEIVER_BANK"
    ACKNOWLEDGED_BY_FI = "ACKNOWLEDGED_BY_FI"
    REFUNDED_BY_RECEIVER = "REFUNDED_BY_RECEIVER"
    FAILED_AT_ACH = "FAILED_AT_ACH"


class Transfer(msgspec.Struct, frozen=True):
    """One move of money as Bakong reports it. Frozen; msgspec.structs.replace makes another.

    A Struct, as Found is, where the other outcomes are dataclasses: a batch makes fifty of each, and a
    dataclass of fourteen fields costs more to fill than its JSON to decode.

    hash: 64 lower-case hex digits, unique among all transfers: the key that keeps a credit single.
    amount: major units with the digits as they were sent; more digits than the currency has are kept,
        because a mismatch must be seen. Always above zero.
    currency: as sent, normally "USD" or "KHR".
    tracking_status: a TrackingStatus, or the text itself where no document names it.
    raw: the JSON object as answered; numbers with a point are text there, so that it can be stored as
        JSON without passing through a float.
    """

    hash: str
    amount: Decimal
    currency: str
    from_account: str | None = None
    to_account: str | None = None
    created_at: datetime | None = None
    acknowledged_at: datetime | None = None
    description: str | None = None
    tracking_status: str | None = None
    receiver_bank: str | None = None
    receiver_bank_account: str | None = None
    instruction_ref: str | None = None
    external_ref: str | None = None
    raw: dict[str, Any] = {}

    def __repr__(self) -> str:
        shown = (name for name in self.__struct_fields__ if name != "raw")
        return f"Transfer({', '.join(f'{name}={getattr(self, name)!r}' for name in shown)})"


class Found(msgspec.Struct, frozen=True):
    """Bakong knows a transfer. Whether it pays *our* QR is for the caller to decide.

    raw: the whole answer (the item of a batch), fit to be stored as JSON.
    answered_at: the moment in the answer's Date header, by the clock of the other side.
    """

    transfer: Transfer
    raw: dict[str, Any] = {}
    answered_at: datetime | None = None

    def __repr__(self) -> str:
        return f"Found({self.transfer!r}, answered_at={self.answered_at!r})"

    name = "found"


@dataclass(frozen=True, slots=True)
class NotFound:
    """Bakong knows no transfer: not yet, perhaps never."""

    answered_at: datetime | None = None

    name = "not_found"


@dataclass(frozen=True, slots=True)
class Failed:
    """The payer tried and it failed. They may try again until the QR expires: keep watching."""

    answered_at: datetime | None = None

    name = "failed"


@dataclass(frozen=True, slots=True)
class StaticQr:
    """The QR carries no amount and cannot be looked up: a mistake in how it was made."""

    answered_at: datetime | None = None

    name = "static_qr"


@dataclass(frozen=True, slots=True)
class CannotTell:
    """Nothing was learnt. It says nothing whatever about the money.

    detail: for operators and logs, in plain words, without secrets.
    code: Bakong's errorCode, when there was one. status: the HTTP status, when there was an answer.
    retry_after_s: seconds the other side asked us to wait (60 where a 429 names none), else None.
    """

    reason: Reason
    detail: str = ""
    code: int | None = None
    retry_after_s: float | None = None
    answered_at: datetime | None = None
    status: int | None = None

    name = "cannot_tell"


Outcome: TypeAlias = Found | NotFound | Failed | StaticQr | CannotTell


class AccountState(StrEnum):
    """What Bakong says of an account id."""

    EXISTS = "exists"
    UNKNOWN = "unknown"
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Account:
    """Whether a Bakong account exists. True in a condition only when it does."""

    state: AccountState
    answered_at: datetime | None = None

    name = "account"

    def __bool__(self) -> bool:
        return self.state is AccountState.EXISTS


@dataclass(frozen=True, slots=True)
class Link:
    """A link that opens the payer's app with the QR filled in. url: https, opaque."""

    url: str
    answered_at: datetime | None = None

    name = "link"


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """What may be told of a token: never the token."""

    id: str
    issued_at: datetime | None
    expires_at: datetime | None

    name = "token"


@dataclass(frozen=True, slots=True)
class HostedQr:
    """A QR made by the hosted gateway.

    hash: 64 lower-case hex digits, to ask after the payment with. qr_string: the text to draw, without the
    khqr:// scheme. deeplink: an https: or bakong: link, or None. raw: the answer, fit to be stored as JSON.
    """

    hash: str
    qr_string: str
    deeplink: str | None
    amount: Decimal
    currency: Currency
    merchant_id: str | None
    bill_number: str
    raw: dict[str, Any] = field(default_factory=dict, repr=False)
    answered_at: datetime | None = None

    name = "hosted_qr"

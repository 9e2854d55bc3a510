"""One door, two languages. The rest of payments sees a Gateway and never which one it is.

open_api.py speaks what Bakong itself speaks: we make the QR, and ask by its md5. hosted.py speaks
the guide's dialect: the gateway makes the QR, and is asked by the hash it gave. KHQR_PROTOCOL
chooses; `auto` tells by the merchant id.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from vinflow.bakong import Outcome, Reason
from vinflow.money import Money
from vinflow.payments import conf

__all__ = ["SHUT", "UNAVAILABLE", "Gateway", "MadeQr", "Order", "close_all", "current", "words_for"]


UNAVAILABLE = "KHQR API is not available"
# The guide's own sentences, for the payer; operators read the reason and the exchange.
WORDS: dict[str, str] = {
    Reason.AUTH: "Unauthorized",
    Reason.TIMEOUT: "KHQR API request timed out",
    Reason.NETWORK: "KHQR API request timed out",
}


# After one of these the next question would be answered just so, or cost what is not there.
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


def words_for(reason: str) -> str:
    """Return the guide's sentence for an answer that told nothing."""
    return WORDS.get(reason, UNAVAILABLE)


@dataclass(frozen=True, slots=True)
class Order:
    """What a QR is to be made for. Moments are aware; the bill number is our public reference."""

    money: Money
    bill_number: str
    info: str
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class MadeQr:
    """A QR and the handle its payment is asked by.

    qr_string: the exact text that is drawn. handle: its md5 (Open API) or the gateway's hash
    (hosted). deeplink: "" until one is asked for. expires_at: what the QR
    itself says where another made it. response: the guide's keys, kept on the payment.
    """

    qr_string: str
    md5: str
    handle: str
    receiver: str
    merchant_name: str
    deeplink: str = ""
    expires_at: datetime | None = None
    response: dict[str, Any] = field(default_factory=dict)


class Gateway(Protocol):
    """What payments need of a gateway."""

    protocol: conf.Protocol
    token_id: str
    batch_max: int

    def make(self, order: Order) -> MadeQr:
        """Return a QR for an order. Raises GatewayUnavailable, with nothing left behind."""
        ...

    def check(self, handles: Sequence[str]) -> dict[str, Outcome]:
        """Return one outcome for each handle; never raises for what the world answers."""
        ...

    def deeplink(self, qr_string: str, *, back_to: str) -> str:
        """Return a link that opens the payer's app with this QR, "" when there is none."""
        ...

    def find(self, name: str, money: Money) -> Outcome | None:
        """Return what is known of a transfer by its hash, short hash or bank reference; None: no such
        call in this dialect."""
        ...

    def check_booked(self, handles: Mapping[str, str]) -> dict[str, Outcome]:
        """Return one outcome for each transfer that was booked, by its hash; few calls for many.

        handles: by hash, the handle of the QR it came by, for a dialect that knows no other name.
        """
        ...

    def batch_open(self, at: datetime) -> bool:
        """Return whether one call may carry many handles now."""
        ...

    def close(self) -> None:
        """Close the connections."""
        ...


_lock = threading.Lock()
_made: dict[tuple[Any, ...], Gateway] = {}


def current() -> Gateway:
    """Return the gateway the settings name; its connections are shared by the whole process.

    Raises NotConfigured with the name of the setting that is missing or absurd.
    """
    from vinflow.payments.gateways.hosted import HostedGateway
    from vinflow.payments.gateways.open_api import OpenApiGateway

    protocol = conf.protocol()
    conf.environment()
    key = (
        protocol,
        conf.api_url(),
        conf.merchant_id(),
        conf.api_key(),
        conf.api_email(),
        conf.timeout_s(),
        conf.proxy(),
    )
    with _lock:
        if key not in _made:
            _made[key] = OpenApiGateway() if protocol is conf.Protocol.OPEN_API else HostedGateway()
        return _made[key]


def close_all() -> None:
    """Close every gateway's connections; the next call opens new ones."""
    with _lock:
        for gateway in _made.values():
            gateway.close()
        _made.clear()

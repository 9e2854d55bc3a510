"""What the stand-in remembers: accounts, transfers, hosted orders, links, calls; rows ready for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Any

from vinflow.sandbox.switches import Switches

__all__ = ["Account", "CallRecord", "Link", "Merchant", "Order", "Transfer", "on_the_wire"]


@dataclass(slots=True)
class Account:
    """A Bakong account. balances: whole minor units by currency; None when they are not counted."""

    id: str
    name: str = ""
    bank: str = ""
    balances: dict[str, int] | None = None


@dataclass(frozen=True, slots=True)
class Merchant:
    """A merchant of the hosted dialect: the MD5 it is known by, and where its money goes."""

    md5: str
    merchant_id: str
    account: str
    name: str
    city: str = "Phnom Penh"


@dataclass(frozen=True, slots=True)
class Order:
    """A KHQR the hosted gateway made: the hash it promised, and the QR whose md5 will be paid."""

    hash: str
    merchant: str
    qr: str
    md5: str
    amount: Decimal
    currency: str
    bill_number: str
    info: str
    created_ms: int
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Link:
    """A deeplink: 17 letters and digits, the QR behind it, and where the payer's phone goes afterwards."""

    id: str
    qr: str
    callback: str | None = None
    app_name: str | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """One move of money, or one attempt that failed.

    hash: 64 lower-case hex digits. md5: of the KHQR that was paid, "" for a transfer without one.
    created_ms: when the payer sent it; acknowledged_ms: when Bakong recorded it; visible_ms: from when on the
    API shows it. overrides: fields of the wire object put in as they are; drop: fields it lacks.
    """

    hash: str
    md5: str
    from_account: str
    to_account: str
    currency: str
    amount: Decimal
    created_ms: int
    acknowledged_ms: int
    visible_ms: int
    failed: bool = False
    static: bool = False
    description: str | None = None
    tracking_status: str | None = None
    receiver_bank: str | None = None
    receiver_bank_account: str | None = None
    instruction_ref: str | None = None
    external_ref: str | None = None
    qr: str = ""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    drop: tuple[str, ...] = ()

    @property
    def short_hash(self) -> str:
        """The first eight digits of the hash: what a payer sees on the receipt."""
        return self.hash[:8]


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One line of the call log. Never a token, only its id. key: what was asked about."""

    seq: int
    at_ms: int
    call: str
    method: str
    path: str
    status: int
    code: int | None
    key: str | None
    token_id: str | None
    authorized: bool
    metered: int
    fault: str | None
    manner: str
    user_agent: str
    milliseconds: float
    warnings: tuple[str, ...] = ()


@lru_cache(maxsize=4096)
def _amount(amount: Decimal, style: str) -> Decimal | str:
    whole = amount == amount.to_integral_value()
    plain = format(amount.to_integral_value(), "f") if whole else format(amount.normalize(), "f")
    if style == "string":
        return plain
    if style == "point_zero" and whole:
        plain += ".0"
    return Decimal(plain)


def _moment(moment_ms: int, style: str) -> int | Decimal:
    return Decimal(f"{moment_ms}.0") if style == "float" else moment_ms


FILLED = {
    "trackingStatus": "ACKNOWLEDGED_BY_FI",
    "receiverBank": "Development Bank",
    "receiverBankAccount": "8*******123",
    "instructionRef": "IR20260101000001",
    "externalRef": "100FT00000000000",
}


def on_the_wire(transfer: Transfer, switches: Switches) -> dict[str, Any]:
    """Return the transaction object of the API for a transfer, rendered as the switches say."""
    data: dict[str, Any] = {
        "hash": transfer.hash,
        "fromAccountId": transfer.from_account,
        "toAccountId": transfer.to_account,
        "currency": transfer.currency,
        "amount": _amount(transfer.amount, switches.amounts),
        "description": transfer.description,
    }
    if switches.optional_fields != "minimal":
        data["createdDateMs"] = _moment(transfer.created_ms, switches.milliseconds)
        data["acknowledgedDateMs"] = _moment(transfer.acknowledged_ms, switches.milliseconds)
    optional = {
        "trackingStatus": transfer.tracking_status,
        "receiverBank": transfer.receiver_bank,
        "receiverBankAccount": transfer.receiver_bank_account,
        "instructionRef": transfer.instruction_ref,
        "externalRef": transfer.external_ref,
    }
    for name, value in optional.items():
        if value is None and switches.optional_fields == "filled":
            value = FILLED[name]
        if value is not None and name == "trackingStatus":
            data[name] = value  # what happened to the money is said under every setting
        elif switches.optional_fields in ("null", "filled"):
            data[name] = value
    if switches.extra_keys:
        data["settlementBatch"] = {"id": 7, "closed": False}
    data |= transfer.overrides
    for name in transfer.drop:
        data.pop(name, None)
    return dict(reversed(data.items())) if switches.key_order == "reversed" else data

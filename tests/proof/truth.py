"""Does a transfer of the stand-in's books pay a QR? The same rules as matching.py, written a second time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from vinflow.sandbox.records import Transfer

if TYPE_CHECKING:
    from tests.proof.world import World

__all__ = ["minor_of", "speaks_against"]

DECIMALS = {"USD": 2, "KHR": 0}


def minor_of(transfer: Transfer, currency: str) -> int | None:
    """Return a transfer's amount in cents or riel, None where it is no whole number of them."""
    if currency not in DECIMALS or transfer.currency != currency:
        return None
    amount = transfer.overrides.get("amount", transfer.amount)
    scaled = Decimal(amount).scaleb(DECIMALS[currency])
    return int(scaled) if scaled == scaled.to_integral_value() and 0 < scaled <= 10**15 else None


def speaks_against(transfer: Transfer, attempt: tuple[Any, ...], asked_at: datetime, world: World) -> str:
    """Return what speaks against crediting a transfer by itself, "" when nothing does."""
    from tests.proof.checkers import aware
    from tests.proof.world import BRIDGE

    _md5, created_at, expires_at, watch_until, amount_minor, currency = attempt
    if transfer.failed:
        return "it failed"
    if transfer.currency != currency or minor_of(transfer, currency) != amount_minor:
        return "its amount"
    receiver = transfer.overrides.get("toAccountId", transfer.to_account)
    if receiver not in (world.bank.account, BRIDGE):
        return "its receiver"
    if transfer.tracking_status in ("REFUNDED_BY_RECEIVER", "FAILED_AT_ACH"):
        return "it was sent back"
    if "fields_minimal" in world.names:
        return ""  # the storm's answers had no dates, the calm's have: which one decided is not known here
    if "createdDateMs" in transfer.drop:
        return "no date, asked late" if asked_at > aware(expires_at) else ""
    sent_at = datetime.fromtimestamp(transfer.created_ms / 1000, UTC)
    if sent_at < aware(created_at) - timedelta(minutes=5, seconds=1):
        return "it is too early"
    if sent_at > aware(watch_until) + timedelta(seconds=1):
        return "it is after the watch"
    return ""

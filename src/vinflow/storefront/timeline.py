"""A payment's own story in words, for the payer: what happened, when; nothing about gateways or staff."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from vinflow.payments import queries
from vinflow.payments.models import Payment

__all__ = ["Happening", "timeline"]


class Happening(NamedTuple):
    """One thing that happened: the English sentence (a message id) and its moment."""

    word: str
    at: datetime


def timeline(payment: Payment, *, at: datetime) -> list[Happening]:
    """Return what has happened to a payment up to a moment, oldest first; three queries.

    A QR's end is told only where it came before the money.
    """
    found = [Happening("Payment created", payment.created_at)]
    over_at = payment.completed_at or payment.canceled_at or at
    for attempt in payment.attempts.order_by("number"):
        found.append(Happening("QR shown", attempt.created_at))
        if attempt.expires_at <= min(over_at, at):
            found.append(Happening("QR expired", attempt.expires_at))
    if payment.app_opened_at is not None:
        found.append(Happening("Bakong app opened", payment.app_opened_at))
    if payment.canceled_at is not None:
        found.append(Happening("Payment canceled", payment.canceled_at))
    if payment.completed_at is not None:
        transfer = queries.credited_transfer(payment)
        if transfer is not None:
            found.append(Happening("Payment confirmed", transfer.stored_at))
        if payment.user_id is not None:  # without one it went to the shop
            found.append(Happening("Added to wallet", payment.completed_at))
    for asked_at, ended_at, state in payment.refunds.values_list("asked_at", "ended_at", "state"):
        found.append(Happening("Refund being prepared", asked_at))
        if ended_at is not None:
            found.append(Happening("Refund sent" if state == "done" else "Refund called off", ended_at))
    return sorted(found, key=lambda happening: happening.at)  # stable: equal moments keep the order above

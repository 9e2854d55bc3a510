"""After commit: live pages, signals, alerts. What is announced here has already happened.

Nothing in this module can undo or delay money: everything runs after the commit, and a listener
that raises is logged and passed over.
"""

from __future__ import annotations

import logging
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.dispatch import Signal

from vinflow.payments.models import Payment, Refund, ReviewItem, Transfer
from vinflow.wallet.reading import by_hand

__all__ = [
    "CHANNEL",
    "completed",
    "deposited",
    "ended",
    "payment_completed",
    "payment_ended",
    "refund_changed",
    "refund_moved",
    "review_decided",
    "review_item_decided",
    "review_item_opened",
    "review_opened",
]

log = logging.getLogger(__name__)

CHANNEL = "vinflow_payments"  # PostgreSQL LISTEN/NOTIFY; the text is the payment's reference

payment_completed = Signal()  # payment=, transfer= (None for a manual deposit)
payment_ended = Signal()  # payment=
review_item_opened = Signal()  # item=
review_item_decided = Signal()  # item=
refund_changed = Signal()  # refund=


def completed(payment: Payment, transfer: Transfer) -> None:
    """Announce a completed payment once the transaction around it has committed."""
    log.info(
        "payment completed",
        extra={"payment": payment.transaction_id, "hash": transfer.hash, "late": payment.completed_late},
    )
    _later(payment_completed, payment.transaction_id, payment=payment, transfer=transfer)


def deposited(payment: Payment) -> None:
    """Announce a manual deposit that was credited: a completed payment without a transfer (None)."""
    log.info("manual deposit credited", extra={"payment": payment.transaction_id})
    _later(payment_completed, payment.transaction_id, payment=payment, transfer=None)


def ended(payment: Payment) -> None:
    """Announce a payment that expired, failed or was withdrawn."""
    log.info("payment ended", extra={"payment": payment.transaction_id, "status": str(payment.status)})
    _later(payment_ended, payment.transaction_id, payment=payment)


def review_opened(item: ReviewItem) -> None:
    """Announce that a person is needed."""
    log.warning("review item opened", extra={"subject": item.subject, "reasons": item.reasons})
    reference = item.payment.transaction_id if item.payment else ""
    _later(review_item_opened, reference, item=item)


def review_decided(item: ReviewItem) -> None:
    """Announce a decision of the review desk."""
    log.info("review item decided", extra={"subject": item.subject, "decision": str(item.decision)})
    reference = item.payment.transaction_id if item.payment else ""
    _later(review_item_decided, reference, item=item)


def refund_moved(refund: Refund) -> None:
    """Announce a step of a refund: asked, approved, sent, done, rejected or given up."""
    log.info("refund moved", extra={"refund": refund.reference, "state": str(refund.state)})
    _later(refund_changed, refund.payment.transaction_id, refund=refund)


def _tell(signal: Signal, **what: Any) -> None:
    for receiver, result in signal.send_robust(sender=None, **what):
        if isinstance(result, Exception):
            log.error("a listener failed: %r", receiver, exc_info=result)


def _later(signal: Signal, reference: str, **what: Any) -> None:
    if connection.vendor == "postgresql" and reference:
        # Inside the transaction: PostgreSQL itself delivers it at commit, or never.
        with by_hand(DEFAULT_DB_ALIAS) as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, reference])

    transaction.on_commit(lambda: _tell(signal, **what))

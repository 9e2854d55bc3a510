"""The guide's two calls. Both are safe to repeat; both do what the guide says, once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from vinflow.bakong import CannotTell
from vinflow.payments import checking, clock
from vinflow.payments.budgeting import Pool
from vinflow.payments.gateways import words_for
from vinflow.payments.models import Payment
from vinflow.payments.opening import first_attempt, open_payment
from vinflow.payments.states import Status

__all__ = ["KhqrStatus", "check_khqr_payment_status", "create_khqr_payment"]


def create_khqr_payment(payment: Payment, *, at: datetime | None = None) -> Payment:
    """Return the payment with a KHQR to show: gateway_payment_id and gateway_response are filled.

    gateway_response has the guide's keys: hash, qr_string, deeplink, amount, currency, merchant_id,
    bill_number. Repeated, it returns the QR that is there. An unsaved Payment(user=, amount_minor=,
    currency=) is saved here, as open_payment does it: within the payer's limits, once for an
    idempotency_key when it has one, and not at all when it is refused. at: the moment, the site's
    clock if None. Raises the OpeningRefused tree, NotConfigured with the guide's sentence among it.
    """
    at = at or clock.aligned()
    if payment._state.adding:
        opened = open_payment(
            user=payment.user,
            money=payment.money,
            key=payment.idempotency_key or payment.transaction_id,
            method=payment.method,
            purpose=payment.purpose,
            reference=payment.reference,
            metadata=payment.metadata,
            return_url=payment.return_url,
            at=at,
        )
        payment.pk, payment._state.adding = opened.pk, False
    else:
        first_attempt(payment=payment, at=at)
    payment.refresh_from_db()
    return payment


@dataclass(frozen=True, slots=True)
class KhqrStatus:
    """What is known of a payment. message: the guide's sentence for the case, "" when paid.

    cause: for operators, in plain words; never for a page.
    """

    paid: bool
    status: str
    message: str
    cause: str = ""


def check_khqr_payment_status(payment: Payment, *, at: datetime | None = None) -> KhqrStatus:
    """Return what is known of a payment after asking Bakong, if a call is due and allowed.

    A payment found paid is completed and its funds are added, once, whoever asks and how often.
    Anything but a clear word leaves it as it is: unknown is not unpaid.
    """
    report = checking.check_payment(payment=payment, at=at or clock.aligned(), pool=Pool.AUTO)
    payment.refresh_from_db()
    if payment.status == Status.COMPLETED:
        return KhqrStatus(True, str(payment.status), "")
    if isinstance(report.outcome, CannotTell):
        message = words_for(report.outcome.reason)
        cause = f"{report.outcome.reason}: {report.outcome.detail}"
        return KhqrStatus(False, str(payment.status), message, cause)
    if report.outcome is None:
        # No call was due: what the last one said still stands.
        last = payment.attempts.order_by("-number").first()
        if last is not None and last.last_outcome == CannotTell.name:
            reason = last.last_reason
            return KhqrStatus(False, str(payment.status), words_for(reason), reason)
    return KhqrStatus(False, str(payment.status), "Transaction not found")

"""Way out: the payer gave up. The QRs they were shown stay watched; money that comes completes it."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from vinflow.payments import announcing
from vinflow.payments.models import Attempt, Payment, Transfer
from vinflow.payments.states import Event, Status

__all__ = ["cancel_payment"]


@transaction.atomic
def cancel_payment(*, payment: Payment, at: datetime) -> Payment:
    """Withdraw a pending payment; repeated, it returns quietly. Nothing is forgotten.

    A payment whose money has already been reported (an unprocessed answer) is left as it is: the
    answer decides. Raises IllegalTransition for a payment that has ended otherwise.
    """
    locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
    if locked.status == Status.CANCELED:
        return locked
    if (
        locked.status == Status.PENDING
        and Transfer.objects.filter(payment=locked, processed_at__isnull=True).exists()
    ):
        return locked
    locked.advance(Event.WITHDRAWN, at=at)
    # A promise of a call is for payers who wait; a withdrawn QR is watched from what is spare.
    Attempt.objects.filter(payment=locked).update(set_aside=False)
    announcing.ended(locked)
    return locked

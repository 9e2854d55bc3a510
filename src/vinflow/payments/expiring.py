"""Way out: nothing came, and Bakong said so.

Only the word NotFound (or Failed), asked for after expiry plus grace, ends an unpaid payment, and
only when every QR of it has had that word, no answer lies unprocessed and no request is under way.
An outage keeps a payment pending however long it lasts. Ended payments stay watched for late money.
Where a transfer came that people decided about, their decision ends it: Bakong will never say "not found".
"""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet

from vinflow.payments import announcing
from vinflow.payments.models import Attempt, Exchange, Payment, ReviewItem, Transfer
from vinflow.payments.prepared import Prepared
from vinflow.payments.states import Event, Status

__all__ = ["end_if_settled", "expire_if_over", "not_settled", "sweep"]

SWEPT = 50  # payments ended in one step of a watcher


@transaction.atomic
def expire_if_over(*, payment_id: int, at: datetime) -> Payment | None:
    """End a pending payment whose every QR has run out by Bakong's own word; None when it may not end.

    The state becomes `failed` when the last real word about its newest QR was Failed, else
    `expired`. Safe to repeat and to race: the row is locked and the state guarded.
    """
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment_id)
    if payment.status != Status.PENDING:
        return None
    attempts = list(Attempt.objects.filter(payment=payment).order_by("number"))
    if not attempts or any(not_settled(attempt) for attempt in attempts):
        return None
    if Transfer.objects.filter(payment=payment, processed_at__isnull=True).exists():
        return None
    if Exchange.objects.filter(stage=Exchange.Stage.STARTED, attempts__payment=payment).exists():
        return None
    failed = attempts[-1].last_real_word == "failed"
    payment.advance(Event.BANK_SAID_FAILED if failed else Event.TIME_RAN_OUT, at=at)
    announcing.ended(payment)
    return payment


def _quiet() -> QuerySet[Payment]:
    """Pending payments about which no answer lies unprocessed and no request is under way."""
    inbox = Transfer.objects.filter(payment=OuterRef("pk"), processed_at__isnull=True)
    under_way = Exchange.objects.filter(stage=Exchange.Stage.STARTED, attempts__payment=OuterRef("pk"))
    return Payment.objects.filter(~Exists(inbox), ~Exists(under_way), status=Status.PENDING).order_by("pk")


def _over() -> QuerySet[Payment, tuple[int]]:
    """Those whose every QR has had Bakong's word from after its end."""
    own = Attempt.objects.filter(payment=OuterRef("pk"))
    unsettled = own.filter(Q(last_negative_at__isnull=True) | Q(last_negative_at__lt=F("last_check_at")))
    return _quiet().filter(Exists(own), ~Exists(unsettled)).values_list("pk")[:SWEPT]


_over_query = Prepared(_over, {})


def _settled() -> QuerySet[Payment, tuple[int]]:
    """Those of which people decided, with nothing undecided left and no QR to be asked about."""
    items = ReviewItem.objects.filter(payment=OuterRef("pk"))
    watched = Attempt.objects.watched().filter(payment=OuterRef("pk"), last_check_done=False)
    decided, open_ = items.exclude(decision=""), items.filter(decision="")
    return _quiet().filter(Exists(decided), ~Exists(open_), ~Exists(watched)).values_list("pk")


_settled_query = Prepared(lambda: _settled()[:SWEPT], {})


@transaction.atomic
def end_if_settled(*, payment_id: int, at: datetime) -> bool:
    """End a pending payment that people have decided about; return whether it ended now.

    Bakong will go on naming the transfer they decided about, never "not found": nothing else would end it.
    """
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment_id)
    if not _settled().filter(pk=payment_id).exists():
        return False
    payment.advance(Event.SETTLED_BY_HAND, at=at)
    return True


def sweep(*, at: datetime) -> int:
    """End payments whose last word came while something else still stood in the way; return how many ran out.

    A NotFound that arrived beside another request, or before an older answer was processed, ends
    nothing at that moment, and neither does a decision of people while a question about the QR waits
    for its answer; this looks again once the way is free. At most SWEPT of each at once.
    """
    for (payment_id,) in _settled_query.rows({}):
        end_if_settled(payment_id=payment_id, at=at)
    ended = 0
    for (payment_id,) in _over_query.rows({}):
        ended += expire_if_over(payment_id=payment_id, at=at) is not None
    return ended


def not_settled(attempt: Attempt) -> bool:
    """Return whether an attempt still lacks Bakong's word from after its expiry plus grace."""
    return attempt.last_negative_at is None or attempt.last_negative_at < attempt.last_check_at

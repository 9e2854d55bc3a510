"""Claims that have nothing left to decide: the payer's own QR has brought the transfer they named."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Value
from django.db.models.functions import Concat

from vinflow.payments import announcing
from vinflow.payments.models import Payment, ReviewItem, Transfer

__all__ = ["close_overtaken"]

CHANGED = ("decision", "decided_at", "why", "proposed", "proposed_by", "proposed_at", "proposal")
WHY = "the payer's own QR has brought this transfer"


def close_overtaken(*, at: datetime) -> int:
    """Close the open claims whose transfer the payer's own QR has brought since; return how many.

    A bank may show a transfer by its name before it shows it by its QR: what was filed for people then is
    credited by itself a moment later, and nothing is left to decide.
    """
    claimed = Concat(Value("claim:"), F("hash"), Value(":"), F("payment__transaction_id"))
    brought = Transfer.objects.annotate(subject=claimed).filter(
        payment=OuterRef("payment"), fate__in=("credited", "extra"), subject=OuterRef("subject")
    )
    rows = ReviewItem.objects.filter(Exists(brought), decision="", transfer__isnull=True)
    closed = 0
    for pk in list(rows.values_list("pk", flat=True)):
        with transaction.atomic():
            item = rows.select_for_update(of=("self",), no_key=True, skip_locked=True).filter(pk=pk).first()
            if item is None:  # people have decided meanwhile, or are about to
                continue
            item.decision, item.decided_at, item.why = ReviewItem.Decision.OVERTAKEN, at, WHY
            item.proposed, item.proposed_by, item.proposed_at, item.proposal = "", None, None, {}
            item.save(update_fields=list(CHANGED))
            Payment.objects.filter(reviews=item).update(version=F("version") + 1)
            announcing.review_decided(item)
            closed += 1
    return closed

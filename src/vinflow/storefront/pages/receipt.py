"""The receipt of a completed payment; any other leads to the payment's own page."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vinflow.payments import clock, queries
from vinflow.payments.models import Payment
from vinflow.storefront.pages.access import owned, signed_in
from vinflow.storefront.statements import balance_after, masked, receipt_number

__all__ = ["receipt"]


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_safe
@owned
def receipt(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Show the receipt, for the screen and for paper."""
    if payment.status != "completed":
        return HttpResponseRedirect(reverse("storefront:checkout", args=[payment.transaction_id]))
    co = queries.checkout(payment, at=clock.aligned())
    transfer = queries.credited_transfer(payment)
    context = {
        "payment": payment,
        "co": co,
        "number": receipt_number(payment),
        "transfer": transfer,
        "payer": masked(transfer.from_account) if transfer else "",
        "after": balance_after(transfer) if transfer else None,
        "play_money": payment.environment != "production",
    }
    return render(request, "storefront/receipt.html", context)

"""The receipt of a completed payment, as a page and as a PDF; any other payment leads to its own page."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vinflow.payments import clock, queries
from vinflow.payments.models import Payment
from vinflow.storefront.pages.access import owned, signed_in
from vinflow.storefront.pages.errors import too_fast
from vinflow.storefront.paper import NoPdf, can_make_pdf, paper_html, pdf_of
from vinflow.storefront.statements import balance_after, masked, receipt_number
from vinflow.storefront.throttle import wait_s

__all__ = ["receipt", "receipt_context", "receipt_pdf"]

PDF_EVERY_S = 3  # for one payment: laying a page out takes as long as a hundred pages


def receipt_context(payment: Payment) -> dict[str, Any]:
    """Return what a receipt shows, on a page, on paper and in a mail, of a completed payment."""
    transfer = queries.credited_transfer(payment)
    return {
        "payment": payment,
        "co": queries.checkout(payment, at=clock.aligned()),
        "number": receipt_number(payment),
        "transfer": transfer,
        "payer": masked(transfer.from_account) if transfer else "",
        "after": balance_after(transfer) if transfer else None,
        "play_money": payment.environment != "production",
    }


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_safe
@owned
def receipt(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Show the receipt, for the screen and for paper."""
    if payment.status != "completed":
        return HttpResponseRedirect(reverse("storefront:checkout", args=[payment.transaction_id]))
    context = receipt_context(payment) | {"pdf": can_make_pdf(), "said": request.GET.get("said", "")}
    return render(request, "storefront/receipt.html", context)


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_safe
@owned
def receipt_pdf(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Send the receipt as a PDF file; where none can be made, lead to the page that can be printed."""
    page = reverse("storefront:receipt", args=[payment.transaction_id])
    if payment.status != "completed":
        return HttpResponseRedirect(page)
    if not can_make_pdf():
        return HttpResponseRedirect(f"{page}?said=no-pdf")
    wait = wait_s(f"pdf:{payment.transaction_id}", every_s=PDF_EVERY_S, at=clock.aligned())
    if wait:
        return too_fast(request, wait_s=wait)
    html = paper_html(receipt_context(payment), language=get_language() or "en")
    try:
        pdf = pdf_of(html)
    except NoPdf:
        return HttpResponseRedirect(f"{page}?said=no-pdf")
    answer = HttpResponse(pdf, content_type="application/pdf")
    answer["Content-Disposition"] = f'attachment; filename="{receipt_number(payment)}.pdf"'
    return answer

""" "I paid but it is not here": the payer names a transfer for one of their own payments.

What is found by its name alone credits nothing (money rule 1): payments.claiming asks for the payer's
own QR, and everything else goes to people. This page only carries the name in and the answer out.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from vinflow.payments import claiming, clock, queries
from vinflow.payments.models import Payment
from vinflow.storefront.pages.access import owned, signed_in
from vinflow.storefront.pages.errors import too_many_tries
from vinflow.storefront.throttle import wait_s
from vinflow.storefront.words import say

__all__ = ["ANSWERS", "choose", "missing"]

EVERY_S = 15
NAME_MAX = 80
RECENT = 20

# (sentence, colour): what the payer is told of each answer; "credited" leads to the payment itself.
ANSWERS: Final = {
    "review": (
        "We found it. Our team checks whose it is and then adds it. You do not need to do anything.",
        "success",
    ),
    "none": (
        "The bank does not know this code. Read it once more, letter by letter. If you paid a moment ago, "
        "try again in a few minutes.",
        "warn",
    ),
    "known": (
        "This transfer has been counted already. If you do not see its money, contact support.",
        "warn",
    ),
    "later": (
        "Banks cannot confirm payments right now. If you have paid, do not pay again; the money will be "
        "added later.",
        "warn",
    ),
    "slow": ("The bank network answers slowly. If you have paid, do not pay again.", "warn"),
    "often": ("You have asked often today. Try again tomorrow, or contact support.", "warn"),
}


@transaction.non_atomic_requests
@never_cache
@login_required
@require_safe
def choose(request: HttpRequest) -> HttpResponse:
    """Show the payer's last payments, to choose the one that was paid and is not here."""
    rows = [
        {"payment": payment, "state": queries.shown_state(payment)}
        for payment in queries.recent(request.user, RECENT)
    ]
    context = {"payments": rows, "here": "wallet", "back": reverse("storefront:wallet")}
    return render(request, "storefront/missing_choose.html", context)


@transaction.non_atomic_requests
@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
@owned
def missing(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Show the form, or look for the transfer that was named and say what came of it.

    At most one try in EVERY_S seconds for a payer; how many names a day may be looked up is a rule of
    payments.claiming. After a try the answer stands in the address, so that a reload asks nobody again.
    """
    if request.method != "POST":
        name = request.GET.get("name", "")[:NAME_MAX]
        return _page(request, payment, name=name, answer=request.GET.get("said", ""))
    name = request.POST.get("name", "")[:NAME_MAX].strip()
    if not name:
        return _page(
            request, payment, name="", error=say("Enter the code from your bank app."), status_code=422
        )
    at = clock.aligned()
    wait = wait_s(f"claim:{payment.user_id or payment.transaction_id}", every_s=EVERY_S, at=at)
    if wait:
        line = too_many_tries(wait)
        answer = _page(request, payment, name=name, error=line, status_code=429)
        answer["Retry-After"] = str(wait)
        return answer
    report = claiming.claim(payment=payment, named=name, at=at)
    if report.kind == "unreadable":
        line = say("Enter 64 or 8 letters and digits, or the reference from your bank.")
        return _page(request, payment, name=name, error=line, status_code=422)
    if report.kind == "credited":
        return _see_other(reverse("storefront:checkout", args=[payment.transaction_id]))
    address = reverse("storefront:missing", args=[payment.transaction_id])
    return _see_other(f"{address}?{urlencode({'said': report.kind, 'name': name})}")


def _page(
    request: HttpRequest,
    payment: Payment,
    *,
    name: str,
    answer: str = "",
    error: str = "",
    status_code: int = 200,
) -> HttpResponse:
    sentence, tone = ANSWERS.get(answer, ("", ""))
    context: dict[str, Any] = {
        "payment": payment,
        "state": queries.shown_state(payment),
        "name": name,
        "error": error,
        "answer": say(sentence) if sentence else "",
        "tone": tone,
        "here": "wallet",
        "back": reverse("storefront:checkout", args=[payment.transaction_id]),
    }
    return render(request, "storefront/missing.html", context, status=status_code)


def _see_other(address: str) -> HttpResponse:
    answer = HttpResponseRedirect(address)
    answer.status_code = 303
    return answer

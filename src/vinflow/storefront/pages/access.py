"""Who may see a payment: the payer it belongs to, and whoever holds the signed link of one that has no payer.

Everybody else gets one and the same 404, whether the reference is a stranger's or made up.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.cache import patch_vary_headers

from vinflow.payments import queries
from vinflow.payments.models import Payment
from vinflow.storefront.links import opened_by_link
from vinflow.storefront.pages.errors import not_found

__all__ = ["View", "owned", "payment_of", "signed_in", "signed_out_answer", "wants_json"]

View = Callable[..., HttpResponse]
NO_STORE = {"Cache-Control": "no-store"}


def wants_json(request: HttpRequest) -> bool:
    """Whether the page's script asks, or a browser that wants a page."""
    return "application/json" in request.headers.get("Accept", "")


def payment_of(request: HttpRequest, reference: str) -> Payment | None:
    """Return the visitor's payment of that reference, None for a foreign or unknown one alike."""
    if request.user.is_authenticated:
        payment = queries.payment_for(request.user, reference)
        if payment is not None:
            payment.user = cast("Any", request.user)  # the same row, already read
            return payment
    return queries.payment_without_user(reference) if opened_by_link(request.session, reference) else None


def owned(view: View) -> View:
    """Hand the visitor's own payment to a view; anybody else's, and none, are the same 404."""

    @wraps(view)
    def guarded(request: HttpRequest, reference: str, **rest: Any) -> HttpResponse:
        payment = payment_of(request, reference)
        if payment is None:
            if wants_json(request):
                return JsonResponse({"error": "not_found"}, status=404, headers=NO_STORE)
            return not_found(request)
        return view(request, payment, **rest)

    return guarded


def signed_out_answer() -> JsonResponse:
    """Return what a page's script is told when nobody is signed in any more: 401, and where to sign in."""
    return JsonResponse(
        {"error": "signed_out", "login_url": reverse("account_login")}, status=401, headers=NO_STORE
    )


def signed_in(view: View) -> View:
    """Like login_required, but for the holder of a payment's link; a script is told 401 in JSON."""
    page = login_required(view)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        known = request.user.is_authenticated or opened_by_link(request.session, kwargs.get("reference", ""))
        if not known and wants_json(request):
            return signed_out_answer()
        answer = (view if known else page)(request, *args, **kwargs)
        patch_vary_headers(answer, ["Accept", "Cookie"])
        return answer

    return guarded

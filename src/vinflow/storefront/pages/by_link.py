"""The address of a signed link: it opens the checkout of its one payment in this browser."""

from __future__ import annotations

from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vinflow.payments import queries
from vinflow.storefront.links import is_signed, open_in
from vinflow.storefront.pages.errors import not_found

__all__ = ["link"]


@transaction.non_atomic_requests
@never_cache
@require_safe
def link(request: HttpRequest, reference: str, signature: str) -> HttpResponse:
    """Remember the link in this browser and go to its payment; a forged one is the same 404 as none."""
    if not is_signed(reference, signature) or queries.payment_without_user(reference) is None:
        return not_found(request)
    open_in(request.session, reference)
    answer = HttpResponseRedirect(reverse("storefront:checkout", args=[reference]))
    answer.status_code = 303
    return answer

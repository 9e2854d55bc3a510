"""The first page after signing in: balances and the last payments."""

from __future__ import annotations

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vinflow.payments import queries

__all__ = ["dashboard"]

RECENT = 5


@transaction.non_atomic_requests
@never_cache
@login_required
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """Show balances and the last payments."""
    rows = [
        {
            "payment": payment,
            "state": queries.shown_state(payment),
            "money": queries.given_by_hand(payment) or payment.money,
        }
        for payment in queries.recent(request.user, RECENT)
    ]
    return render(request, "storefront/dashboard.html", {"payments": rows, "here": "dashboard"})

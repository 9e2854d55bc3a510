"""The wallet: balances, history with filters and pages, the statement as CSV."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vinflow.money import Money
from vinflow.payments import clock, conf, queries
from vinflow.payments.models import Payment
from vinflow.storefront import formats
from vinflow.storefront.statements import balances_after, other_movements, statement_csv

__all__ = ["Row", "statement", "wallet"]

SIZES = (10, 25, 50, 100)
NAMES = {
    "all": "All",
    "completed": "Completed",
    "pending": "Waiting",
    "expired": "Expired",
    "failed": "Failed",
    "canceled": "Canceled",
}


@dataclass(frozen=True, slots=True)
class Row:
    """A payment as the history shows it."""

    payment: Payment
    state: str
    money: Money
    after: Money | None


@dataclass(frozen=True, slots=True)
class Tab:
    """One filter: its word, how many it shows, its address."""

    name: str
    word: str
    count: int
    query: str
    current: bool


def _number(text: str, fallback: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else fallback


@transaction.non_atomic_requests
@never_cache
@login_required
@require_safe
def wallet(request: HttpRequest) -> HttpResponse:
    """Show balances and a page of the history; filter, page and size stand in the address."""
    which = request.GET.get("status", "all")
    which = which if which in queries.FILTERS else "all"
    size = _number(request.GET.get("size", ""), SIZES[0])
    size = size if size in SIZES else SIZES[0]
    page = queries.history(request.user, which=which, page=_number(request.GET.get("page", ""), 1), size=size)
    counts = queries.counts(request.user)
    kept = f"&size={size}" if size != SIZES[0] else ""
    after = balances_after([payment for payment in page.rows if payment.status == "completed"])
    context = {
        "here": "wallet",
        "page": page,
        "rows": [
            Row(
                payment,
                queries.shown_state(payment),
                queries.given_by_hand(payment) or payment.money,
                after.get(payment.transaction_id),
            )
            for payment in page.rows
        ],
        "tabs": [
            Tab(name, NAMES[name], counts[name], f"?status={name}{kept}", name == which) for name in NAMES
        ],
        "which": which,
        "size": size,
        "sizes": SIZES,
        "counts": counts,
        "movements": other_movements(request.user, conf.environment()),
        "total_added": queries.total_added(request.user),
        "before": f"?status={which}&size={size}&page={page.number - 1}" if page.number > 1 else "",
        "next": f"?status={which}&size={size}&page={page.number + 1}" if page.number < page.pages else "",
    }
    return render(request, "storefront/wallet.html", context)


@transaction.non_atomic_requests
@never_cache
@login_required
@require_safe
def statement(request: HttpRequest) -> StreamingHttpResponse:
    """Send the wallet's statement as a CSV file: every line of the ledger that touched it."""
    rows = statement_csv(request.user, conf.environment())
    answer = StreamingHttpResponse(rows, content_type="text/csv; charset=utf-8")
    day = f"{clock.aligned().astimezone(formats.PHNOM_PENH):%Y-%m-%d}"
    answer["Content-Disposition"] = f'attachment; filename="wallet-{day}.csv"'
    return answer

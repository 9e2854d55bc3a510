"""The books: trial balance by currency, and the entries behind it. Nothing here can be edited."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from vinflow.backoffice import days, listing
from vinflow.backoffice.desk import desk
from vinflow.payments import clock, law
from vinflow.wallet import queries
from vinflow.wallet.models import JournalEntry

__all__ = ["entries", "ledger"]

SIZE = 50


@dataclass(frozen=True, slots=True)
class Day:
    """The day until which the books are shown."""

    text: str
    today: str


@desk("ledger")
def ledger(request: HttpRequest) -> HttpResponse:
    """Show the trial balance until the end of a business day, and whether the law of money holds."""
    environment = listing.environment()
    today = days.day_of(clock.now())
    until = days.read_day(request.GET.get("until", "")) or today
    context = {
        "here": "ledger",
        "until": Day(until.isoformat(), today.isoformat()),
        "trial": list(queries.trial_balance(environment, until=until).values()),
        "breaches": law.check(environment),
    }
    return render(request, "backoffice/ledger.html", context)


@desk("entries")
def entries(request: HttpRequest) -> HttpResponse:
    """Show the journal, newest first, with every line of each entry."""
    found = JournalEntry.objects.filter(environment=listing.environment()).order_by("-pk")
    source = request.GET.get("source", "").replace("\x00", "").strip()[:120]
    if source:
        found = found.filter(source=source)
    account = request.GET.get("kind", "").strip()[:20]
    if account:
        found = found.filter(lines__account__kind=account).distinct()
    page = Paginator(found.prefetch_related("lines__account"), SIZE).get_page(request.GET.get("page"))
    context = {"here": "ledger", "page": page, "source": source, "kind": account}
    return render(request, "backoffice/entries.html", context)

"""The books: trial balance by currency, and the entries behind it. Nothing here can be edited."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from vinflow.backoffice import days, listing
from vinflow.backoffice.desk import desk
from vinflow.backoffice.rights import may
from vinflow.backoffice.words import say
from vinflow.payments import clock, law, settings_store, tidying
from vinflow.payments.errors import LawBroken
from vinflow.payments.models import WorkerPulse
from vinflow.wallet import queries
from vinflow.wallet.models import JournalEntry

__all__ = ["check_books", "entries", "ledger", "resume"]

SIZE = 50
WHY_LEAST = 3


@dataclass(frozen=True, slots=True)
class Day:
    """The day until which the books are shown."""

    text: str
    today: str


@desk("ledger")
def ledger(request: HttpRequest) -> HttpResponse:
    """Show the trial balance until the end of a business day, and when the law of money was last checked.

    The check reads every row there is, so it is not made by looking: the watcher makes it every few minutes.
    """
    environment = listing.environment()
    today = days.day_of(clock.now())
    until = days.read_day(request.GET.get("until", "")) or today
    checked = WorkerPulse.objects.filter(worker=tidying.LAW)
    context = {
        "here": "ledger",
        "until": Day(until.isoformat(), today.isoformat()),
        "trial": list(queries.trial_balance(environment, until=until).values()),
        "checked_at": checked.values_list("beat_at", flat=True).first(),
        "stopped": settings_store.current(),
        "may_resume": may(request.user, "change_safety"),
    }
    return render(request, "backoffice/ledger.html", context)


@desk("check_books", "POST")
def check_books(request: HttpRequest) -> HttpResponse:
    """Check the law of money now, as the watcher does: spending stops where it is broken."""
    found = tidying.keep_the_law(clock.now())
    if found:
        messages.error(request, say("The books do not add up") + f" ({found})")
    else:
        messages.success(request, say("Checked now: the books add up."))
    return redirect("backoffice:ledger")


@desk("resume", "POST")
def resume(request: HttpRequest) -> HttpResponse:
    """Let spending go on after a breach was explained or mended; refused while the books do not add up."""
    why = request.POST.get("why", "").replace("\x00", "").strip()[:2000]
    if len(why) < WHY_LEAST:
        messages.error(request, say("Say why: the reason is kept."))
        return redirect("backoffice:ledger")
    try:
        law.resume(by=request.user, why=why, at=clock.now())
    except LawBroken as broken:
        messages.error(request, say("The books do not add up") + f": {broken}")
    else:
        messages.success(request, say("Spending goes on."))
    return redirect("backoffice:ledger")


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

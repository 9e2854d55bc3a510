"""Asking the gateway about many payments of the list at once: why is said once, what came of each is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from vinflow.backoffice import acts, listing, meanings
from vinflow.backoffice.desk import desk
from vinflow.backoffice.models import StaffAct
from vinflow.backoffice.words import say
from vinflow.bakong import CannotTell
from vinflow.payments import checking, clock
from vinflow.payments.checking import CheckReport
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Payment
from vinflow.payments.states import Status

__all__ = ["AT_ONCE", "TOLD", "recheck_many"]

AT_ONCE = 50  # as many as one list of Bakong's holds
WHY_LEAST, WHY_MAX = 3, 400
TOLD = {  # (asked or not, sentence)
    "found": (True, "The gateway reports a payment. It waits at the review desk."),
    "none": (True, "The gateway has no payment for this QR."),
    "slow": (True, "The gateway did not answer: {why}"),
    "wait": (False, "It was asked about a moment ago."),
    "later": (False, "No call went out: {why}"),
    "done": (False, "It had been completed before."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """One payment of the press: whether it was asked about, and what came of it."""

    payment: Payment
    state: str
    asked: bool
    text: str


@desk("recheck_many", "POST")
def recheck_many(request: HttpRequest) -> HttpResponse:
    """Ask about the chosen payments from the staff's purse; show which were asked about, and why not."""
    at = clock.now()
    back = reverse("backoffice:transactions") + _query(request)
    names = list(dict.fromkeys(request.POST.getlist("ref")))
    why = request.POST.get("why", "").replace("\x00", "").strip()[:WHY_MAX]
    if not names or len(names) > AT_ONCE or len(why) < WHY_LEAST:
        wrong = (
            say("Choose from 1 to {n} payments.", n=AT_ONCE)
            if not names or len(names) > AT_ONCE
            else say("Say why: the reason is kept.")
        )
        messages.error(request, wrong)
        return redirect(back)
    chosen = list(
        Payment.objects.filter(transaction_id__in=names, environment=listing.environment()).order_by(
            "-created_at", "-pk"
        )
    )
    before = {payment.pk: payment.status for payment in chosen}
    try:
        reports = checking.check_payments(payments=chosen, at=at)
    except NotConfigured as error:
        messages.error(
            request, say("The gateway did not answer ({code}). Nothing changed.", code=error.setting)
        )
        return redirect(back)
    for payment in chosen:
        kind = reports[payment.pk].kind
        acts.keep(StaffAct.What.RECHECK, payment=payment, by=request.user, at=at, result=kind, note=why)
    told = _told(chosen, before, reports)
    context = {
        "here": "transactions",
        "why": why,
        "back": back,
        "asked": [one for one in told if one.asked],
        "left": [one for one in told if not one.asked],
    }
    return render(request, "backoffice/asked.html", context)


def _query(request: HttpRequest) -> str:
    """Return the list's own address again, read as strictly as ever."""
    asked = QueryDict(request.POST.get("query", "").replace("\x00", "")[:1000].lstrip("?"))
    wanted = listing.wanted_of(asked, at=clock.now())
    return wanted.query(page=wanted.page)


def _told(chosen: Sequence[Payment], before: dict[int, str], reports: dict[int, CheckReport]) -> list[Told]:
    now = {
        payment.pk: payment
        for payment in listing.dressed(Payment.objects.filter(pk__in=list(before)), at=clock.now())
    }
    told = []
    for old in chosen:
        payment, report = now[old.pk], reports[old.pk]
        asked, text = TOLD[report.kind]
        why = ""
        if isinstance(report.outcome, CannotTell):
            why = say(meanings.WHY_NOT.get(report.outcome.reason, str(report.outcome.reason)))
        words = say(text, why=why or "—") if "{why}" in text else say(text)
        if payment.status == Status.COMPLETED and before[old.pk] != Status.COMPLETED:
            words = say("Paid: the money was added.")
        told.append(Told(payment, listing.state_of(payment), asked, words))
    return told

"""The review desk: every odd transfer, oldest first, with what was expected beside what came."""

from __future__ import annotations

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from vinflow.backoffice import dossier, listing, meanings
from vinflow.backoffice.desk import desk
from vinflow.backoffice.items import of_environment
from vinflow.backoffice.rights import may
from vinflow.backoffice.words import say
from vinflow.payments import clock, reviewing, sending
from vinflow.payments.errors import NotConfigured, ReviewRefused
from vinflow.payments.models import ReviewItem

__all__ = ["approve", "decide", "look_up_return", "review", "withdraw"]

SIZE = 25
WHY_MAX = 2_000


@desk("review")
def review(request: HttpRequest) -> HttpResponse:
    """Show the items that wait, oldest first; or those that were decided, newest first."""
    at = clock.now()
    decided = request.GET.get("show") == "decided"
    items = (
        ReviewItem.objects.filter(of_environment(listing.environment()))
        .select_related("transfer", "payment__user", "attempt", "proposed_by", "decided_by", "statement_line")
        .order_by("-decided_at" if decided else "opened_at", "pk")
    )
    items = items.exclude(decision="") if decided else items.filter(decision="")
    page = Paginator(items, SIZE).get_page(request.GET.get("page"))
    context = {
        "here": "review",
        "views": [dossier.item_view(item, viewer=request.user) for item in page],
        "page": page,
        "decided": decided,
        "at": at,
        "may_decide": may(request.user, "decide_review"),
        "back_to": "review",
    }
    return render(request, "backoffice/review.html", context)


def _item(pk: int) -> ReviewItem:
    found = ReviewItem.objects.select_related("payment", "transfer").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


@desk("decide", "POST")
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Decide about an item, or propose the decision where a second person must approve it."""
    item = _item(pk)
    decision = request.POST.get("decision", "")
    why = request.POST.get("why", "").replace("\x00", "").strip()[:WHY_MAX]
    # The hash of the transfer that sent the money back; reviewing says when it is wanted.
    sent_back = request.POST.get("returned_hash", "").strip().lower()[:64]
    reference = request.POST.get("returned_reference", "").replace("\x00", "")[:100]
    if decision != ReviewItem.Decision.RETURNED:
        sent_back = reference = ""
    taken = request.POST.get("bank_reference", "").replace("\x00", "")[:200]
    try:
        done = reviewing.propose(
            item=item,
            decision=decision,
            by=request.user,
            why=why,
            at=clock.now(),
            returned_hash=sent_back,
            returned_reference=reference,
            bank_reference=taken if decision == ReviewItem.Decision.TAKEN_BACK else "",
        )
        if done.proposed == ReviewItem.Decision.RETURNED and sent_back:
            done = reviewing.look_up_return(item=done, at=clock.now(), by=request.user)
    except (ReviewRefused, NotConfigured) as refused:
        messages.error(request, say(str(refused)))
    else:
        _tell(request, done)
    return _back(request, item)


def _tell(request: HttpRequest, item: ReviewItem) -> None:
    """Say what became of a decision: made, waiting for a person, or for the bank's word."""
    stands = sending.standing(item=item)
    if item.decision:
        messages.success(request, say(dossier.DECIDED[item.decision]))
    elif stands is not None and stands.seen_at is None:
        messages.warning(request, meanings.sent(stands))
    else:
        messages.info(request, say("Proposed. Another person must approve it."))


@desk("look_up_return", "POST")
def look_up_return(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask the gateway again about the transfer that sent money back."""
    item = _item(pk)
    try:
        done = reviewing.look_up_return(item=item, at=clock.now(), by=request.user)
    except (ReviewRefused, NotConfigured) as refused:
        messages.error(request, say(str(refused)))
    else:
        _tell(request, done)
    return _back(request, item)


@desk("approve", "POST")
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Carry out what another person proposed."""
    item = _item(pk)
    if request.POST.get("proposed", "") != item.proposed:
        messages.error(request, say("The proposal has changed. Look again."))
        return _back(request, item)
    try:
        vouch = request.POST.get("vouch", "").replace("\x00", "").strip()[:WHY_MAX]
        done = reviewing.approve(item=item, by=request.user, at=clock.now(), vouch=vouch)
    except ReviewRefused as refused:
        messages.error(request, say(str(refused)))
    else:
        messages.success(request, say(dossier.DECIDED[done.decision]))
    return _back(request, item)


@desk("withdraw", "POST")
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a proposal back, so that another decision can be proposed."""
    item = _item(pk)
    try:
        reviewing.withdraw(item=item, by=request.user, at=clock.now())
    except ReviewRefused as refused:
        messages.error(request, say(str(refused)))
    else:
        messages.info(request, say("The proposal is closed."))
    return _back(request, item)


def _back(request: HttpRequest, item: ReviewItem) -> HttpResponse:
    if request.POST.get("back") == "payment" and item.payment is not None:
        return redirect("backoffice:payment", item.payment.transaction_id)
    return redirect("backoffice:review")

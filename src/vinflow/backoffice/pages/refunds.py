"""Money back: the list with the state and the next act, and every act, each a form that asks why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from vinflow.backoffice import dossier, listing, meanings, refund_views
from vinflow.backoffice.desk import desk
from vinflow.backoffice.rights import rights_of
from vinflow.backoffice.words import say
from vinflow.money import Currency, MoneyError, parse_amount
from vinflow.payments import clock, refunding
from vinflow.payments.errors import KeyReused, MoneyBackRefused, NotConfigured, SendingRefused
from vinflow.payments.models import Refund
from vinflow.payments.refund_states import HELD

__all__ = [
    "refund",
    "refund_approve",
    "refund_give_up",
    "refund_look_up",
    "refund_reject",
    "refund_sent",
    "refund_take_back",
    "refund_vouch",
    "refunds",
]

SIZE = 25
WHY_MAX = 2_000


@desk("refunds")
def refunds(request: HttpRequest) -> HttpResponse:
    """Show the refunds that wait for somebody, oldest first; or those that have ended, newest first."""
    ended = request.GET.get("show") == "ended"
    rows = Refund.objects.filter(environment=listing.environment())
    rows = (
        rows.exclude(state__in=HELD).order_by("-ended_at", "-pk")
        if ended
        else rows.filter(state__in=HELD).order_by("asked_at", "pk")
    )
    page = Paginator(refund_views.refunds(rows), SIZE).get_page(request.GET.get("page"))
    rights = rights_of(request.user)
    context = {
        "here": "refunds",
        "views": [refund_views.refund_view(one, viewer=request.user, rights=rights) for one in page],
        "page": page,
        "ended": ended,
        "back_to": "refunds",
    }
    return render(request, "backoffice/refunds.html", context)


@desk("refund", "POST")
def refund(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask for a refund of a payment: how much, why, and where to."""
    found = dossier.payment_named(reference, at=clock.now())
    if found is None:
        raise Http404
    chosen = request.POST.get("transfer", "")
    transfer = found.transfers.filter(pk=int(chosen)).first() if chosen.isdecimal() else None
    try:
        money = parse_amount(
            request.POST.get("amount", ""), Currency(transfer.currency if transfer else found.currency)
        )
        made = refunding.ask_refund(
            payment=found,
            money=money,
            transfer=transfer,
            why=_text(request, "why"),
            to_account=_text(request, "to_account")[:100],
            by=request.user,
            key=_text(request, "key")[:80],
            at=clock.now(),
        )
    except (MoneyError, ValueError):
        messages.error(request, say("Enter an amount, for example 1.50."))
    except KeyReused:
        messages.error(request, say("This form was used before. Look again."))
    except MoneyBackRefused as refused:
        messages.error(request, meanings.money_back_refused(refused))
    else:
        messages.success(request, say("The money is held.") + " " + say(refund_views.STATES[made.state]))
    return redirect("backoffice:payment", reference)


def _text(request: HttpRequest, name: str) -> str:
    return request.POST.get(name, "").replace("\x00", "").strip()[:WHY_MAX]


def _act(name: str, act: Callable[[HttpRequest, Refund], Refund]) -> Callable[..., HttpResponseBase]:
    """Return the view of one act: nothing happens when the refund has moved since the page was drawn."""

    @desk(name, "POST")
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        found = Refund.objects.select_related("payment").filter(pk=pk).first()
        if found is None:
            raise Http404
        if request.POST.get("seen", "") != str(found.version):
            messages.error(request, say("It has moved on meanwhile. Look again."))
            return _back(request, found)
        try:
            done = act(request, found)
        except SendingRefused as refused:
            messages.error(request, say(str(refused)))
        except MoneyBackRefused as refused:
            messages.error(request, meanings.money_back_refused(refused))
        except NotConfigured as refused:
            messages.error(request, say(str(refused)))
        else:
            _tell(request, done)
        return _back(request, found)

    view.__name__ = view.__qualname__ = name
    return view


def _tell(request: HttpRequest, done: Refund) -> None:
    view = refund_views.refund_view(
        refund_views.refunds(Refund.objects.filter(pk=done.pk)).get(), viewer=request.user, rights=()
    )
    if done.state == "sent" and view.word:
        messages.warning(request, view.word)
    else:
        messages.success(request, view.state)


def _back(request: HttpRequest, found: Refund) -> HttpResponse:
    if request.POST.get("back") == "payment":
        return redirect("backoffice:payment", found.payment.transaction_id)
    return redirect("backoffice:refunds")


def _sent(request: HttpRequest, found: Refund) -> Refund:
    """Record what was sent and ask the gateway about it at once."""
    named, reference = _text(request, "hash"), _text(request, "bank_reference")
    done = refunding.record_sent(
        refund=found, named=named, reference=reference, by=request.user, at=clock.now()
    )
    return refunding.look_up(refund=done, by=request.user, at=clock.now())


def _with_reason(step: Any) -> Callable[[HttpRequest, Refund], Refund]:
    def act(request: HttpRequest, found: Refund) -> Refund:
        done: Refund = step(refund=found, by=request.user, why=_text(request, "why"), at=clock.now())
        return done

    return act


def _look_up(request: HttpRequest, found: Refund) -> Refund:
    return refunding.look_up(refund=found, by=request.user, at=clock.now())


refund_approve = _act("refund_approve", _with_reason(refunding.approve))
refund_reject = _act("refund_reject", _with_reason(refunding.reject))
refund_vouch = _act("refund_vouch", _with_reason(refunding.vouch))
refund_sent = _act("refund_sent", _sent)
refund_look_up = _act("refund_look_up", _look_up)
refund_give_up = _act("refund_give_up", _with_reason(refunding.give_up))
refund_take_back = _act("refund_take_back", _with_reason(refunding.take_back))

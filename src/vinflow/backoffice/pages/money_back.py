"""What the pages of refunds and of claw-backs share: reading a form, and acting on what has not moved."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Model, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from vinflow.backoffice import dossier, meanings
from vinflow.backoffice.desk import desk
from vinflow.backoffice.rights import rights_of
from vinflow.backoffice.words import say
from vinflow.money import Currency, Money, parse_amount
from vinflow.payments import clock
from vinflow.payments.errors import MoneyBackRefused, NotConfigured, SendingRefused
from vinflow.payments.models import Payment, Transfer

__all__ = ["act_on", "back_to", "chosen", "listed", "money_of", "text"]

WHY_MAX = 2_000
SIZE = 25  # rows of a page
Row = TypeVar("Row", bound=Model)


def text(request: HttpRequest, name: str, longest: int = WHY_MAX) -> str:
    """Return what was typed into a field, trimmed, at most so many characters."""
    return request.POST.get(name, "").replace("\x00", "").strip()[:longest]


def chosen(request: HttpRequest, reference: str) -> tuple[Payment, Transfer | None]:
    """Return the payment of an address, and which of its transfers the form names. Raises Http404."""
    found = dossier.payment_named(reference, at=clock.now())
    if found is None:
        raise Http404
    named = request.POST.get("transfer", "")
    return found, found.transfers.filter(pk=int(named)).first() if named.isdecimal() else None


def money_of(request: HttpRequest, currency: str) -> Money:
    """Return the amount that was typed. Raises MoneyError or ValueError."""
    return parse_amount(request.POST.get("amount", ""), Currency(currency))


def listed(
    request: HttpRequest,
    rows: QuerySet[Row],
    view: Callable[..., object],
    *,
    waiting: Q,
    ended_at: str,
    home: str,
) -> HttpResponse:
    """Show the rows that wait for somebody, oldest first; or, when asked, those that ended, newest first.

    view: what the page shows of a row to this person with these rights. waiting: which rows wait. ended_at:
    the column of the moment a row ended. home: the name of the list, which is its page's too.
    """
    ended = request.GET.get("show") == "ended"
    chosen_rows = (
        rows.exclude(waiting).order_by(f"-{ended_at}", "-pk")
        if ended
        else rows.filter(waiting).order_by("asked_at", "pk")
    )
    page = Paginator(chosen_rows, SIZE).get_page(request.GET.get("page"))
    rights = rights_of(request.user)
    context = {
        "here": "refunds",
        "views": [view(one, viewer=request.user, rights=rights) for one in page],
        "page": page,
        "ended": ended,
        "back_to": home,
    }
    return render(request, f"backoffice/{home}.html", context)


def back_to(request: HttpRequest, payment: Payment, home: str) -> HttpResponse:
    """Return the way back: to the payment where the form stood there, else to the list."""
    if request.POST.get("back") == "payment":
        return redirect("backoffice:payment", payment.transaction_id)
    return redirect(f"backoffice:{home}")


def act_on(
    name: str,
    rows: Callable[[], QuerySet[Row]],
    act: Callable[[HttpRequest, Row], Row],
    *,
    seen: Callable[[Row], object],
    tell: Callable[[HttpRequest, Row], None],
    payment: Callable[[Row], Payment],
    home: str,
) -> Callable[..., HttpResponseBase]:
    """Return the view of one act: nothing happens when the row has moved since the page was drawn.

    seen: what the form carries of the row as it was drawn. tell: says what became of it. payment: whose it
    is. home: the address of the list.
    """

    @desk(name, "POST")
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        found = rows().filter(pk=pk).first()
        if found is None:
            raise Http404
        if request.POST.get("seen", "") != str(seen(found)):
            messages.error(request, say("It has moved on meanwhile. Look again."))
            return back_to(request, payment(found), home)
        try:
            done = act(request, found)
        except SendingRefused as refused:
            messages.error(request, say(str(refused)))
        except MoneyBackRefused as refused:
            messages.error(request, meanings.money_back_refused(refused))
        except NotConfigured as refused:
            messages.error(request, say(str(refused)))
        else:
            tell(request, done)
        return back_to(request, payment(found), home)

    view.__name__ = view.__qualname__ = name
    return view

"""Money back: the list with the state and the next act, and every act, each a form that asks why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from vinflow.backoffice import listing, meanings, refund_views
from vinflow.backoffice.desk import desk
from vinflow.backoffice.pages import money_back
from vinflow.backoffice.pages.deposits import evidence_file
from vinflow.backoffice.pages.money_back import text
from vinflow.backoffice.words import say
from vinflow.money import MoneyError
from vinflow.payments import clock, evidence_files, refunding
from vinflow.payments.errors import KeyReused, MoneyBackRefused, SendingRefused
from vinflow.payments.models import Refund, Sending
from vinflow.payments.refund_states import HELD

__all__ = [
    "refund",
    "refund_approve",
    "refund_evidence",
    "refund_give_up",
    "refund_look_up",
    "refund_reject",
    "refund_sent",
    "refund_take_back",
    "refund_vouch",
    "refunds",
]


@desk("refunds")
def refunds(request: HttpRequest) -> HttpResponse:
    """Show the refunds that wait for somebody, oldest first; or those that have ended, newest first."""
    return money_back.listed(
        request,
        refund_views.refunds(Refund.objects.filter(environment=listing.environment())),
        refund_views.refund_view,
        waiting=Q(state__in=HELD),
        ended_at="ended_at",
        home="refunds",
    )


@desk("refund", "POST")
def refund(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask for a refund of a payment: how much, why, and where to."""
    found, transfer = money_back.chosen(request, reference)
    try:
        made = refunding.ask_refund(
            payment=found,
            money=money_back.money_of(request, transfer.currency if transfer else found.currency),
            transfer=transfer,
            why=text(request, "why"),
            to_account=text(request, "to_account", 100),
            by=request.user,
            key=text(request, "key", 80),
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


def _act(name: str, act: Callable[[HttpRequest, Refund], Refund]) -> Callable[..., HttpResponseBase]:
    return money_back.act_on(
        name,
        lambda: Refund.objects.select_related("payment"),
        act,
        seen=lambda row: row.version,
        tell=_tell,
        payment=lambda row: row.payment,
        home="refunds",
    )


def _tell(request: HttpRequest, done: Refund) -> None:
    view = refund_views.refund_view(
        refund_views.refunds(Refund.objects.filter(pk=done.pk)).get(), viewer=request.user, rights=()
    )
    if done.state == "sent" and view.word:
        messages.warning(request, view.word)
    else:
        messages.success(request, view.state)


def _sent(request: HttpRequest, found: Refund) -> Refund:
    """Record what was sent and ask the gateway about it at once; of a deposit it knows nothing."""
    named, reference = text(request, "hash"), text(request, "bank_reference")
    if found.deposit_id is not None:
        file = request.FILES.get("evidence")
        if file is not None and file.size is not None and file.size > evidence_files.SIZE_MAX:
            raise SendingRefused("the file is too large: 5 MB is the most", "evidence")
        try:
            evidence = evidence_files.read(file.read() if file is not None else b"")
        except evidence_files.BadEvidence as bad:
            raise SendingRefused(str(bad), "evidence") from bad
        return refunding.record_sent(
            refund=found, evidence=evidence, reference=reference, by=request.user, at=clock.now()
        )
    done = refunding.record_sent(
        refund=found, named=named, reference=reference, by=request.user, at=clock.now()
    )
    return refunding.look_up(refund=done, by=request.user, at=clock.now())


def _with_reason(step: Any) -> Callable[[HttpRequest, Refund], Refund]:
    def act(request: HttpRequest, found: Refund) -> Refund:
        done: Refund = step(refund=found, by=request.user, why=text(request, "why"), at=clock.now())
        return done

    return act


def _look_up(request: HttpRequest, found: Refund) -> Refund:
    return refunding.look_up(refund=found, by=request.user, at=clock.now())


@desk("refund_evidence")
def refund_evidence(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send the receipt by which a deposit went back, always as a download."""
    found = Sending.objects.filter(pk=pk, environment=listing.environment()).exclude(evidence_name="").first()
    if found is None:
        raise Http404
    return evidence_file(found.evidence_name, found.evidence_type, f"refund-{found.pk}")


refund_approve = _act("refund_approve", _with_reason(refunding.approve))
refund_reject = _act("refund_reject", _with_reason(refunding.reject))
refund_vouch = _act("refund_vouch", _with_reason(refunding.vouch))
refund_sent = _act("refund_sent", _sent)
refund_look_up = _act("refund_look_up", _look_up)
refund_give_up = _act("refund_give_up", _with_reason(refunding.give_up))
refund_take_back = _act("refund_take_back", _with_reason(refunding.take_back))

"""What the bank took back: the list, the form that tells of one, and every act of two people about it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect

from vinflow.backoffice import clawback_views, listing, meanings
from vinflow.backoffice.desk import desk
from vinflow.backoffice.pages import money_back
from vinflow.backoffice.pages.money_back import text
from vinflow.backoffice.rights import may
from vinflow.backoffice.words import say
from vinflow.money import MoneyError
from vinflow.payments import clawing_back, clock
from vinflow.payments.errors import MoneyBackRefused
from vinflow.payments.models import ClawBack, Repayment

__all__ = [
    "clawback",
    "clawback_approve",
    "clawback_reject",
    "clawback_repay",
    "clawback_withdraw",
    "clawbacks",
    "repayment_book",
    "repayment_drop",
]


@desk("clawbacks")
def clawbacks(request: HttpRequest) -> HttpResponse:
    """Show the claw-backs that wait, or of which something is owed, oldest first; or the others."""
    return money_back.listed(
        request,
        clawback_views.clawbacks(ClawBack.objects.filter(environment=listing.environment())),
        clawback_views.clawback_view,
        waiting=clawback_views.OPEN,
        ended_at="decided_at",
        home="clawbacks",
    )


@desk("clawback", "POST")
def clawback(request: HttpRequest, reference: str) -> HttpResponse:
    """Tell that the bank took money of a payment back; a second person books it."""
    found, transfer = money_back.chosen(request, reference)
    try:
        clawing_back.claw_back(
            payment=found,
            money=money_back.money_of(request, transfer.currency if transfer else found.currency),
            transfer=transfer,
            bank_reference=text(request, "bank_reference", 200),
            why=text(request, "why"),
            by=request.user,
            at=clock.now(),
        )
    except (MoneyError, ValueError):
        messages.error(request, say("Enter an amount, for example 1.50."))
    except MoneyBackRefused as refused:
        messages.error(request, meanings.money_back_refused(refused))
    else:
        messages.info(request, say("Proposed. Another person must approve it."))
    return redirect("backoffice:payment", reference)


def _told(request: HttpRequest, done: ClawBack) -> None:
    messages.success(request, say(clawback_views.STATES[done.decision]))


def _act(
    name: str,
    act: Callable[[HttpRequest, ClawBack], ClawBack],
    tell: Callable[[HttpRequest, ClawBack], None] = _told,
) -> Callable[..., HttpResponseBase]:
    return money_back.act_on(
        name,
        lambda: ClawBack.objects.select_related("payment"),
        act,
        seen=clawback_views.seen_of,
        tell=tell,
        payment=lambda row: row.payment,
        home="clawbacks",
    )


def _with_reason(step: Any) -> Callable[[HttpRequest, ClawBack], ClawBack]:
    def act(request: HttpRequest, found: ClawBack) -> ClawBack:
        done: ClawBack = step(clawback=found, by=request.user, why=text(request, "why"), at=clock.now())
        return done

    return act


def _approve(request: HttpRequest, found: ClawBack) -> ClawBack:
    return clawing_back.approve(clawback=found, by=request.user, at=clock.now())


def _of_repayment(
    name: str, act: Callable[[HttpRequest, Repayment], Repayment], tell: Callable[[Repayment], str]
) -> Callable[..., HttpResponseBase]:
    return money_back.act_on(
        name,
        lambda: Repayment.objects.select_related("clawback__payment"),
        act,
        seen=lambda row: row.decision or "open",
        tell=lambda request, done: messages.success(request, tell(done)),
        payment=lambda row: row.clawback.payment,
        home="clawbacks",
    )


def _repay(request: HttpRequest, found: ClawBack) -> ClawBack:
    try:
        money = money_back.money_of(request, found.currency)
    except (MoneyError, ValueError):
        raise MoneyBackRefused("enter an amount", "amount") from None
    clawing_back.propose_repayment(
        clawback=found,
        money=money,
        how=text(request, "how", 10),
        why=text(request, "why"),
        by=request.user,
        at=clock.now(),
    )
    return found


def _book(request: HttpRequest, found: Repayment) -> Repayment:
    return clawing_back.decide_repayment(repayment=found, book=True, by=request.user, at=clock.now())


def _drop(request: HttpRequest, found: Repayment) -> Repayment:
    """Close a proposal: one's own, or as somebody who may approve."""
    if found.asked_by_id != request.user.pk and not may(request.user, "approve_refund"):
        raise PermissionDenied("approve_refund")
    return clawing_back.decide_repayment(repayment=found, book=False, by=request.user, at=clock.now())


clawback_approve = _act("clawback_approve", _approve)
clawback_reject = _act("clawback_reject", _with_reason(clawing_back.reject))
clawback_withdraw = _act("clawback_withdraw", _with_reason(clawing_back.withdraw))
clawback_repay = _act(
    "clawback_repay",
    _repay,
    lambda request, done: messages.info(request, say("Proposed. Another person must approve it.")),
)
repayment_book = _of_repayment("repayment_book", _book, lambda done: say("Booked"))
repayment_drop = _of_repayment("repayment_drop", _drop, lambda done: say("The proposal is closed."))

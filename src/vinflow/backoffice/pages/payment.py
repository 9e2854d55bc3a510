"""One payment for staff: what it is, what happened, who did what; and what may be done about it."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from vinflow.backoffice import acts, dossier, meanings
from vinflow.backoffice.desk import desk
from vinflow.backoffice.models import StaffAct
from vinflow.backoffice.rights import may
from vinflow.backoffice.words import say
from vinflow.bakong import CannotTell
from vinflow.money import format_money
from vinflow.payments import checking, clock
from vinflow.payments.budgeting import Pool
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Payment
from vinflow.payments.states import Status

__all__ = ["note", "payment", "recheck"]

NOTE_MAX = 2_000


def _payment(reference: str, at: datetime) -> Payment:
    found = dossier.payment_named(reference, at=at)
    if found is None:
        raise Http404
    return found


@desk("payment")
def payment(request: HttpRequest, reference: str) -> HttpResponse:
    """Show everything about one payment."""
    at = clock.now()
    file = dossier.read(_payment(reference, at), viewer=request.user, at=at)
    opened = [view for view in file.items if not view.item.decision]
    may_decide = may(request.user, "decide_review")
    context = {
        "here": "transactions",
        "file": file,
        "payment": file.payment,
        "opened": opened,
        "decided": [view for view in file.items if view.item.decision],
        "needs_two": bool(opened) and may_decide and dossier.needs_two(opened[0], at=at),
        "refundable": file.left if may(request.user, "ask_refund") else [],
        "deposit_left": file.deposit_left if may(request.user, "ask_refund") else None,
        "refund_key": secrets.token_hex(16),
        "may_recheck": may(request.user, "recheck_payment"),
        "may_decide": may_decide,
        "may_note": may(request.user, "write_note"),
        "back_to": "payment",
    }
    return render(request, "backoffice/payment.html", context)


@desk("recheck", "POST")
def recheck(request: HttpRequest, reference: str) -> HttpResponse:
    """Ask the gateway now, from the staff's purse; say what it answered, and keep who asked."""
    at = clock.now()
    found = _payment(reference, at)
    before = found.status
    try:
        report = checking.check_payment(payment=found, at=at, pool=Pool.STAFF)
    except NotConfigured as error:
        messages.error(
            request, say("The gateway did not answer ({code}). Nothing changed.", code=error.setting)
        )
        return redirect("backoffice:payment", reference)
    if report.kind not in ("wait", "done"):
        acts.keep(StaffAct.What.RECHECK, payment=found, by=request.user, at=at, result=report.kind)
    found.refresh_from_db()
    _tell(request, found, before, report)
    return redirect("backoffice:payment", reference)


def _tell(request: HttpRequest, found: Payment, before: str, report: checking.CheckReport) -> None:
    """Put what came of it into one sentence."""
    name = found.user.get_username() if found.user else found.transaction_id
    if found.status == Status.COMPLETED and before != Status.COMPLETED:
        amount = format_money(found.money)
        messages.success(request, say("Paid. {amount} was added to {user}.", amount=amount, user=name))
        return
    match report.kind:
        case "done":
            messages.info(request, say("Already completed. Nothing changed."))
        case "found":
            messages.warning(request, say("The gateway reports a payment. It waits at the review desk."))
        case "none":
            messages.info(request, say("The gateway has no payment for this QR."))
        case "wait":
            asked = found.attempts.aggregate(last=Max("last_asked_at"))["last"] or report.at
            ago = max(0, int((report.at - asked).total_seconds()))
            messages.warning(request, say("Checked {seconds} seconds ago. Wait a moment.", seconds=ago))
        case "later":
            messages.warning(request, say("No call is free now. Nothing changed."))
        case _:
            code = _code(report.outcome)
            messages.error(request, say("The gateway did not answer ({code}). Nothing changed.", code=code))


def _code(outcome: Any) -> str:
    if isinstance(outcome, CannotTell):
        why = say(meanings.WHY_NOT.get(outcome.reason, str(outcome.reason)))
        return f"{why}, {outcome.code}" if outcome.code is not None else why
    return "—"


@desk("note", "POST")
def note(request: HttpRequest, reference: str) -> HttpResponse:
    """Keep a note on a payment; notes are never changed or taken away."""
    at = clock.now()
    found = _payment(reference, at)
    text = request.POST.get("note", "").replace("\x00", "").strip()[:NOTE_MAX]
    if text:
        acts.keep(StaffAct.What.NOTE, payment=found, by=request.user, at=at, note=text)
        messages.success(request, say("Note added"))
    return redirect("backoffice:payment", reference)

"""Manual deposits: what waits for a second person, what was brought in, and the form that brings one in."""

from __future__ import annotations

import secrets
from typing import Any

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render

from vinflow.backoffice import listing
from vinflow.backoffice.desk import desk
from vinflow.backoffice.rights import may
from vinflow.backoffice.settings_form import read_amount
from vinflow.backoffice.words import say
from vinflow.money import Currency
from vinflow.payments import clock, depositing, evidence_files, settings_store
from vinflow.payments.errors import DepositRefused
from vinflow.payments.models import ManualDeposit

__all__ = ["deposit_decide", "deposit_evidence", "deposit_new", "deposits", "evidence_file"]

SIZE = 25
KINDS = {"cash": "Cash", "bank": "Bank transfer"}
DECISIONS = {"": "Waits for a second person", "credited": "Added to wallet", "refused": "Turned down"}
FIELDS = ("payer", "amount", "currency", "kind", "reference", "note")


@desk("deposits")
def deposits(request: HttpRequest) -> HttpResponse:
    """Show the deposits, those that wait first, and the form."""
    return _page(request, {"key": secrets.token_hex(16), "currency": "USD", "kind": "cash"})


def _page(request: HttpRequest, form: dict[str, str], *, fault: str = "", status: int = 200) -> HttpResponse:
    rows = (
        ManualDeposit.objects.filter(environment=listing.environment())
        .select_related("payer", "payment", "opened_by", "decided_by")
        .order_by("decision", "-opened_at", "-pk")
    )
    pages = Paginator(rows, SIZE)
    page = pages.get_page(request.GET.get("page", "1"))
    may_decide = may(request.user, "decide_deposit")
    context = {
        "here": "deposits",
        "page": page,
        "rows": [
            {
                "deposit": row,
                "kind": say(KINDS[row.kind]),
                "decision": say(DECISIONS[row.decision]),
                "may_credit": may_decide
                and not row.decision
                and request.user.pk not in (row.opened_by_id, row.payer_id),
                "may_refuse": may_decide and not row.decision and request.user.pk != row.payer_id,
            }
            for row in page.object_list
        ],
        "enabled": settings_store.current().manual_enabled,
        "may_open": may(request.user, "open_deposit"),
        "form": form,
        "fault": fault,
        "kinds": [(name, say(word)) for name, word in KINDS.items()],
        "currencies": list(Currency),
    }
    return render(request, "backoffice/deposits.html", context, status=status)


@desk("deposit_new", "POST")
def deposit_new(request: HttpRequest) -> HttpResponse:
    """Bring a deposit in; what was typed is kept where it is refused, the file has to be chosen again."""
    given = {name: request.POST.get(name, "").replace("\x00", "").strip()[:400] for name in FIELDS}
    key = request.POST.get("key", "")[:80]
    file = request.FILES.get("evidence")
    try:
        if file is not None and file.size is not None and file.size > evidence_files.SIZE_MAX:
            raise evidence_files.BadEvidence("the file is too large: 5 MB is the most")
        made = depositing.open_deposit(
            payer=_payer(given["payer"]),
            money=read_amount(given["amount"], _currency(given["currency"])),
            kind=given["kind"],
            reference=given["reference"],
            note=given["note"],
            evidence=evidence_files.read(file.read() if file is not None else b""),
            by=request.user,
            key=key,
            at=clock.now(),
        )
    except (DepositRefused, ValueError) as refused:
        return _page(request, {**given, "key": key}, fault=say(str(refused)), status=422)
    if made.decision:
        messages.success(request, say("Added to wallet"))
    else:
        messages.info(request, say("Proposed. Another person must approve it."))
    return redirect("backoffice:deposits")


def _payer(name: str) -> Any:
    users = get_user_model()._default_manager
    found = list(users.filter(Q(username=name) | Q(email__iexact=name))[:2]) if name else []
    if len(found) != 1:
        raise DepositRefused("There is no one person of this name.")
    return found[0]


def _currency(code: str) -> Currency:
    try:
        return Currency(code)
    except ValueError:
        raise DepositRefused("choose dollars or riel") from None


def _deposit(pk: int) -> ManualDeposit:
    found = ManualDeposit.objects.filter(pk=pk, environment=listing.environment()).first()
    if found is None:
        raise Http404
    return found


@desk("deposit_decide", "POST")
def deposit_decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Credit a deposit as the second person, or turn it down with a reason."""
    found, act = _deposit(pk), request.POST.get("act", "")
    try:
        if act == "credit":
            depositing.credit_deposit(deposit=found, by=request.user, at=clock.now())
            messages.success(request, say("Added to wallet"))
        else:
            why = request.POST.get("why", "").replace("\x00", "")
            depositing.refuse_deposit(deposit=found, by=request.user, why=why, at=clock.now())
            messages.info(request, say("Turned down"))
    except DepositRefused as refused:
        messages.error(request, say(str(refused)))
    return redirect("backoffice:deposits")


@desk("deposit_evidence")
def deposit_evidence(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send the file of a deposit, always as a download: nothing in it runs on our pages."""
    found = _deposit(pk)
    return evidence_file(found.evidence_name, found.evidence_type, f"deposit-{found.pk}")


def evidence_file(name: str, kind: str, called: str) -> FileResponse:
    """Return a stored file as a download that runs nothing. Raises Http404 where it is gone.

    name: under which it is kept. kind: its type, as it was judged. called: what the download is named.
    """
    ending = next(ending for known, _begins, ending in evidence_files.TYPES if known == kind)
    try:
        file = evidence_files.path_of(name).open("rb")
    except (OSError, ValueError):
        raise Http404 from None
    answer = FileResponse(file, as_attachment=True, filename=f"{called}.{ending}", content_type=kind)
    answer["Content-Security-Policy"] = "default-src 'none'; sandbox"
    answer["X-Content-Type-Options"] = "nosniff"
    return answer

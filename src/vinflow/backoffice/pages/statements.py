"""The bank's statement: a file, the map of its columns, a preview, and only then the import.

Between preview and import the file stands signed and packed in the form itself: nothing is stored before a
person has seen what it would do, and any process may take the next step.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core import signing
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from vinflow.backoffice.desk import desk
from vinflow.backoffice.pages.reconciliation import receivers
from vinflow.backoffice.words import say
from vinflow.money import Currency
from vinflow.payments import clock
from vinflow.payments.errors import ReviewRefused
from vinflow.payments.models import Payment, ReviewItem, StatementFormat
from vinflow.payments.statements.columns import ColumnMap, guess
from vinflow.payments.statements.errors import StatementRefused
from vinflow.payments.statements.importing import import_statement, preview, save_format
from vinflow.payments.statements.reading import BYTES_MAX, table
from vinflow.payments.statements.settling import link as link_line

__all__ = ["link", "statement"]

SALT = "vinflow.statement"
KEPT_S = 3_600
KEPT_MAX = 2_000_000  # letters of a form; a file that packs larger is chosen once more
SHOWN = 20
COLUMNS = {
    "date": "Date",
    "time": "Time",
    "amount": "Amount",
    "credit": "Money in",
    "debit": "Money out",
    "currency": "Currency",
    "reference": "Reference",
    "hash": "Hash",
    "description": "Description",
    "balance": "Balance",
}


@desk("statement", "GET", "HEAD", "POST")
def statement(request: HttpRequest) -> HttpResponse:
    """Take a file, show its columns and what importing it would do, and import it when told so."""
    context: dict[str, Any] = {
        "here": "reconciliation",
        "receivers": receivers(),
        "currencies": [currency.value for currency in Currency],
        "formats": StatementFormat.objects.order_by("name"),
        "names": COLUMNS,
    }
    if request.method == "POST":
        try:
            answer = _step(request, context)
        except StatementRefused as refused:
            where = say("line {n}", n=refused.row) + ": " if refused.row else ""
            context["refused"] = where + say(refused.words, **refused.values)
        else:
            if answer is not None:
                return answer
    status = 422 if "refused" in context else 200
    return render(request, "backoffice/statement.html", context, status=status)


def _step(request: HttpRequest, context: dict[str, Any]) -> HttpResponse | None:
    """Do one step; None where the page is to be shown with what it found."""
    posted, by, at = request.POST, request.user, clock.now()
    receiver = posted.get("receiver", "")
    content, name = _file(request)
    columns = _columns(posted, content)
    context |= {"filename": name, "receiver": receiver, "columns": columns.as_json()}
    seen = table(content, columns if columns.date else None)
    context |= {"headings": seen.headings, "sample": [row for _number, row in seen.rows[:5]]}
    packed = _pack(content, name, by)
    context["kept"] = packed if len(packed) <= KEPT_MAX else ""
    if posted.get("step") == "import":
        done = import_statement(content, columns, receiver=receiver, filename=name, by=by, at=at)
        if posted.get("save_as", "").strip():
            save_format(name=posted["save_as"].replace("\x00", ""), columns=columns, by=by, at=at)
        waits = done.lines.filter(fate="suspense").count()
        messages.success(
            request,
            say("{n} new lines imported, {unknown} wait for review.", n=done.new_count, unknown=waits),
        )
        return redirect("backoffice:reconciliation")
    plan = preview(content, columns, receiver=receiver, at=at)
    context |= {"plan": plan, "counts": plan.counts, "unknown": plan.unknown[:SHOWN]}
    return None


def _file(request: HttpRequest) -> tuple[bytes, str]:
    """Return the file that was chosen now, else the one that the form carries. Raises StatementRefused."""
    chosen = request.FILES.get("file")
    if chosen is not None:
        if chosen.size is None or chosen.size > BYTES_MAX:
            raise StatementRefused("too_large", "larger than {size} MB", size=BYTES_MAX // 1_000_000)
        return chosen.read(), str(chosen.name or "")[:120]
    kept = request.POST.get("kept", "")
    if not kept:
        raise StatementRefused("empty", "choose the file of the statement")
    try:
        whose, name, packed = signing.loads(kept, salt=SALT, max_age=KEPT_S)
        if whose != request.user.pk:
            raise signing.BadSignature
    except (signing.BadSignature, ValueError):
        raise StatementRefused("empty", "choose the file of the statement") from None
    return base64.b64decode(packed), str(name)


def _pack(content: bytes, name: str, by: Any) -> str:
    packed = base64.b64encode(content).decode()
    return signing.dumps([by.pk, name, packed], salt=SALT, compress=True)


def _columns(posted: Mapping[str, str], content: bytes) -> ColumnMap:
    """Return the map that was chosen: a saved one, the form's own, or what the headings suggest."""
    saved = StatementFormat.objects.filter(name=posted.get("format", "")).first()
    if saved is not None and posted.get("step") == "file":
        return ColumnMap.of_json(saved.columns)
    options = {name: posted.get(name, "") for name in ("unit", "order", "mark", "encoding")}
    if posted.get("step") == "file":
        suggested = guess(table(content).headings).as_json()
        if not suggested["currency"]:
            suggested["unit"] = options["unit"]
        return ColumnMap.of_json({**suggested, "order": options["order"], "mark": options["mark"] or "."})
    named = {name: posted.get(f"column_{name}", "") for name in ColumnMap.COLUMNS}
    if named["currency"]:
        options["unit"] = ""
    return ColumnMap.of_json({**named, **options, "mark": options["mark"] or "."})


@desk("link", "POST")
def link(request: HttpRequest, pk: int) -> HttpResponse:
    """Say to which payment a line of a statement belongs; two people decide about its money then."""
    item = ReviewItem.objects.filter(pk=pk).first()
    reference = request.POST.get("reference", "").replace("\x00", "").strip()[:25]
    payment = Payment.objects.filter(transaction_id=reference).first()
    if item is None or payment is None:
        messages.error(request, say("No payment has this reference."))
        return redirect("backoffice:review")
    try:
        link_line(
            item=item,
            payment=payment,
            by=request.user,
            at=clock.now(),
            transfer_hash=request.POST.get("hash", "").replace("\x00", ""),
        )
    except ReviewRefused as refused:
        messages.error(request, say(str(refused)))
        return redirect("backoffice:review")
    messages.success(request, say("Linked. Two people decide about its money now."))
    return redirect("backoffice:review")

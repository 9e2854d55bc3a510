"""Admin Dashboard -> Transactions: the list, its filters and its exports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Sum
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from vinflow.backoffice import acts, days, exports, listing
from vinflow.backoffice.desk import desk
from vinflow.backoffice.listing import Wanted
from vinflow.backoffice.models import StaffAct
from vinflow.backoffice.rights import may
from vinflow.backoffice.words import say
from vinflow.money import Currency
from vinflow.payments import clock
from vinflow.payments.models import Attempt, Method, Payment

__all__ = ["export_csv", "export_xlsx", "transactions"]


@dataclass(frozen=True, slots=True)
class Row:
    """A payment as the list shows it. paid_after_s: from the first QR to the credit."""

    payment: Payment
    state: str
    paid_after_s: int | None
    checks: int


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set: what it says, and the list without it."""

    word: str
    query: str


@desk("transactions")
def transactions(request: HttpRequest) -> HttpResponse:
    """Show a page of payments; everything that chooses it stands in the address."""
    at = clock.now()
    wanted = listing.wanted_of(request.GET, at=at)
    names = listing.named(wanted.text) if wanted.text else None
    rows = listing.found(wanted, at=at, names=names)
    total = listing.count_of(rows, wanted)
    exact = total <= listing.COUNT_MAX
    sort = wanted.sort if exact or wanted.sort in listing.INDEXED else "-created"
    pages = Paginator(range(min(total, listing.COUNT_MAX)), wanted.size)
    number = min(wanted.page, pages.num_pages)
    start = (number - 1) * wanted.size
    chosen = listing.page_of(rows, wanted, sort=sort, start=start, size=wanted.size, at=at)
    checks = dict(
        Attempt.objects.filter(payment__in=chosen)
        .values("payment")
        .annotate(checks_sum=Sum("checks"))
        .values_list("payment", "checks_sum")
    )
    context = {
        "here": "transactions",
        "wanted": wanted,
        "rows": [_row(payment, checks) for payment in chosen],
        "total": f"{total:,}" if exact else f"{listing.COUNT_MAX:,}+",
        "number": number,
        "pages": pages.num_pages,
        "before": wanted.query(page=number - 1) if number > 1 else "",
        "next": wanted.query(page=number + 1) if number < pages.num_pages else "",
        "sizes": listing.SIZES,
        "states": [(name, word, name in wanted.states) for name, word in listing.STATES.items()],
        "methods": Method.choices,
        "currencies": list(Currency),
        "ranges": [
            ("", "Any time"),
            ("today", "Today"),
            ("7", "7 days"),
            ("30", "30 days"),
            ("custom", "Custom dates"),
        ],
        "presets": [
            (word, wanted.query(range=name, first=None, last=None), wanted.range == name)
            for name, word in (("", say("Any time")), ("today", say("Today")))
        ]
        + [
            (say("{n} days", n=n), wanted.query(range=n, first=None, last=None), wanted.range == n)
            for n in ("7", "30")
        ],
        "chips": _chips(wanted),
        "heads": _heads(wanted),
        "may_ask": may(request.user, "recheck_payment"),
        "may_export": may(request.user, "export_transactions"),
        "export": wanted.query(),
        "this_page": wanted.query(page=number),
        "is_long": not exact,
        "sort_left_out": sort != wanted.sort,
        "payers_max": listing.PAYERS_MAX if names is not None and names.too_many else 0,
    }
    return render(request, "backoffice/transactions.html", context)


HEADS = {  # column: (sort of the first press, of the next)
    "created": ("-created", "created"),
    "amount": ("-amount", "amount"),
    "user": ("user", "user"),
    "status": ("status", "status"),
    "paid": ("-paid", "-paid"),
}


def _heads(wanted: Wanted) -> dict[str, tuple[str, str]]:
    """Return (the list sorted by it, aria-sort or "") for each column that sorts."""
    heads = {}
    for column, (first, then) in HEADS.items():
        now = ""
        if wanted.sort in (first, then):
            now = "descending" if wanted.sort.startswith("-") else "ascending"
        heads[column] = (wanted.query(sort=then if wanted.sort == first else first), now)
    return heads


def _row(payment: Payment, checks: dict[int, int]) -> Row:
    after = None
    if payment.completed_at is not None:
        after = max(0, int((payment.completed_at - payment.created_at).total_seconds()))
    return Row(payment, listing.state_of(payment), after, checks.get(payment.pk, 0))


def _chips(wanted: Wanted) -> list[Chip]:
    chips = [
        Chip(
            say(listing.STATES[state]),
            wanted.query(states=tuple(other for other in wanted.states if other != state)),
        )
        for state in wanted.states
    ]
    if wanted.text:
        chips.append(Chip(f"“{wanted.text}”", wanted.query(text="")))
    if wanted.currency:
        chips.append(Chip(wanted.currency, wanted.query(currency="")))
    if wanted.method:
        chips.append(Chip(dict(Method.choices)[wanted.method], wanted.query(method="")))
    if wanted.range == "custom":
        ends = " – ".join(day.isoformat() if day else "…" for day in (wanted.first, wanted.last))
        chips.append(Chip(ends, wanted.query(range="", first=None, last=None)))
    if wanted.least or wanted.most:
        chips.append(Chip(f"{wanted.least or '…'} – {wanted.most or '…'}", wanted.query(least="", most="")))
    for name, word in (("late", "Late"), ("review", "Needs review"), ("manual", "Handled by hand")):
        if getattr(wanted, name):
            chips.append(Chip(say(word), wanted.query(**{name: False})))
    return chips


def _chosen(request: HttpRequest, at: datetime) -> Any:
    wanted = listing.wanted_of(request.GET, at=at)
    rows = listing.dressed(listing.found(wanted, at=at), at=at)
    acts.keep(StaffAct.What.EXPORT, by=request.user, at=at, note=wanted.query(page=1)[:500])
    return rows.order_by("-created_at", "-pk")


def _name(at: datetime, ending: str) -> str:
    return f'attachment; filename="payments-{days.day_of(at)}.{ending}"'


@desk("export_csv")
def export_csv(request: HttpRequest) -> StreamingHttpResponse:
    """Send the payments of the list as CSV while they are read."""
    at = clock.now()
    answer = StreamingHttpResponse(
        exports.csv_of(_chosen(request, at)), content_type="text/csv; charset=utf-8"
    )
    answer["Content-Disposition"] = _name(at, "csv")
    return answer


@desk("export_xlsx")
def export_xlsx(request: HttpRequest) -> HttpResponseBase:
    """Send the payments of the list as XLSX; where the writer is not installed, say so.

    A long list is not written while somebody waits for the first byte: pages/exports.py prepares it.
    """
    at = clock.now()
    wanted = listing.wanted_of(request.GET, at=at)
    if listing.count_of(listing.found(wanted, at=at), wanted) > listing.COUNT_MAX:
        messages.warning(request, say("More than 10,000 payments: prepare the file, then download it."))
        return redirect(reverse("backoffice:transactions") + wanted.query())
    try:
        file = exports.xlsx_of(_chosen(request, at))
    except ImportError:
        context = {"here": "transactions", "back": reverse("backoffice:transactions")}
        return render(request, "backoffice/no_xlsx.html", context, status=501)
    answer = FileResponse(
        file, content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
    )
    answer["Content-Disposition"] = _name(at, "xlsx")
    return answer

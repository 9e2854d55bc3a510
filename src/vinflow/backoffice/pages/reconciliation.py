"""Reconciliation: reports of the nights, differences with their payments, the bank's closing balances."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from vinflow.backoffice import days, listing
from vinflow.backoffice.desk import desk
from vinflow.backoffice.rights import may
from vinflow.backoffice.words import say
from vinflow.money import Currency, Money, MoneyError, parse_amount
from vinflow.payments import clock, conf, reports
from vinflow.payments import receivers as owned
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import BooksCheck, ClosingBalance, Difference, Reconciliation, Statement
from vinflow.payments.reconciling import NotNow, reconcile
from vinflow.payments.reconciling import explain as explain_difference
from vinflow.payments.statements.errors import StatementRefused
from vinflow.payments.statements.importing import enter_closing_balance

__all__ = ["closing", "explain", "reconciliation", "report", "report_csv", "run"]

SIZE = 50
SHOWN = 10
CALLS_OF_A_PAGE = 10  # a page must answer; the watcher goes on at night


@desk("reconciliation")
def reconciliation(request: HttpRequest) -> HttpResponse:
    """Show the last runs, what nobody has explained yet, the closing balances and the statements."""
    environment = listing.environment()
    open_ones = Difference.objects.filter(environment=environment, explained_at__isnull=True)
    page = Paginator(open_ones.select_related("payment").order_by("-found_at", "-pk"), SIZE).get_page(
        request.GET.get("page")
    )
    context = {
        "here": "reconciliation",
        "page": page,
        "runs": Reconciliation.objects.filter(environment=environment).order_by("-pk")[:SHOWN],
        "checks": BooksCheck.objects.filter(ended_at__isnull=False).order_by("-night", "what")[:4],
        "statements": Statement.objects.filter(environment=environment)
        .select_related("imported_by")
        .order_by("-pk")[:SHOWN],
        "closings": ClosingBalance.objects.filter(environment=environment)
        .select_related("entered_by")
        .order_by("-business_date", "-pk")[:SHOWN],
        "receivers": receivers(),
        "currencies": [currency.value for currency in Currency],
        "yesterday": days.day_of(clock.now()),
        "may_reconcile": may(request.user, "reconcile"),
    }
    return render(request, "backoffice/reconciliation.html", context)


def receivers() -> list[str]:
    """Return our own accounts, the one that QRs name first."""
    try:
        return [conf.merchant_id(), *owned.accepted()]
    except NotConfigured:
        return []


def _run(pk: int) -> Reconciliation:
    found = Reconciliation.objects.filter(pk=pk, environment=listing.environment()).first()
    if found is None:
        raise Http404
    return found


@desk("report")
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one run and every difference it saw."""
    found = _run(pk)
    rows: Any = reports.differences_of(found)
    context = {
        "here": "reconciliation",
        "run": found,
        "page": Paginator(rows, SIZE).get_page(request.GET.get("page")),
        "may_reconcile": may(request.user, "reconcile"),
    }
    return render(request, "backoffice/report.html", context)


@desk("report_csv")
def report_csv(request: HttpRequest, pk: int) -> StreamingHttpResponse:
    """Send the differences of a run as CSV."""
    answer = StreamingHttpResponse(reports.csv_of(_run(pk)), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="reconciliation-{pk}.csv"'
    return answer


@desk("run", "POST")
def run(request: HttpRequest) -> HttpResponse:
    """Reconcile now, as far as a few calls go; the rest is done at night."""
    try:
        done = reconcile(at=clock.now(), by=request.user, calls_max=CALLS_OF_A_PAGE)
    except NotNow:
        messages.info(request, say("Somebody is reconciling at this moment."))
        return redirect("backoffice:reconciliation")
    except NotConfigured as error:
        messages.error(
            request, say("The gateway did not answer ({code}). Nothing changed.", code=error.setting)
        )
        return redirect("backoffice:reconciliation")
    if done.ended_at:
        messages.success(request, say("Reconciled. {n} differences.", n=done.differences.count()))
    else:
        messages.info(request, say("Not done yet: it goes on at night, when calls are free."))
    return redirect("backoffice:report", done.pk)


@desk("explain", "POST")
def explain(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep why a difference is none, or what was done about it."""
    found = Difference.objects.filter(pk=pk, environment=listing.environment()).first()
    if found is None:
        raise Http404
    why = request.POST.get("why", "").replace("\x00", "")
    try:
        explain_difference(difference=found, by=request.user, why=why, at=clock.now())
    except ValueError:
        messages.error(request, say("Say why: the reason is kept."))
    else:
        messages.success(request, say("Explained. It is told of no more."))
    return redirect("backoffice:reconciliation")


@desk("closing", "POST")
def closing(request: HttpRequest) -> HttpResponse:
    """Keep what the bank shows for the end of a day."""
    posted = request.POST
    day = days.read_day(posted.get("day", ""))
    try:
        currency = Currency(posted.get("currency", ""))
        balance = _signed(posted.get("balance", ""), currency)
        other = _signed(posted["other"], currency) if posted.get("other", "").strip() else None
    except (MoneyError, ValueError):
        messages.error(request, say("This is no amount."))
        return redirect("backoffice:reconciliation")
    try:
        enter_closing_balance(
            receiver=posted.get("receiver", ""),
            day=day.isoformat() if day else "",
            balance=balance,
            other=other,
            by=request.user,
            at=clock.now(),
        )
    except StatementRefused as refused:
        messages.error(request, say(refused.words, **refused.values))
    else:
        messages.success(request, say("The closing balance is kept. The next run compares it."))
    return redirect("backoffice:reconciliation")


def _signed(text: str, currency: Currency) -> Money:
    """Return an amount that may be below zero: other money in the account may have left it."""
    said = text.strip()
    money = parse_amount(said.lstrip("-\u2212"), currency)
    return -money if said[:1] in ("-", "\u2212") else money

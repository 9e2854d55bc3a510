"""`manage.py reconcile`: what Bakong and the bank say against what is booked; the books are only read."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils.dateparse import parse_date, parse_datetime
from rich.console import Console
from rich.table import Column, Table

from vinflow.payments import clock, conf
from vinflow.payments.business_days import day_begins
from vinflow.payments.models import Reconciliation
from vinflow.payments.reconciling import NotNow, reconcile
from vinflow.payments.reports import COLUMNS, csv_of, json_of, row_of
from vinflow.payments.reports import differences_of as found_in

__all__ = ["Command", "moment"]


def moment(text: str) -> datetime:
    """Return the moment that an option names: a day in Phnom Penh, or a time with its zone."""
    at = parse_datetime(text) if "T" in text or " " in text else None
    if at is not None:
        if at.tzinfo is None:
            raise CommandError(f"{text}: add the zone, for example {text}+07:00")
        return at
    try:
        day = parse_date(text)
    except ValueError:
        day = None
    if day is None:
        raise CommandError(f"{text} is no day (2026-11-24) and no moment (2026-11-24T08:00+07:00)")
    return day_begins(day)


class Command(BaseCommand):
    """Reconcile as far as the day's calls allow, and show the report; 1 when there is a difference."""

    help = "Compare what Bakong and the bank say with what is booked; the books are only read."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--since", metavar="DAY", help="how far back a new run looks")
        parser.add_argument("--calls", type=int, metavar="N", help="make at most so many calls now")
        parser.add_argument(
            "--report", action="store_true", help="only show the last report; no call is made"
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument("--csv", action="store_true", help="print the differences as CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, and print the report."""
        if options["report"]:
            run = Reconciliation.objects.filter(environment=conf.environment()).order_by("-pk").first()
            if run is None:
                raise CommandError("nothing has been reconciled yet")
        else:
            since = moment(options["since"]) if options["since"] else None
            try:
                run = reconcile(at=clock.aligned(), since=since, calls_max=options["calls"])
            except NotNow as busy:
                raise CommandError(str(busy)) from None
        if options["json"]:
            self.stdout.write(json.dumps(json_of(run), indent=2))
        elif options["csv"]:
            self.stdout.write(b"".join(csv_of(run)).decode(), ending="")
        else:
            self._show(run)
        count = run.differences.filter(explained_at__isnull=True).count()
        if count:
            raise CommandError(f"{count} differences", returncode=1)

    def _show(self, run: Reconciliation) -> None:
        console = Console(file=self.stdout, highlight=False)  # type: ignore[arg-type]
        state = "done" if run.ended_at else f"not done: {run.phase}"
        if run.paused_why:
            state += f", stopped by {run.paused_why}"
        console.print(
            f"run {run.pk}, {run.since:%Y-%m-%d} to {run.until:%Y-%m-%d}: {state}. {run.transfers} transfers"
            f" and {run.qrs} QRs asked about by {run.calls} calls, {run.unanswered} without an answer"
        )
        table = Table(*(Column(name, overflow="fold", no_wrap=name == "kind") for name in COLUMNS[:5]))
        for one in found_in(run):
            row = row_of(one)
            table.add_row(*(row[name] for name in COLUMNS[:5]))
        if table.row_count:
            console.print(table)

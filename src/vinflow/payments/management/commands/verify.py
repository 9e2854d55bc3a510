"""`manage.py verify`: rebuild every state, balance and total from evidence alone, and compare."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vinflow.payments.verifying import Verification, verify
from vinflow.wallet.progress import with_bar

__all__ = ["Command"]


class Command(BaseCommand):
    """Say each difference between the books and the evidence, and exit with 1 when there is any."""

    help = "Rebuild states, balances and totals from the stored evidence alone, and compare."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        """Verify, and print what was compared."""
        quiet = options["json"] or options["no_progress"]
        report = verify() if quiet else with_bar("rows", lambda tick: verify(tick=tick))
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=2))
        else:
            self._show(report)
        if not report.is_clean:
            raise CommandError(f"{report.problem_count} differences", returncode=1)

    def _show(self, report: Verification) -> None:
        for problem in report.problems:
            self.stdout.write(problem)
        if report.problem_count > len(report.problems):
            self.stdout.write(f"... and {report.problem_count - len(report.problems)} more")
        self.stdout.write(
            f"{report.payments} payments, {report.transfers} transfers, {report.statement_lines} lines of"
            f" statements, {report.refunds} refunds and claw-backs, {report.entries} entries and"
            f" {report.wallets} wallets compared in {report.milliseconds / 1000:.1f} s:"
            f" {report.problem_count or 'no'} differences"
        )

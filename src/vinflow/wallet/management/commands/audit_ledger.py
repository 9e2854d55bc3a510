"""manage.py audit_ledger: adds every line up again and checks the chain, the triggers and the law."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DEFAULT_DB_ALIAS
from django.utils import timezone

from vinflow.wallet.audit import Report, audit
from vinflow.wallet.findings import Tick
from vinflow.wallet.progress import with_bar
from vinflow.wallet.sealing import make_head, seal_blocks


class Command(BaseCommand):
    """Says what is wrong with the books, and exits with 1 when anything is."""

    help = "Add up every line of the ledger again; check the chain, the triggers and the law."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Define the options."""
        parser.add_argument("--database", default=DEFAULT_DB_ALIAS, help="alias of the database")
        parser.add_argument(
            "--export-head",
            metavar="FILE",
            type=Path,
            help="seal what is new and write the signed head of the chain; keep it on another machine",
        )
        parser.add_argument(
            "--check-head",
            metavar="FILE",
            type=Path,
            help="a head exported earlier; must still be in the chain",
        )
        parser.add_argument("--json", action="store_true", help="print the report as JSON")
        parser.add_argument("--no-progress", action="store_true", help="no progress bar")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the audit and print its report."""
        using = options["database"]
        head = read_head(options["check_head"]) if options["check_head"] else None
        if options["export_head"]:
            seal_blocks(at=timezone.now(), using=using)
        show_bar = not (options["no_progress"] or options["json"])

        def look(tick: Tick) -> Report:
            return audit(head=head, tick=tick, using=using)

        report = with_bar("lines", look) if show_bar else audit(head=head, using=using)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(report), indent=2))
        else:
            self.print_report(report)
        if not report.is_clean:
            raise CommandError(f"{report.problem_count} problems", returncode=1)
        if options["export_head"]:  # only of books that were found right
            text = json.dumps(make_head(at=timezone.now(), using=using), indent=2)
            options["export_head"].write_text(text + "\n", encoding="utf-8")
            if not options["json"]:
                self.stdout.write(f"head written to {options['export_head']}")

    def print_report(self, report: Report) -> None:
        """Print the report for people."""
        for problem in report.problems:
            self.stdout.write(self.style.ERROR(problem))
        if report.problem_count > len(report.problems):
            self.stdout.write(f"... and {report.problem_count - len(report.problems)} more")
        for note in report.notes:
            self.stdout.write(self.style.WARNING(note))
        self.stdout.write(
            f"{report.lines} lines in {report.entries} entries on {report.accounts} accounts,"
            f" {report.blocks} blocks, {report.unsealed} entries not in a block yet;"
            f" {report.milliseconds} ms; {report.problem_count} problems"
        )


def read_head(path: Path) -> object:
    """Return the JSON of a head file. Raises CommandError when there is none."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as wrong:
        raise CommandError(f"{path}: {wrong}") from None

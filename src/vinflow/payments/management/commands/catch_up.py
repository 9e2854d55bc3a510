"""`manage.py catch_up --since MOMENT`: after a restore, credit what came after the dump, once."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from vinflow.payments import clock
from vinflow.payments.catching_up import catch_up
from vinflow.payments.management.commands.reconcile import moment
from vinflow.payments.verifying import verify

__all__ = ["Command"]


class Command(BaseCommand):
    """Ask about every QR of the dump that may have been paid since, then verify; 1 when something differs."""

    help = "After a restore: ask about QRs that may have been paid since the dump, and verify the books."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--since", required=True, metavar="MOMENT", help="a moment before the dump began")
        parser.add_argument("--no-verify", action="store_true", help="only ask; verify by yourself later")

    def handle(self, *args: Any, **options: Any) -> None:
        """Catch up, say what was found, and verify."""
        done = catch_up(since=moment(options["since"]), at=clock.aligned())
        self.stdout.write(
            f"{done.asked} QRs asked about, {done.found} transfers found,"
            f" {done.processed} taken from the inbox, {done.left} QRs left"
        )
        if done.stopped:
            raise CommandError(
                f"stopped by {done.stopped}: the watcher goes on, or run this again later", returncode=1
            )
        if not options["no_verify"]:
            report = verify()
            for problem in report.problems:
                self.stdout.write(problem)
            if not report.is_clean:
                raise CommandError(f"{report.problem_count} differences", returncode=1)
            self.stdout.write("the books follow from the evidence")
        self.stdout.write("Now import the bank's statement: QRs shown after the dump are known there only.")

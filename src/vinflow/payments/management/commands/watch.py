"""`manage.py watch`: watch open payments until told to stop. Any number may run side by side."""

from __future__ import annotations

import os
import signal
import socket
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import DEFAULT_DB_ALIAS

from vinflow.payments import watching

__all__ = ["Command"]


class Command(BaseCommand):
    """Ask Bakong what is due, credit what came, expire what Bakong says did not come."""

    help = "Watch open payments until stopped; any number of watchers may run side by side."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Name the options."""
        parser.add_argument("--once", action="store_true", help="do what is due now, then end")
        parser.add_argument("--poll", type=float, default=1.0, help="seconds between looks (default 1)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGINT or SIGTERM; the step under way is finished first.

        Refuses to begin where a step of the installation is missing, the database's own among them.
        """
        self.check(databases=[DEFAULT_DB_ALIAS])
        if options["once"]:
            report = watching.step()
            self.stdout.write(f"asked {report.asked}, found {report.found}, processed {report.processed}")
            return
        stop = threading.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            signal.signal(name, lambda *_: stop.set())
        worker = f"{socket.gethostname()}:{os.getpid()}"
        self.stdout.write(f"watching as {worker}; Ctrl-C stops")
        watching.run(stop=stop, worker=worker, poll_s=options["poll"])
        self.stdout.write("stopped")

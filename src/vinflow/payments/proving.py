"""Every night, once: the audit of the ledger and the rebuilding from evidence, kept as rows.

Both read every row and take minutes where there are millions; they run in a thread of their own, so that
nobody's payment waits for them, and hold up nobody who writes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta

from django.db import connection

from vinflow.payments import clock
from vinflow.payments.models import BooksCheck
from vinflow.payments.nights import night_of
from vinflow.payments.verifying import verify
from vinflow.wallet.audit import audit

__all__ = ["due", "prove", "start"]

log = logging.getLogger(__name__)

GIVEN_UP = timedelta(hours=3)  # a proof that has not ended by then died with its process
KEPT = 50
_running = threading.Lock()


def _audit() -> tuple[int, list[str], int]:
    report = audit()
    return report.problem_count, report.problems[:KEPT], report.lines


def _verify() -> tuple[int, list[str], int]:
    report = verify()
    return report.problem_count, report.problems[:KEPT], report.payments + report.transfers


PROOFS: dict[BooksCheck.What, Callable[[], tuple[int, list[str], int]]] = {
    BooksCheck.What.AUDIT: _audit,
    BooksCheck.What.VERIFY: _verify,
}


def due(at: datetime) -> list[BooksCheck.What]:
    """Return what has to be proved tonight and nobody has begun; nothing by day."""
    night = night_of(at)
    if night is None:
        return []
    begun = BooksCheck.objects.filter(night=night).exclude(ended_at__isnull=True, begun_at__lt=at - GIVEN_UP)
    had = set(begun.values_list("what", flat=True))
    return [what for what in PROOFS if what not in had]


def prove(what: BooksCheck.What, *, night: date, at: datetime) -> BooksCheck | None:
    """Return the row of a proof that was run now; None where another process is on it, or was.

    What is found is logged as critical and stays in the row; nothing is repaired.
    """
    row, made = BooksCheck.objects.get_or_create(what=what, night=night, defaults={"begun_at": at})
    if not made:
        taken = BooksCheck.objects.filter(pk=row.pk, ended_at__isnull=True, begun_at__lt=at - GIVEN_UP)
        if not taken.update(begun_at=at):
            return None
    count, problems, rows = PROOFS[what]()
    BooksCheck.objects.filter(pk=row.pk).update(
        ended_at=clock.now(), problem_count=count, problems=problems, rows=rows
    )
    for problem in problems:
        log.critical("%s: %s", what, problem)
    row.refresh_from_db()
    return row


def start(at: datetime) -> bool:
    """Begin what is due in a thread of its own; return whether one was begun. One at a time in a process."""
    wanted = due(at)
    night = night_of(at)
    if not wanted or night is None or not _running.acquire(blocking=False):
        return False

    def run() -> None:
        try:
            for what in wanted:
                prove(what, night=night, at=at)
        except Exception:
            log.exception("the nightly proof of the books failed; it is tried again in some hours")
        finally:
            connection.close()
            _running.release()

    threading.Thread(target=run, name="vinflow-proof", daemon=True).start()
    return True

"""A run of reconciliation as a report: JSON and CSV, the same for the command and the page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from vinflow.payments.evidence import spreadsheet_safe
from vinflow.payments.models import Difference, Reconciliation

__all__ = ["COLUMNS", "csv_of", "differences_of", "json_of"]

COLUMNS = ("kind", "payment", "subject", "expected", "seen", "found_at", "explained_at", "why")


def differences_of(run: Reconciliation) -> Iterable[Difference]:
    """Return the differences of a run, read with their payments, those that nobody explained first."""
    return run.differences.select_related("payment", "explained_by").order_by("explained_at", "kind", "pk")


def row_of(one: Difference) -> dict[str, str]:
    """Return a difference as plain texts."""
    return {
        "kind": one.kind,
        "payment": one.payment.transaction_id if one.payment else "",
        "subject": one.subject,
        "expected": one.expected,
        "seen": one.seen,
        "found_at": one.found_at.isoformat(),
        "explained_at": one.explained_at.isoformat() if one.explained_at else "",
        "why": one.why,
    }


def json_of(run: Reconciliation) -> dict[str, Any]:
    """Return a run and its differences, fit for JSON."""
    return {
        "run": run.pk,
        "environment": run.environment,
        "since": run.since.isoformat(),
        "until": run.until.isoformat(),
        "begun_at": run.begun_at.isoformat(),
        "ended_at": run.ended_at.isoformat() if run.ended_at else None,
        "phase": run.phase,
        "paused": run.paused_why,
        "calls": run.calls,
        "transfers": run.transfers,
        "qrs": run.qrs,
        "unanswered": run.unanswered,
        "differences": [row_of(one) for one in differences_of(run)],
    }


def csv_of(run: Reconciliation) -> Iterator[bytes]:
    """Yield the differences as CSV with a mark of UTF-8; no cell is run as a formula."""
    yield "\ufeff".encode()
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for one in differences_of(run):
        row = row_of(one)
        writer.writerow([spreadsheet_safe(row[name]) for name in COLUMNS])
        yield out.getvalue().encode()
        out.seek(0)
        out.truncate()
    yield out.getvalue().encode()

"""Long exports: written to a file by a thread of their own while a page tells how far they are.

One at a time for each person. A job whose process died says so after a minute, and can be asked for anew.
Files are readable by our own user alone, go to whoever asked for them, and are swept away after a day.
"""

from __future__ import annotations

import logging
import os
import secrets
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import IO, Any

from django.db import connection, transaction
from django.db.models import QuerySet
from django.http import QueryDict

from vinflow.backoffice import acts, conf, exports, listing
from vinflow.backoffice.models import ExportJob, StaffAct
from vinflow.payments import clock
from vinflow.payments.models import Payment

__all__ = ["SILENT", "TooLong", "begin", "is_dead", "path_of", "start", "sweep", "write"]

log = logging.getLogger(__name__)

SILENT = timedelta(minutes=1)
KEPT = timedelta(days=1)
PIECES_A_BEAT = 4


class TooLong(Exception):
    """More rows than one sheet holds; the most it holds is the argument."""


def begin(kind: ExportJob.Kind, *, query: str, by: Any, at: datetime) -> tuple[ExportJob, bool]:
    """Return a new job for a person and True, or the one of theirs that is under way and False."""
    with transaction.atomic():
        mine = ExportJob.objects.select_for_update().filter(asked_by=by, ended_at__isnull=True)
        for job in mine:
            if not is_dead(job, at=at):
                return job, False
            ExportJob.objects.filter(pk=job.pk).update(ended_at=at, fault="stopped")
        job, made = ExportJob.objects.get_or_create(
            asked_by=by,
            ended_at__isnull=True,
            defaults={"kind": kind, "query": query[:1000], "asked_at": at, "beat_at": at},
        )
        if made:
            acts.keep(StaffAct.What.EXPORT, by=by, at=at, note=f"{kind} {query}"[:500])
    return job, made


def start(job: ExportJob) -> None:
    """Write the file of a new job in a thread of its own. After the transaction that made the job."""
    threading.Thread(target=_run, args=(job.pk,), name="vinflow-export", daemon=True).start()


def is_dead(job: ExportJob, *, at: datetime) -> bool:
    """Return whether the thread of a job that has not ended is gone: it has not been heard for a minute."""
    return job.ended_at is None and at - job.beat_at > SILENT


def path_of(job: ExportJob) -> Path:
    """Return where the file of a job lies. Raises FileNotFoundError when it has none (any more)."""
    path = conf.export_folder() / job.file_name
    if not job.file_name or not path.is_file():
        raise FileNotFoundError(job.pk)
    return path


def _run(pk: int) -> None:
    try:
        write(pk)
    finally:
        connection.close()


def write(pk: int) -> None:
    """Write the file of a job; how far it is stands in its row, and what went wrong, in a word."""
    job = ExportJob.objects.get(pk=pk)
    name = secrets.token_hex(16)
    fault = ""
    path = conf.export_folder() / name
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as file:
            _write(job, file)
        size = path.stat().st_size
    except Exception as error:
        log.exception("an export could not be written")
        faults = {ImportError: "no_writer", TooLong: "too_long", OSError: "disk"}
        fault = next((word for kind, word in faults.items() if isinstance(error, kind)), "failed")
        with suppress(OSError):
            path.unlink(missing_ok=True)
        name, size = "", 0
    ExportJob.objects.filter(pk=pk, ended_at__isnull=True).update(
        ended_at=clock.now(), beat_at=clock.now(), fault=fault, file_name=name, size=size
    )


def _write(job: ExportJob, file: IO[bytes]) -> None:
    rows = _rows(job)
    total = rows.count()
    ExportJob.objects.filter(pk=job.pk).update(total=total, beat_at=clock.now())

    def tick(done: int) -> None:
        ExportJob.objects.filter(pk=job.pk).update(done=done, beat_at=clock.now())

    if job.kind == ExportJob.Kind.XLSX:
        if total > exports.XLSX_ROWS_MAX:
            raise TooLong(exports.XLSX_ROWS_MAX)
        exports.write_xlsx(_dressed(rows, job), file, tick)
    else:
        done = 0
        for number, (piece, count) in enumerate(exports.csv_pieces(_dressed(rows, job))):
            file.write(piece)
            done += count
            if number % PIECES_A_BEAT == 0:
                tick(done)
    tick(total)


def _rows(job: ExportJob) -> QuerySet[Payment]:
    wanted = listing.wanted_of(QueryDict(job.query.lstrip("?")), at=job.asked_at)
    return listing.found(wanted, at=job.asked_at)


def _dressed(rows: QuerySet[Payment], job: ExportJob) -> QuerySet[Payment]:
    return listing.dressed(rows, at=job.asked_at).order_by("-created_at", "-pk")


def sweep(at: datetime) -> int:
    """Take away the files of jobs that ended a day ago and longer; return how many. Hung into tidying."""
    old = list(ExportJob.objects.filter(ended_at__lt=at - KEPT).exclude(file_name=""))
    for job in old:
        (conf.export_folder() / job.file_name).unlink(missing_ok=True)
        ExportJob.objects.filter(pk=job.pk).update(file_name="", size=0)
    return len(old)

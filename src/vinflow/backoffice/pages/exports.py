"""A long export: begin it, look how far it is, take the file away."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse

from vinflow.backoffice import days, export_jobs, listing
from vinflow.backoffice.desk import desk
from vinflow.backoffice.models import ExportJob
from vinflow.backoffice.words import say
from vinflow.payments import clock

__all__ = ["FAULTS", "export", "export_file", "export_new"]

AGAIN_S = 3
TYPES = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
FAULTS = {
    "no_writer": "The program that writes XLSX files is not installed here. The CSV file holds the same.",
    "too_long": "A sheet holds 1,048,575 rows at most. Narrow the list, or take the CSV file.",
    "disk": "The file could not be written: the disk is full, or may not be written to.",
    "stopped": "The server was restarted while it wrote. Begin again.",
    "failed": "The file could not be written. The log says why.",
}


def _job(request: HttpRequest, pk: int) -> ExportJob:
    """Return a job of the person who asks; another's does not exist for them."""
    found = ExportJob.objects.filter(pk=pk, asked_by_id=request.user.pk).first()
    if found is None:
        raise Http404
    return found


@desk("export_new", "POST")
def export_new(request: HttpRequest) -> HttpResponse:
    """Begin to write the list that was looked at; lead to the page that tells how far it is."""
    at = clock.now()
    kind = ExportJob.Kind.XLSX if request.POST.get("kind") == "xlsx" else ExportJob.Kind.CSV
    asked = QueryDict(request.POST.get("query", "").replace("\x00", "")[:1000].lstrip("?"))
    query = listing.wanted_of(asked, at=at).query(page=1)
    job, made = export_jobs.begin(kind, query=query, by=request.user, at=at)
    if made:
        export_jobs.start(job)
    elif (job.kind, job.query) != (kind, query):
        messages.warning(request, say("Another file of yours is being written: wait for it first."))
    return redirect("backoffice:export", job.pk)


@desk("export")
def export(request: HttpRequest, pk: int) -> HttpResponse:
    """Tell how far a file is; the page comes anew by itself until it has ended."""
    job, at = _job(request, pk), clock.now()
    if export_jobs.is_dead(job, at=at):
        job.fault = "stopped"
    under_way = job.ended_at is None and not job.fault
    context: dict[str, Any] = {
        "here": "transactions",
        "job": job,
        "under_way": under_way,
        "fault": say(FAULTS[job.fault]) if job.fault in FAULTS else "",
        "done": f"{job.done:,}",
        "total": f"{job.total:,}" if job.total is not None else "",
        "percent": min(100, job.done * 100 // job.total) if job.total else 0,
        "megabytes": f"{job.size / 1_000_000:,.1f}",
        "back": reverse("backoffice:transactions") + job.query,
    }
    answer = render(request, "backoffice/export.html", context)
    if under_way:
        answer["Refresh"] = str(AGAIN_S)
    return answer


@desk("export_file")
def export_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Send the file to whoever asked for it, as a download."""
    job = _job(request, pk)
    try:
        file = export_jobs.path_of(job).open("rb")
    except FileNotFoundError:
        messages.error(request, say("This file is no longer here: files are kept for a day. Begin again."))
        return redirect("backoffice:export", job.pk)
    name = f"payments-{days.day_of(job.asked_at)}.{job.kind}"
    answer = FileResponse(file, as_attachment=True, filename=name, content_type=TYPES[job.kind])
    answer["X-Content-Type-Options"] = "nosniff"
    return answer

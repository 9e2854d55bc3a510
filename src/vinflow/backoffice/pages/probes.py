"""For machines: /health and /ready say what works, /metrics counts for Prometheus.

/health   the process and its database: 503 means restart or look at once
/ready    besides, that somebody looks for transfers and the settings are whole: 503 means send nobody here
          yet. A day whose calls are used up is no reason: money is still received, later.
/metrics  needs the token of VINFLOW_METRICS_TOKEN as a Bearer token, or a signed-in person with the
          right to see the figures; without either it does not exist (404)
"""

from __future__ import annotations

import hmac
import logging
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from vinflow.backoffice import figures, measures, quota
from vinflow.backoffice.rights import may
from vinflow.payments import checks, clock, conf

__all__ = ["health", "metrics", "ready"]

log = logging.getLogger(__name__)
SILENT = timedelta(minutes=2)


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM payments_settings")
            cursor.fetchone()
    except DatabaseError:
        log.exception("the database did not answer a health check")
        return "down"
    return "ok"


@transaction.non_atomic_requests
@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """Answer 200 while the process has its database, else 503."""
    database = _database()
    return JsonResponse({"database": database}, status=200 if database == "ok" else 503)


@transaction.non_atomic_requests
@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """Answer 200 when payers may be sent here; what the day's calls still hold is told besides."""
    told: dict[str, Any] = {"database": _database(), "settings": "ok", "watcher": "ok", "budget": "ok"}
    if told["database"] != "ok":
        return JsonResponse(told | {"watcher": "unknown", "budget": "unknown"}, status=503)
    if any(finding.is_serious() for finding in checks.gateway_settings()):
        told["settings"] = "wrong"
    at = clock.aligned()
    alive = figures.pulse()
    if conf.status_checks():
        told["watcher"] = "none: the payer's pages look themselves"
    elif alive.beat_at is None or at - alive.beat_at > SILENT:
        told["watcher"] = "silent"
    left = quota.today(at=at)
    if left is None:
        told["budget"] = "unknown"
    elif left.confirmable == 0:
        told["budget"] = "gone"
    good = told["settings"] == "ok" and told["watcher"] != "silent"
    return JsonResponse(told, status=200 if good else 503)


@transaction.non_atomic_requests
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Send the counters in Prometheus' own text; 404 to whoever may not read them."""
    if not (_has_token(request) or may(request.user, "see_overview")):
        raise Http404
    return HttpResponse(measures.exposition(at=clock.now()), content_type=CONTENT_TYPE_LATEST)


def _has_token(request: HttpRequest) -> bool:
    expected = str(getattr(settings, "VINFLOW_METRICS_TOKEN", "") or "")
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    # compare_digest over bytes: a header may hold any letters.
    return (
        bool(expected) and kind.lower() == "bearer" and hmac.compare_digest(given.encode(), expected.encode())
    )

"""The maintenance page: VINFLOW_MAINTENANCE shows it everywhere but to staff at work and to health checks."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from vinflow.storefront import conf
from vinflow.storefront.pages.errors import maintenance

__all__ = ["Maintenance"]

OPEN = ("/admin/", "/static/", "/health", "/ready", "/metrics", "/language/", "/accounts/login/")


class Maintenance:
    """Answer 503 with a page while the site is being looked after; payments are watched meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if conf.in_maintenance() and not request.path.startswith(OPEN):
            return maintenance(request)
        return self._next(request)

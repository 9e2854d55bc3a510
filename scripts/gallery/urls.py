"""The site's addresses, and one for each page that is shown when something goes wrong."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.urls import path

from vinflow.project.urls import handler403, handler404, handler500, urlpatterns
from vinflow.storefront.pages import errors

__all__ = ["handler403", "handler404", "handler500", "urlpatterns"]


def _forbidden(_request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def _too_fast(request: HttpRequest) -> HttpResponse:
    return errors.too_fast(request, wait_s=40)


urlpatterns = [
    path("shown/403/", _forbidden),
    path("shown/csrf/", errors.csrf_failed),
    path("shown/429/", _too_fast),
    path("shown/500/", errors.server_error),
    path("shown/503/", errors.maintenance),
    *urlpatterns,
]

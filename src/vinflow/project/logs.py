"""What every log line of one request carries: its id, so that the lines can be found together."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponseBase

_SAFE_ID = re.compile(r"[A-Za-z0-9._-]{8,64}")  # anything else could forge a log line


class RequestContextMiddleware:
    """Gives each request an id, in the logs and in the answer's X-Request-ID header.

    An id that a proxy in front already gave is kept when it is plain letters, digits, ".", "_" or "-".
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer of the rest of the chain, with the id on it."""
        given = request.headers.get("X-Request-ID", "")
        request_id = given if _SAFE_ID.fullmatch(given) else secrets.token_hex(8)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
        response["X-Request-ID"] = request_id
        return response

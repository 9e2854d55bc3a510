"""Pages for what went wrong, in the same hand as the rest; a foreign reference is a missing one."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseForbidden,
    HttpResponseNotFound,
    HttpResponseServerError,
)
from django.shortcuts import render
from django.template import loader
from django.utils.translation import get_language

from vinflow.storefront import conf
from vinflow.storefront.words import say, say_many

__all__ = [
    "csrf_failed",
    "forbidden",
    "maintenance",
    "not_found",
    "server_error",
    "too_fast",
    "too_many_tries",
]

log = logging.getLogger(__name__)


def not_found(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 404: the same for a payment of someone else, a made-up one and an address that is none."""
    is_payment = request.path.startswith("/payment/")
    context = {"is_payment": is_payment}
    return HttpResponseNotFound(loader.render_to_string("storefront/errors/404.html", context, request))


def forbidden(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """Answer 403."""
    return HttpResponseForbidden(loader.render_to_string("storefront/errors/403.html", {}, request))


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer 403 to a form whose token is missing or old: nearly always a page left open too long."""
    log.info("a form's token was refused: %s", reason)
    return HttpResponseForbidden(loader.render_to_string("storefront/errors/403_csrf.html", {}, request))


def too_many_tries(wait_s: int) -> str:
    """Return how long a person has to wait, in words."""
    return say_many(
        "Too many tries. Wait {seconds} second.",
        "Too many tries. Wait {seconds} seconds.",
        wait_s,
        seconds=wait_s,
    )


def too_fast(request: HttpRequest, *, wait_s: int) -> HttpResponse:
    """Answer 429 with a page that says when, and Retry-After."""
    line = too_many_tries(wait_s)
    answer = render(request, "storefront/errors/429.html", {"line": line}, status=429)
    answer["Retry-After"] = str(wait_s)
    return answer


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500 with a code to tell support. Reads no row and no session: they may be what broke."""
    code = secrets.token_hex(4).upper()
    log.error("an error page was shown", extra={"code": code, "path": request.path})
    return HttpResponseServerError(
        loader.render_to_string(
            "storefront/errors/plain.html",
            _bare(request)
            | {
                "title": say("Something went wrong"),
                "body": say("Something went wrong on our side. Code: {code}", code=code),
                "note": say("Your payment is safe. We keep watching it."),
                "retry": request.path,
            },
        )
    )


def maintenance(request: HttpRequest) -> HttpResponse:
    """Answer 503 while the site is being looked after; watching goes on meanwhile, and the page says so."""
    text = loader.render_to_string(
        "storefront/errors/plain.html",
        _bare(request)
        | {
            "title": say("We will be back soon"),
            "body": say("The site is being looked after."),
            "note": say("Your payment is safe. We keep watching it."),
            "retry": request.path,
        },
    )
    answer = HttpResponse(text, status=503)
    answer["Retry-After"] = "120"
    return answer


def _bare(request: HttpRequest) -> dict[str, Any]:
    return {
        "language": get_language() or "en",
        "site_name": conf.site_name(),
        "support": conf.support(),
        "sandbox": conf.is_play_money(),
        "theme": conf.theme(),
    }

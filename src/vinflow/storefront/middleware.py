"""The maintenance page, everywhere but for staff at work and health checks; and an account's own language."""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from vinflow.storefront import conf
from vinflow.storefront.languages import ASKED_FOR, JUST_PRESSED, set_language_cookie
from vinflow.storefront.pages.errors import maintenance

__all__ = ["AccountLanguage", "Maintenance"]

OPEN = ("/admin/", "/static/", "/health", "/ready", "/metrics", "/language/", "/accounts/login/")


class Maintenance:
    """Answer 503 with a page while the site is being looked after; payments are watched meanwhile."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if conf.in_maintenance() and not request.path.startswith(OPEN):
            return maintenance(request)
        return self._next(request)


class AccountLanguage:
    """Let the device speak what the account chose, from the moment of signing in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        answer = self._next(request)
        if code := getattr(request, ASKED_FOR, ""):
            set_language_cookie(answer, code)
            if JUST_PRESSED in request.COOKIES:  # it was this account's: the next one here has its own
                answer.delete_cookie(
                    JUST_PRESSED, settings.LANGUAGE_COOKIE_PATH, settings.LANGUAGE_COOKIE_DOMAIN
                )
        return answer

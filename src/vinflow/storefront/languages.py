"""The language an account reads: chosen by the switch, kept with it, used on every device and in mails.

The cookie of a device decides what a page speaks; it is set by the switch, and at each sign-in to what the
account chose before. A device that comes with a choice and an account that has none: the account takes it;
so it does when somebody has pressed the switch just before signing in, whatever it chose long ago.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.signals import user_logged_in
from django.http import HttpRequest, HttpResponseBase

from vinflow.storefront.models import AccountLanguage

__all__ = [
    "ASKED_FOR",
    "JUST_PRESSED",
    "language_of",
    "listen",
    "note_press",
    "remember",
    "set_language_cookie",
]

YEAR_S = 365 * 86400
JUST_PRESSED = "vinflow_language_pressed"  # the cookie of a guest's press, until they sign in
PRESS_S = 1800
ASKED_FOR = "vinflow_language"  # on a request in which somebody signed in: the middleware sets the cookie


def language_of(user: Any) -> str:
    """Return the language a user chose, the site's own where none was or where it is no longer offered."""
    return _chosen(user) or str(settings.LANGUAGE_CODE)


def remember(user: Any, code: str) -> None:
    """Keep a language with an account; one row, whatever is pressed at the same time."""
    AccountLanguage.objects.update_or_create(user=user, defaults={"code": code})


def set_language_cookie(answer: HttpResponseBase, code: str) -> None:
    """Let this device speak a language for a year."""
    answer.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        code,
        max_age=YEAR_S,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def note_press(answer: HttpResponseBase, code: str) -> None:
    """Let a guest's press of the switch outlive their signing in."""
    answer.set_cookie(
        JUST_PRESSED,
        code,
        max_age=PRESS_S,
        path=settings.LANGUAGE_COOKIE_PATH,
        domain=settings.LANGUAGE_COOKIE_DOMAIN,
        secure=settings.LANGUAGE_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def listen() -> None:
    """Hear of every sign-in; called once, when the app is ready."""
    user_logged_in.connect(_signed_in, dispatch_uid="storefront.languages")


def _signed_in(sender: Any, request: HttpRequest | None = None, user: Any = None, **_rest: Any) -> None:
    if request is None or user is None:
        return
    cookies = getattr(request, "COOKIES", {})
    on_device, pressed = cookies.get(settings.LANGUAGE_COOKIE_NAME, ""), cookies.get(JUST_PRESSED, "")
    chosen = _chosen(user)
    if pressed in dict(settings.LANGUAGES):
        remember(user, pressed)
        setattr(request, ASKED_FOR, pressed)
    elif chosen and chosen != on_device:
        setattr(request, ASKED_FOR, chosen)
    elif not chosen and on_device in dict(settings.LANGUAGES):
        remember(user, on_device)


def _chosen(user: Any) -> str:
    row = AccountLanguage.objects.filter(user=user).first() if user is not None else None
    return row.code if row is not None and row.code in dict(settings.LANGUAGES) else ""

"""The second factor of sign-in: an authenticator app by allauth's mfa, and a rule that staff must have one.

The rule is a middleware over every page of the staff and of Django's own admin. Whoever signed in with the
app, or switched it on in this session, goes on; whoever has the app and came in without it is asked for a
code; whoever has none yet is led to the page that makes one. Payers may use it too; nobody asks them to.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import segno
from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.mfa.signals import authenticator_added, authenticator_removed
from allauth.mfa.utils import is_mfa_enabled
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.contrib import messages
from django.dispatch import receiver
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy

from vinflow.backoffice.words import say
from vinflow.payments import conf as payments_conf
from vinflow.payments.errors import NotConfigured

__all__ = ["Adapter", "SecondFactor", "required"]

SWITCHED_ON_HERE = "vinflow_second_factor"
GUARDED = frozenset({"backoffice", "admin"})  # namespaces of addresses
OPEN = frozenset({"health", "ready"})


def required() -> bool:
    """Return whether staff must sign in with a second factor: VINFLOW_STAFF_TWO_FACTOR."""
    return bool(getattr(settings, "VINFLOW_STAFF_TWO_FACTOR", True))


class Adapter(DefaultMFAAdapter):  # type: ignore[misc]  # allauth has no types
    """allauth's door to the second factor: the picture by segno, the secrets encrypted at rest."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": gettext_lazy("This code is not right, or was used already. Try the next one."),
        "cannot_delete_authenticator": gettext_lazy("Staff must keep the second factor switched on."),
    }

    def get_totp_issuer(self) -> str:
        """Return the name the app shows: the shop's."""
        try:
            return payments_conf.site_name()
        except NotConfigured:
            return str(super()._get_site_name())

    def build_totp_svg(self, url: str) -> str:
        """Return the QR of an otpauth address as SVG for the page itself, without a style in it."""
        return segno.make(url, error="m", micro=False).svg_inline(
            border=4, omitsize=True, svgclass="bo-totp", lineclass="bo-totp-line", dark="#000", light="#fff"
        )

    def encrypt(self, text: str) -> str:
        """Return a secret as it is stored."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return a stored secret in the clear; keys of SECRET_KEY_FALLBACKS open it too."""
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Return whether its owner may switch it off: staff may not while the rule stands."""
        return not (required() and authenticator.user.is_staff)


def _cipher() -> MultiFernet:
    keys = [str(key) for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    digests = [hashlib.sha256(b"vinflow second factor " + key.encode()).digest() for key in keys]
    return MultiFernet([Fernet(base64.urlsafe_b64encode(digest)) for digest in digests])


@receiver(authenticator_added, dispatch_uid="vinflow.second_factor.added")
def _remember(request: HttpRequest, authenticator: Authenticator, **_rest: Any) -> None:
    """Whoever just proved the app by a code of it is not asked for another at once."""
    if authenticator.type == Authenticator.Type.TOTP:
        request.session[SWITCHED_ON_HERE] = True


@receiver(authenticator_removed, dispatch_uid="vinflow.second_factor.removed")
def _forget(request: HttpRequest, **_rest: Any) -> None:
    request.session.pop(SWITCHED_ON_HERE, None)


class SecondFactor:
    """Let staff to their pages with a second factor only, where the rule stands."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self._next(request)

    def process_view(
        self, request: HttpRequest, _view: Any, _args: Any, _values: Any
    ) -> HttpResponseBase | None:
        """Return the page that asks for the second factor, None where it is not wanted or was given."""
        match, user = request.resolver_match, request.user
        if match is None or GUARDED.isdisjoint(match.namespaces) or match.url_name in OPEN:
            return None
        if not (required() and user.is_authenticated and user.is_staff):
            return None
        if _was_given(request):
            return None
        if is_mfa_enabled(user, [Authenticator.Type.TOTP]):
            return redirect(f"{reverse('mfa_reauthenticate')}?{urlencode({'next': request.get_full_path()})}")
        messages.info(request, say("Staff sign in with a second factor. Set it up now: it takes a minute."))
        return redirect("mfa_activate_totp")


def _was_given(request: HttpRequest) -> bool:
    """Return whether this session proved the second factor; costs no query."""
    if request.session.get(SWITCHED_ON_HERE):
        return True
    return any(record.get("method") == "mfa" for record in get_authentication_records(request, request.user))

"""The door of every staff page: signed in, staff, and with the right the table asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from vinflow.backoffice.rights import ADDRESSES, may

__all__ = ["desk"]

View = Callable[..., HttpResponseBase]


def desk(name: str, *methods: str) -> Callable[[View], View]:
    """Return a decorator that lets in whoever has the right of the address `name`.

    Strangers are sent to sign in; everybody else without the right gets 403, before anything is read.
    methods: what the address answers to; GET and HEAD if none are named.
    """
    right = ADDRESSES[name]
    assert right is not None, f"{name} is open to everybody and needs no door"

    def dressed(view: View) -> View:
        # The right first: a method that is wrong is nobody's business who may not come in.
        inner = require_http_methods(list(methods or ("GET", "HEAD")))(view)

        @wraps(view)
        def at_the_door(request: HttpRequest, *args: Any, **values: Any) -> HttpResponseBase:
            if not request.user.is_authenticated:
                return redirect_to_login(request.get_full_path())
            if not may(request.user, right):
                raise PermissionDenied(right)
            answer = inner(request, *args, **values)
            if answer.status_code == 405 and request.method in ("GET", "HEAD"):
                # Somebody who signed in again, or pressed reload: they need a way on, not an empty page.
                context = {"back": reverse("backoffice:overview")}
                page = render(request, "backoffice/takes_forms.html", context, status=405)
                page["Allow"] = answer["Allow"]
                return page
            return answer

        return transaction.non_atomic_requests(never_cache(at_the_door))

    return dressed

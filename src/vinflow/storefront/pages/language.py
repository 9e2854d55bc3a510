"""The language switch: a link that keeps the page, the payment and what was typed."""

from __future__ import annotations

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from vinflow.storefront.languages import note_press, remember, set_language_cookie
from vinflow.storefront.pages.errors import not_found

__all__ = ["language"]


@transaction.non_atomic_requests
@never_cache
@require_safe
def language(request: HttpRequest, code: str) -> HttpResponse:
    """Keep the language, in a cookie and with the account, and go back: no more, so a link may do it."""
    if code not in dict(settings.LANGUAGES):
        return not_found(request)
    back = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(back, {request.get_host()}, require_https=request.is_secure()):
        back = reverse("storefront:dashboard")
    answer = HttpResponseRedirect(back)
    set_language_cookie(answer, code)
    if request.user.is_authenticated:
        remember(request.user, code)
    else:
        note_press(answer, code)
    return answer

"""The notice "added while you were away": money that came when its payer was not looking, told once."""

from __future__ import annotations

from collections.abc import Sequence

from django.http import HttpRequest

from vinflow.payments import clock, queries
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Payment

__all__ = ["credited_while_away"]


def credited_while_away(request: HttpRequest) -> Sequence[Payment]:
    """Return the payments to tell of on this page, and note that they have been told."""
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated:
        return []
    try:
        unseen = queries.unseen_credits(user)
    except NotConfigured:
        return []
    at = clock.aligned()
    for payment in unseen:
        queries.mark_seen(payment, at=at)
    return unseen

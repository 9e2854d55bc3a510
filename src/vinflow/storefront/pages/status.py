"""The status address: what an open checkout page asks every few seconds. It has to be cheap.

Two queries answer it: the session, and one that was compiled before (payments.queries.standing) for the
payment, its newest QR and its owner's password hash, which the session must fit as Django has it. Whatever
does not fit at once goes the long way, which knows every answer: signed out, foreign, unknown.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth import (
    BACKEND_SESSION_KEY,
    HASH_SESSION_KEY,
    SESSION_KEY,
    get_user_model,
)
from django.contrib.sessions.backends.db import SessionStore
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import reverse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from vinflow.payments import clock, queries, watching
from vinflow.payments import conf as payments_conf
from vinflow.payments.models import Payment
from vinflow.payments.prepared import Prepared
from vinflow.payments.queries import Checkout, Standing
from vinflow.storefront import formats
from vinflow.storefront.links import opened_by_link
from vinflow.storefront.pages.access import owned, signed_in

__all__ = ["revision", "status"]


def revision(co: Checkout) -> str:
    """Return a short mark that changes whenever the page should be drawn anew.

    The page compares it with its own and fetches itself when they differ; so a new QR in another
    tab, a review or a failed try all arrive by the same road as a payment.
    """
    parts = (
        co.state,
        co.late,
        co.late_held,
        co.number,
        co.paid,
        co.delayed,
        co.slow,
        co.try_failed,
        co.can_cancel,
        co.can_renew,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]


@transaction.non_atomic_requests
@never_cache
@require_GET
def status(request: HttpRequest, reference: str) -> HttpResponse:
    """Answer the page's own question with what is stored.

    The bank is not asked for it. On hosting without a worker (VINFLOW_STATUS_CHECKS) the question is the
    occasion to do what a worker would have done by now, under the same leases and the same budget.
    """
    at = clock.aligned()
    if payments_conf.status_checks():
        return _the_long_way(request, reference=reference)
    found = queries.standing(reference, at=at)
    if found is None or not _is_theirs(request, found):
        return _the_long_way(request, reference=reference)
    return _answer(found.shown(at=at), found.payment, at)


@signed_in
@owned
def _the_long_way(request: HttpRequest, payment: Payment) -> HttpResponse:
    """Answer as every page does: 401 where nobody is signed in, 404 for what is not theirs."""
    at = clock.aligned()
    if payments_conf.status_checks() and watching.stand_in(at=at):
        payment.refresh_from_db()
    return _answer(queries.checkout(payment, at=at), payment, at)


def _answer(co: Checkout, payment: Payment, at: datetime) -> JsonResponse:
    answer = JsonResponse(status_body(co, payment, at), headers={"Cache-Control": "no-store"})
    answer["Vary"] = "Accept, Cookie"
    return answer


def _is_theirs(request: HttpRequest, found: Standing) -> bool:
    """Return whether the browser's session may see this payment, as django.contrib.auth would judge it."""
    session = _session_of(request)
    if found.payment.user_id is None:
        return opened_by_link(session, found.payment.transaction_id)
    proof = session.get(HASH_SESSION_KEY)
    if not proof or session.get(BACKEND_SESSION_KEY) not in settings.AUTHENTICATION_BACKENDS:
        return False
    if not found.is_active or session.get(SESSION_KEY) != str(found.payment.user_id):
        return False
    owner = get_user_model()(password=found.password)
    return constant_time_compare(proof, owner.get_session_auth_hash())


_session_query = Prepared(
    lambda key, at: (
        SessionStore.get_model_class()
        .objects.filter(session_key=key, expire_date__gt=at)
        .values_list("session_data")[:1]
    ),
    {"key": "the key of a session", "at": datetime(1971, 1, 1, tzinfo=UTC)},
)


@cache
def _store(engine: str) -> Any:
    return import_module(engine).SessionStore


def _session_of(request: HttpRequest) -> Any:
    """Return what the browser's session holds; straight from its row where sessions are Django's own rows."""
    store = _store(settings.SESSION_ENGINE)
    if store is not SessionStore:
        return request.session
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    rows = _session_query.rows({"key": key, "at": datetime.now(UTC)}) if key else []
    return store().decode(rows[0][0]) if rows else {}


def status_body(co: Checkout, payment: Payment, at: datetime) -> dict[str, Any]:
    """Return the status address's answer as plain values."""
    return {
        "state": str(co.state),
        "late": co.late,
        "revision": revision(co),
        "amount": co.money.plain,
        "currency": str(co.money.currency),
        "paid_amount": co.paid.plain if co.paid else None,
        "balance": co.balance.plain if co.balance else None,
        "expires_at": formats.iso_utc(co.expires_at),
        "server_time": formats.iso_utc(at),
        "remaining_ms": co.remaining_ms,
        "poll_after_ms": co.poll_after_ms,
        "checked_at": formats.iso_utc(co.checked_at) if co.checked_at else None,
        "delayed": co.delayed,
        "try_failed": co.try_failed,
        "can_cancel": co.can_cancel,
        "can_renew": co.can_renew,
        "receipt_url": reverse("storefront:receipt", args=[payment.transaction_id])
        if co.state == "completed"
        else None,
    }

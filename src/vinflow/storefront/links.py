"""Signed links: they open the checkout of one payment that belongs to no account, and nothing else.

A shop that asks for money without accounts opens the payment with `user=None` and sends the payer what
`address_of` returns. Whoever follows the link may see that payment in this browser: its page, status,
events, picture and receipt. The signature hangs on SECRET_KEY; a payment with a user has no link.
"""

from __future__ import annotations

from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.core import signing
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from vinflow.payments import conf as payments_conf
from vinflow.payments.models import Payment

__all__ = ["address_of", "is_signed", "open_in", "opened_by_link"]

KEPT_IN = "vinflow_links"
KEPT_MAX = 20  # of one browser; the oldest goes first
_signer = "vinflow.storefront.links"


def _sign(reference: str) -> str:
    return signing.Signer(salt=_signer, algorithm="sha256").signature(reference)


def address_of(payment: Payment) -> str:
    """Return the link of a payment without a user, absolute where VINFLOW_PUBLIC_URL is set.

    It is the same each time and ends with the payment's own life, not before. Raises ValueError for a
    payment that belongs to somebody: signing in is the only way to that one.
    """
    if payment.user_id is not None:
        raise ValueError(f"{payment.transaction_id} belongs to a user: it is seen by signing in")
    path = reverse("storefront:link", args=[payment.transaction_id, _sign(payment.transaction_id)])
    return f"{payments_conf.public_url()}{path}"


def is_signed(reference: str, signature: str) -> bool:
    """Return whether the signature is ours for this reference; it takes the same time either way."""
    return constant_time_compare(signature, _sign(reference))


def open_in(session: SessionBase, reference: str) -> None:
    """Remember in a browser's session that it holds the link of this payment."""
    held = [each for each in session.get(KEPT_IN, []) if each != reference]
    session[KEPT_IN] = [*held, reference][-KEPT_MAX:]


def opened_by_link(session: Any, reference: str) -> bool:
    """Return whether a browser holds the link of this payment."""
    return bool(reference) and reference in session.get(KEPT_IN, ())

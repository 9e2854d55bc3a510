"""How long this shop's payers take: the prior is kept in one row and learns from every ending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import transaction

from vinflow.payments.models import PaymentSettings
from vinflow.payments.prepared import Prepared
from vinflow.payments.prior import Prior, PriorUnreadable

__all__ = ["current_prior", "forget_cached", "learn_paid", "learn_unpaid"]

KEPT_S = 30.0
_lock = threading.Lock()
_kept: tuple[float, Prior] | None = None


_query = Prepared(
    lambda singleton: PaymentSettings.objects.filter(singleton=singleton).values_list("prior"),
    {"singleton": 1},
)


def _read(kept: dict[str, Any] | None) -> Prior:
    if not kept:
        return Prior.of()
    try:
        return Prior.from_dict(kept)
    except PriorUnreadable:
        return Prior.of()  # a prior only steers patience; money does not depend on it


def current_prior() -> Prior:
    """Return what is believed of this shop's payers, at most half a minute old."""
    global _kept
    with _lock:
        if _kept is None or time.monotonic() - _kept[0] > KEPT_S:
            rows = _query.rows({"singleton": 1})
            _kept = (time.monotonic(), _read(rows[0][0] if rows else None))
        return _kept[1]


def forget_cached() -> None:
    """Forget the copy in memory; the next reader reads the row."""
    global _kept
    with _lock:
        _kept = None


def learn_paid(age_s: float) -> None:
    """Learn that a QR was paid age_s seconds after it was shown."""
    _learn(lambda prior: prior.observe_paid(max(0.0, age_s)))


def learn_unpaid() -> None:
    """Learn that a QR ran out unpaid."""
    _learn(lambda prior: prior.observe_unpaid())


@transaction.atomic
def _learn(change: Callable[[Prior], Prior]) -> None:
    PaymentSettings.objects.get_or_create(singleton=1)
    row = PaymentSettings.objects.select_for_update().get(singleton=1)
    PaymentSettings.objects.filter(singleton=1).update(prior=change(_read(row.prior)).to_dict())

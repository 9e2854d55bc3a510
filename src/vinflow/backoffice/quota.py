"""What the day's calls still hold, read in one query; more than quota.room tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from vinflow.payments import budgeting, conf, quota
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Attempt, CallBudget, TokenState

__all__ = ["Quota", "today"]


@dataclass(frozen=True, slots=True)
class Quota:
    """The tightest window of today. allowed None: no quota. confirmable: QRs that can still be confirmed."""

    allowed: int | None
    used: int
    aside: int
    ends_at: datetime | None
    closed_until: datetime | None
    refused_since: datetime | None
    last_answer_at: datetime | None
    confirmable: int | None

    @property
    def percent(self) -> int:
        """Used of allowed, in whole percent; 0 without a quota."""
        return round(100 * self.used / self.allowed) if self.allowed else 0


def today(*, at: datetime) -> Quota | None:
    """Return what is left today, None where the settings name no token."""
    try:
        token, allowed = budgeting.token_id(conf.api_key()), conf.daily_calls()
        environment = str(conf.environment())
    except NotConfigured:
        return None
    promised = (
        Attempt.objects.filter(
            set_aside=True,
            environment=environment,
            last_check_at__gte=OuterRef("starts_at"),
            last_check_at__lt=OuterRef("ends_at"),
        )
        .order_by()
        .values("set_aside")
        .annotate(promised=Count("pk"))
        .values("promised")
    )
    gate = TokenState.objects.filter(token_id=token)
    gates = {
        name: Subquery(gate.values(name)[:1]) for name in ("closed_until", "refused_since", "last_answer_at")
    }
    rows = list(
        CallBudget.objects.filter(token_id=token, starts_at__lte=at, ends_at__gt=at)
        .annotate(promised=Coalesce(Subquery(promised), Value(0)), **gates)
        .values("used", "promised", "ends_at", *gates)
    )
    if not rows:  # nothing was asked or promised today
        state = gate.values(*gates).first() or dict.fromkeys(gates)
        rows = [{"used": 0, "promised": 0, "ends_at": None, **state}]
    worst = max(rows, key=lambda row: row["used"] + row["promised"])
    confirmable: int | None = None
    if worst["closed_until"] is not None and worst["closed_until"] > at:
        confirmable = 0
    elif allowed is not None:
        free = max(0, allowed - worst["used"] - worst["promised"])
        confirmable = max(0, free - quota.reserves(allowed)[0])
    return Quota(
        allowed,
        worst["used"],
        worst["promised"],
        worst["ends_at"],
        worst["closed_until"],
        worst["refused_since"],
        worst["last_answer_at"],
        confirmable,
    )

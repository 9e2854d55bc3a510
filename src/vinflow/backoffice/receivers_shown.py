"""Accepted receivers as the settings page shows them: where each comes from, and what waits for an owner."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from vinflow.payments import conf
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import ReceiverAlias

__all__ = ["Shown", "Waiting", "page"]


@dataclass(frozen=True, slots=True)
class Shown:
    """An account that a transfer may name. from_owners: two owners accepted it, and may stop it."""

    account: str
    from_owners: bool


@dataclass(frozen=True, slots=True)
class Waiting:
    """A change that waits for a second owner."""

    pk: int
    account: str
    accept: bool
    why: str
    by: str
    at: datetime
    own: bool


def page(user: Any) -> dict[str, Any]:
    """Return what the settings page shows of accepted receivers, in one query."""
    try:
        environment = conf.environment()
        given = [account for account in conf.receivers() if account != conf.merchant_id()]
    except NotConfigured:
        return {"shown": [], "waiting": []}
    state: dict[str, Shown] = {}
    waiting = []
    for row in (
        ReceiverAlias.objects.filter(environment=environment).select_related("proposed_by").order_by("pk")
    ):
        if not row.decision:
            by = row.proposed_by.get_username()
            own = row.proposed_by_id == user.pk
            waiting.append(Waiting(row.pk, row.account, row.accepted, row.why, by, row.proposed_at, own))
        elif row.decision == ReceiverAlias.Decision.APPROVED:
            state.pop(row.account, None)
            if row.accepted:
                state[row.account] = Shown(row.account, True)
    return {"shown": [Shown(account, False) for account in given] + list(state.values()), "waiting": waiting}

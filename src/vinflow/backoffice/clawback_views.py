"""Claw-backs as staff see them: what the bank took, who did what, what is owed still, what comes next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import F, Prefetch, Q, QuerySet

from vinflow.backoffice.words import say
from vinflow.payments.models import ClawBack, Repayment

__all__ = ["OPEN", "ClawBackView", "RepaymentView", "clawback_view", "clawbacks", "seen_of"]

STATES = {
    "": "Waits for a second person",
    "booked": "Booked",
    "rejected": "Rejected",
    "withdrawn": "Given up",
}
HOW = {
    "wallet": "Taken from the wallet",
    "paid": "Paid to us another way",
    "forgiven": "Forgiven",
}
# Somebody has to do something: decide, or get the rest.
OPEN = Q(decision="") | Q(owed_minor__gt=F("repaid_minor"))


@dataclass(frozen=True, slots=True)
class RepaymentView:
    """A repayment in words, and whether this person may book it or close its proposal."""

    repayment: Repayment
    how: str
    state: str
    may_book: bool
    may_drop: bool


@dataclass(frozen=True, slots=True)
class ClawBackView:
    """A claw-back, where it stands, and the acts that this person may do now."""

    clawback: ClawBack
    state: str
    own: bool
    acts: tuple[str, ...]
    seen: str
    repayments: list[RepaymentView] = field(default_factory=list)


def clawbacks(rows: QuerySet[ClawBack]) -> QuerySet[ClawBack]:
    """Return claw-backs with all that a view reads: two queries however many they are."""
    repaid = Repayment.objects.select_related("asked_by", "decided_by").order_by("number")
    return rows.select_related("payment__user", "transfer", "asked_by", "decided_by").prefetch_related(
        Prefetch("repayments", queryset=repaid, to_attr="parts")
    )


def seen_of(clawback: ClawBack) -> str:
    """Return what a form carries of a claw-back as it was drawn: it differs once anything has moved."""
    return f"{clawback.decision or 'open'}-{clawback.repaid_minor}"


def clawback_view(clawback: ClawBack, *, viewer: Any, rights: Iterable[str]) -> ClawBackView:
    """Return what the page shows of one claw-back; it came out of clawbacks()."""
    parts: list[Repayment] = clawback.parts  # type: ignore[attr-defined]
    may = set(rights)
    own = clawback.user_id is not None and clawback.user_id == viewer.pk
    acts: list[str] = []
    if not own and clawback.decision == ClawBack.Decision.OPEN:
        if "approve_refund" in may and clawback.asked_by_id != viewer.pk:
            acts += ["approve", "reject"]
        if "ask_refund" in may:
            acts.append("withdraw")
    promised = sum(part.amount_minor for part in parts if part.decision == "")
    if not own and "ask_refund" in may and clawback.owed.minor > promised:
        acts.append("repay")
    return ClawBackView(
        clawback=clawback,
        state=say(STATES[clawback.decision]),
        own=own,
        acts=tuple(acts),
        seen=seen_of(clawback),
        repayments=[_repayment_view(part, viewer=viewer, may=may, own=own) for part in parts],
    )


def _repayment_view(part: Repayment, *, viewer: Any, may: set[str], own: bool) -> RepaymentView:
    mine = part.asked_by_id is not None and part.asked_by_id == viewer.pk
    waits = part.decision == "" and not own
    return RepaymentView(
        repayment=part,
        how=say(HOW[part.how]),
        state=say(STATES[part.decision]),
        may_book=waits and not mine and "approve_refund" in may,
        may_drop=waits and ("approve_refund" in may or (mine and "ask_refund" in may)),
    )

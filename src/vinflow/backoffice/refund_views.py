"""Refunds and claw-backs as staff see them: where each stands, who did what, what somebody does next."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Prefetch, QuerySet

from vinflow.backoffice import masking, meanings
from vinflow.backoffice.words import say
from vinflow.money import Money
from vinflow.payments.models import ClawBack, Fate, ManualDeposit, Refund, Sending, Transfer
from vinflow.payments.refund_states import COUNTED, RefundState

__all__ = ["RefundView", "left_of_deposit", "lefts", "refund_view", "refunds"]

STATES = {
    "asked": "Waits for a second person",
    "approved": "May be sent at the bank",
    "sent": "Sent, not yet seen",
    "done": "Refunded",
    "rejected": "Rejected",
    "given_up": "Given up",
}
TONES = {
    "asked": "late",
    "approved": "late",
    "sent": "info",
    "done": "success",
    "rejected": "neutral",
    "given_up": "neutral",
}
# Who asks may do these; the others are for a second person with the right to approve.
OWN_ACTS = {
    RefundState.ASKED: ("give_up",),
    RefundState.APPROVED: ("sent", "give_up"),
    RefundState.SENT: ("look_up", "take_back"),
}
SECOND_ACTS = {RefundState.ASKED: ("approve", "reject"), RefundState.SENT: ("vouch",)}


@dataclass(frozen=True, slots=True)
class RefundView:
    """A refund, what its transfer's record says, and the acts that this person may do now."""

    refund: Refund
    state: str
    to: str
    sending: Sending | None
    word: str
    own: bool
    acts: tuple[str, ...]
    retracted: list[Sending] = field(default_factory=list)


def refunds(rows: QuerySet[Refund]) -> QuerySet[Refund]:
    """Return refunds with all that a view reads: two queries however many they are."""
    sendings = Sending.objects.select_related("recorded_by", "vouched_by", "retracted_by").order_by("pk")
    return rows.select_related("payment__user", "asked_by", "decided_by", "ended_by").prefetch_related(
        Prefetch("sendings", queryset=sendings, to_attr="records")
    )


def refund_view(refund: Refund, *, viewer: Any, rights: Iterable[str]) -> RefundView:
    """Return what the page shows of one refund; it came out of refunds()."""
    records: list[Sending] = refund.records  # type: ignore[attr-defined]
    stands = next((record for record in records if record.retracted_at is None), None)
    own = refund.beneficiary_id is not None and refund.beneficiary_id == viewer.pk
    state, may = RefundState(refund.state), set(rights)
    acts: list[str] = []
    if not own:
        if "ask_refund" in may:
            acts += OWN_ACTS.get(state, ())
        if "approve_refund" in may:
            others = state != RefundState.ASKED or refund.asked_by_id != viewer.pk
            recorded = state == RefundState.SENT and stands is not None and stands.recorded_by_id == viewer.pk
            if others and not recorded:
                acts += SECOND_ACTS.get(state, ())
    if stands is not None and stands.hash and not stands.last_outcome and "vouch" in acts:
        acts.remove("vouch")  # the gateway is asked first
    if refund.deposit_id is not None and "look_up" in acts:
        acts.remove("look_up")  # the gateway knows nothing of it
    return RefundView(
        refund=refund,
        state=say(STATES[refund.state]),
        to=refund.to_account if refund.deposit_id else masking.masked_account(refund.to_account),
        sending=stands,
        word=meanings.sent(stands) if stands is not None else "",
        own=own,
        acts=tuple(acts),
        retracted=[record for record in records if record.retracted_at is not None],
    )


def lefts(
    transfers: Iterable[Transfer], given: Iterable[Refund], taken: Iterable[ClawBack]
) -> list[tuple[Transfer, Money]]:
    """Return the transfers of which something may go back, and how much, from rows that are read already."""
    gone: dict[int, int] = {}
    for refund in given:
        if refund.state in COUNTED and refund.transfer_id is not None:
            gone[refund.transfer_id] = gone.get(refund.transfer_id, 0) + refund.amount_minor
    for clawback in taken:
        if clawback.decision in ("", ClawBack.Decision.BOOKED):
            gone[clawback.transfer_id] = gone.get(clawback.transfer_id, 0) + clawback.amount_minor
    found = []
    for transfer in transfers:
        money = transfer.money
        if money is not None and transfer.fate in (Fate.CREDITED, Fate.EXTRA):
            left = Money(money.minor - gone.get(transfer.pk, 0), money.currency)
            if left.minor > 0:
                found.append((transfer, left))
    return sorted(found, key=lambda pair: pair[0].fate != Fate.CREDITED)


def left_of_deposit(deposit: ManualDeposit, given: Iterable[Refund]) -> Money:
    """Return how much of a credited deposit may go back, from rows that are read already."""
    gone = sum(refund.amount_minor for refund in given if refund.state in COUNTED)
    return Money(deposit.amount_minor - gone, deposit.money.currency)

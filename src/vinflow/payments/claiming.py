""" "I paid but it is not here": a payer names a transfer by its hash, short hash or bank reference.

A transfer found by such a name belongs to no QR: a stranger's receipt fits amount, receiver and time
just as well. So a claim credits by itself only when Bakong, asked for the payer's own QR, returns
that very transfer. Anything else becomes a review item that two people decide (money rule 1).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db import transaction

from vinflow.bakong import CannotTell, Found, Outcome
from vinflow.bakong.wire import Operation
from vinflow.payments import answering, budgeting, conf, gateways, leasing, schedule
from vinflow.payments.budgeting import Pool
from vinflow.payments.confirming import file_claim
from vinflow.payments.models import Attempt, Exchange, Payment, Transfer
from vinflow.payments.states import Status

__all__ = ["ClaimReport", "claim"]

HASH = re.compile(r"[0-9a-fA-F]{64}")
SHORT_HASH = re.compile(r"[0-9a-fA-F]{8}")
REFERENCE = re.compile(r"[0-9A-Za-z._/-]{6,60}")
QRS_ASKED = 3
NAMED_A_DAY = 5
LOOK_UPS = (
    Operation.CHECK_HASH.value,
    Operation.CHECK_SHORT_HASH.value,
    Operation.CHECK_EXTERNAL_REF.value,
)
# What a payer is told of a transfer that is already this payment's own.
OWN: Mapping[str, Literal["credited", "review"]] = {
    "credited": "credited",
    "extra": "credited",
    "in_review": "review",
    "": "review",
}


@dataclass(frozen=True, slots=True)
class ClaimReport:
    """What became of a claim.

    kind: credited, review (people look at it), none (Bakong knows no such transfer), known (it was
    counted before), later (no call is free), slow (Bakong cannot tell, or is being asked just now),
    often (this payer has named as many as a day allows), unreadable (no such name).
    """

    kind: Literal["credited", "review", "none", "known", "later", "slow", "often", "unreadable"]


def claim(*, payment: Payment, named: str, at: datetime) -> ClaimReport:
    """Look for a transfer that a payer names for their own payment; return what became of it.

    named: 64 or 8 hex digits, or the payer's bank's reference. The payer's own QRs are asked first,
    newest first; only then is the name itself looked up, and what that finds goes to review. A payer
    may have NAMED_A_DAY names looked up within a day: guessing at strangers' transfers ends there.
    """
    name = named.strip()
    if not (HASH.fullmatch(name) or SHORT_HASH.fullmatch(name) or REFERENCE.fullmatch(name)):
        return ClaimReport("unreadable")
    known = _known(name)
    if known is not None:
        if known.payment_id != payment.pk:
            return ClaimReport("known")
        return ClaimReport(OWN.get(known.fate, "known"))
    if _named_today(payment, at=at) >= NAMED_A_DAY:
        return ClaimReport("often")
    gateway = gateways.current()
    was_paid = payment.status == Status.COMPLETED
    qrs = Attempt.objects.filter(payment=payment).asked_by(gateway.protocol, conf.environment())
    busy = False
    for attempt in () if was_paid else qrs.order_by("-number")[:QRS_ASKED]:
        cool = timedelta(seconds=schedule.COOL_DOWN_S)
        if attempt.last_asked_at is not None and at - attempt.last_asked_at < cool:
            busy = True  # asked a moment ago, and a bank may need that moment: it is asked anew before a name
            continue
        Attempt.objects.filter(pk=attempt.pk, next_check_at__isnull=True).update(next_check_at=at)
        leased = leasing.claim(at=at, limit=1, gateway=gateway, ids=[attempt.pk])
        if not leased:
            busy = True  # a question about this QR is under way: its answer comes first
            continue
        outcome = answering.ask(leased, pool=Pool.CLAIM, at=at, gateway=gateway)[attempt.pk]
        payment.refresh_from_db()
        if payment.status == Status.COMPLETED:
            # This very transfer? Then it is here. Another one: the payer paid twice and means the other.
            credited = payment.transfers.filter(fate="credited").first()
            if credited is not None and _is_named(credited, name):
                return ClaimReport("credited")
            break
        if isinstance(outcome, Found):
            return ClaimReport("review")
        if isinstance(outcome, CannotTell):
            return ClaimReport("later" if outcome.reason in ("budget", "quota") else "slow")
    if busy:
        # What that answer brings is credited by itself; an item for people would only say the same twice.
        return ClaimReport("slow")
    found = _look_up(name, payment, gateway)
    if isinstance(found, Found):
        with transaction.atomic(durable=True):
            file_claim(payment=payment, found=found, named=name, at=at)
        return ClaimReport("review")
    if isinstance(found, CannotTell):
        return ClaimReport("later" if found.reason in ("budget", "quota") else "slow")
    return ClaimReport("none")


def _named_today(payment: Payment, *, at: datetime) -> int:
    """Return how many names were looked up within a day for this payer, or for a payment without one."""
    looked_up = Exchange.objects.filter(operation__in=LOOK_UPS, started_at__gt=at - timedelta(days=1))
    if payment.user_id is None:
        return looked_up.filter(payment=payment).count()
    return looked_up.filter(principal=payment.principal, pool=Pool.CLAIM).count()


def _known(name: str) -> Transfer | None:
    """Return a transfer we have already that goes by this name."""
    if HASH.fullmatch(name):
        return Transfer.objects.filter(hash=name.lower()).first()
    if SHORT_HASH.fullmatch(name):
        return Transfer.objects.filter(hash__startswith=name.lower()).first()
    return Transfer.objects.filter(external_ref=name).first()


def _is_named(transfer: Transfer, name: str) -> bool:
    """Return whether a transfer goes by this name."""
    lower = name.lower()
    return transfer.hash == lower or transfer.hash[:8] == lower or transfer.external_ref == name


def _look_up(name: str, payment: Payment, gateway: gateways.Gateway) -> Outcome | None:
    """Ask Bakong for a transfer by its own name; None where the dialect has no such question."""
    with budgeting.asking(
        budgeting.Asking(
            Pool.CLAIM, payment=payment, principal=payment.principal, newcomer=answering.is_newcomer(payment)
        )
    ):
        return gateway.find(name, payment.money)

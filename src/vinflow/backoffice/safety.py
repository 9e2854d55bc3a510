"""Safety limits: what moves with no person, or with one, looking. One owner proposes, another approves.

Money rule 3. The limits a payer meets (smallest and largest amount) are ordinary settings; these decide
how much a forged answer, or one dishonest person, could move before somebody else looks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from vinflow.backoffice import settings_form
from vinflow.backoffice.models import SafetyProposal
from vinflow.backoffice.settings_form import SAFETY, Fault, read_amount
from vinflow.backoffice.words import say
from vinflow.money import Money, format_money
from vinflow.payments import settings_store
from vinflow.payments.models import PaymentSettings

__all__ = ["Refused", "decide", "page", "propose"]

log = logging.getLogger(__name__)
WHY_LEAST = 3


class Refused(Exception):
    """A proposal that cannot be made or decided; the sentence is its argument, nothing has changed."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal in words."""

    pk: int
    by: str
    at: datetime
    why: str
    lines: list[tuple[str, str, str]]
    own: bool


def page(user: Any, row: PaymentSettings) -> dict[str, Any]:
    """Return what the settings page shows: each limit as it is, and the proposal that waits."""
    found = SafetyProposal.objects.filter(decision="").select_related("proposed_by").first()
    texts = settings_form.texts_of(row)
    return {
        "limits": [
            (
                name,
                settings_form.label_of(name),
                format_money(Money(getattr(row, name), currency)),
                texts[name],
            )
            for name, (_label, currency) in SAFETY.items()
        ],
        "waiting": found and _in_words(found, user),
    }


def _in_words(found: SafetyProposal, user: Any) -> Waiting:
    return Waiting(
        found.pk,
        found.proposed_by.get_username(),
        found.proposed_at,
        found.why,
        [
            (
                settings_form.label_of(name),
                settings_form.shown(name, str(old)),
                settings_form.shown(name, str(new)),
            )
            for name, (old, new) in found.changes.items()
        ],
        found.proposed_by_id == user.pk,
    )


def propose(posted: Mapping[str, str], *, by: Any, why: str, at: datetime) -> SafetyProposal:
    """Store the changed limits for a second owner; return the proposal. Raises Refused."""
    row = settings_store.current()
    changes: dict[str, list[int]] = {}
    faults: list[Fault] = []
    for name, (_label, currency) in SAFETY.items():
        try:
            new = read_amount(str(posted.get(name, "")), currency).minor
        except ValueError as refused:
            faults.append(Fault(name, f"{settings_form.label_of(name)}: {refused}"))
            continue
        if new != getattr(row, name):
            changes[name] = [getattr(row, name), new]
    if faults:
        raise Refused(" ".join(fault.text for fault in faults))
    if not changes:
        raise Refused(say("Nothing to save"))
    if len(why.strip()) < WHY_LEAST:
        raise Refused(say("Say why: the reason is kept."))
    try:
        with transaction.atomic():
            made = SafetyProposal.objects.create(
                changes=changes, why=why.strip()[:2000], proposed_by=by, proposed_at=at
            )
    except IntegrityError:
        raise Refused(say("Another proposal is waiting already.")) from None
    log.warning("safety limits proposed", extra={"proposal": made.pk, "fields": sorted(changes)})
    return made


@transaction.atomic
def decide(*, pk: int, approved: bool, by: Any, at: datetime) -> SafetyProposal:
    """Carry a proposal out as the second owner, or turn it down; return it. Raises Refused.

    What was proposed counts only for the values it was proposed against: a limit that moved since
    then is not what two people looked at.
    """
    found = SafetyProposal.objects.select_for_update().filter(pk=pk, decision="").first()
    if found is None:
        raise Refused(say("This proposal was decided already."))
    if approved:
        if found.proposed_by_id == by.pk:
            raise Refused(say("A second owner must approve what you proposed."))
        row = settings_store.current()
        if any(getattr(row, name) != old for name, (old, _new) in found.changes.items()):
            raise Refused(
                say("The limits have changed since this was proposed. Turn it down and propose again.")
            )
        settings_store.save({name: new for name, (_old, new) in found.changes.items()}, by=by, at=at)
    found.decision = SafetyProposal.Decision.APPROVED if approved else SafetyProposal.Decision.REJECTED
    found.decided_by, found.decided_at = by, at
    found.save(update_fields=["decision", "decided_by", "decided_at"])
    log.warning("safety limits decided", extra={"proposal": found.pk, "decision": str(found.decision)})
    return found

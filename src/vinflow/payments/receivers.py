"""Which accounts a transfer may name as its receiver: our own, the environment's, and what two owners accept.

Whoever may name another account could divert everything (money rule 3): so the payee comes from the
environment, and an account is accepted on the page by one owner and another, kept with their reason.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from vinflow.bakong import BakongError
from vinflow.bakong.endpoints import account_of
from vinflow.payments import conf
from vinflow.payments.errors import ReceiverRefused
from vinflow.payments.matching import receiver_accepted
from vinflow.payments.models import ReceiverAlias

__all__ = ["accepted", "decide", "of_two_owners", "propose", "receivers_for"]

log = logging.getLogger(__name__)
WHY_LEAST = 3


def of_two_owners(*, ever: bool = False) -> tuple[str, ...]:
    """Return the accounts that two owners accept now; with ever, those they ever accepted."""
    state: dict[str, str] = {}
    rows = ReceiverAlias.objects.filter(environment=conf.environment(), decision="approved")
    for account, taken in rows.order_by("decided_at", "pk").values_list("account", "accepted"):
        if taken:
            state[account.casefold()] = account
        elif not ever:
            state.pop(account.casefold(), None)
    return tuple(state.values())


def accepted() -> tuple[str, ...]:
    """Return every accepted account: the environment's, our own among them, then the owners'."""
    return (*conf.receivers(), *of_two_owners())


def receivers_for(to_account: str | None, own: str) -> Collection[str]:
    """Return the accounts against which a transfer's receiver is judged; own: the account of its QR.

    The owners' accounts are read only where the usual ones do not hold: the common case asks nothing.
    """
    usual = {own, *conf.receivers()}
    if receiver_accepted(to_account or None, usual):
        return usual
    return usual | set(of_two_owners())


def propose(*, account: str, accept: bool, why: str, by: Any, at: datetime) -> ReceiverAlias:
    """Store the wish of one owner, for another to decide; return it. Raises ReceiverRefused, nothing stored.

    accept: to take the account for ours, or to stop it.
    """
    try:
        name = account_of(account.strip())
    except BakongError:
        raise ReceiverRefused("an account reads name@bank, with at most 32 characters") from None
    if len(why.strip()) < WHY_LEAST:
        raise ReceiverRefused("say why: the reason is kept")
    if receiver_accepted(name, {conf.merchant_id(), *conf.receivers()}):
        raise ReceiverRefused("this account comes from the server's environment and cannot be changed here")
    if receiver_accepted(name, of_two_owners()) == accept:
        raise ReceiverRefused(
            "this account is accepted already" if accept else "this account is not accepted"
        )
    try:
        with transaction.atomic():
            made = ReceiverAlias.objects.create(
                environment=conf.environment(),
                account=name.casefold(),
                accepted=accept,
                why=why.strip()[:2000],
                proposed_by=by,
                proposed_at=at,
            )
    except IntegrityError:
        raise ReceiverRefused("a change of this account waits already") from None
    log.warning("a change of accepted receivers is proposed", extra={"change": made.pk})
    return made


@transaction.atomic
def decide(*, pk: int, approved: bool, by: Any, at: datetime) -> ReceiverAlias:
    """Carry a proposed change out as the second owner, or turn it down; return it. Raises ReceiverRefused."""
    found = ReceiverAlias.objects.select_for_update().filter(pk=pk, decision="").first()
    if found is None:
        raise ReceiverRefused("this proposal was decided already")
    if approved and found.proposed_by_id == by.pk:
        raise ReceiverRefused("a second owner must approve what you proposed")
    found.decision = ReceiverAlias.Decision.APPROVED if approved else ReceiverAlias.Decision.REJECTED
    found.decided_by, found.decided_at = by, at
    found.save(update_fields=["decision", "decided_by", "decided_at"])
    log.warning(
        "a change of accepted receivers is decided",
        extra={"change": found.pk, "decision": str(found.decision)},
    )
    return found

"""Transfers that a person sent at their bank: recorded by name, looked up at Bakong, vouched for, taken back.

VinFlow sends no money. A record names one transfer, once; it counts when Bakong has shown that
very transfer (from our account, to the payer's, of that amount, since it was asked for), or where
Bakong cannot show it, when a second person has seen it in the bank's own statement.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import F

from vinflow.bakong import CannotTell, Found
from vinflow.money import Money
from vinflow.payments import budgeting, conf, gateways, receivers
from vinflow.payments.budgeting import Pool
from vinflow.payments.errors import SendingRefused
from vinflow.payments.evidence import clean, plain
from vinflow.payments.evidence_files import Evidence
from vinflow.payments.matching import HASH, Difference, Expected, differences
from vinflow.payments.models import ManualDeposit, Payment, Refund, ReviewItem, Sending, Transfer

__all__ = ["Answer", "ask", "note", "record", "record_paper", "retract", "standing", "vouch"]

REFERENCE = re.compile(r"[0-9A-Za-z._/ -]{4,100}")
WHY_LEAST = 3
# What a person can see in the bank's statement where the answer is silent or words it otherwise.
SEEN_BY_EYES = {Difference.TO_ACCOUNT.value, Difference.FROM_UNSTATED.value}
DIFFERS, NO_SUCH_CALL = "differs", "no_such_call"


@dataclass(frozen=True, slots=True)
class Answer:
    """What Bakong says of a sent transfer.

    outcome: found (it is the one), differs (a transfer of that name is another one), not_found,
    cannot_tell, no_such_call (this gateway's dialect has no such question).
    """

    outcome: str
    reason: str = ""
    differs: tuple[Difference, ...] = ()
    raw: Any = None
    from_account: str = ""


def standing(*, refund: Refund | None = None, item: ReviewItem | None = None) -> Sending | None:
    """Return the record that stands for a refund or a review item, None where there is none."""
    of = {"refund": refund} if refund is not None else {"item": item}
    return Sending.objects.filter(**of, retracted_at__isnull=True).first()


def record(
    *,
    money: Money,
    environment: str,
    receiver: str,
    to_account: str,
    named: str,
    reference: str,
    by: Any,
    at: datetime,
    refund: Refund | None = None,
    item: ReviewItem | None = None,
) -> Sending:
    """Return the record of a transfer that a person sent, made now; inside the caller's transaction.

    named: the transfer's hash, 64 hex digits, whatever their case. reference: the bank's own name for
    it, "" where it shows none. Raises SendingRefused: not a hash, or one that is known already.
    """
    digest, reference = named.strip().lower(), " ".join(reference.split())
    if not HASH.fullmatch(digest):
        raise SendingRefused("name the transfer by its hash: 64 digits and letters a to f", "hash_malformed")
    if reference and not REFERENCE.fullmatch(reference):
        raise SendingRefused(
            "the bank's reference has 4 to 100 letters, digits, dots, dashes or slashes", "reference"
        )
    if Transfer.objects.filter(hash=digest).exists():
        raise SendingRefused("this hash is known already: it is money that came in", "hash_came_in")
    stands = Sending.objects.filter(retracted_at__isnull=True)
    returned = ReviewItem.objects.filter(returned_hash=digest)
    if item is not None:
        returned = returned.exclude(pk=item.pk)
    if stands.filter(hash=digest).exists() or returned.exists():
        raise SendingRefused("this hash is known already: each transfer is recorded once", "hash_used")
    if reference and stands.filter(reference=reference).exists():
        raise SendingRefused("this reference is known already: each transfer is recorded once", "hash_used")
    return Sending.objects.create(
        refund=refund,
        item=item,
        environment=environment,
        amount_minor=money.minor,
        currency=money.currency.value,
        receiver=receiver,
        to_account=to_account,
        hash=digest,
        reference=reference,
        recorded_by=by,
        recorded_at=at,
    )


def record_paper(
    *, refund: Refund, evidence: Evidence, name: str, reference: str, by: Any, at: datetime
) -> Sending:
    """Return the record of a deposit that a person gave back, made now; inside the caller's transaction.

    evidence, name: the file, judged and kept. reference: the number on it. Raises SendingRefused: no number,
    or a paper or a number that was used already.
    """
    reference = " ".join(reference.split())
    if not REFERENCE.fullmatch(reference):
        raise SendingRefused(
            "the bank's reference has 4 to 100 letters, digits, dots, dashes or slashes", "reference"
        )
    whose = {"environment": refund.environment, "evidence_sha256": evidence.sha256}
    if ManualDeposit.objects.filter(**whose).exclude(decision=ManualDeposit.Decision.REFUSED).exists():
        raise SendingRefused("this paper brought money in: attach the one by which it went out", "evidence")
    stands = Sending.objects.filter(retracted_at__isnull=True)
    if stands.filter(**whose).exists() or stands.filter(reference=reference).exists():
        raise SendingRefused("this paper or its number is used already: each counts once", "evidence")
    return Sending.objects.create(
        refund=refund,
        environment=refund.environment,
        amount_minor=refund.amount_minor,
        currency=refund.currency,
        receiver=refund.receiver,
        to_account=refund.to_account,
        reference=reference,
        evidence_name=name,
        evidence_type=evidence.type,
        evidence_size=len(evidence.body),
        evidence_sha256=evidence.sha256,
        recorded_by=by,
        recorded_at=at,
    )


def ask(sending: Sending, *, payment: Payment, since: datetime, by: Any = None) -> Answer:
    """Ask Bakong about a sent transfer, from the staff's purse; return what it says.

    since: when the money was asked for; an older transfer is another one. Outside any transaction
    (InsideTransaction otherwise): no lock waits on the network.
    """
    if sending.environment != conf.environment():
        return Answer("cannot_tell", "environment")
    gateway = gateways.current()
    principal = f"staff:{by.pk}" if by is not None else "staff"
    with budgeting.asking(budgeting.Asking(Pool.STAFF, payment=payment, principal=principal)):
        outcome = gateway.find(sending.hash, sending.money)
    if outcome is None:
        return Answer(NO_SUCH_CALL)
    if isinstance(outcome, CannotTell):
        return Answer("cannot_tell", outcome.reason.value)
    if not isinstance(outcome, Found):
        return Answer("not_found")
    found = outcome.transfer
    expected = Expected(
        hash=sending.hash,
        money=sending.money,
        senders={sending.receiver, *receivers.accepted()},
        to_account=sending.to_account,
        since=since,
    )
    differs = differences(
        expected,
        hash=found.hash,
        amount=found.amount,
        currency=found.currency,
        from_account=found.from_account,
        to_account=found.to_account,
        sent_at=found.created_at or found.acknowledged_at,
        tracking_status=found.tracking_status,
    )
    return Answer(
        DIFFERS if differs else "found",
        differs=differs,
        raw=plain(found.raw),
        from_account=clean((found.from_account or "")[:100]),
    )


def note(sending: Sending, answer: Answer, *, at: datetime) -> bool:
    """Keep an answer with the record; return whether the transfer counts as seen now.

    Inside the caller's transaction, which holds the payment's lock. What was seen stays seen.
    """
    if sending.seen_at is not None:
        return True
    seen = answer.outcome == "found"
    changes: dict[str, Any] = {
        "looked_up_at": at,
        "last_outcome": answer.outcome,
        "last_reason": answer.reason[:20],
        "differs": [difference.value for difference in answer.differs],
        "seen_at": at if seen else None,
    }
    if answer.raw is not None:
        changes |= {"answer": answer.raw, "from_account": answer.from_account}
    Sending.objects.filter(pk=sending.pk).update(**changes, looks=F("looks") + 1)
    sending.refresh_from_db()
    return seen


def vouch(sending: Sending, *, by: Any, why: str, at: datetime) -> None:
    """Let a second person say that the bank's statement shows this transfer; inside the caller's transaction.

    Only after Bakong was asked. Where it knows the transfer as another one, nobody can vouch for it,
    apart from names of accounts: banks write the receiver's in more than one way.
    Raises SendingRefused for the one who recorded it, and for a word too short.
    """
    if sending.recorded_by_id == by.pk:
        raise SendingRefused("a second person must vouch for what you recorded", "same_person")
    if len(why.strip()) < WHY_LEAST:
        raise SendingRefused("say where you saw it: the reason is kept", "why")
    if sending.hash and not sending.last_outcome:
        raise SendingRefused("ask Bakong first", "not_asked")
    if set(sending.differs) - SEEN_BY_EYES:
        raise SendingRefused("Bakong knows this hash as another transfer", "differs")
    Sending.objects.filter(pk=sending.pk).update(seen_at=at, vouched_by=by, vouched_why=why.strip())
    sending.refresh_from_db()


def retract(sending: Sending, *, by: Any, why: str, at: datetime) -> None:
    """Take a record back that names the wrong transfer; inside the caller's transaction.

    The hash is free for where it belongs. Raises SendingRefused once the transfer was seen.
    """
    if sending.seen_at is not None:
        raise SendingRefused("this transfer was seen: its money has left", "seen")
    if len(why.strip()) < WHY_LEAST:
        raise SendingRefused("say why: the reason is kept", "why")
    Sending.objects.filter(pk=sending.pk).update(retracted_at=at, retracted_by=by, retracted_why=why.strip())
    sending.refresh_from_db()


def account_of(sending: Sending) -> str:
    """Return which of our accounts the money left, under the name our settings give it."""
    known = {account.casefold(): account for account in (*receivers.accepted(), sending.receiver)}
    return known.get(sending.from_account.casefold(), sending.receiver)

"""Money that came another way, cash or a transfer to the bank: staff bring it in, with evidence.

No gateway knows of it, so people stand in for the gateway: nobody for themselves, the same slip once, and
two people above what one person's deposits and decisions of a day may add up to. The credit is one
transaction: the decision, a payment of the method `manual`, its state, and an entry that debits the house
account `external:cash` or `external:bank`. It is no transfer: the law's "received" counts transfers alone.
"""

from __future__ import annotations

import hashlib
import logging
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction

from vinflow.money import Money
from vinflow.payments import announcing, conf, evidence_files, settings_store
from vinflow.payments.errors import DepositRefused
from vinflow.payments.evidence_files import Evidence
from vinflow.payments.four_eyes import alone_may
from vinflow.payments.models import ManualDeposit, Method, Payment, new_reference
from vinflow.payments.states import Event
from vinflow.wallet.entries import Entry, credit, debit, external_ref, user_ref
from vinflow.wallet.posting import post

__all__ = ["credit_deposit", "deposit_source", "open_deposit", "refuse_deposit"]

log = logging.getLogger(__name__)

Kind, Decision = ManualDeposit.Kind, ManualDeposit.Decision
WHY_LEAST = 3
KEY_MAX = 80


def deposit_source(reference: str) -> str:
    """Return the name under which the ledger knows a deposit's payment."""
    return f"deposit:{reference}"


def open_deposit(
    *,
    payer: Any,
    money: Money,
    kind: str,
    reference: str,
    note: str,
    evidence: Evidence,
    by: Any,
    key: str,
    at: datetime,
) -> ManualDeposit:
    """Return the deposit that this key opened: credited at once where one person may, waiting otherwise.

    key: chosen by the caller for one intention, at most 80 characters; the same key returns the same
    deposit. Raises DepositRefused with the reason; nothing is booked then.
    """
    if not 0 < len(key) <= KEY_MAX:
        raise DepositRefused("a form has a key of 1 to 80 characters")
    known = ManualDeposit.objects.filter(key=key).first()
    if known is not None:
        if (known.payer_id, known.money, known.evidence_sha256) != (payer.pk, money, evidence.sha256):
            raise DepositRefused("this form was sent before with other values: open it anew")
        return known
    settings = settings_store.current()
    if not settings.manual_enabled:
        raise DepositRefused("manual deposits are switched off")
    if conf.funds_handler() is not None:
        raise DepositRefused("the balance is kept by the host: add the money there")
    if kind not in Kind.values:
        raise DepositRefused("say how it came: cash or bank transfer")
    if payer.pk == by.pk:
        raise DepositRefused("nobody decides about money of their own")
    if len(note.strip()) < WHY_LEAST:
        raise DepositRefused("say why: the reason is kept with the decision")
    least, most = settings_store.limits(settings, money.currency)
    if not least <= money <= most:
        raise DepositRefused("the amount is outside the limits of one payment")
    name = evidence_files.keep(evidence)
    try:
        with transaction.atomic():
            alone = alone_may(money, at=at, deciding=True)
            made = ManualDeposit.objects.create(
                key=key,
                payer=payer,
                environment=conf.environment(),
                amount_minor=money.minor,
                currency=money.currency.value,
                kind=kind,
                reference=reference.strip()[:100],
                note=note.strip()[:2000],
                evidence_name=name,
                evidence_type=evidence.type,
                evidence_size=len(evidence.body),
                evidence_sha256=evidence.sha256,
                opened_by=by,
                opened_at=at,
                needs_two=not alone,
            )
            if alone:
                _credit(made, by=by, why=made.note, at=at)
    except IntegrityError:
        evidence_files.path_of(name).unlink(missing_ok=True)
        raise DepositRefused("this evidence was used already: one receipt pays once") from None
    except BaseException:
        evidence_files.path_of(name).unlink(missing_ok=True)
        raise
    log.warning("deposit opened", extra={"deposit": made.pk, "kind": kind, "needs_two": made.needs_two})
    return made


@transaction.atomic
def credit_deposit(*, deposit: ManualDeposit, by: Any, at: datetime) -> ManualDeposit:
    """Credit a deposit as the second person; return it. Raises DepositRefused."""
    locked = _open(deposit)
    if locked.opened_by_id == by.pk:
        raise DepositRefused("a second person must approve what you proposed")
    if locked.payer_id == by.pk:
        raise DepositRefused("nobody decides about money of their own")
    _credit(locked, by=by, why=locked.note, at=at)
    return locked


@transaction.atomic
def refuse_deposit(*, deposit: ManualDeposit, by: Any, why: str, at: datetime) -> ManualDeposit:
    """Turn a deposit down, or take one's own back; return it. Raises DepositRefused."""
    if len(why.strip()) < WHY_LEAST:
        raise DepositRefused("say why: the reason is kept with the decision")
    locked = _open(deposit)
    if locked.payer_id == by.pk:
        raise DepositRefused("nobody decides about money of their own")
    locked.decision, locked.decided_by, locked.decided_at = Decision.REFUSED, by, at
    locked.why = why.strip()[:2000]
    locked.save(update_fields=["decision", "decided_by", "decided_at", "why"])
    return locked


def _open(deposit: ManualDeposit) -> ManualDeposit:
    locked = ManualDeposit.objects.select_for_update(of=("self",), no_key=True).get(pk=deposit.pk)
    if locked.decision:
        raise DepositRefused("this deposit was decided already")
    return locked


def _credit(deposit: ManualDeposit, *, by: Any, why: str, at: datetime) -> None:
    """Give the money: the payment, the decision, the state and the entry, in the caller's transaction."""
    payment = Payment.objects.create(
        transaction_id=new_reference(),
        user=get_user_model()._default_manager.get(pk=deposit.payer_id),
        amount_minor=deposit.amount_minor,
        currency=deposit.currency,
        method=Method.MANUAL,
        environment=deposit.environment,
        principal=f"staff:{deposit.opened_by_id}",
        idempotency_key=f"deposit-{deposit.pk}",
        body_digest=hashlib.sha256(deposit.key.encode()).hexdigest(),
        created_at=deposit.opened_at,
    )
    # The decision first: the database completes a manual payment on the evidence of a credited deposit alone.
    deposit.payment, deposit.decision = payment, Decision.CREDITED
    deposit.decided_by, deposit.decided_at, deposit.why = by, at, why
    deposit.save(update_fields=["payment", "decision", "decided_by", "decided_at", "why"])
    payment.advance(Event.MONEY_MATCHED, at=at)
    post(
        Entry(
            source=deposit_source(payment.transaction_id),
            purpose="credit",
            lines=(
                debit(external_ref(payment.environment, deposit.kind), payment.money),
                credit(user_ref(deposit.payer_id, payment.environment), payment.money),
            ),
            memo=f"{payment.purpose} {payment.transaction_id}",
        ),
        at=at,
    )
    announcing.deposited(payment)

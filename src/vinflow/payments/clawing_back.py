"""The bank took back a transfer that was credited, and perhaps spent: two people book it.

What is still free in the wallet is taken; the rest the payer owes (`receivable:<user>`), and the
wallet is frozen: it receives, it does not spend. Later credits repay by themselves (owing.py); what
is paid otherwise, or forgiven, two people book. When nothing is owed any more the wallet is free.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F, Sum

from vinflow.money import Currency, Money
from vinflow.payments.errors import ClawBackRefused, RefundRefused
from vinflow.payments.giving_back import left_of, origin_of, tell_host
from vinflow.payments.models import ClawBack, Leg, Payment, Repayment, ReviewItem, Transfer
from vinflow.payments.owing import next_number, repay, settle_freeze, source_of
from vinflow.wallet.accounts import lock_accounts
from vinflow.wallet.entries import (
    AccountRef,
    Entry,
    Line,
    bakong_ref,
    credit,
    debit,
    external_ref,
    receivable_ref,
    user_ref,
    written_off_ref,
)
from vinflow.wallet.posting import post

__all__ = ["approve", "claw_back", "decide_repayment", "propose_repayment", "reject", "withdraw"]

log = logging.getLogger(__name__)

WHY_LEAST, REFERENCE_MAX = 3, 100
REPAID = "repaid"  # the external account of what was repaid outside of Bakong


def claw_back(
    *,
    payment: Payment,
    money: Money,
    bank_reference: str,
    why: str,
    by: Any,
    at: datetime,
    transfer: Transfer | None = None,
) -> ClawBack:
    """Return a proposed claw-back; nothing moves until a second person has approved it.

    bank_reference: the bank's own name for what it took, used once: the same again returns the same
    claw-back. Raises ClawBackRefused (.code: over_rest, own_money, why, reference, currency, host,
    nothing_came); nothing has changed then.
    """
    reason, reference = _reason(why), " ".join(bank_reference.split())
    if not 0 < len(reference) <= REFERENCE_MAX:
        raise ClawBackRefused("name the bank's entry by which it took the money", "reference")
    with transaction.atomic():
        locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
        _refuse_own(locked, by)
        try:
            origin = origin_of(locked, transfer)
        except RefundRefused as nothing:
            raise ClawBackRefused(str(nothing), nothing.code) from nothing
        if origin.transfer is None:
            raise ClawBackRefused("no transfer came for this payment that a bank could take", "nothing_came")
        known = (
            ClawBack.objects.filter(bank_reference=reference)
            .exclude(decision__in=[ClawBack.Decision.REJECTED, ClawBack.Decision.WITHDRAWN])
            .first()
        )
        if known is not None:
            if (known.transfer_id, known.money) == (origin.transfer.pk, money):
                return known
            raise ClawBackRefused("this entry of the bank is booked already", "reference")
        if ReviewItem.objects.filter(bank_reference=reference).exists():
            raise ClawBackRefused("this entry of the bank is named at the review desk already", "reference")
        if money.currency is not origin.came.currency:
            raise ClawBackRefused(f"{origin.came.currency} came in: nothing else is taken", "currency")
        left = left_of(origin)
        if not 0 < money.minor <= left.minor:
            raise ClawBackRefused(
                f"{left} are left of what came in, open refunds apart: give those up first", "over_rest"
            )
        made = ClawBack.objects.create(
            payment=locked,
            transfer=origin.transfer,
            user=locked.user,
            environment=locked.environment,
            amount_minor=money.minor,
            currency=money.currency.value,
            leg=origin.leg,
            receiver=origin.receiver,
            bank_reference=reference,
            why=reason,
            asked_by=by,
            asked_at=at,
        )
        _moved(made)
        return made


def approve(*, clawback: ClawBack, by: Any, at: datetime) -> ClawBack:
    """Return the claw-back, booked: out of our account; the wallet pays what it can, the payer owes the rest.

    Raises ClawBackRefused (same_person, own_money, state, host); nothing has changed then.
    """
    with transaction.atomic():
        payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(clawbacks=clawback.pk)
        origin = origin_of(payment, clawback.transfer)
        currency = Currency(clawback.currency)
        account = None
        if clawback.leg == Leg.WALLET:  # the wallet before the claw-back, as everywhere
            account = lock_accounts([(origin.account, currency)])[origin.account, currency]
        locked = _lock(clawback, payment)
        _refuse_same(locked.asked_by_id, by)
        _refuse_own(payment, by)
        taken = locked.money if account is None else min(account.available, locked.money)
        owed = locked.money - taken
        _book(locked, origin.account, taken, owed, at=at)
        locked.decision, locked.decided_by, locked.decided_at = ClawBack.Decision.BOOKED, by, at
        locked.taken_minor, locked.owed_minor = taken.minor, owed.minor
        locked.save(update_fields=["decision", "decided_by", "decided_at", "taken_minor", "owed_minor"])
        if account is not None:
            settle_freeze(origin.account, currency, user_id=payment.user_id, at=at)
        _moved(locked)
        return locked


def reject(*, clawback: ClawBack, by: Any, why: str, at: datetime) -> ClawBack:
    """Return the claw-back, rejected by a second person. Raises ClawBackRefused."""
    reason = _reason(why)
    with transaction.atomic():
        payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(clawbacks=clawback.pk)
        locked = _lock(clawback, payment)
        _refuse_same(locked.asked_by_id, by)
        _refuse_own(payment, by)
        return _end(locked, ClawBack.Decision.REJECTED, by=by, why=reason, at=at)


def withdraw(*, clawback: ClawBack, by: Any, why: str, at: datetime) -> ClawBack:
    """Return the claw-back, withdrawn before anybody approved it. Raises ClawBackRefused."""
    reason = _reason(why)
    with transaction.atomic():
        payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(clawbacks=clawback.pk)
        locked = _lock(clawback, payment)
        _refuse_own(payment, by)
        return _end(locked, ClawBack.Decision.WITHDRAWN, by=by, why=reason, at=at)


def propose_repayment(
    *, clawback: ClawBack, money: Money, how: str, why: str, by: Any, at: datetime
) -> Repayment:
    """Return a proposed repayment: paid to us otherwise, or forgiven; a second person books it.

    Raises ClawBackRefused (over_owed, how, own_money, why).
    """
    reason = _reason(why)
    if how not in (Repayment.How.PAID, Repayment.How.FORGIVEN):
        raise ClawBackRefused(f"{how!r} is no way to repay: paid or forgiven", "how")
    with transaction.atomic():
        locked = ClawBack.objects.select_for_update(of=("self",), no_key=True).get(pk=clawback.pk)
        _refuse_own(locked.payment, by)
        promised = locked.repayments.filter(decision="").aggregate(total=Sum("amount_minor"))["total"] or 0
        left = locked.owed - Money(promised, locked.money.currency)
        if money.currency is not left.currency or not 0 < money.minor <= left.minor:
            raise ClawBackRefused(f"{left} are owed", "over_owed")
        return Repayment.objects.create(
            clawback=locked,
            number=next_number(locked),
            how=how,
            amount_minor=money.minor,
            why=reason,
            asked_by=by,
            asked_at=at,
        )


def decide_repayment(*, repayment: Repayment, book: bool, by: Any, at: datetime) -> Repayment:
    """Return the repayment, booked or rejected by a second person (its proposer may only withdraw it).

    Raises ClawBackRefused (same_person, own_money, state).
    """
    with transaction.atomic():
        clawback = repayment.clawback
        wallet, currency = user_ref(clawback.user_id, clawback.environment), Currency(clawback.currency)
        lock_accounts([(wallet, currency)])
        clawback = ClawBack.objects.select_for_update(of=("self",), no_key=True).get(pk=clawback.pk)
        locked = Repayment.objects.select_for_update(of=("self",), no_key=True).get(pk=repayment.pk)
        locked.clawback = clawback
        if locked.decision:
            raise ClawBackRefused(f"this repayment is {locked.decision} already", "state")
        _refuse_own(clawback.payment, by)
        own = locked.asked_by_id == by.pk
        if book:
            _refuse_same(locked.asked_by_id, by)
        rejected = Repayment.Decision.WITHDRAWN if own else Repayment.Decision.REJECTED
        locked.decision = Repayment.Decision.BOOKED if book else rejected
        locked.decided_by, locked.decided_at = by, at
        locked.save(update_fields=["decision", "decided_by", "decided_at"])
        if book:
            repay(clawback, locked, source=_source_of(locked), at=at)
            settle_freeze(wallet, currency, user_id=clawback.user_id, at=at)
            _moved(clawback)
        return locked


def _source_of(repayment: Repayment) -> AccountRef:
    environment = repayment.clawback.environment
    if repayment.how == Repayment.How.FORGIVEN:
        return written_off_ref(environment)
    return external_ref(environment, REPAID)


def _book(clawback: ClawBack, given_to: AccountRef, taken: Money, owed: Money, *, at: datetime) -> None:
    """Post a claw-back, whole, in one balanced entry."""
    lines: list[Line] = []
    if taken.minor:
        lines.append(debit(given_to, taken))
    if owed.minor:
        lines.append(debit(receivable_ref(clawback.user_id, clawback.environment), owed))
    lines.append(credit(bakong_ref(clawback.receiver, clawback.environment), clawback.money))
    memo = f"claw-back {clawback.reference}, {clawback.payment.transaction_id}"
    post(Entry(source_of(clawback), "claw_back", tuple(lines), memo), at=at)
    try:
        tell_host("claw_back", clawback, at=at)
    except RefundRefused as refused:
        raise ClawBackRefused(str(refused), refused.code) from refused


def _lock(clawback: ClawBack, payment: Payment) -> ClawBack:
    """Return the claw-back, locked and undecided; the payment's lock is held."""
    locked = ClawBack.objects.select_for_update(of=("self",), no_key=True).get(pk=clawback.pk)
    locked.payment = payment
    if locked.decision:
        raise ClawBackRefused(f"this claw-back is {locked.decision} already", "state")
    return locked


def _end(clawback: ClawBack, decision: str, *, by: Any, why: str, at: datetime) -> ClawBack:
    clawback.decision, clawback.decided_by, clawback.decided_at = decision, by, at
    clawback.decided_why = why
    clawback.save(update_fields=["decision", "decided_by", "decided_at", "decided_why"])
    _moved(clawback)
    return clawback


def _moved(clawback: ClawBack) -> None:
    Payment.objects.filter(pk=clawback.payment_id).update(version=F("version") + 1)
    log.warning(
        "claw-back", extra={"clawback": clawback.reference, "decision": str(clawback.decision) or "asked"}
    )


def _refuse_own(payment: Payment, by: Any) -> None:
    if payment.user_id is not None and payment.user_id == by.pk:
        raise ClawBackRefused("nobody decides about money of their own", "own_money")


def _refuse_same(asked_by_id: Any, by: Any) -> None:
    if asked_by_id == by.pk:
        raise ClawBackRefused("a second person must decide about what you proposed", "same_person")


def _reason(why: str) -> str:
    if len(why.strip()) < WHY_LEAST:
        raise ClawBackRefused("say why: the reason is kept for good", "why")
    return why.strip()

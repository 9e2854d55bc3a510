"""Money back: asked, approved, sent by a person at their bank, seen there, booked; or let go again.

Bakong knows no refund and VinFlow sends no money. So the money is held in the payer's wallet first,
where it cannot be spent meanwhile; a person sends it and names the transfer; only when that very transfer was
seen is the hold captured: out of the wallet, out of our account. Above what one person may do in a
day a second one approves. Requester, approver and payer are different people. Every act is one
transaction under the payment's lock; Bakong is asked with no lock held.
"""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import F

from vinflow.money import Money
from vinflow.payments import announcing, conf, evidence_files, four_eyes, law, sending
from vinflow.payments.confirming import repeated
from vinflow.payments.errors import IllegalTransition, KeyReused, LawBroken, RefundRefused, SendingRefused
from vinflow.payments.evidence_files import Evidence
from vinflow.payments.giving_back import Origin, left_of, origin_of, tell_host
from vinflow.payments.models import Leg, Payment, Refund, Sending, Transfer
from vinflow.payments.refund_states import RefundEvent, RefundState
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, external_ref
from vinflow.wallet.errors import AccountClosed, InsufficientFunds, SpendingStopped, WalletFrozen
from vinflow.wallet.holds import capture, find_hold, hold, release
from vinflow.wallet.posting import post

__all__ = [
    "approve",
    "ask_refund",
    "give_up",
    "look_up",
    "record_sent",
    "reject",
    "take_back",
    "vouch",
]

KEY_MAX, ACCOUNT_MAX, WHY_LEAST = 80, 100, 3
PURPOSE = "refund"  # of the hold; its capture is "refund:captured", and so is an entry without a hold


def ask_refund(
    *,
    payment: Payment,
    money: Money,
    why: str,
    by: Any,
    key: str,
    at: datetime,
    transfer: Transfer | None = None,
    to_account: str = "",
) -> Refund:
    """Return a new refund, its money held: approved where one person may do so much alone, else asked.

    transfer: which of the payment's transfers goes back, by default the one that completed it.
    to_account: where to, by default where it came from; anywhere else needs a second person. Safe
    to repeat by (person, key). Raises RefundRefused (.code: over_rest, spent, frozen, nothing_came,
    own_money, currency, why, host, account, stopped), KeyReused; nothing has changed then.
    """
    reason = _reason(why)
    if not 0 < len(key) <= KEY_MAX:
        raise RefundRefused(f"a key has 1 to {KEY_MAX} characters", "key")
    principal = f"user:{by.pk}"
    with transaction.atomic():
        locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
        origin = origin_of(locked, transfer)
        to_account = " ".join(to_account.split()) or origin.sender
        digest = _digest(locked, origin, money, to_account, reason)
        known = Refund.objects.filter(
            principal=principal, environment=locked.environment, idempotency_key=key
        ).first()
        if known is not None:
            if known.body_digest != digest:
                raise KeyReused("this key came before with another refund")
            return known
        _refuse_own(locked, by)
        _check(origin, money, to_account)
        elsewhere = to_account.casefold() != origin.sender.casefold()
        alone = not elsewhere and four_eyes.alone_may(money, at=at, deciding=True)
        refund = Refund.objects.create(
            payment=locked,
            transfer=origin.transfer,
            deposit=origin.deposit,
            beneficiary=locked.user,
            environment=locked.environment,
            amount_minor=money.minor,
            currency=money.currency.value,
            leg=origin.leg,
            receiver=origin.receiver,
            to_account=to_account,
            principal=principal,
            idempotency_key=key,
            body_digest=digest,
            state=RefundState.APPROVED if alone else RefundState.ASKED,
            alone=alone,
            why=reason,
            asked_by=by,
            asked_at=at,
        )
        _hold(refund, origin, at=at)
        _moved(refund)
        return refund


def approve(*, refund: Refund, by: Any, at: datetime, why: str = "") -> Refund:
    """Return the refund, approved by a second person: now it may be sent.

    Raises RefundRefused (same_person, own_money, state, stopped); nothing has changed then.
    """
    with transaction.atomic():
        payment, locked = _lock(refund)
        _refuse_same(locked, by)
        _refuse_own(payment, by)
        _refuse_while_stopped()
        _advance(locked, RefundEvent.APPROVED, at=at, decided_by=by, decided_at=at, decided_why=why.strip())
        return locked


def reject(*, refund: Refund, by: Any, why: str, at: datetime) -> Refund:
    """Return the refund, rejected by a second person; its money is free in the wallet again.

    Raises RefundRefused (same_person, own_money, state, why).
    """
    reason = _reason(why)
    with transaction.atomic():
        payment, locked = _lock(refund)
        _refuse_same(locked, by)
        _refuse_own(payment, by)
        _advance(locked, RefundEvent.REJECTED, at=at, decided_by=by, decided_at=at, decided_why=reason)
        _let_go(locked, at=at)
        return locked


def give_up(*, refund: Refund, by: Any, why: str, at: datetime) -> Refund:
    """Return the refund, given up before it was sent; its money is free in the wallet again.

    Raises RefundRefused (own_money, state, why): what was sent is not given up.
    """
    reason = _reason(why)
    with transaction.atomic():
        payment, locked = _lock(refund)
        _refuse_own(payment, by)
        _advance(locked, RefundEvent.GIVEN_UP, at=at, ended_by=by, ended_why=reason)
        _let_go(locked, at=at)
        return locked


def record_sent(
    *,
    refund: Refund,
    by: Any,
    at: datetime,
    named: str = "",
    reference: str = "",
    evidence: Evidence | None = None,
) -> Refund:
    """Return the refund, sent: a person has made the transfer at their bank and names it.

    named: its hash, 64 hex digits. reference: the bank's own, where it shows one. For a manual deposit, of
    which Bakong knows nothing, there is no hash: evidence is the signed receipt or the bank's slip, and
    reference its number. The same record again returns quietly. Raises RefundRefused (own_money, state),
    SendingRefused (hash_malformed, hash_came_in, hash_used, reference, evidence).
    """
    if refund.deposit_id is not None:
        return _handed_over(refund, evidence, reference=reference, by=by, at=at)
    if evidence is not None:
        raise SendingRefused("a transfer that Bakong knows is named by its hash, not by a paper", "evidence")
    with transaction.atomic():
        payment, locked = _lock(refund)
        _refuse_own(payment, by)
        stands = sending.standing(refund=locked)
        if stands is not None and stands.hash == named.strip().lower():
            return locked
        if locked.state != RefundState.APPROVED:
            raise RefundRefused(f"this refund is {locked.state}: only an approved one is sent", "state")
        sending.record(
            refund=locked,
            money=locked.money,
            environment=locked.environment,
            receiver=locked.receiver,
            to_account=locked.to_account,
            named=named,
            reference=reference,
            by=by,
            at=at,
        )
        _advance(locked, RefundEvent.RECORDED_AS_SENT, at=at)
        return locked


def _handed_over(
    refund: Refund, evidence: Evidence | None, *, reference: str, by: Any, at: datetime
) -> Refund:
    """Record that a deposit went back the way it came: a paper and its number stand for the transfer."""
    if evidence is None:
        raise SendingRefused("attach the receipt that the payer signed, or the bank's slip", "evidence")
    name = evidence_files.keep(evidence)
    try:
        with transaction.atomic():
            payment, locked = _lock(refund)
            _refuse_own(payment, by)
            stands = sending.standing(refund=locked)
            if stands is not None and stands.evidence_sha256 == evidence.sha256:
                evidence_files.path_of(name).unlink(missing_ok=True)
                return locked
            if locked.state != RefundState.APPROVED:
                raise RefundRefused(f"this refund is {locked.state}: only an approved one is sent", "state")
            sending.record_paper(
                refund=locked, evidence=evidence, name=name, reference=reference, by=by, at=at
            )
            _advance(locked, RefundEvent.RECORDED_AS_SENT, at=at)
            return locked
    except BaseException:
        evidence_files.path_of(name).unlink(missing_ok=True)
        raise


def take_back(*, refund: Refund, by: Any, why: str, at: datetime) -> Refund:
    """Return the refund, approved again: the record of its transfer named the wrong one.

    Raises RefundRefused (own_money, state), SendingRefused (seen, why).
    """
    with transaction.atomic():
        payment, locked = _lock(refund)
        _refuse_own(payment, by)
        sending.retract(_sent(locked), by=by, why=why, at=at)
        _advance(locked, RefundEvent.RECORD_TAKEN_BACK, at=at)
        return locked


def look_up(*, refund: Refund, at: datetime, by: Any = None) -> Refund:
    """Ask Bakong about the transfer of a refund; return the refund, done when it was seen.

    One call, from the staff's purse, with no lock held. Whatever else Bakong says, or does not, is
    kept with the record and the refund stays sent. Safe to repeat. Raises RefundRefused (state).
    """
    refund = Refund.objects.select_related("payment").get(pk=refund.pk)
    if refund.deposit_id is not None:
        raise RefundRefused("Bakong knows nothing of a deposit: a second person looks at the paper", "state")
    asked = _sent(refund)
    answer = sending.ask(asked, payment=refund.payment, since=refund.asked_at, by=by)

    @transaction.atomic
    def keep() -> Refund:
        _payment, locked = _lock(refund)
        stands = sending.standing(refund=locked)
        if locked.state == RefundState.SENT and stands is not None and stands.pk == asked.pk:
            if sending.note(stands, answer, at=at):
                _book(locked, stands, at=at)
            else:
                _moved(locked)
        return locked

    return repeated(keep)


def vouch(*, refund: Refund, by: Any, why: str, at: datetime) -> Refund:
    """Return the refund, done on the word of a second person who saw it in the bank's statement.

    For a transfer that Bakong cannot show. Raises RefundRefused (own_money, state), SendingRefused
    (same_person, why, not_asked, differs).
    """
    with transaction.atomic():
        payment, locked = _lock(refund)
        _refuse_own(payment, by)
        stands = _sent(locked)
        sending.vouch(stands, by=by, why=why, at=at)
        _book(locked, stands, at=at)
        return locked


def _book(refund: Refund, stands: Sending, *, at: datetime) -> None:
    """Take the held money out of the wallet and out of our account: one balanced entry, once."""
    if refund.deposit_id is not None:
        ours = external_ref(refund.environment, refund.receiver)
    else:
        ours = bakong_ref(sending.account_of(stands), refund.environment)
    memo = f"refund {refund.reference}, {refund.payment.transaction_id}"
    if refund.leg == Leg.WALLET:
        held = find_hold(_source(refund), PURPOSE)
        if held is None:
            raise RefundRefused("the money of this refund is not held", "state")
        capture(held.pk, to=ours, at=at, memo=memo)
    else:
        origin = origin_of(refund.payment, refund.transfer)
        lines = (debit(origin.account, refund.money), credit(ours, refund.money))
        post(Entry(_source(refund), f"{PURPOSE}:captured", lines, memo), at=at)
        tell_host("capture", refund, at=at)
    _advance(refund, RefundEvent.SEEN, at=at)


def _hold(refund: Refund, origin: Origin, *, at: datetime) -> None:
    """Set the money aside where it stands. Raises RefundRefused when it is not there any more."""
    if refund.leg != Leg.WALLET:
        _refuse_while_stopped()
        tell_host("hold", refund, at=at)
        return
    try:
        hold(wallet=origin.account, money=refund.money, source=_source(refund), purpose=PURPOSE, at=at)
    except InsufficientFunds as short:
        raise RefundRefused(f"the payer has {short.available} left to spend", "spent") from short
    except WalletFrozen as frozen:
        raise RefundRefused("the payer's wallet is frozen: a claw-back is not repaid", "frozen") from frozen
    except AccountClosed as closed:
        raise RefundRefused("the payer's wallet is closed", "frozen") from closed
    except SpendingStopped as stopped:
        raise RefundRefused(str(stopped), "stopped") from stopped


def _let_go(refund: Refund, *, at: datetime) -> None:
    """Free the money again."""
    if refund.leg != Leg.WALLET:
        tell_host("release", refund, at=at)
        return
    held = find_hold(_source(refund), PURPOSE)
    if held is not None:
        release(held.pk, at=at)


def _check(origin: Origin, money: Money, to_account: str) -> None:
    """Raise RefundRefused for an amount, a receiver or a leg that cannot be."""
    if money.currency is not origin.came.currency:
        raise RefundRefused(f"{origin.came.currency} came in: nothing else goes back", "currency")
    if money.minor <= 0:
        raise RefundRefused("an amount is above zero", "amount")
    left = left_of(origin)
    if money > left:
        raise RefundRefused(f"{left} are left of what came in", "over_rest")
    named = 3 <= len(to_account) <= ACCOUNT_MAX
    if not to_account or (to_account != origin.sender and not named):
        raise RefundRefused("name the account it goes to: the answer did not name the sender's", "account")
    if origin.leg == Leg.HOST and conf.refund_handler() is None:
        raise RefundRefused(
            "the host keeps this balance, and VINFLOW_REFUND_HANDLER does not say how to take from it", "host"
        )


def _lock(refund: Refund) -> tuple[Payment, Refund]:
    """Return the payment and its refund, locked in the fixed order."""
    payment = Payment.objects.select_for_update(of=("self",), no_key=True).get(refunds=refund.pk)
    locked = Refund.objects.select_for_update(of=("self",), no_key=True).get(pk=refund.pk)
    locked.payment = payment
    return payment, locked


def _advance(refund: Refund, event: RefundEvent, *, at: datetime, **changes: Any) -> None:
    try:
        refund.advance(event, at=at, **changes)
    except IllegalTransition as illegal:
        raise RefundRefused(f"this refund is {refund.state} already", "state") from illegal
    _moved(refund)


def _moved(refund: Refund) -> None:
    """Let the pages of the payment draw themselves anew, and tell the world after the commit."""
    Payment.objects.filter(pk=refund.payment_id).update(version=F("version") + 1)
    announcing.refund_moved(refund)


def _sent(refund: Refund) -> Sending:
    stands = sending.standing(refund=refund)
    if refund.state != RefundState.SENT or stands is None:
        raise RefundRefused(f"this refund is {refund.state}: no transfer is waiting to be seen", "state")
    return stands


def _refuse_own(payment: Payment, by: Any) -> None:
    if payment.user_id is not None and payment.user_id == by.pk:
        raise RefundRefused("nobody decides about money of their own", "own_money")


def _refuse_same(refund: Refund, by: Any) -> None:
    if refund.asked_by_id == by.pk:
        raise RefundRefused("a second person must decide about what you asked for", "same_person")


def _refuse_while_stopped() -> None:
    try:
        law.require_spending_allowed()
    except LawBroken as broken:
        raise RefundRefused(str(broken), "stopped") from broken


def _reason(why: str) -> str:
    if len(why.strip()) < WHY_LEAST:
        raise RefundRefused("say why: the reason is kept for good", "why")
    return why.strip()


def _source(refund: Refund) -> str:
    return f"refund:{refund.reference}"


def _digest(payment: Payment, origin: Origin, money: Money, to_account: str, why: str) -> str:
    body = [payment.transaction_id, origin.name, money.minor, money.currency.value, to_account, why]
    return hashlib.sha256(json.dumps(body).encode()).hexdigest()

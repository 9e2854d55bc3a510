"""1. Amount -> limits -> a payment and an attempt with its QR -> the page.

Idempotent by (principal, environment, key). Refused openings store nothing and spend no call. The
Open API's QR is made here without any call; the hosted gateway is asked before a row exists, so that
no payment is left looking as if it waited.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth import get_user_model
from django.db import IntegrityError, transaction
from django.db.models import Count, Q, Sum

from vinflow.money import Currency, Money
from vinflow.payments import budgeting, conf, gateways, settings_store
from vinflow.payments.answering import is_newcomer
from vinflow.payments.errors import (
    AmountTooLarge,
    AmountTooSmall,
    BudgetGone,
    KeyReused,
    MethodOff,
    NotOpen,
    ReturnRefused,
    TooManyAttempts,
    TooManyPending,
    TooManyToday,
)
from vinflow.payments.gateways import Gateway, MadeQr, Order
from vinflow.payments.leasing import plan_next, pressure
from vinflow.payments.models import (
    Attempt,
    Exchange,
    Method,
    Payment,
    PaymentSettings,
    ReviewItem,
    new_reference,
)
from vinflow.payments.returning import safe_address
from vinflow.payments.states import Event, Status

__all__ = ["first_attempt", "open_payment", "principal_of", "renew_qr"]

KEY_MAX = 80
LIFETIME_MOST = timedelta(hours=1)  # of a QR that another made; ours live ten minutes


def principal_of(user: Any) -> str:
    """Return the name under which a payer's keys and shares are kept."""
    return f"user:{user.pk}" if user is not None else "link"


def open_payment(
    *,
    user: Any,
    money: Money,
    key: str,
    at: datetime,
    method: str = Method.KHQR,
    purpose: str = "topup",
    reference: str = "",
    metadata: Mapping[str, Any] | None = None,
    return_url: str = "",
) -> Payment:
    """Return the payment that this key opened: a new one with its first QR, or the one from before.

    money: between the limits of its currency. key: chosen by the caller for one intention (a form's
    token), at most 80 characters; the same key with the same body returns the same payment. at: the
    moment (aware). return_url: where our checkout leads the payer afterwards, if returning.py allows
    it. Raises the OpeningRefused tree; nothing is stored and no call is spent then,
    except that the hosted gateway may have been asked.
    """
    if not 0 < len(key) <= KEY_MAX:
        raise KeyReused(f"an idempotency key has 1 to {KEY_MAX} characters")
    if return_url and not safe_address(return_url):
        raise ReturnRefused("the return address leads to no host that VINFLOW_RETURN_HOSTS names")
    environment = conf.environment()
    principal = principal_of(user)
    digest = _digest(money, method, purpose, reference, metadata or {}, return_url)
    if (known := _known(principal, environment, key, digest)) is not None:
        return known
    settings = settings_store.current()
    _check_offer(settings, money, method)
    _check_payer(settings, user, money, environment, at=at)
    payment = Payment(
        transaction_id=new_reference(),
        user=user,
        amount_minor=money.minor,
        currency=money.currency.value,
        method=method,
        environment=environment,
        purpose=purpose,
        reference=reference,
        metadata=dict(metadata or {}),
        return_url=return_url,
        principal=principal,
        idempotency_key=key,
        body_digest=digest,
        created_at=at,
    )
    gateway = gateways.current()
    made, order, calls = _make(gateway, payment, settings, at=at)
    try:
        with transaction.atomic():
            _serialise(user)
            _check_payer(settings, user, money, environment, at=at)
            payment.gateway_payment_id = made.handle
            payment.gateway_response = made.response
            payment.save(force_insert=True)
            _add_attempt(payment, made, order, settings, gateway, number=1, calls=calls, at=at)
    except IntegrityError:
        # A rival with the same key was faster: its payment is the one.
        if (known := _known(principal, environment, key, digest)) is not None:
            return known
        raise
    return payment


def first_attempt(*, payment: Payment, at: datetime) -> Attempt:
    """Return the newest attempt of a payment, made now when it has none: for rows a host created.

    Fills gateway_payment_id and gateway_response as the guide describes. Raises OpeningRefused.
    """
    newest = payment.attempts.order_by("-number").first()
    if newest is not None:
        return newest
    settings = settings_store.current()
    _check_offer(settings, payment.money, payment.method)
    gateway = gateways.current()
    made, order, calls = _make(gateway, payment, settings, at=at)
    with transaction.atomic():
        locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
        rival = locked.attempts.order_by("-number").first()
        if rival is not None:
            return rival
        payment.gateway_payment_id, payment.gateway_response = made.handle, made.response
        payment.save(update_fields=["gateway_payment_id", "gateway_response"])
        return _add_attempt(payment, made, order, settings, gateway, number=1, calls=calls, at=at)


def renew_qr(*, payment: Payment, at: datetime) -> Attempt:
    """Return a fresh QR for the same payment: one more attempt; the old ones stay watched.

    While the newest QR may still be paid for a minute or more it is returned as it is, so that a
    double press makes one. Raises NotOpen, TooManyAttempts, MethodOff, and what the gateway raises.
    """
    settings = settings_store.current()
    _check_offer(settings, payment.money, payment.method)
    gateway = gateways.current()
    newest = payment.attempts.order_by("-number").first()
    if (
        newest is not None
        and payment.status == Status.PENDING
        and newest.expires_at - at > timedelta(minutes=1)
    ):
        return newest
    _check_renewable(payment, newest, settings)
    if payment.status != Status.PENDING:
        _check_payer(settings, payment.user, payment.money, payment.environment, at=at)
    made, order, calls = _make(gateway, payment, settings, at=at)
    with transaction.atomic():
        locked = Payment.objects.select_for_update(of=("self",), no_key=True).get(pk=payment.pk)
        last = locked.attempts.order_by("-number").first()
        if last is not None and newest is not None and last.number != newest.number:
            return last  # another press was faster
        _check_renewable(locked, last, settings)
        locked.advance(Event.QR_RENEWED, at=at)
        Payment.objects.filter(pk=locked.pk).update(
            gateway_payment_id=made.handle, gateway_response=made.response
        )
        number = 1 if last is None else last.number + 1
        attempt = _add_attempt(locked, made, order, settings, gateway, number=number, calls=calls, at=at)
    payment.refresh_from_db()
    return attempt


def _check_renewable(payment: Payment, newest: Attempt | None, settings: PaymentSettings) -> None:
    if payment.status in (Status.COMPLETED, Status.CANCELED):
        raise NotOpen(f"{payment.transaction_id} is {payment.status}")
    if ReviewItem.objects.filter(payment=payment, decision="").exists():
        raise NotOpen(f"money for {payment.transaction_id} has come and people look at it; do not pay again")
    if newest is not None and newest.number >= settings.attempts_max:
        raise TooManyAttempts(f"{payment.transaction_id} has had {newest.number} QRs")


def _digest(
    money: Money, method: str, purpose: str, reference: str, metadata: Mapping[str, Any], return_url: str
) -> str:
    body = [money.minor, money.currency.value, str(method), purpose, reference, dict(metadata), return_url]
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def _known(principal: str, environment: str, key: str, digest: str) -> Payment | None:
    payment = Payment.objects.filter(
        principal=principal, environment=environment, idempotency_key=key
    ).first()
    if payment is not None and payment.body_digest != digest:
        raise KeyReused("this form was sent before with another amount; load it again")
    return payment


def _check_offer(settings: PaymentSettings, money: Money, method: str) -> None:
    """Refuse what is switched off or outside the limits, before anything is made."""
    if method != Method.KHQR or not settings.khqr_enabled:
        raise MethodOff(f"the method {method!r} is off")
    if money.currency not in settings_store.enabled_currencies(settings):
        raise MethodOff(f"{money.currency} is off")
    least, most = settings_store.limits(settings, money.currency)
    if money < least:
        raise AmountTooSmall(least)
    if money > most:
        raise AmountTooLarge(most)


def _check_payer(
    settings: PaymentSettings, user: Any, money: Money, environment: str, *, at: datetime
) -> None:
    """Refuse a payer who has too much open, or opened too much today."""
    if user is None:
        return
    currency = Currency(money.currency)
    pending, today = Q(status=Status.PENDING), Q(created_at__gt=at - timedelta(days=1))
    counts = Q(currency=currency, status__in=[Status.PENDING, Status.COMPLETED])
    own = Payment.objects.filter(pending | today, user=user, environment=environment).aggregate(
        pending=Count("pk", filter=pending),
        today=Count("pk", filter=today),
        spent=Sum("amount_minor", filter=today & counts),
    )
    if own["pending"] >= settings.pending_max:
        raise TooManyPending(f"{settings.pending_max} payments are waiting already")
    if own["today"] >= settings.opened_daily_max:
        raise TooManyToday(f"{settings.opened_daily_max} payments were opened within a day")
    most = settings_store.cap(settings, "daily_max", currency)
    if Money(own["spent"] or 0, currency) + money > most:
        raise TooManyToday(f"{most} is the most within a day")


def _serialise(user: Any) -> None:
    """Make openings of one payer wait for each other, so that limits cannot be raced past."""
    if user is not None:
        list(
            get_user_model()
            .objects.select_for_update(of=("self",), no_key=True)
            .filter(pk=user.pk)
            .values_list("pk")
        )


def _make(
    gateway: Gateway, payment: Payment, settings: PaymentSettings, *, at: datetime
) -> tuple[MadeQr, Order, list[int]]:
    order = Order(
        money=payment.money,
        bill_number=payment.transaction_id,
        info=f"{conf.site_name()} {payment.purpose}",
        created_at=at,
        expires_at=at + settings_store.lifetime(settings),
    )
    who = budgeting.Asking(budgeting.Pool.CLAIM, principal=payment.principal, newcomer=is_newcomer(payment))
    with budgeting.asking(who):
        return gateway.make(order), order, who.exchanges


def _add_attempt(
    payment: Payment,
    made: MadeQr,
    order: Order,
    settings: PaymentSettings,
    gateway: Gateway,
    *,
    number: int,
    calls: list[int],
    at: datetime,
) -> Attempt:
    """Insert an attempt with its last check promised; inside the caller's transaction.

    Raises BudgetGone where no call can be promised and the operator hides the method then; where
    the operator warns instead, the QR is shown all the same and confirmed when a call is free.
    """
    expires_at = order.expires_at
    if made.expires_at is not None and at < made.expires_at <= at + LIFETIME_MOST:
        expires_at = made.expires_at
    last_check_at = expires_at + conf.grace()
    newcomer = is_newcomer(payment)
    promised = budgeting.set_aside(token=gateway.token_id, last_check_at=last_check_at, newcomer=newcomer)
    if not promised and settings.hide_without_budget:
        raise BudgetGone("no call is left to confirm another QR today")
    attempt = Attempt(
        payment=payment,
        number=number,
        protocol=gateway.protocol.value,
        qr_string=made.qr_string,
        md5=made.md5,
        handle=made.handle,
        receiver=made.receiver,
        merchant_name=made.merchant_name,
        environment=payment.environment,
        deeplink=made.deeplink,
        created_at=at,
        expires_at=expires_at,
        last_check_at=last_check_at,
        watch_until=expires_at + settings_store.watch(settings),
        set_aside=promised and conf.daily_calls() is not None,
    )
    attempt.next_check_at = plan_next(attempt, at=at, pressure=pressure(at=at, gateway=gateway))
    attempt.save(force_insert=True)
    if calls:  # what the hosted gateway was asked before there was a row to name
        Exchange.objects.filter(pk__in=calls).update(payment=payment)
    return attempt

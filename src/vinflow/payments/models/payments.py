"""Payment and Attempt: our promise to receive, and each QR that was shown for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connection, models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.payments.errors import IllegalTransition
from vinflow.payments.models.choices import (
    CURRENCIES,
    ENVIRONMENTS,
    MONEY_MAX,
    STATUSES,
    Method,
    new_reference,
)
from vinflow.payments.states import Event, Status, after
from vinflow.wallet.reading import by_hand

# By hand and not by the ORM: this is one of the dozen statements of every credit (wallet/reading.py).
ADVANCE = (
    "UPDATE payments_payment SET status = %s, completed_at = %s, completed_late = %s, ended_at = %s,"
    " canceled_at = %s, version = version + 1 WHERE id = %s AND status = %s"
)


class Payment(models.Model):
    """Ours: a promise to receive. Its public name is transaction_id."""

    transaction_id = models.CharField(max_length=25, unique=True, default=new_reference, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.PROTECT,
        related_name="khqr_payments",
    )
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    method = models.CharField(max_length=10, choices=Method.choices, default=Method.KHQR)
    status = models.CharField(max_length=10, choices=STATUSES, default=Status.PENDING)
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    purpose = models.CharField(max_length=20, default="topup")
    reference = models.CharField(max_length=64, blank=True, default="")
    metadata = models.JSONField(default=dict, blank=True)
    return_url = models.CharField(max_length=500, blank=True, default="")
    principal = models.CharField(max_length=80)
    idempotency_key = models.CharField(max_length=80)
    body_digest = models.CharField(max_length=64)
    gateway_payment_id = models.CharField(max_length=64, blank=True, default="", db_index=True)
    gateway_response = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)
    completed_late = models.BooleanField(default=False)
    ended_at = models.DateTimeField(null=True, blank=True)
    canceled_at = models.DateTimeField(null=True, blank=True)
    app_opened_at = models.DateTimeField(null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "payments_payment"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="payment_amount_positive", condition=Q(amount_minor__gt=0, amount_minor__lte=MONEY_MAX)
            ),
            models.CheckConstraint(
                name="payment_status_known", condition=Q(status__in=[s.value for s in Status])
            ),
            models.CheckConstraint(
                name="payment_currency_known", condition=Q(currency__in=[c.value for c in Currency])
            ),
            models.CheckConstraint(
                name="payment_completed_has_time",
                condition=Q(status="completed", completed_at__isnull=False)
                | (~Q(status="completed") & Q(completed_at__isnull=True)),
            ),
            models.UniqueConstraint(
                name="payment_key_once", fields=["principal", "environment", "idempotency_key"]
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="payment_by_user", fields=["user", "-created_at"]),
            models.Index(name="payment_by_status", fields=["status", "-created_at"]),
            models.Index(name="payment_by_time", fields=["-created_at"]),
            # What was credited lately, in all and to one payer: the caps read it under a lock.
            models.Index(
                name="payment_done",
                fields=["environment", "currency", "completed_at"],
                condition=Q(status="completed"),
            ),
            models.Index(
                name="payment_done_by_user", fields=["user", "completed_at"], condition=Q(status="completed")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.transaction_id} {self.money} {self.status}"

    @property
    def money(self) -> Money:
        """The amount this payment asks for."""
        return Money(self.amount_minor, Currency(self.currency))

    def advance(self, event: Event, *, at: datetime, late: bool = False) -> None:
        """Move to the state that event leads to, guarded in the database too.

        The caller holds the row's lock inside a transaction. Raises IllegalTransition when the
        table, or a row that meanwhile moved, does not allow it; nothing has changed then.
        """
        old = Status(self.status)
        new = after(old, event)
        completed = new is Status.COMPLETED
        ended = new is not Status.PENDING
        changes: dict[str, Any] = {
            "status": new.value,
            "completed_at": at if completed else None,
            "completed_late": late if completed else False,
            "ended_at": at if ended else None,
            "canceled_at": at if new is Status.CANCELED else self.canceled_at,
        }
        moment = connection.ops.adapt_datetimefield_value
        with by_hand(DEFAULT_DB_ALIAS) as cursor:
            cursor.execute(
                ADVANCE,
                [
                    new.value,
                    moment(changes["completed_at"]),
                    changes["completed_late"],
                    moment(changes["ended_at"]),
                    moment(changes["canceled_at"]),
                    self.pk,
                    old.value,
                ],
            )
            if cursor.rowcount != 1:
                raise IllegalTransition(f"{event}: the payment is no longer {old}")
        for name, value in changes.items():
            setattr(self, name, value)
        self.version += 1


class AttemptQuerySet(models.QuerySet["Attempt"]):
    """Chainable reads of attempts."""

    def asked_by(self, protocol: str, environment: str) -> AttemptQuerySet:
        """Attempts that a gateway of this protocol and environment may be asked about.

        Another bank's word about a QR is no word: neither its money nor its "not found" counts.
        """
        return self.filter(protocol=protocol, environment=environment)

    def watched(self) -> AttemptQuerySet:
        """Attempts that still have a look ahead of them."""
        return self.filter(next_check_at__isnull=False)


class Attempt(models.Model):
    """One QR that was shown for a payment. A new QR adds an attempt; the old one stays watched."""

    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="attempts")
    number = models.PositiveSmallIntegerField(default=1)
    protocol = models.CharField(max_length=10)
    qr_string = models.TextField()
    md5 = models.CharField(max_length=32, unique=True)
    handle = models.CharField(max_length=64, unique=True)
    receiver = models.CharField(max_length=64)
    merchant_name = models.CharField(max_length=50)
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    deeplink = models.CharField(max_length=2000, blank=True, default="")
    deeplink_asked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_check_at = models.DateTimeField()
    watch_until = models.DateTimeField()
    next_check_at = models.DateTimeField(null=True, blank=True)
    leased_until = models.DateTimeField(null=True, blank=True)
    lease_id = models.CharField(max_length=32, blank=True, default="")
    set_aside = models.BooleanField(default=False)
    checks = models.PositiveIntegerField(default=0)
    unanswered = models.PositiveSmallIntegerField(default=0)
    claims = models.PositiveSmallIntegerField(default=0)
    signals = models.JSONField(default=list, blank=True)
    last_asked_at = models.DateTimeField(null=True, blank=True)
    last_outcome = models.CharField(max_length=20, blank=True, default="")
    last_reason = models.CharField(max_length=20, blank=True, default="")
    last_negative_at = models.DateTimeField(null=True, blank=True)
    last_real_word = models.CharField(max_length=10, blank=True, default="")
    last_check_done = models.BooleanField(default=False)
    tail_done = models.BooleanField(default=False)

    objects = AttemptQuerySet.as_manager()

    class Meta:
        db_table = "payments_attempt"
        constraints: ClassVar = [
            models.UniqueConstraint(name="attempt_number_once", fields=["payment", "number"]),
            models.CheckConstraint(name="attempt_times_ordered", condition=Q(expires_at__gt=F("created_at"))),
            models.CheckConstraint(
                name="attempt_watch_after_expiry", condition=Q(watch_until__gte=F("expires_at"))
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                name="attempt_due", fields=["next_check_at"], condition=Q(next_check_at__isnull=False)
            ),
            models.Index(name="attempt_by_time", fields=["created_at"]),
            models.Index(name="attempt_aside", fields=["last_check_at"], condition=Q(set_aside=True)),
        ]

    def __str__(self) -> str:
        return f"{self.payment_id}/{self.number} {self.md5}"

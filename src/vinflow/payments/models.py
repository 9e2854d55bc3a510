"""The rows of payments: fields, constraints and one mutator each; no network, no rules of order.

What must never be false stands here as a constraint, and where a constraint cannot say it (a row
that may not change, a state that may not be left) as a trigger in guards.py.
"""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.payments.errors import IllegalTransition
from vinflow.payments.states import Event, Status, after

__all__ = [
    "Attempt",
    "CallBudget",
    "Credential",
    "Exchange",
    "Method",
    "Payment",
    "PaymentSettings",
    "ReviewItem",
    "SettingsChange",
    "TokenState",
    "Transfer",
    "WorkerPulse",
    "new_reference",
]

# Crockford's letters: no I, L, O or U to mistake, and all inside QR's alphanumeric mode.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MONEY_MAX = 10**15  # minor units; far above any limit, far below a 64-bit integer


def new_reference() -> str:
    """Return a new public reference: TXN and 20 letters, 100 random bits, 23 characters.

    It is the bill number in the QR, which holds 25.
    """
    return "TXN" + "".join(secrets.choice(ALPHABET) for _ in range(20))


class Method(models.TextChoices):
    """How the money comes."""

    KHQR = "khqr", "KHQR"
    MANUAL = "manual", "Manual"


STATUSES = [(status.value, status.value) for status in Status]
CURRENCIES = [(currency.value, currency.value) for currency in Currency]
ENVIRONMENTS = [("production", "production"), ("sit", "sit"), ("sandbox", "sandbox")]


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
        moved = Payment.objects.filter(pk=self.pk, status=old.value).update(
            **changes, version=F("version") + 1
        )
        if moved != 1:
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


class Fate(models.TextChoices):
    """What became of a transfer. Extra: given to the payer, though the payment was paid already."""

    OPEN = "", "not yet decided"
    CREDITED = "credited", "credited"
    EXTRA = "extra", "credited besides"
    IN_REVIEW = "in_review", "in review"
    RETURNED = "returned", "returned"
    WRITTEN_OFF = "written_off", "written off"


class Transfer(models.Model):
    """Bakong's: a move of money it reported, once per hash. Without processed_at it is the inbox.

    booked_receiver: the account it was booked as received on; empty where it was not booked at all.
    """

    hash = models.CharField(max_length=64, unique=True)
    attempt = models.ForeignKey(Attempt, on_delete=models.PROTECT, related_name="transfers")
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="transfers")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    amount_text = models.CharField(max_length=60, blank=True, default="")
    amount_minor = models.BigIntegerField(null=True)
    currency = models.CharField(max_length=10, blank=True, default="")
    from_account = models.CharField(max_length=100, blank=True, default="")
    to_account = models.CharField(max_length=100, blank=True, default="")
    sent_at = models.DateTimeField(null=True)
    acknowledged_at = models.DateTimeField(null=True)
    tracking_status = models.CharField(max_length=40, blank=True, default="")
    external_ref = models.CharField(max_length=100, blank=True, default="", db_index=True)
    instruction_ref = models.CharField(max_length=100, blank=True, default="")
    bill_number = models.CharField(max_length=64, blank=True, default="")
    raw = models.JSONField()
    asked_at = models.DateTimeField()
    stored_at = models.DateTimeField()
    processed_at = models.DateTimeField(null=True)
    booked_receiver = models.CharField(max_length=64, blank=True, default="")
    fate = models.CharField(max_length=12, choices=Fate.choices, blank=True, default="")
    reasons = models.JSONField(default=list, blank=True)
    tries = models.PositiveSmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_transfer"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="transfer_processed_has_fate",
                condition=Q(processed_at__isnull=True, fate="")
                | (Q(processed_at__isnull=False) & ~Q(fate="")),
            ),
            models.UniqueConstraint(
                name="transfer_one_credit_per_payment", fields=["payment"], condition=Q(fate="credited")
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="transfer_inbox", fields=["stored_at"], condition=Q(processed_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return f"{self.hash[:8]} {self.amount_text} {self.currency} {self.fate or 'inbox'}"

    @property
    def money(self) -> Money | None:
        """What came, or None where it is no whole amount of ours."""
        return None if self.amount_minor is None else Money(self.amount_minor, Currency(self.currency))


class Exchange(models.Model):
    """One call to the gateway; inserted as `started` before it is made, completed when answered."""

    class Stage(models.TextChoices):
        STARTED = "started", "started"
        DONE = "done", "done"
        LOST = "lost", "lost"

    operation = models.CharField(max_length=40)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.SET_NULL, related_name="exchanges")
    attempts = models.ManyToManyField(
        Attempt, related_name="exchanges", db_table="payments_exchange_attempts"
    )
    token_id = models.CharField(max_length=32, db_index=True)
    pool = models.CharField(max_length=10)
    principal = models.CharField(max_length=80, blank=True, default="")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    stage = models.CharField(max_length=8, choices=Stage.choices, default=Stage.STARTED)
    started_at = models.DateTimeField(db_index=True)
    finished_at = models.DateTimeField(null=True)
    milliseconds = models.PositiveIntegerField(null=True)
    http_status = models.PositiveSmallIntegerField(null=True)
    outcome = models.CharField(max_length=20, blank=True, default="")
    reason = models.CharField(max_length=20, blank=True, default="")
    code = models.IntegerField(null=True)
    request = models.JSONField(default=dict)
    answer = models.JSONField(null=True)

    class Meta:
        db_table = "payments_exchange"
        indexes: ClassVar = [
            models.Index(name="exchange_started", fields=["started_at"], condition=Q(stage="started")),
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.outcome or self.stage}"


class CallBudget(models.Model):
    """Calls of one token in one quota window. Two windows count until the reset hour is learnt."""

    token_id = models.CharField(max_length=32)
    window = models.CharField(max_length=12)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    used = models.PositiveIntegerField(default=0)
    used_by_newcomers = models.PositiveIntegerField(default=0)
    allowed = models.PositiveIntegerField(null=True)

    class Meta:
        db_table = "payments_callbudget"
        constraints: ClassVar = [
            models.UniqueConstraint(name="budget_window_once", fields=["token_id", "window", "starts_at"]),
            models.CheckConstraint(
                name="budget_never_passed", condition=Q(allowed__isnull=True) | Q(used__lte=F("allowed"))
            ),
        ]

    def __str__(self) -> str:
        return f"{self.window} {self.starts_at:%Y-%m-%d}: {self.used} of {self.allowed}"


class TokenState(models.Model):
    """What a token has taught us: closed by quota until when, batch calls open or not."""

    token_id = models.CharField(max_length=32, unique=True)
    closed_since = models.DateTimeField(null=True)
    closed_until = models.DateTimeField(null=True)
    probes = models.PositiveSmallIntegerField(default=0)
    batch_closed_since = models.DateTimeField(null=True)
    refused_since = models.DateTimeField(null=True)
    throttled_until = models.DateTimeField(null=True)
    last_answer_at = models.DateTimeField(null=True)
    failures = models.PositiveIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)
    updated_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_tokenstate"

    def __str__(self) -> str:
        return self.token_id


class ReviewItem(models.Model):
    """The desk for odd transfers: one item each, decided by people, with their reasons kept."""

    class Decision(models.TextChoices):
        OPEN = "", "open"
        CREDITED = "credited", "credited"
        RETURNED = "returned", "returned"
        DISMISSED = "dismissed", "dismissed"

    subject = models.CharField(max_length=160, unique=True)
    transfer = models.OneToOneField(Transfer, null=True, on_delete=models.PROTECT, related_name="review")
    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.PROTECT, related_name="reviews")
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="reviews")
    reasons = models.JSONField(default=list)
    evidence = models.JSONField(default=dict)
    opened_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    proposed = models.CharField(max_length=10, blank=True, default="")
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    proposed_at = models.DateTimeField(null=True)
    proposal = models.JSONField(default=dict)
    returned_hash = models.CharField(max_length=64, null=True, unique=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    why = models.TextField(blank=True, default="")

    class Meta:
        db_table = "payments_reviewitem"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="review_decided_whole",
                condition=Q(decision="", decided_at__isnull=True)
                | (~Q(decision="") & Q(decided_at__isnull=False, decided_by__isnull=False) & ~Q(why="")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="review_open", fields=["opened_at"], condition=Q(decision="")),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.decision or 'open'}"


class Credential(models.Model):
    """A renewed token, encrypted; it beats the environment's while its exp is later."""

    email_digest = models.CharField(max_length=64, unique=True)
    token_sealed = models.TextField()
    token_id = models.CharField(max_length=32)
    expires_at = models.DateTimeField()
    renewed_at = models.DateTimeField()
    renewing_until = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_credential"

    def __str__(self) -> str:
        return f"token {self.token_id}"


class PaymentSettings(models.Model):
    """What an owner may change without a restart; one row. Empty means the default."""

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=1)
    khqr_enabled = models.BooleanField(default=True)
    usd_enabled = models.BooleanField(default=True)
    khr_enabled = models.BooleanField(default=True)
    usd_min = models.BigIntegerField(default=1)
    usd_max = models.BigIntegerField(default=1_000_000)
    khr_min = models.BigIntegerField(default=100)
    khr_max = models.BigIntegerField(default=40_000_000)
    usd_quick = models.JSONField(default=list, blank=True)
    khr_quick = models.JSONField(default=list, blank=True)
    qr_lifetime_s = models.PositiveIntegerField(null=True, blank=True)
    watch_s = models.PositiveIntegerField(null=True, blank=True)
    late_credit = models.BooleanField(default=True)
    hide_without_budget = models.BooleanField(default=False)
    deeplink_enabled = models.BooleanField(default=True)
    disc_enabled = models.BooleanField(default=True)
    pending_max = models.PositiveIntegerField(default=5)
    attempts_max = models.PositiveIntegerField(default=5)
    opened_daily_max = models.PositiveIntegerField(default=50)
    usd_daily_max = models.BigIntegerField(default=2_000_000)
    khr_daily_max = models.BigIntegerField(default=80_000_000)
    usd_auto_hourly_max = models.BigIntegerField(default=5_000_000)
    khr_auto_hourly_max = models.BigIntegerField(default=200_000_000)
    usd_auto_user_daily_max = models.BigIntegerField(default=2_000_000)
    khr_auto_user_daily_max = models.BigIntegerField(default=80_000_000)
    usd_one_person_daily_max = models.BigIntegerField(default=10_000)
    khr_one_person_daily_max = models.BigIntegerField(default=400_000)
    spending_stopped_at = models.DateTimeField(null=True, blank=True)
    spending_stopped_why = models.TextField(blank=True, default="")
    prior = models.JSONField(default=dict, blank=True)
    version = models.PositiveIntegerField(default=0)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "payments_settings"
        constraints: ClassVar = [
            models.CheckConstraint(name="settings_one_row", condition=Q(singleton=1)),
            models.CheckConstraint(
                name="settings_limits_ordered",
                condition=Q(
                    usd_min__gt=0,
                    khr_min__gt=0,
                    usd_max__gte=F("usd_min"),
                    khr_max__gte=F("khr_min"),
                    usd_max__lte=MONEY_MAX,
                    khr_max__lte=MONEY_MAX,
                ),
            ),
        ]

    def __str__(self) -> str:
        return "payment settings"


class SettingsChange(models.Model):
    """Who changed which setting, when, from what to what."""

    field = models.CharField(max_length=40)
    old = models.TextField(blank=True)
    new = models.TextField(blank=True)
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )
    changed_at = models.DateTimeField()

    class Meta:
        db_table = "payments_settingschange"

    def __str__(self) -> str:
        return f"{self.field}: {self.old} -> {self.new}"


class WorkerPulse(models.Model):
    """When each watcher was last alive; what the health page and the alarm read."""

    worker = models.CharField(max_length=80, unique=True)
    started_at = models.DateTimeField()
    beat_at = models.DateTimeField()
    steps = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "payments_workerpulse"

    def __str__(self) -> str:
        return self.worker

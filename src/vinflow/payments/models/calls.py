"""Exchange, CallBudget, TokenState, Credential, WorkerPulse: the calls to the gateway and who makes them."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q

from vinflow.payments.models.choices import ENVIRONMENTS
from vinflow.payments.models.payments import Attempt, Payment


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
    """What a token has taught us: closed until when, when its day begins, whether batch calls are open."""

    token_id = models.CharField(max_length=32, unique=True)
    closed_since = models.DateTimeField(null=True)
    closed_until = models.DateTimeField(null=True)
    probes = models.PositiveSmallIntegerField(default=0)
    quota_refused_at = models.DateTimeField(null=True)
    quota_reset = models.CharField(max_length=12, blank=True, default="")
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

"""PaymentSettings and SettingsChange: what an owner may change without a restart, and the trail."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.payments.models.choices import MONEY_MAX
from vinflow.payments.models.proposing import Proposal, by_another, decided_whole


class PaymentSettings(models.Model):
    """What an owner may change without a restart; one row. Empty means the default."""

    singleton = models.PositiveSmallIntegerField(primary_key=True, default=1)
    khqr_enabled = models.BooleanField(default=True)
    manual_enabled = models.BooleanField(default=False)
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


class ReceiverAlias(Proposal):
    """One change of which accounts besides our own a transfer may name as its receiver (money rule 3).

    accepted: from its approval on the account is taken for ours, or no longer. The newest approved change
    of an account holds. One owner proposes, another decides; rows are never deleted or rewritten.
    """

    environment = models.CharField(max_length=10)
    account = models.CharField(max_length=64)
    accepted = models.BooleanField()

    class Meta:
        db_table = "payments_receiveralias"
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="receiver_one_open", fields=["environment", "account"], condition=Q(decision="")
            ),
            decided_whole("receiver_decided_whole"),
            by_another("receiver_two_owners"),
        ]

    def __str__(self) -> str:
        return f"{self.account}: {'accepted' if self.accepted else 'not accepted'} {self.decision}".strip()

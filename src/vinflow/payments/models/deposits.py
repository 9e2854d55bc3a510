"""ManualDeposit: money that came another way than by KHQR (cash, a bank transfer), with its evidence."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.payments.models.choices import CURRENCIES, ENVIRONMENTS, MONEY_MAX
from vinflow.payments.models.payments import Payment


class ManualDeposit(models.Model):
    """What a member of staff received for a payer. Without a decision it waits; credited, it has a payment.

    evidence_*: the file that was attached (a receipt, a slip); its text of 64 hex digits is unique among
    those that were not refused, so that one slip pays once. payer stands here beside the payment, which
    comes into being with the credit only, so that the row itself knows who may not decide.
    """

    class Kind(models.TextChoices):
        CASH = "cash", "cash"
        BANK = "bank", "bank transfer"

    class Decision(models.TextChoices):
        OPEN = "", "open"
        CREDITED = "credited", "credited"
        REFUSED = "refused", "refused"

    key = models.CharField(max_length=80, unique=True)
    payer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="deposits")
    payment = models.OneToOneField(Payment, null=True, on_delete=models.PROTECT, related_name="deposit")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    reference = models.CharField(max_length=100, blank=True, default="")
    note = models.TextField()
    evidence_name = models.CharField(max_length=40)
    evidence_type = models.CharField(max_length=40)
    evidence_size = models.PositiveIntegerField()
    evidence_sha256 = models.CharField(max_length=64)
    opened_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    opened_at = models.DateTimeField()
    needs_two = models.BooleanField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)
    why = models.TextField(blank=True, default="")

    class Meta:
        db_table = "payments_manualdeposit"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="deposit_amount_positive", condition=Q(amount_minor__gt=0, amount_minor__lte=MONEY_MAX)
            ),
            models.CheckConstraint(
                name="deposit_currency_known", condition=Q(currency__in=[c.value for c in Currency])
            ),
            models.UniqueConstraint(
                name="deposit_evidence_once",
                fields=["environment", "evidence_sha256"],
                condition=~Q(decision="refused"),
            ),
            models.CheckConstraint(
                name="deposit_decided_whole",
                condition=Q(
                    decision="", decided_by__isnull=True, decided_at__isnull=True, payment__isnull=True
                )
                | Q(
                    decision="credited",
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                    payment__isnull=False,
                )
                | Q(
                    decision="refused",
                    decided_by__isnull=False,
                    decided_at__isnull=False,
                    payment__isnull=True,
                ),
            ),
            models.CheckConstraint(
                name="deposit_not_ones_own",
                condition=~Q(opened_by=F("payer")) & (Q(decided_by__isnull=True) | ~Q(decided_by=F("payer"))),
            ),
            models.CheckConstraint(
                name="deposit_two_people",
                condition=~Q(decision="credited", needs_two=True) | ~Q(decided_by=F("opened_by")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="deposit_open", fields=["opened_at"], condition=Q(decision="")),
            models.Index(name="deposit_decided", fields=["currency", "decided_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.money} {self.decision or 'open'}"

    @property
    def money(self) -> Money:
        """What was received."""
        return Money(self.amount_minor, Currency(self.currency))

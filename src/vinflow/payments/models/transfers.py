"""Transfer and ReviewItem: what Bakong reported, once per hash, and the desk for the odd ones."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.payments.models.choices import ENVIRONMENTS
from vinflow.payments.models.payments import Attempt, Payment


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


class ReviewItem(models.Model):
    """The desk for odd transfers: one item each, decided by people, with their reasons kept.

    bank_reference: the bank's own entry by which it took the money back while it waited here. Overtaken: a
    payer named this transfer, and their own QR has brought it since; nobody has to decide any more.
    """

    class Decision(models.TextChoices):
        OPEN = "", "open"
        CREDITED = "credited", "credited"
        RETURNED = "returned", "returned"
        DISMISSED = "dismissed", "dismissed"
        TAKEN_BACK = "taken_back", "taken back by the bank"
        OVERTAKEN = "overtaken", "brought by its own QR"

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
    bank_reference = models.CharField(max_length=100, null=True, unique=True)
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
                | (Q(decision="overtaken", decided_at__isnull=False, decided_by__isnull=True) & ~Q(why=""))
                | (
                    ~Q(decision__in=["", "overtaken"])
                    & Q(decided_at__isnull=False, decided_by__isnull=False)
                    & ~Q(why="")
                ),
            ),
            models.CheckConstraint(
                name="review_taken_back_by_two",
                condition=~Q(decision="taken_back")
                | (
                    Q(bank_reference__isnull=False, proposed_by__isnull=False)
                    & ~Q(bank_reference="")
                    & ~Q(decided_by=F("proposed_by"))
                ),
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="review_open", fields=["opened_at"], condition=Q(decision="")),
        ]

    def __str__(self) -> str:
        return f"{self.subject} {self.decision or 'open'}"

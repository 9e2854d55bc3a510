"""The rows of statements: the saved column maps, the files that came, and every line of them, once."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from vinflow.money import Currency, Money
from vinflow.payments.models.choices import CURRENCIES, ENVIRONMENTS

__all__ = ["Statement", "StatementFormat", "StatementLine"]


class StatementFormat(models.Model):
    """A map of columns under a name, so that next month's file needs no thought."""

    name = models.CharField(max_length=60, unique=True)
    columns = models.JSONField(default=dict)
    saved_at = models.DateTimeField()
    saved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        db_table = "payments_statementformat"

    def __str__(self) -> str:
        return self.name


class Statement(models.Model):
    """One file that was imported: what it held, and how much of that was new."""

    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    receiver = models.CharField(max_length=64)
    filename = models.CharField(max_length=120, blank=True, default="")
    digest = models.CharField(max_length=64)
    imported_at = models.DateTimeField()
    imported_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    line_count = models.PositiveIntegerField()
    new_count = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "payments_statement"

    def __str__(self) -> str:
        return f"{self.receiver} {self.filename}: {self.new_count} of {self.line_count} new"


class StatementLine(models.Model):
    """One line of the bank's statement, stored once. key: what it says. occurrence: which of its twins.

    fate: `out` went out; `matched` is a transfer of ours; `waiting` may be a QR that Bakong has not spoken
    of yet; `suspense` came, was booked, and nobody knows whose it is; then `linked` to a payment as a
    transfer, or `written_off`.
    """

    class Fate(models.TextChoices):
        OUT = "out", "went out"
        MATCHED = "matched", "matched"
        WAITING = "waiting", "waiting for Bakong"
        SUSPENSE = "suspense", "in suspense"
        LINKED = "linked", "linked"
        WRITTEN_OFF = "written_off", "written off"

    statement = models.ForeignKey(Statement, on_delete=models.PROTECT, related_name="lines")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    receiver = models.CharField(max_length=64)
    key = models.CharField(max_length=64)
    occurrence = models.PositiveIntegerField()
    row = models.PositiveIntegerField()
    at = models.DateTimeField()
    has_time = models.BooleanField()
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    amount_minor = models.BigIntegerField()
    reference = models.CharField(max_length=100, blank=True, default="")
    hash = models.CharField(max_length=64, blank=True, default="")
    description = models.CharField(max_length=500, blank=True, default="")
    fate = models.CharField(max_length=12, choices=Fate.choices)
    matched_by = models.CharField(max_length=10, blank=True, default="")
    transfer: Any = models.OneToOneField(
        "payments.Transfer", null=True, on_delete=models.PROTECT, related_name="statement_line"
    )
    item: Any = models.OneToOneField(
        "payments.ReviewItem", null=True, on_delete=models.PROTECT, related_name="statement_line"
    )
    booked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "payments_statementline"
        constraints: ClassVar = [
            models.UniqueConstraint(name="statementline_once", fields=["environment", "key", "occurrence"]),
            models.CheckConstraint(
                name="statementline_out_is_out",
                condition=Q(fate="out", amount_minor__lte=0) | (~Q(fate="out") & Q(amount_minor__gt=0)),
            ),
            models.CheckConstraint(
                name="statementline_suspense_is_booked",
                condition=~Q(fate__in=["suspense", "linked", "written_off"])
                | Q(booked_at__isnull=False, item__isnull=False),
            ),
            models.CheckConstraint(
                name="statementline_transfer_named",
                condition=~Q(fate__in=["matched", "linked"]) | Q(transfer__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                name="statementline_open",
                fields=["environment", "currency", "amount_minor"],
                condition=Q(fate__in=["waiting", "suspense"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d} {self.money} {self.fate}"

    @property
    def money(self) -> Money:
        """The amount, negative where it went out."""
        return Money(self.amount_minor, Currency(self.currency))

    @property
    def source(self) -> str:
        """The name under which the ledger and the review desk know this line."""
        return f"statement:{self.key[:40]}:{self.occurrence}"

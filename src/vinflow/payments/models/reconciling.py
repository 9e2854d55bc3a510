"""The rows of reconciliation: a run and its report, the differences found, the bank's closing balances.

Nothing here is part of the books: looking changes nothing in them, and these rows only tell what was seen.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q

from vinflow.money import Currency, Money
from vinflow.payments.differences import Kind
from vinflow.payments.models.choices import CURRENCIES, ENVIRONMENTS

__all__ = ["BooksCheck", "ClosingBalance", "Difference", "Reconciliation", "Unanswered"]

KINDS = [(kind.value, kind.value) for kind in Kind]


class Reconciliation(models.Model):
    """One look over everything stored since a moment; it may take several nights, and is its own report.

    phase: what is under way; cursor: the last row of it that was asked about. Whoever moves leased_until
    works on it.
    """

    class Phase(models.TextChoices):
        HOME = "home", "our own rows"
        TRANSFERS = "transfers", "booked transfers"
        QRS = "qrs", "QRs without money"
        AGAIN = "again", "those without an answer"
        DONE = "done", "done"

    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    since = models.DateTimeField()
    until = models.DateTimeField()
    phase = models.CharField(max_length=10, choices=Phase.choices, default=Phase.HOME)
    cursor = models.BigIntegerField(default=0)
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    paused_until = models.DateTimeField(null=True, blank=True)
    paused_why = models.CharField(max_length=40, blank=True, default="")
    leased_until = models.DateTimeField(null=True, blank=True)
    lease_id = models.CharField(max_length=32, blank=True, default="")
    begun_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    calls = models.PositiveIntegerField(default=0)
    transfers = models.PositiveIntegerField(default=0)
    qrs = models.PositiveIntegerField(default=0)
    unanswered = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "payments_reconciliation"
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="reconciliation_one_open", fields=["environment"], condition=Q(ended_at__isnull=True)
            ),
            models.CheckConstraint(
                name="reconciliation_done_has_time",
                condition=Q(phase="done", ended_at__isnull=False)
                | (~Q(phase="done") & Q(ended_at__isnull=True)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.environment} {self.since:%Y-%m-%d} to {self.until:%Y-%m-%d}: {self.phase}"


class Difference(models.Model):
    """One way in which Bakong or the bank says another thing than the books; one row however often seen."""

    name = models.CharField(max_length=64)
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    kind = models.CharField(max_length=24, choices=KINDS)
    subject = models.CharField(max_length=160)
    expected = models.CharField(max_length=300)
    seen = models.CharField(max_length=300)
    payment: Any = models.ForeignKey(
        "payments.Payment", null=True, on_delete=models.PROTECT, related_name="differences"
    )
    transfer: Any = models.ForeignKey(
        "payments.Transfer", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    attempt: Any = models.ForeignKey(
        "payments.Attempt", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    runs: Any = models.ManyToManyField(
        Reconciliation, related_name="differences", db_table="payments_difference_runs"
    )
    found_at = models.DateTimeField()
    explained_at = models.DateTimeField(null=True, blank=True)
    explained_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    why = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "payments_difference"
        constraints: ClassVar = [
            models.UniqueConstraint(name="difference_once", fields=["environment", "name"]),
            models.CheckConstraint(
                name="difference_explained_whole",
                condition=Q(explained_at__isnull=True, explained_by__isnull=True, why="")
                | (Q(explained_at__isnull=False, explained_by__isnull=False) & ~Q(why="")),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                name="difference_open", fields=["environment", "found_at"], condition=Q(explained_at=None)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}: {self.expected} / {self.seen}"


class Unanswered(models.Model):
    """A question of a run that was answered by nothing; asked again, alone in the end, never a difference."""

    run = models.ForeignKey(Reconciliation, on_delete=models.CASCADE, related_name="open_questions")
    transfer: Any = models.ForeignKey(
        "payments.Transfer", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    attempt: Any = models.ForeignKey(
        "payments.Attempt", null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    tries = models.PositiveSmallIntegerField(default=0)

    class Meta:
        db_table = "payments_unanswered"
        constraints: ClassVar = [
            models.UniqueConstraint(name="unanswered_transfer_once", fields=["run", "transfer"]),
            models.UniqueConstraint(name="unanswered_attempt_once", fields=["run", "attempt"]),
            models.CheckConstraint(
                name="unanswered_names_one",
                condition=Q(transfer__isnull=True, attempt__isnull=False)
                | Q(transfer__isnull=False, attempt__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return f"run {self.run_id}: {self.tries} tries"


class ClosingBalance(models.Model):
    """What the bank says one of our accounts held at the end of a day in Phnom Penh.

    other_minor: how much of it did not come by this site (money that was there before, withdrawals as
    minus); what is left must be what the ledger has. Never changed: a new row corrects the one before.
    """

    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    receiver = models.CharField(max_length=64)
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    business_date = models.DateField()
    balance_minor = models.BigIntegerField()
    other_minor = models.BigIntegerField(default=0)
    statement: Any = models.ForeignKey(
        "payments.Statement", null=True, on_delete=models.PROTECT, related_name="closing_balances"
    )
    entered_at = models.DateTimeField()
    entered_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )

    class Meta:
        db_table = "payments_closingbalance"
        indexes: ClassVar = [
            models.Index(
                name="closing_by_day", fields=["environment", "receiver", "currency", "-business_date"]
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receiver} {self.business_date}: {self.balance}"

    @property
    def balance(self) -> Money:
        """What the bank says."""
        return Money(self.balance_minor, Currency(self.currency))

    @property
    def other(self) -> Money:
        """How much of it is not this site's."""
        return Money(self.other_minor, Currency(self.currency))


class BooksCheck(models.Model):
    """One nightly proof of the books: the audit of the ledger, or the rebuilding from evidence."""

    class What(models.TextChoices):
        AUDIT = "audit", "audit"
        VERIFY = "verify", "verify"

    what = models.CharField(max_length=8, choices=What.choices)
    night = models.DateField()
    begun_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)
    problem_count = models.PositiveIntegerField(default=0)
    problems = models.JSONField(default=list)
    rows = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "payments_bookscheck"
        constraints: ClassVar = [
            models.UniqueConstraint(name="bookscheck_once_a_night", fields=["what", "night"]),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.night}: {self.problem_count} problems"

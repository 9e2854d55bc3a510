"""ClawBack and Repayment: what the bank took back after it was credited, and how it is made good."""

from __future__ import annotations

import secrets
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.payments.models.choices import ALPHABET, CURRENCIES, ENVIRONMENTS, MONEY_MAX
from vinflow.payments.models.payments import Payment
from vinflow.payments.models.refunds import Leg, staff
from vinflow.payments.models.transfers import Transfer

__all__ = ["ClawBack", "Repayment", "new_claw_back_reference"]


def new_claw_back_reference() -> str:
    """Return a new public reference of a claw-back: CLB and 20 letters, 100 random bits."""
    return "CLB" + "".join(secrets.choice(ALPHABET) for _ in range(20))


class Decision(models.TextChoices):
    """What a second person made of a proposal."""

    OPEN = "", "waiting for a second person"
    BOOKED = "booked", "booked"
    REJECTED = "rejected", "rejected"
    WITHDRAWN = "withdrawn", "withdrawn"


def two_people(name: str) -> models.CheckConstraint:
    """Return the constraint that whoever books or rejects is another than the one who asked.

    Withdrawing is no decision about money: the one who asked may do it.
    """
    return models.CheckConstraint(
        name=name,
        condition=Q(decision="", decided_by__isnull=True, decided_at__isnull=True)
        | Q(decision="withdrawn", decided_by__isnull=False, decided_at__isnull=False)
        | (
            Q(decision__in=["booked", "rejected"], decided_by__isnull=False, decided_at__isnull=False)
            & ~Q(decided_by=F("asked_by"))
        ),
    )


class ClawBack(models.Model):
    """The bank took a credited transfer back, whole or in part.

    taken_minor: what was still free in the payer's wallet. owed_minor: the rest, which the payer
    owes; repaid_minor of it has come back. While something is owed the wallet is frozen.
    """

    Decision = Decision

    reference = models.CharField(max_length=25, unique=True, default=new_claw_back_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="clawbacks")
    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="clawbacks")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="khqr_clawbacks"
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    leg = models.CharField(max_length=8, choices=Leg.choices)
    receiver = models.CharField(max_length=64)
    bank_reference = models.CharField(max_length=100)
    why = models.TextField()
    asked_by = staff()
    asked_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    decided_by = staff(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_why = models.TextField(blank=True, default="")
    taken_minor = models.BigIntegerField(default=0)
    owed_minor = models.BigIntegerField(default=0)
    repaid_minor = models.BigIntegerField(default=0)

    class Meta:
        db_table = "payments_clawback"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="clawback_amount_positive", condition=Q(amount_minor__gt=0, amount_minor__lte=MONEY_MAX)
            ),
            models.CheckConstraint(name="clawback_says_why", condition=~Q(why="") & ~Q(bank_reference="")),
            models.CheckConstraint(
                name="clawback_not_by_its_payer",
                condition=~Q(user=F("asked_by")) & ~Q(user=F("decided_by")),
            ),
            two_people("clawback_two_people"),
            models.UniqueConstraint(
                name="clawback_reference_once",
                fields=["bank_reference"],
                condition=~Q(decision__in=["rejected", "withdrawn"]),
            ),
            models.CheckConstraint(
                name="clawback_adds_up",
                condition=Q(
                    decision="booked",
                    taken_minor__gte=0,
                    owed_minor__gte=0,
                    amount_minor=F("taken_minor") + F("owed_minor"),
                    repaid_minor__gte=0,
                    repaid_minor__lte=F("owed_minor"),
                )
                | (~Q(decision="booked") & Q(taken_minor=0, owed_minor=0, repaid_minor=0)),
            ),
        ]
        indexes: ClassVar = [
            # Asked at every credit: does this payer owe us something?
            models.Index(
                name="clawback_owed",
                fields=["user", "currency"],
                condition=Q(owed_minor__gt=F("repaid_minor")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.money} {self.decision or 'open'}"

    @property
    def money(self) -> Money:
        """What the bank took."""
        return Money(self.amount_minor, Currency(self.currency))

    @property
    def taken(self) -> Money:
        """What was taken from the wallet when it was booked."""
        return Money(self.taken_minor, Currency(self.currency))

    @property
    def owed_at_first(self) -> Money:
        """What was not there when it was booked."""
        return Money(self.owed_minor, Currency(self.currency))

    @property
    def owed(self) -> Money:
        """What the payer owes still."""
        return Money(self.owed_minor - self.repaid_minor, Currency(self.currency))


class Repayment(models.Model):
    """Part of a claw-back's debt made good: from the payer's wallet, paid otherwise, or forgiven."""

    Decision = Decision

    class How(models.TextChoices):
        WALLET = "wallet", "from the payer's wallet"
        PAID = "paid", "paid to us otherwise"
        FORGIVEN = "forgiven", "forgiven"

    clawback = models.ForeignKey(ClawBack, on_delete=models.PROTECT, related_name="repayments")
    number = models.PositiveIntegerField()
    how = models.CharField(max_length=10, choices=How.choices)
    amount_minor = models.BigIntegerField()
    why = models.TextField()
    asked_by = staff(null=True)
    asked_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    decided_by = staff(null=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "payments_repayment"
        constraints: ClassVar = [
            models.UniqueConstraint(name="repayment_number_once", fields=["clawback", "number"]),
            models.CheckConstraint(
                name="repayment_amount_positive", condition=Q(amount_minor__gt=0, amount_minor__lte=MONEY_MAX)
            ),
            models.CheckConstraint(
                name="repayment_two_people",
                condition=Q(how="wallet", decision="booked", asked_by__isnull=True, decided_by__isnull=True)
                | Q(~Q(how="wallet"), decision="", asked_by__isnull=False, decided_by__isnull=True)
                | Q(
                    ~Q(how="wallet"),
                    decision="withdrawn",
                    asked_by__isnull=False,
                    decided_by__isnull=False,
                )
                | (
                    Q(
                        ~Q(how="wallet"),
                        decision__in=["booked", "rejected"],
                        asked_by__isnull=False,
                        decided_by__isnull=False,
                    )
                    & ~Q(decided_by=F("asked_by"))
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.clawback_id}/{self.number} {self.how} {self.decision or 'open'}"

    @property
    def money(self) -> Money:
        """What is made good."""
        return Money(self.amount_minor, Currency(self.clawback.currency))

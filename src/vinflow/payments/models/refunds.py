"""Refund and Sending: money back to a payer, and each time a person sent or handed it over."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.money import Currency, Money
from vinflow.payments.errors import IllegalTransition
from vinflow.payments.models.choices import ALPHABET, CURRENCIES, ENVIRONMENTS, MONEY_MAX
from vinflow.payments.models.deposits import ManualDeposit
from vinflow.payments.models.payments import Payment
from vinflow.payments.models.transfers import ReviewItem, Transfer
from vinflow.payments.refund_states import HELD, RefundEvent, RefundState, after

__all__ = ["Leg", "Refund", "Sending", "new_refund_reference"]

REFUND_STATES = [(state.value, state.value) for state in RefundState]


def new_refund_reference() -> str:
    """Return a new public reference of a refund: RFD and 20 letters, 100 random bits."""
    return "RFD" + "".join(secrets.choice(ALPHABET) for _ in range(20))


class Leg(models.TextChoices):
    """Whose books the money of a payer stands in, and so where it is taken from again."""

    WALLET = "wallet", "the payer's wallet"
    HOST = "host", "the host's own balance"
    NOBODY = "nobody", "nobody's balance: paid by a link"


def staff(**options: Any) -> Any:
    """Return a field that names a person of the staff; never deleted, not worth an index."""
    return models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False, **options
    )


class Refund(models.Model):
    """Money that goes back for one payment, whole or in part. Its public name is reference.

    Of a transfer that Bakong reported, or of a manual deposit: of one of them. receiver: our account it
    goes out of, for a deposit the way it came (cash, bank). to_account: where it goes, by default where it
    came from.
    alone: it is within what one person may do in a day; otherwise decided_by is the second person.
    """

    reference = models.CharField(max_length=25, unique=True, default=new_refund_reference, editable=False)
    payment = models.ForeignKey(Payment, on_delete=models.PROTECT, related_name="refunds")
    transfer = models.ForeignKey(Transfer, null=True, on_delete=models.PROTECT, related_name="refunds")
    deposit = models.ForeignKey(ManualDeposit, null=True, on_delete=models.PROTECT, related_name="refunds")
    beneficiary = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="khqr_refunds"
    )
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    leg = models.CharField(max_length=8, choices=Leg.choices)
    receiver = models.CharField(max_length=64)
    to_account = models.CharField(max_length=100, blank=True, default="")
    principal = models.CharField(max_length=80)
    idempotency_key = models.CharField(max_length=80)
    body_digest = models.CharField(max_length=64)
    state = models.CharField(max_length=10, choices=REFUND_STATES, default=RefundState.ASKED)
    alone = models.BooleanField(default=False)
    why = models.TextField()
    asked_by = staff()
    asked_at = models.DateTimeField()
    decided_by = staff(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_why = models.TextField(blank=True, default="")
    ended_by = staff(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.TextField(blank=True, default="")
    version = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "payments_refund"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="refund_amount_positive", condition=Q(amount_minor__gt=0, amount_minor__lte=MONEY_MAX)
            ),
            models.CheckConstraint(
                name="refund_currency_known", condition=Q(currency__in=[c.value for c in Currency])
            ),
            models.CheckConstraint(name="refund_says_why", condition=~Q(why="")),
            models.CheckConstraint(
                name="refund_of_one",
                condition=Q(transfer__isnull=False, deposit__isnull=True)
                | Q(transfer__isnull=True, deposit__isnull=False, leg="wallet"),
            ),
            models.CheckConstraint(
                name="refund_state_fits",
                condition=Q(state="asked", alone=False, decided_by__isnull=True, ended_at__isnull=True)
                | Q(
                    state__in=["approved", "sent"], alone=True, decided_by__isnull=True, ended_at__isnull=True
                )
                | Q(
                    state__in=["approved", "sent"],
                    alone=False,
                    decided_by__isnull=False,
                    ended_at__isnull=True,
                )
                | Q(state="done", alone=True, decided_by__isnull=True, ended_at__isnull=False)
                | Q(state="done", alone=False, decided_by__isnull=False, ended_at__isnull=False)
                | Q(state="rejected", alone=False, decided_by__isnull=False, ended_at__isnull=False)
                | Q(state="given_up", ended_by__isnull=False, ended_at__isnull=False),
            ),
            models.CheckConstraint(
                name="refund_three_people",
                condition=~Q(decided_by=F("asked_by"))
                & ~Q(beneficiary=F("asked_by"))
                & ~Q(beneficiary=F("decided_by")),
            ),
            models.UniqueConstraint(
                name="refund_key_once", fields=["principal", "environment", "idempotency_key"]
            ),
        ]
        indexes: ClassVar = [
            models.Index(name="refund_by_time", fields=["-asked_at"]),
            models.Index(
                name="refund_open", fields=["asked_at"], condition=Q(state__in=["asked", "approved", "sent"])
            ),
            # What was done alone within a day: the limit of one person reads it.
            models.Index(name="refund_alone", fields=["currency", "asked_at"], condition=Q(alone=True)),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.money} {self.state}"

    @property
    def money(self) -> Money:
        """What goes back."""
        return Money(self.amount_minor, Currency(self.currency))

    @property
    def is_open(self) -> bool:
        """Whether an act of somebody is still missing."""
        return self.state in HELD

    def advance(self, event: RefundEvent, *, at: datetime, **changes: Any) -> None:
        """Move to the state that event leads to and set what goes with it, guarded in the database too.

        The caller holds the payment's lock inside a transaction. Raises IllegalTransition; nothing
        has changed then.
        """
        old = RefundState(self.state)
        new = after(old, event)
        changes |= {"state": new.value, "ended_at": None if new in HELD else at}
        moved = Refund.objects.filter(pk=self.pk, state=old.value).update(**changes, version=F("version") + 1)
        if moved != 1:
            raise IllegalTransition(f"{event}: the refund is no longer {old}")
        for name, value in changes.items():
            setattr(self, name, value)
        self.version += 1


class Sending(models.Model):
    """What a person sent at their bank: for a refund, or to return money in suspense.

    hash, reference: the bank's names for it, each used once of all records that stand. seen_at: since
    when it counts, because the bank has shown it, or because a second person vouched for it.

    evidence_*: the signed receipt or the bank's slip, where a manual deposit goes back: Bakong has no hash
    for it, so it has no hash here, and a second person looks at the paper.
    """

    refund = models.ForeignKey(Refund, null=True, on_delete=models.PROTECT, related_name="sendings")
    item = models.ForeignKey(ReviewItem, null=True, on_delete=models.PROTECT, related_name="sendings")
    environment = models.CharField(max_length=10, choices=ENVIRONMENTS)
    amount_minor = models.BigIntegerField()
    currency = models.CharField(max_length=3, choices=CURRENCIES)
    receiver = models.CharField(max_length=64)
    to_account = models.CharField(max_length=100, blank=True, default="")
    hash = models.CharField(max_length=64, blank=True, default="")
    reference = models.CharField(max_length=100, blank=True, default="")
    evidence_name = models.CharField(max_length=40, blank=True, default="")
    evidence_type = models.CharField(max_length=40, blank=True, default="")
    evidence_size = models.PositiveIntegerField(default=0)
    evidence_sha256 = models.CharField(max_length=64, blank=True, default="")
    recorded_by = staff()
    recorded_at = models.DateTimeField()
    looks = models.PositiveSmallIntegerField(default=0)
    looked_up_at = models.DateTimeField(null=True)
    last_outcome = models.CharField(max_length=20, blank=True, default="")
    last_reason = models.CharField(max_length=20, blank=True, default="")
    differs = models.JSONField(default=list, blank=True)
    answer = models.JSONField(null=True)
    from_account = models.CharField(max_length=100, blank=True, default="")
    seen_at = models.DateTimeField(null=True)
    vouched_by = staff(null=True)
    vouched_why = models.TextField(blank=True, default="")
    retracted_at = models.DateTimeField(null=True)
    retracted_by = staff(null=True)
    retracted_why = models.TextField(blank=True, default="")

    class Meta:
        db_table = "payments_sending"
        constraints: ClassVar = [
            models.CheckConstraint(
                name="sending_amount_positive", condition=Q(amount_minor__gt=0, amount_minor__lte=MONEY_MAX)
            ),
            models.CheckConstraint(
                name="sending_for_one",
                condition=Q(refund__isnull=False, item__isnull=True)
                | Q(refund__isnull=True, item__isnull=False),
            ),
            models.CheckConstraint(
                name="sending_has_hash",
                condition=Q(evidence_sha256="", evidence_name="") & ~Q(hash="")
                | (
                    Q(hash="", item__isnull=True)
                    & ~Q(evidence_sha256="")
                    & ~Q(evidence_name="")
                    & ~Q(reference="")
                ),
            ),
            models.CheckConstraint(
                name="sending_seen_or_retracted",
                condition=Q(seen_at__isnull=True) | Q(retracted_at__isnull=True),
            ),
            models.CheckConstraint(
                name="sending_vouched_by_another", condition=~Q(vouched_by=F("recorded_by"))
            ),
            models.CheckConstraint(
                name="sending_vouched_whole",
                condition=Q(vouched_by__isnull=True, vouched_why="")
                | (Q(vouched_by__isnull=False, seen_at__isnull=False) & ~Q(vouched_why="")),
            ),
            # A record taken back named the wrong transfer: that one may still be recorded where it belongs.
            models.UniqueConstraint(
                name="sending_hash_once",
                fields=["hash"],
                condition=Q(retracted_at__isnull=True) & ~Q(hash=""),
            ),
            models.UniqueConstraint(
                name="sending_evidence_once",
                fields=["environment", "evidence_sha256"],
                condition=Q(retracted_at__isnull=True) & ~Q(evidence_sha256=""),
            ),
            models.UniqueConstraint(
                name="sending_reference_once",
                fields=["reference"],
                condition=Q(retracted_at__isnull=True) & ~Q(reference=""),
            ),
            models.UniqueConstraint(
                name="sending_one_per_refund", fields=["refund"], condition=Q(retracted_at__isnull=True)
            ),
            models.UniqueConstraint(
                name="sending_one_per_item", fields=["item"], condition=Q(retracted_at__isnull=True)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.hash[:8] or self.reference} {self.money}"

    @property
    def money(self) -> Money:
        """What was sent."""
        return Money(self.amount_minor, Currency(self.currency))

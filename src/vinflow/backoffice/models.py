"""What the staff did by hand, and the safety limits that wait for a second owner.

Neither holds money. Decisions about transfers are kept on the review item itself, changed settings in
payments' own trail; here is the rest: who asked the gateway, who wrote what, who took an export away.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from vinflow.backoffice.rights import RIGHTS
from vinflow.payments.models import Payment, Proposal, by_another, decided_whole

__all__ = [
    "AlertState",
    "CallTally",
    "CallTotal",
    "ExportJob",
    "Handled",
    "PaymentTally",
    "RoleProposal",
    "SafetyProposal",
    "StaffAct",
]


class StaffAct(models.Model):
    """One act of one person: a look-up at the gateway, a note, an export, a test of the connection."""

    class What(models.TextChoices):
        RECHECK = "recheck", "asked the gateway"
        NOTE = "note", "wrote a note"
        EXPORT = "export", "downloaded payments"
        CONNECTION = "connection", "tested the connection"
        ACCOUNT = "account", "looked the receiving account up"

    what = models.CharField(max_length=10, choices=What.choices)
    payment = models.ForeignKey(Payment, null=True, on_delete=models.PROTECT, related_name="staff_acts")
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    at = models.DateTimeField()
    result = models.CharField(max_length=20, blank=True, default="")
    note = models.TextField(blank=True, default="")

    class Meta:
        db_table = "backoffice_staffact"
        default_permissions: ClassVar = ()
        permissions: ClassVar = [*RIGHTS.items()]
        indexes: ClassVar = [
            models.Index(name="act_by_payment", fields=["payment", "at"]),
            models.Index(name="act_by_kind", fields=["what", "-at"]),
        ]

    def __str__(self) -> str:
        return f"{self.what} {self.result}".strip()


class SafetyProposal(Proposal):
    """A change of safety limits by one owner, waiting for another (money rule 3). One waits at a time."""

    changes = models.JSONField()  # {field: [old, new]}, minor units

    class Meta:
        db_table = "backoffice_safetyproposal"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(name="proposal_one_open", fields=["decision"], condition=Q(decision="")),
            decided_whole("proposal_decided_whole"),
            by_another("proposal_two_people"),
        ]

    def __str__(self) -> str:
        return f"proposal {self.pk} {self.decision or 'open'}"


class RoleProposal(Proposal):
    """What a person shall be allowed to do, or a lost second factor: one owner proposes, another approves.

    old, new: names of roles, empty for none; both empty where the second factor is to be taken away.
    Proposer, approver and the person it is about are three people. One waits for each person at a time.
    """

    class Kind(models.TextChoices):
        ROLE = "role", "role"
        SECOND_FACTOR = "second_factor", "second factor"

    kind = models.CharField(max_length=15, choices=Kind.choices)
    subject = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    old = models.CharField(max_length=40, blank=True)
    new = models.CharField(max_length=40, blank=True)

    class Meta:
        db_table = "backoffice_roleproposal"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="role_proposal_one_open", fields=["subject"], condition=Q(decision="")
            ),
            decided_whole("role_proposal_decided_whole"),
            models.CheckConstraint(
                name="role_proposal_three_people",
                condition=~Q(proposed_by=F("subject"))
                & (~Q(decision="approved") | (~Q(decided_by=F("proposed_by")) & ~Q(decided_by=F("subject")))),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.subject_id}: {self.old or 'none'} -> {self.new or 'none'}"


class AlertState(models.Model):
    """One thing that needs attention, from its first sight until it has been gone for a while.

    told_at: when it was sent; empty while every channel failed. gone_at: when it was last seen to be
    over, so that what comes and goes is told once.
    """

    key = models.CharField(max_length=60, unique=True)
    since = models.DateTimeField()
    told_at = models.DateTimeField(null=True)
    gone_at = models.DateTimeField(null=True)
    try_after = models.DateTimeField(null=True)
    tries = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "backoffice_alertstate"
        default_permissions: ClassVar = ()

    def __str__(self) -> str:
        return self.key


class PaymentTally(models.Model):
    """Payments that have ended, counted by day: the day they were opened, and the day they were paid.

    Kept by triggers and added up by tallies.py; the sum over rows of one key is the truth, not one row.
    """

    moment = models.CharField(max_length=6)
    day = models.DateField()
    environment = models.CharField(max_length=10)
    currency = models.CharField(max_length=3)
    status = models.CharField(max_length=10)
    late = models.BooleanField()
    payments = models.BigIntegerField()
    minor = models.BigIntegerField()
    merged = models.BooleanField()

    class Meta:
        db_table = "backoffice_paymenttally"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="payment_tally_once",
                fields=["moment", "day", "environment", "currency", "status", "late"],
                condition=Q(merged=True),
            )
        ]
        indexes: ClassVar = [
            models.Index(name="payment_tally_new", fields=["day"], condition=Q(merged=False))
        ]

    def __str__(self) -> str:
        return f"{self.moment} {self.day} {self.status}: {self.payments}"


class CallTally(models.Model):
    """Calls that were answered, counted by the day they started and the milliseconds they took.

    milliseconds: -1 where the call was lost. Kept like PaymentTally.
    """

    day = models.DateField()
    environment = models.CharField(max_length=10)
    operation = models.CharField(max_length=40)
    stage = models.CharField(max_length=8)
    outcome = models.CharField(max_length=20)
    reason = models.CharField(max_length=20)
    milliseconds = models.IntegerField()
    calls = models.BigIntegerField()
    merged = models.BooleanField()

    class Meta:
        db_table = "backoffice_calltally"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="call_tally_once",
                fields=["day", "environment", "operation", "stage", "outcome", "reason", "milliseconds"],
                condition=Q(merged=True),
            )
        ]
        indexes: ClassVar = [models.Index(name="call_tally_new", fields=["day"], condition=Q(merged=False))]

    def __str__(self) -> str:
        return f"{self.day} {self.operation} {self.outcome}: {self.calls}"


class CallTotal(models.Model):
    """All answered calls that were merged, whenever they were made, by steps of the milliseconds they took.

    What `/metrics` reads: as many rows as there are words and steps, not days. step: the longest answer
    of the step in milliseconds, the last one tallies.ENDLESS; -1 where the call was lost. Made anew from
    CallTally by each merge.
    """

    environment = models.CharField(max_length=10)
    operation = models.CharField(max_length=40)
    outcome = models.CharField(max_length=20)
    reason = models.CharField(max_length=20)
    step = models.IntegerField()
    calls = models.BigIntegerField()
    milliseconds = models.BigIntegerField()

    class Meta:
        db_table = "backoffice_calltotal"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="call_total_once", fields=["environment", "operation", "outcome", "reason", "step"]
            )
        ]

    def __str__(self) -> str:
        return f"{self.operation} {self.outcome} {self.step}: {self.calls}"


class Handled(models.Model):
    """A payment about which a person decided at the review desk: what the list's filter reads.

    Written by trigger with the decision, never changed; environment and created_at are the payment's, so
    that a list of these is counted and sorted without reading the payments.
    """

    payment = models.OneToOneField(
        Payment, primary_key=True, on_delete=models.PROTECT, related_name="handled"
    )
    environment = models.CharField(max_length=10)
    created_at = models.DateTimeField()

    class Meta:
        db_table = "backoffice_handled"
        default_permissions: ClassVar = ()
        indexes: ClassVar = [
            models.Index(name="handled_by_time", fields=["environment", "-created_at", "-payment"])
        ]

    def __str__(self) -> str:
        return str(self.payment_id)


class ExportJob(models.Model):
    """A list too long to send at once, written to a file that waits a day for whoever asked for it.

    query: the address of the list. total: its rows, once counted. beat_at: the last sign of life of the
    thread that writes. file_name: ours and random; empty before it is whole and after it was swept away.
    """

    class Kind(models.TextChoices):
        CSV = "csv", "CSV"
        XLSX = "xlsx", "XLSX"

    kind = models.CharField(max_length=4, choices=Kind.choices)
    query = models.CharField(max_length=1000, blank=True, default="")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField()
    total = models.PositiveBigIntegerField(null=True)
    done = models.PositiveBigIntegerField(default=0)
    beat_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    fault = models.CharField(max_length=200, blank=True, default="")
    file_name = models.CharField(max_length=40, blank=True, default="")
    size = models.PositiveBigIntegerField(default=0)

    class Meta:
        db_table = "backoffice_exportjob"
        default_permissions: ClassVar = ()
        constraints: ClassVar = [
            models.UniqueConstraint(
                name="export_one_at_a_time", fields=["asked_by"], condition=Q(ended_at__isnull=True)
            ),
            models.CheckConstraint(
                name="export_file_whole", condition=Q(file_name="") | Q(ended_at__isnull=False, fault="")
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.done} of {self.total}"

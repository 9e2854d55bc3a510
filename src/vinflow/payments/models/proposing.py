"""What one person proposes and another decides: the columns of every such row, and what must hold of them."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

__all__ = ["Proposal", "by_another", "decided_whole"]


class Proposal(models.Model):
    """A change that waits for a second person (money rule 3): why, by whom, and what became of it.

    Each kind of proposal adds what it is about, and keeps the two constraints below in its Meta.
    """

    class Decision(models.TextChoices):
        OPEN = "", "open"
        APPROVED = "approved", "approved"
        REJECTED = "rejected", "rejected"

    why = models.TextField()
    proposed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    proposed_at = models.DateTimeField()
    decision = models.CharField(max_length=10, choices=Decision.choices, blank=True, default="")
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+", db_index=False
    )
    decided_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


def decided_whole(name: str) -> models.CheckConstraint:
    """Return the constraint that who decided, and when, is there once it is decided, and never before."""
    return models.CheckConstraint(
        name=name,
        condition=Q(decision="", decided_by__isnull=True, decided_at__isnull=True)
        | (~Q(decision="") & Q(decided_by__isnull=False, decided_at__isnull=False)),
    )


def by_another(name: str) -> models.CheckConstraint:
    """Return the constraint that nobody approves their own proposal, whatever the code above says.

    Taking one's own proposal back is allowed.
    """
    return models.CheckConstraint(
        name=name, condition=~Q(decision="approved") | ~Q(decided_by=F("proposed_by"))
    )

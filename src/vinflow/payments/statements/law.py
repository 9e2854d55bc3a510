"""The part of the law of money that lines of statements add: what they booked is what they say.

A line that nobody knew is booked under its own source: received at our Bakong account, owed in suspense.
It leaves as a transfer's money (handed over) or by being written off.
"""

from __future__ import annotations

from django.db.models import Case, F, Sum, When

from vinflow.money import Currency
from vinflow.payments.models import StatementLine
from vinflow.wallet.models import JournalLine

__all__ = ["booked_by_lines", "in_suspense", "received_by_lines"]

Fate = StatementLine.Fate


def in_suspense(environment: str, currency: Currency) -> int:
    """Return what lines that wait for a person hold in suspense, in minor units."""
    return _sum(environment, currency, [Fate.SUSPENSE])


def received_by_lines(environment: str, currency: Currency) -> int:
    """Return what came by lines alone and is no transfer's, in minor units, as the lines say."""
    return _sum(environment, currency, [Fate.SUSPENSE, Fate.WRITTEN_OFF])


def booked_by_lines(environment: str, currency: Currency) -> int:
    """Return the same as the journal says: received under a line's source, less what was handed over."""
    signed = Sum(Case(When(side="D", then=F("amount_minor")), default=-F("amount_minor")))
    lines = JournalLine.objects.filter(
        account__environment=environment,
        account__kind="bakong",
        currency=currency,
        entry__source__gte="statement:",
        entry__source__lt="statement;",  # the character after the colon: a range that the index knows
    )
    return int(lines.aggregate(total=signed)["total"] or 0)


def _sum(environment: str, currency: Currency, fates: list[Fate]) -> int:
    lines = StatementLine.objects.filter(
        environment=environment, currency=currency, fate__in=fates, booked_at__isnull=False
    )
    return int(lines.aggregate(total=Sum("amount_minor"))["total"] or 0)

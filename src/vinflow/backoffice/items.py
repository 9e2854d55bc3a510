"""Which items of the review desk belong to one environment: by their payment, or by their line."""

from __future__ import annotations

from django.db.models import Q

__all__ = ["of_environment"]


def of_environment(environment: str) -> Q:
    """Return the condition for review items of an environment; a line nobody knows has no payment yet."""
    return Q(payment__environment=environment) | Q(
        payment__isnull=True, statement_line__environment=environment
    )

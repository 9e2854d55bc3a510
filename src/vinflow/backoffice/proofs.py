"""What the nightly proofs say, for the overview and for alerts: differences, and books that fail them."""

from __future__ import annotations

from django.urls import reverse

from vinflow.backoffice.attention import Note
from vinflow.backoffice.words import say
from vinflow.payments.models import BooksCheck, Difference

__all__ = ["notes"]


def notes(environment: str) -> list[Note]:
    """Return what a person should look at: an audit that failed, differences nobody explained.

    A key is new when what it tells of is: a night's failed proof, a newer difference.
    """
    found = []
    for what in BooksCheck.What:
        last = BooksCheck.objects.filter(what=what, ended_at__isnull=False).order_by("-night").first()
        if last is not None and last.problem_count:
            text = say("The audit of the books failed: {n} problems", n=last.problem_count)
            found.append(Note(f"audit_{what}_{last.pk}", text, reverse("backoffice:reconciliation")))
    open_ones = Difference.objects.filter(environment=environment, explained_at__isnull=True)
    newest = open_ones.order_by("-pk").values_list("pk", flat=True).first()
    if newest is not None:
        text = say("{n} differences between Bakong, the bank and the books", n=open_ones.count())
        found.append(Note(f"difference_{newest}", text, reverse("backoffice:reconciliation")))
    return found

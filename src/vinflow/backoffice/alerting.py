"""Tell people once what needs attention: the list of the overview, and the days a token has left.

Any number of processes may step side by side: an event is claimed by its row before it is sent. What
no channel took is tried again, later and later. What goes and comes back within half an hour is the
same event, and is told once.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.urls import reverse
from django.utils import translation

from vinflow.backoffice import attention, figures, listing, quota, secrets_shown
from vinflow.backoffice.attention import Note
from vinflow.backoffice.channels import Alert, Channel
from vinflow.backoffice.days import PHNOM_PENH
from vinflow.backoffice.items import of_environment
from vinflow.backoffice.models import AlertState, RoleProposal, SafetyProposal
from vinflow.backoffice.words import say
from vinflow.payments import conf as payments_conf
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import ReceiverAlias, ReviewItem

__all__ = ["events", "step"]

log = logging.getLogger(__name__)

RECENT = timedelta(minutes=15)
SAME_EVENT = timedelta(minutes=30)
CLAIM = timedelta(minutes=2)
AGAIN_MAX = timedelta(hours=1)
TOKEN_DAYS = (1, 7, 14)
REVIEWS = ("mismatch", "late", "review")


def events(*, at: datetime) -> list[Note]:
    """Return what needs attention now, each under a key that is new when the event is new.

    Review items are told anew when a newer one came; a token's end at 14, 7 and 1 days; safety limits
    when they are proposed and when they are changed.
    """
    environment = listing.environment()
    alive = figures.pulse(environment)
    ends = secrets_shown.token_ends_at()
    today = figures.today(at)
    _all, recent = figures.calls(environment, today, today, recent_from=at - RECENT)
    found = attention.notes(
        reviews=figures.review_desk(environment, today, today).opened,
        waiting=figures.waiting(environment, at=at),
        recent=recent,
        quota=quota.today(at=at),
        pulse=alive,
        token_ends_at=None,  # below, by its own days
        at=at,
        clock_time=f"{alive.beat_at.astimezone(PHNOM_PENH):%H:%M}" if alive.beat_at else "",
    )
    newest = (
        ReviewItem.objects.filter(of_environment(environment), decision="")
        .order_by("-pk")
        .values_list("pk", flat=True)
        .first()
    )
    told = [
        Note(f"{note.key}_{newest}", note.text, note.url) if note.key in REVIEWS else note for note in found
    ]
    # Every change of the limits that guard the till is told, whoever makes it (money rule 3).
    since = at - SAME_EVENT
    for proposal in SafetyProposal.objects.filter(Q(decision="") | Q(decided_at__gt=since)):
        said = (
            "Safety limits were changed"
            if proposal.decision == "approved"
            else "New safety limits are proposed"
        )
        if proposal.decision != SafetyProposal.Decision.REJECTED:
            key = f"proposal_{proposal.pk}_{proposal.decision or 'open'}"
            told.append(Note(key, say(said), reverse("backoffice:settings")))
    for change in RoleProposal.objects.filter(Q(decision="") | Q(decision="approved", decided_at__gt=since)):
        said = "A role was changed" if change.decision else "A change of roles is proposed"
        key = f"role_{change.pk}_{change.decision or 'open'}"
        told.append(Note(key, say(said), reverse("backoffice:people")))
    for wish in ReceiverAlias.objects.filter(Q(decision="") | Q(decision="approved", decided_at__gt=since)):
        said = (
            "Accepted receivers were changed"
            if wish.decision
            else "A change of accepted receivers is proposed"
        )
        key = f"receiver_{wish.pk}_{wish.decision or 'open'}"
        told.append(Note(key, say(said), reverse("backoffice:settings")))
    if ends is not None:
        days = next((days for days in TOKEN_DAYS if ends - at <= timedelta(days=days)), None)
        if days is not None:
            told.append(attention.token_note(ends, at=at, key=f"token_{days}"))
    return told


def step(*, at: datetime, ways: Sequence[tuple[str, Channel]]) -> int:
    """Look once and tell what is new; return how many events were told.

    ways: the channels; an event counts as told when one of them took it. Without any, nothing is
    written down either, so that the first channel that is set up hears of what is open then.
    """
    if not ways:
        return 0
    with translation.override(settings.LANGUAGE_CODE):
        now = {note.key: note for note in events(at=at)}
    _remember(now, at)
    told = 0
    for state in AlertState.objects.filter(key__in=list(now), told_at__isnull=True).order_by("since", "pk"):
        if _claim(state, at):
            told += _tell(state, now[state.key], ways, at)
    return told


def _remember(now: dict[str, Note], at: datetime) -> None:
    """Keep a row for each event, and let go of those that have been over for a while."""
    AlertState.objects.bulk_create([AlertState(key=key, since=at) for key in now], ignore_conflicts=True)
    AlertState.objects.filter(key__in=list(now), gone_at__isnull=False).update(gone_at=None)
    AlertState.objects.exclude(key__in=list(now)).filter(gone_at__isnull=True).update(gone_at=at)
    AlertState.objects.filter(gone_at__lt=at - SAME_EVENT).delete()


def _claim(state: AlertState, at: datetime) -> bool:
    """Return whether this process may send the event now; nobody else may for two minutes."""
    free = Q(try_after__isnull=True) | Q(try_after__lte=at)
    return bool(
        AlertState.objects.filter(free, pk=state.pk, told_at__isnull=True).update(
            try_after=at + CLAIM, tries=F("tries") + 1
        )
    )


def _tell(state: AlertState, note: Note, ways: Sequence[tuple[str, Channel]], at: datetime) -> bool:
    alert = Alert(note.key, note.text, f"{payments_conf.public_url()}{note.url}", state.since, at, _site())
    # A list, not a generator: every way is tried, though one has taken it already.
    taken = [name for name, way in ways if way(alert)]
    if taken:
        AlertState.objects.filter(pk=state.pk).update(told_at=at)
        log.info("alert sent", extra={"alert": note.key, "channels": taken})
        return True
    wait = min(AGAIN_MAX, CLAIM * 2 ** min(state.tries, 6))
    AlertState.objects.filter(pk=state.pk).update(try_after=at + wait)
    return False


def _site() -> str:
    try:
        return payments_conf.site_name()
    except NotConfigured:
        return "VinFlow"

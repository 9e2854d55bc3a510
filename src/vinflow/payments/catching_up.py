"""After a restore: ask Bakong about every QR that may have been paid since the dump, and credit it once.

A dump knows nothing of what came after it. The QRs it holds can be asked about: a transfer is booked once
per hash, so what was credited before the loss is credited again in the books that lost it, and only there.
QRs shown after the dump are gone with it; their money is on the bank's statement, which is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import F, Q, QuerySet

from vinflow.bakong import CannotTell, Found
from vinflow.payments import answering, budgeting, clock, conf, gateways, leasing
from vinflow.payments.budgeting import Pool
from vinflow.payments.confirming import process_inbox
from vinflow.payments.models import Attempt, Transfer

__all__ = ["CaughtUp", "catch_up"]

Tick = Callable[[int, int], object]  # QRs asked about, QRs in all


@dataclass(frozen=True, slots=True)
class CaughtUp:
    """What was done. left: QRs not asked about yet; stopped: why, "" when nothing is left.

    processed: transfers of the dump's own inbox. found: transfers that Bakong named now.
    """

    asked: int
    found: int
    processed: int
    left: int
    stopped: str = ""


def catch_up(
    *,
    since: datetime,
    at: datetime,
    gateway: gateways.Gateway | None = None,
    now: Callable[[], datetime] = clock.aligned,
    tick: Tick = lambda done, total: None,
) -> CaughtUp:
    """Return what was found about the QRs that may have been paid after a moment, each acted upon.

    since: a moment before the dump began. Calls are paid from the staff's purse; where they end, what is
    left stays due for the watcher, and the next run begins with those that were asked longest ago. Safe to
    repeat, and beside a watcher.
    """
    gateway = gateway or gateways.current()
    budgeting.mark_lost(at=at)
    processed = 0
    while done := process_inbox(at=now()):
        processed += done
    total = _unheard(gateway, since, at).count()
    asked = found = 0
    stopped = ""
    seen: set[int] = set()  # each is asked about once here, whatever comes back
    while not stopped:
        many = gateway.batch_max if gateway.batch_open(now()) else 1
        keys = _next(gateway, since, at, seen, many)
        if not keys:
            break
        batch = _lease(gateway, keys, at=now())
        outcomes = answering.ask(batch, pool=Pool.STAFF, at=now(), gateway=gateway) if batch else {}
        answers = list(outcomes.values())
        told = [one for one in answers if not isinstance(one, CannotTell)]
        asked, found = asked + len(told), found + sum(isinstance(one, Found) for one in told)
        tick(asked, total)
        if many > 1 and not gateway.batch_open(now()):
            seen.update(key for key, one in outcomes.items() if not isinstance(one, CannotTell))
            continue  # the list has turned out closed to us: one by one from here
        seen.update(keys)
        if answers and not told and all(getattr(one, "reason", "") in gateways.SHUT for one in answers):
            stopped = str(getattr(answers[0], "reason", ""))
    return CaughtUp(asked, found, processed, _unheard(gateway, since, at).count(), stopped)


def _unheard(gateway: gateways.Gateway, since: datetime, at: datetime) -> QuerySet[Attempt]:
    """Return the QRs that could be paid since, brought no money, and have not been asked about now.

    Bakong's "not found" is believed of the time before its question; after the watch nothing is awaited.
    """
    told = Q(last_asked_at__gte=at) & ~Q(last_outcome=CannotTell.name)
    return (
        Attempt.objects.asked_by(gateway.protocol, conf.environment())
        .filter(watch_until__gte=since)
        .filter(Q(last_negative_at__isnull=True) | Q(last_negative_at__lt=F("watch_until")))
        .exclude(Q(last_asked_at__isnull=False) & told)
        .exclude(pk__in=Transfer.objects.values("attempt"))
        .order_by(F("last_asked_at").asc(nulls_first=True), "pk")
    )


def _next(gateway: gateways.Gateway, since: datetime, at: datetime, seen: set[int], many: int) -> list[int]:
    """Return the next of them that this run has not looked at."""
    rows = _unheard(gateway, since, at).values_list("pk", flat=True)
    return [key for key in rows[: len(seen) + many] if key not in seen][:many]


def _lease(gateway: gateways.Gateway, keys: Sequence[int], *, at: datetime) -> list[Attempt]:
    """Lease these QRs; a watch that had ended is taken up again for this one look."""
    Attempt.objects.filter(pk__in=keys, next_check_at__isnull=True).update(next_check_at=at)
    return leasing.claim(at=at, limit=len(keys), gateway=gateway, ids=keys)

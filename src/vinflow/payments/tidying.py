"""What has to be done every few minutes beside watching: the law, debts, claims, the seal, old answers.

Each job stands alone: one that fails is logged and the others are still done. Rooms above payments hang
theirs in with `also`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from django.db.models import Q

from vinflow.payments import budgeting, conf, law, overtaking, owing
from vinflow.payments.models import Exchange, WorkerPulse
from vinflow.wallet.errors import NotConfigured
from vinflow.wallet.sealing import seal_blocks

__all__ = ["EVERY", "LAW", "also", "keep_the_law", "tidy"]

log = logging.getLogger(__name__)

Job = Callable[[datetime], object]
_others: dict[str, Job] = {}

NAME = "tidying"
LAW = "law"  # the pulse that says when the law was last checked
EVERY = timedelta(minutes=5)
PRUNED_A_TIME = 1000


def tidy(*, at: datetime) -> None:
    """Check the law, collect debts, close overtaken claims, seal the books, drop old answers' bodies.

    Of many watchers one does it, every few minutes: whoever moves the row first.
    """
    row, made = WorkerPulse.objects.get_or_create(worker=NAME, defaults={"started_at": at, "beat_at": at})
    mine = made or WorkerPulse.objects.filter(pk=row.pk, beat_at__lte=at - EVERY).update(beat_at=at)
    if not mine:
        return
    jobs: tuple[Job, ...] = (keep_the_law, collect, close_claims, seal, prune, *_others.values())
    for job in jobs:
        try:
            job(at)
        except Exception:
            name = getattr(job, "__qualname__", repr(job))
            log.exception("%s failed; it is tried again in a few minutes", name)


def also(name: str, job: Job) -> None:
    """Have a job done with each tidying: rooms above this one hang theirs in. A name is taken once."""
    _others[name] = job


def keep_the_law(at: datetime) -> int:
    """Check the law of money and stop spending when it is broken; return how many breaches there are.

    That it was checked is kept as the pulse LAW, whatever came of it: what is broken stands in the settings.
    """
    breaches = law.enforce(conf.environment(), at=at)
    for breach in breaches:
        log.critical("the books do not add up: %s: %s", breach.rule, breach.what)
    WorkerPulse.objects.update_or_create(
        worker=LAW, defaults={"beat_at": at}, create_defaults={"started_at": at, "beat_at": at}
    )
    return len(breaches)


def collect(at: datetime) -> int:
    """Take what is owed after claw-backs from wallets in which money is free again; return from how many.

    A credit repays at once; this is for money that came free otherwise, as when a hold was released.
    """
    return owing.collect_all(at=at)


def close_claims(at: datetime) -> int:
    """Close claims whose transfer has come by its own QR meanwhile; return how many."""
    return overtaking.close_overtaken(at=at)


def seal(at: datetime) -> None:
    """Chain what was committed since into sealed blocks, where a key to sign them with is set."""
    try:
        seal_blocks(at=at)
    except NotConfigured:
        log.debug("VINFLOW_LEDGER_KEY is not set: the books are not sealed")


def prune(at: datetime) -> int:
    """Empty the bodies of answers older than the retention that found nothing; return how many.

    The nights' looks decide nothing either: what they found stands in rows of their own.

    What decided stays for good on Transfer and Attempt; the row of the call, its outcome and its
    time stay too, since they are the count of the day's calls.
    """
    nothing_by_it = Q(outcome__in=["not_found", "cannot_tell", "failed"]) | Q(pool=budgeting.Pool.NIGHT)
    old = Exchange.objects.filter(
        nothing_by_it, started_at__lt=at - conf.exchange_kept(), answer__isnull=False
    )
    keys = list(old.order_by("started_at").values_list("pk", flat=True)[:PRUNED_A_TIME])
    return Exchange.objects.filter(pk__in=keys).update(answer=None)

"""Every night, by hash batches: what Bakong and the bank say against what we booked. Looking changes nothing.

A run goes through four phases: our own rows, which need no call; the booked transfers; the QRs for which
no money came; and once more those without an answer. Each batch is one call outside any transaction, then
one transaction for what it told. After a crash, or when the day's calls are short, the run goes on where it
stood; nothing that could not be told is ever a difference.

What is found stands in rows of its own (models/reconciling.py). The books, the payments and the
transfers are only read: acting on a difference is a person's or another step's business.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Q

from vinflow.bakong import CannotTell, Outcome
from vinflow.payments import budgeting, clock, conf, gateways
from vinflow.payments.booked_evidence import booked_of, known_hashes
from vinflow.payments.budgeting import Asking, Pool
from vinflow.payments.differences import Finding, compare, unbooked
from vinflow.payments.home_differences import at_home
from vinflow.payments.models import Attempt, Difference, Reconciliation, Transfer, Unanswered
from vinflow.payments.nights import next_night, night_of

__all__ = ["NotNow", "explain", "reconcile", "work_at_night"]

log = logging.getLogger(__name__)

Phase = Reconciliation.Phase
BATCH, BATCH_SINGLE = 50, 10
FIRST_LOOK = timedelta(days=35)  # how far back the very first run goes
LEASE = timedelta(minutes=10)
TRIES = 3  # of a question that is answered by nothing; each in a smaller company than the last
WAIT = timedelta(minutes=15)
WHY_LEAST = 3

Tick = Callable[[Reconciliation], object]


class NotNow(Exception):
    """Another process is working on the run at this moment; nothing was done."""


def reconcile(
    *,
    at: datetime,
    since: datetime | None = None,
    by: Any = None,
    calls_max: int | None = None,
    gateway: gateways.Gateway | None = None,
    now: Callable[[], datetime] = clock.aligned,
    tick: Tick = lambda run: None,
) -> Reconciliation:
    """Return the run under way, or a new one, after working on it as far as calls allow.

    since: how far back a new run looks; left out, from some days before the last run's end. calls_max: stop
    after so many calls. Safe to repeat: a run that is not done goes on where it stood. Raises NotNow while
    another process works on it, OtherEnvironment never: rows of other environments are not read.
    """
    gateway = gateway or gateways.current()
    run = _under_way(at) or _begin(at=at, since=since, by=by)
    lease = _lease(run, at)
    spent = 0
    try:
        while run.phase != Phase.DONE and (calls_max is None or spent < calls_max):
            before = run.calls
            went_on = _step(run, gateway, lease, now())
            spent += run.calls - before
            tick(run)
            if not went_on:
                break
    finally:
        Reconciliation.objects.filter(pk=run.pk, lease_id=lease).update(leased_until=None)
    return run


def work_at_night(*, at: datetime, calls: int = 2) -> bool:
    """Do a little of tonight's reconciliation; return whether there may be more to do now.

    Begins a run once a night, goes on with one that was left, and waits where calls are short. For the
    watcher, which has payers to look after between two of these.
    """
    night = night_of(at)
    if night is None:
        return False
    run = _under_way(at)
    if run is None:
        last = Reconciliation.objects.filter(environment=conf.environment()).order_by("-pk").first()
        if last is not None and night_of(last.begun_at) == night:
            return False
    elif run.paused_until is not None and run.paused_until > at:
        return False
    try:
        run = reconcile(at=at, calls_max=calls)
    except NotNow:
        return False
    return run.ended_at is None and run.paused_until is None


def _under_way(at: datetime) -> Reconciliation | None:
    return Reconciliation.objects.filter(environment=conf.environment(), ended_at__isnull=True).first()


def _begin(*, at: datetime, since: datetime | None, by: Any) -> Reconciliation:
    """Return a new run; where a rival has begun one meanwhile, that one."""
    environment = conf.environment()
    last = Reconciliation.objects.filter(environment=environment).order_by("-pk").first()
    if since is None:
        since = at - FIRST_LOOK if last is None else last.until - conf.reconcile_back()
    try:
        with transaction.atomic():
            run = Reconciliation.objects.create(
                environment=environment, since=since, until=at, begun_at=at, begun_by=by
            )
            if last is not None:
                Unanswered.objects.filter(run=last).update(run=run, tries=0)
            return run
    except IntegrityError:
        return Reconciliation.objects.get(environment=environment, ended_at__isnull=True)


def _lease(run: Reconciliation, at: datetime) -> str:
    lease = uuid.uuid4().hex
    free = Q(leased_until__isnull=True) | Q(leased_until__lte=at)
    if not Reconciliation.objects.filter(free, pk=run.pk).update(leased_until=at + LEASE, lease_id=lease):
        raise NotNow("another process is reconciling at this moment")
    run.refresh_from_db()
    return lease


def _step(run: Reconciliation, gateway: gateways.Gateway, lease: str, at: datetime) -> bool:
    """Do one batch; return whether the run may go on now."""
    if run.phase == Phase.HOME:
        return _move(run, lease, at, at_home(run, at=at), phase=Phase.TRANSFERS, cursor=0)
    if run.phase == Phase.TRANSFERS:
        transfers = list(_booked(run, gateway).filter(pk__gt=run.cursor)[: _batch(gateway)])
        if not transfers:
            return _move(run, lease, at, phase=Phase.QRS, cursor=0)
        return _ask_transfers(run, transfers, gateway, lease, at)
    if run.phase == Phase.QRS:
        attempts = list(_silent(run, gateway).filter(pk__gt=run.cursor)[: _batch(gateway)])
        if not attempts:
            return _move(run, lease, at, phase=Phase.AGAIN, cursor=0)
        return _ask_qrs(run, attempts, gateway, lease, at)
    return _ask_again(run, gateway, lease, at)


def _batch(gateway: gateways.Gateway) -> int:
    return BATCH if gateway.batch_max > 1 else BATCH_SINGLE


def _booked(run: Reconciliation, gateway: gateways.Gateway) -> Any:
    """Return the transfers of the run that this gateway knows by their own hash."""
    return (
        Transfer.objects.filter(
            environment=run.environment,
            stored_at__gte=run.since,
            stored_at__lt=run.until,
            attempt__protocol=gateway.protocol,
            statement_line__isnull=True,  # of a line a person linked Bakong may not know the hash
        )
        .exclude(booked_receiver="")
        .select_related("attempt")
        .order_by("pk")
    )


def _silent(run: Reconciliation, gateway: gateways.Gateway) -> Any:
    """Return the QRs that brought no money and that no watcher looks at any more."""
    return (
        Attempt.objects.asked_by(gateway.protocol, run.environment)
        .filter(
            created_at__gte=run.since,
            created_at__lt=run.until,
            next_check_at__isnull=True,
            transfers__isnull=True,
        )
        .order_by("pk")
    )


def _ask_transfers(
    run: Reconciliation,
    transfers: Sequence[Transfer],
    gateway: gateways.Gateway,
    lease: str,
    at: datetime,
    *,
    again: bool = False,
) -> bool:
    outcomes = _ask(run, lambda: gateway.check_booked({one.hash: one.attempt.handle for one in transfers}))
    answered = _answered([outcomes[one.hash] for one in transfers])
    if not answered:
        return _pause(run, lease, outcomes[transfers[0].hash], at)
    done = transfers[:answered]
    findings: list[Finding] = []
    booked = booked_of(done)
    unanswered: list[Transfer] = []
    for one in done:
        theirs = booked.get(one.pk)
        found = () if theirs is None else compare(theirs, outcomes[one.hash])
        if found is None:
            unanswered.append(one)
        findings += _of_rows(found or (), one.payment_id, one.pk, one.attempt_id)
    rows = [Unanswered(run=run, transfer=one) for one in unanswered]
    if again:
        return _move(run, lease, at, findings, settled=[one.pk for one in done], transfer_again=unanswered)
    return _move(run, lease, at, findings, rows=rows, cursor=done[-1].pk, transfers=len(done))


def _ask_qrs(
    run: Reconciliation,
    attempts: Sequence[Attempt],
    gateway: gateways.Gateway,
    lease: str,
    at: datetime,
    *,
    again: bool = False,
) -> bool:
    outcomes = _ask(run, lambda: gateway.check([one.handle for one in attempts]))
    answered = _answered([outcomes[one.handle] for one in attempts])
    if not answered:
        return _pause(run, lease, outcomes[attempts[0].handle], at)
    done = attempts[:answered]
    known = known_hashes([outcomes[one.handle] for one in done])
    findings: list[Finding] = []
    unanswered: list[Attempt] = []
    for one in done:
        found = unbooked(one.md5, outcomes[one.handle], known)
        if found is None:
            unanswered.append(one)
        findings += _of_rows(found or (), one.payment_id, None, one.pk)
    rows = [Unanswered(run=run, attempt=one) for one in unanswered]
    if again:
        return _move(run, lease, at, findings, settled_qrs=[one.pk for one in done], qr_again=unanswered)
    return _move(run, lease, at, findings, rows=rows, cursor=done[-1].pk, qrs=len(done))


def _ask_again(run: Reconciliation, gateway: gateways.Gateway, lease: str, at: datetime) -> bool:
    """Ask once more about what was answered by nothing, in smaller and smaller batches; end the run then."""
    open_ones = Unanswered.objects.filter(run=run, tries__lt=TRIES).order_by("tries", "pk")
    first = open_ones.select_related("transfer__attempt", "attempt").first()
    if first is None:
        left = Unanswered.objects.filter(run=run).count()
        return _move(run, lease, at, phase=Phase.DONE, ended_at=at, unanswered=left)
    size = (BATCH // 4, 3, 1)[first.tries]
    same = open_ones.filter(tries=first.tries).select_related("transfer__attempt", "attempt")
    if first.transfer is not None:
        transfers = [one.transfer for one in same.filter(transfer__isnull=False)[:size]]
        return _ask_transfers(run, transfers, gateway, lease, at, again=True)
    attempts = [one.attempt for one in same.filter(attempt__isnull=False)[:size]]
    return _ask_qrs(run, attempts, gateway, lease, at, again=True)


def _ask(run: Reconciliation, question: Callable[[], dict[str, Outcome]]) -> dict[str, Outcome]:
    """Ask from the night's purse; the calls that went out are counted on the run."""
    who = Asking(Pool.NIGHT, principal="reconciling")
    with budgeting.asking(who):
        outcomes = question()
    run.calls += len(who.exchanges)
    return outcomes


def _answered(outcomes: Sequence[Outcome]) -> int:
    """Return how many of a batch count as asked: all before the door shut, none where it was shut at once.

    One question that the other side cannot answer is no shut door: it is left for later.
    """
    if len(outcomes) == 1 and isinstance(outcomes[0], CannotTell) and outcomes[0].reason == "upstream":
        return 1
    count = len(outcomes)
    while count and isinstance(last := outcomes[count - 1], CannotTell) and last.reason in gateways.SHUT:
        count -= 1
    return count


def _of_rows(
    found: Iterable[Finding], payment_id: int | None, transfer_id: int | None, attempt_id: int | None
) -> list[Finding]:
    """Return findings that know our rows behind them."""
    return [
        Finding(one.kind, one.subject, one.expected, one.seen, payment_id, transfer_id, attempt_id)
        for one in found
    ]


def _pause(run: Reconciliation, lease: str, said: Outcome, at: datetime) -> bool:
    """Leave the run for later: the calls are short, or nobody answers. Nothing is missing by that."""
    reason = said.reason if isinstance(said, CannotTell) else ""
    until = next_night(at) if reason in ("budget", "quota") else at + WAIT
    _move(run, lease, at, paused_until=until, paused_why=str(reason)[:40])
    return False


def _move(
    run: Reconciliation,
    lease: str,
    at: datetime,
    findings: Iterable[Finding] = (),
    *,
    rows: Sequence[Unanswered] = (),
    settled: Sequence[int] = (),
    settled_qrs: Sequence[int] = (),
    transfer_again: Sequence[Transfer] = (),
    qr_again: Sequence[Attempt] = (),
    transfers: int = 0,
    qrs: int = 0,
    **changes: Any,
) -> bool:
    """Write down what a batch told and where the run stands now, all or nothing; return whether it was ours.

    Whoever lost the lease writes nothing: the other one asks the same again.
    """
    changes.setdefault("paused_until", None)
    changes.setdefault("paused_why", "")
    with transaction.atomic():
        ours = Reconciliation.objects.filter(pk=run.pk, lease_id=lease).update(
            leased_until=at + LEASE,
            calls=run.calls,
            transfers=F("transfers") + transfers,
            qrs=F("qrs") + qrs,
            **changes,
        )
        if not ours:
            return False
        record(run, findings, at=at)
        Unanswered.objects.bulk_create(rows)
        left = Unanswered.objects.filter(run=run)
        left.filter(transfer__in=transfer_again).update(tries=F("tries") + 1)
        left.filter(attempt__in=qr_again).update(tries=F("tries") + 1)
        left.filter(transfer__in=settled).exclude(transfer__in=transfer_again).delete()
        left.filter(attempt__in=settled_qrs).exclude(attempt__in=qr_again).delete()
    run.refresh_from_db()
    return True


def record(run: Reconciliation, findings: Iterable[Finding], *, at: datetime) -> int:
    """Keep the differences of a run, each once however often it is seen; return how many there are."""
    found = {one.name: one for one in findings}
    if not found:
        return 0
    rows = Difference.objects.filter(environment=run.environment, name__in=list(found))
    seen_before = set(rows.values_list("name", flat=True))
    Difference.objects.bulk_create(
        [
            Difference(
                name=one.name,
                environment=run.environment,
                kind=one.kind.value,
                subject=one.subject[:160],
                expected=one.expected[:300],
                seen=one.seen[:300],
                payment_id=one.payment_id,
                transfer_id=one.transfer_id,
                attempt_id=one.attempt_id,
                found_at=at,
            )
            for one in found.values()
            if one.name not in seen_before
        ]
    )
    run.differences.add(*rows.all())
    return len(found)


@transaction.atomic
def explain(*, difference: Difference, by: Any, why: str, at: datetime) -> Difference:
    """Note why a difference is none, or what was done about it; it is told of no more. Kept for good.

    Raises ValueError without a reason, or where one was given already.
    """
    reason = why.strip()[:500]
    if len(reason) < WHY_LEAST:
        raise ValueError("say why: the reason is kept with the difference")
    moved = Difference.objects.filter(pk=difference.pk, explained_at__isnull=True).update(
        explained_at=at, explained_by=by, why=reason
    )
    if not moved:
        raise ValueError("this difference has been explained already")
    difference.refresh_from_db()
    return difference

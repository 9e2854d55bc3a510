"""Ask because a person asks: "I have paid", a host that polls, staff at their desk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from django.db.models import F

from vinflow.bakong import CannotTell, Failed, Found, NotFound, Outcome
from vinflow.bakong import Reason as WhyNot
from vinflow.payments import conf, gateways, schedule
from vinflow.payments.answering import ask
from vinflow.payments.budgeting import Pool
from vinflow.payments.leasing import claim, kind_of, own_watched, plan_next, pressure
from vinflow.payments.models import Attempt, Payment
from vinflow.payments.schedule import Look, Signal
from vinflow.payments.states import Status

__all__ = ["CheckReport", "check_payment", "check_payments", "wake"]

CLAIMS_MAX = 2  # "I have paid" opens the purse kept for it this often for one QR
SIGNALS_KEPT = 6
QRS_OF_STAFF = 3  # the newest; an older one is found by its own tail check, or by its receipt


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What became of "I have paid".

    kind: found (credited, or in review), none (Bakong knows nothing yet), wait (asked a moment ago;
    wait_s), later (asked for, but no call is free; at), slow (Bakong cannot tell), done (the payment
    had ended with money before).
    """

    kind: Literal["found", "none", "wait", "later", "slow", "done"]
    at: datetime
    wait_s: int = 0
    outcome: Outcome | None = None


def wake(*, payment: Payment, signal: Signal, at: datetime, gateway: gateways.Gateway | None = None) -> None:
    """Raise the turn of a payment's QRs after a sign from its payer. Makes no call itself."""
    gateway = gateway or gateways.current()
    for attempt in own_watched(gateway).filter(payment=payment):
        attempt.signals = [*attempt.signals, [at.timestamp(), signal.value]][-SIGNALS_KEPT:]
        moment = plan_next(attempt, at=at, pressure=pressure(at=at, gateway=gateway))
        Attempt.objects.filter(pk=attempt.pk, next_check_at__isnull=False).update(
            signals=attempt.signals, next_check_at=moment or attempt.next_check_at
        )


def check_payment(
    *,
    payment: Payment,
    at: datetime,
    pool: Pool = Pool.CLAIM,
    gateway: gateways.Gateway | None = None,
) -> CheckReport:
    """Ask Bakong about a payment now, because a person asks; return what to tell them.

    Under the same lease, cool-down and budget as the watcher. Twice per QR a payer's word opens the
    purse kept for it and is asked at once; after that, and for a host that polls (Pool.AUTO), a call
    is made only when one is due. Staff (Pool.STAFF) may ask at any time, and about every QR of the payment.
    """
    if payment.status == Status.COMPLETED:
        return CheckReport("done", at)
    gateway = gateway or gateways.current()
    if pool is Pool.CLAIM:
        wake(payment=payment, signal=Signal.SAID_PAID, at=at, gateway=gateway)
    attempts = Attempt.objects.filter(payment=payment).asked_by(gateway.protocol, conf.environment())
    report: CheckReport | None = None
    for attempt in attempts.order_by("-number")[: QRS_OF_STAFF if pool is Pool.STAFF else 1]:
        report = _check(attempt, pool=pool, at=at, gateway=gateway)
        if report.kind != "none":
            break
    return report or CheckReport("slow", at)


def check_payments(
    *, payments: Sequence[Payment], at: datetime, gateway: gateways.Gateway | None = None
) -> dict[int, CheckReport]:
    """Ask Bakong about the newest QR of each of many payments, because staff asks; return reports by payment.

    From the staff's purse, under the same lease and cool-down as one: by lists where Bakong's is open to us,
    else one call each until one is refused or not answered; of the rest the report is "later" with that
    answer, and nothing was sent about them.
    """
    gateway = gateway or gateways.current()
    newest: dict[int, Attempt] = {}
    rows = Attempt.objects.filter(payment__in=payments).asked_by(gateway.protocol, conf.environment())
    for attempt in rows.select_related("payment").order_by("number"):
        newest[attempt.payment_id] = attempt
    reports: dict[int, CheckReport] = {}
    wanted: list[Attempt] = []
    for payment in payments:
        if payment.status == Status.COMPLETED:
            reports[payment.pk] = CheckReport("done", at)
        elif payment.pk not in newest:
            # another gateway's QR: nobody here can ask about it
            reports[payment.pk] = CheckReport("slow", at)
        elif cooling := _cooling(newest[payment.pk], at):
            reports[payment.pk] = cooling
        else:
            wanted.append(newest[payment.pk])
    if len(wanted) > 1 and gateway.batch_open(at):
        told = _check_lists(wanted, at=at, gateway=gateway)
        reports |= told
        # The list may have turned out closed to us: whoever no call went out for is asked about alone.
        wanted = [one for one in wanted if told[one.payment_id].kind == "later"]
    shut: CheckReport | None = None
    for attempt in wanted:
        report = reports[attempt.payment_id] = shut or _check(
            attempt, pool=Pool.STAFF, at=at, gateway=gateway
        )
        if isinstance(report.outcome, CannotTell) and report.outcome.reason in gateways.SHUT:
            shut = CheckReport("later", at, outcome=report.outcome)
    return reports


def _check_lists(
    attempts: Sequence[Attempt], *, at: datetime, gateway: gateways.Gateway
) -> dict[int, CheckReport]:
    """Ask about many by as few calls as they fit in."""
    reports = {attempt.payment_id: CheckReport("wait", at, wait_s=5) for attempt in attempts}
    for start in range(0, len(attempts), gateway.batch_max):
        ids = [attempt.pk for attempt in attempts[start : start + gateway.batch_max]]
        Attempt.objects.filter(pk__in=ids, next_check_at__isnull=True).update(next_check_at=at)
        claimed = claim(at=at, limit=len(ids), gateway=gateway, ids=ids)
        if not claimed:
            continue
        outcomes = ask(claimed, pool=Pool.STAFF, at=at, gateway=gateway)
        reports |= {one.payment_id: _report(one, outcomes[one.pk], at) for one in claimed}
    return reports


def _cooling(attempt: Attempt, at: datetime) -> CheckReport | None:
    """Return "wait" for a QR that was asked about a moment ago."""
    cool = timedelta(seconds=schedule.COOL_DOWN_S)
    if attempt.last_asked_at is None or at - attempt.last_asked_at >= cool:
        return None
    wait = (attempt.last_asked_at + cool - at).total_seconds()
    return CheckReport("wait", at, wait_s=max(1, int(wait) + 1))


def _check(attempt: Attempt, *, pool: Pool, at: datetime, gateway: gateways.Gateway) -> CheckReport:
    """Ask about one QR, if this person may ask now."""
    if attempt.next_check_at is None and pool is not Pool.STAFF:
        return CheckReport("none", at)
    if cooling := _cooling(attempt, at):
        return cooling
    if pool is Pool.CLAIM and attempt.claims >= CLAIMS_MAX:
        pool = Pool.AUTO
    if pool is Pool.AUTO:
        # No purse of its own: it waits for the moment that is worth a call, like everyone.
        moment = plan_next(attempt, at=at, pressure=pressure(at=at, gateway=gateway))
        if moment is None or moment > at:
            return CheckReport("later", moment or attempt.watch_until)
    if attempt.next_check_at is None:  # staff may ask after the watch is over
        Attempt.objects.filter(pk=attempt.pk).update(next_check_at=at)
    claimed = claim(at=at, limit=1, gateway=gateway, ids=[attempt.pk])
    if not claimed:
        return CheckReport("wait", at, wait_s=5)
    if pool is Pool.CLAIM:
        Attempt.objects.filter(pk=attempt.pk).update(claims=F("claims") + 1)
    if claimed[0].set_aside and kind_of(claimed[0], at=at) is Look.LAST:
        pool = Pool.LAST
    return _report(attempt, ask(claimed, pool=pool, at=at, gateway=gateway)[attempt.pk], at)


def _report(attempt: Attempt, outcome: Outcome, at: datetime) -> CheckReport:
    """Return what an answer about a QR means to the person who asked."""
    match outcome:
        case Found():
            return CheckReport("found", at, outcome=outcome)
        case NotFound() | Failed():
            return CheckReport("none", at, outcome=outcome)
        case CannotTell(reason=WhyNot.BUDGET | WhyNot.QUOTA | WhyNot.THROTTLED):
            again = Attempt.objects.values_list("next_check_at", flat=True).get(pk=attempt.pk)
            return CheckReport("later", again or at, outcome=outcome)
        case _:
            return CheckReport("slow", at, outcome=outcome)

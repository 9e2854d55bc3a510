"""The numbers of the overview, at most one query a kind, and none that grows with the years.

What has ended is read from the tallies (tallies.py), what is under way from its own rows. A day is a
business day in Phnom Penh. Dollars and riel are never added. Payments count in the day they were opened,
money in the day it was credited.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db.models import (
    BigIntegerField,
    Case,
    Count,
    DateTimeField,
    Exists,
    Max,
    Min,
    OuterRef,
    Q,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce, TruncDate

from vinflow.backoffice.days import PHNOM_PENH, day_of, span_of
from vinflow.backoffice.items import of_environment
from vinflow.backoffice.models import CallTally, PaymentTally
from vinflow.money import Currency, Money
from vinflow.payments import tidying
from vinflow.payments.models import (
    Attempt,
    BooksCheck,
    Difference,
    Exchange,
    Payment,
    PaymentSettings,
    ReviewItem,
    WorkerPulse,
)
from vinflow.payments.states import Status

__all__ = [
    "Calls",
    "Desk",
    "Outcomes",
    "Received",
    "Times",
    "Waiting",
    "calls",
    "ended",
    "percentile",
    "pulse",
    "review_desk",
    "times",
    "together",
    "waiting",
]

TIMES_MAX = 5_000
Received = dict[Currency, dict[date, Money]]
STUCK = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How payments stand, by the day they were opened: {day: {state: how many}}."""

    by_day: dict[date, Counter[str]]

    def total(self, days: Iterable[date]) -> Counter[str]:
        """Return the sums of some days."""
        found: Counter[str] = Counter()
        for day in days:
            found.update(self.by_day.get(day, {}))
        return found

    def with_pending(self, by_day: Mapping[date, int]) -> Outcomes:
        """Return the same with those that have no end yet, counted in their days."""
        return Outcomes(
            {
                day: self.by_day.get(day, Counter()) + Counter(pending=by_day.get(day, 0))
                for day in {*self.by_day, *by_day}
            }
        )


def success(counted: Counter[str]) -> float | None:
    """Return completed out of all that have ended, 0 to 1; None when none has."""
    ended = sum(counted[state] for state in ("completed", "late", "expired", "failed", "canceled"))
    return (counted["completed"] + counted["late"]) / ended if ended else None


def ended(environment: str, first: date, last: date) -> tuple[Outcomes, Received]:
    """Return how the payments opened in a range of days have ended, and what came in it, by day.

    Pending payments are not among them: those are in waiting().
    """
    rows = (
        PaymentTally.objects.filter(environment=environment, day__gte=first, day__lte=last)
        .values("moment", "day", "currency", "status", "late")
        .annotate(n=Sum("payments"), total=Sum("minor"))
        .order_by()
    )
    by_day: dict[date, Counter[str]] = defaultdict(Counter)
    found: Received = {currency: {} for currency in Currency}
    for row in rows:
        if row["moment"] == "opened":
            by_day[row["day"]]["late" if row["late"] else row["status"]] += int(row["n"])
        else:
            currency = Currency(row["currency"])
            zero = Money(0, currency)
            found[currency][row["day"]] = found[currency].get(row["day"], zero) + Money(
                int(row["total"]), currency
            )
    return Outcomes(dict(by_day)), found


@dataclass(frozen=True, slots=True)
class Waiting:
    """Payments without an end now. stuck: last asked for long ago, and still no word."""

    count: int
    oldest_at: datetime | None
    stuck: int
    by_day: Counter[date]
    by_currency: Counter[str]


def waiting(environment: str, *, at: datetime) -> Waiting:
    """Return how many payments wait, since when, and how many without a verdict."""
    last_check = (
        Attempt.objects.filter(payment=OuterRef("pk"))
        .order_by()
        .values("payment")
        .annotate(last=Max("last_check_at"))
        .values("last")
    )
    rows = (
        Payment.objects.filter(environment=environment, status=Status.PENDING)
        .annotate(day=TruncDate("created_at", tzinfo=PHNOM_PENH), last_check=Subquery(last_check))
        .values("day", "currency")
        .annotate(
            n=Count("pk"), oldest=Min("created_at"), stuck=Count("pk", filter=Q(last_check__lt=at - STUCK))
        )
        .order_by("day")
    )
    by_day: Counter[date] = Counter()
    by_currency: Counter[str] = Counter()
    oldest_at, stuck = None, 0
    for row in rows:
        by_day[row["day"]] += row["n"]
        by_currency[row["currency"]] += row["n"]
        oldest_at = min(oldest_at or row["oldest"], row["oldest"])
        stuck += row["stuck"]
    return Waiting(by_day.total(), oldest_at, stuck, by_day, by_currency)


@dataclass(frozen=True, slots=True)
class Times:
    """Whole seconds, sorted: from the QR to the payer's transfer, from that to the credit."""

    to_pay: list[int]
    to_credit: list[int]


def times(environment: str, first: date, last: date) -> Times:
    """Return how long paying and crediting took, of the newest 5,000 payments completed in a range."""
    start, end = span_of(first, last)
    rows = (
        Payment.objects.filter(
            environment=environment,
            currency__in=list(Currency),  # the index of what was completed begins so
            status=Status.COMPLETED,
            completed_at__gte=start,
            completed_at__lt=end,
            transfers__fate="credited",
            transfers__sent_at__isnull=False,
        )
        .order_by("-completed_at")
        .values_list("transfers__attempt__created_at", "transfers__sent_at", "completed_at")[:TIMES_MAX]
    )
    to_pay, to_credit = [], []
    for shown_at, sent_at, credited_at in rows:
        if sent_at is not None and credited_at is not None:  # as the filter says; here for the types
            to_pay.append(max(0, round((sent_at - shown_at).total_seconds())))
            to_credit.append(max(0, round((credited_at - sent_at).total_seconds())))
    return Times(sorted(to_pay), sorted(to_credit))


def percentile(values: Sequence[int], share: float) -> int | None:
    """Return the smallest of sorted values that at least this share of them does not pass; None for none."""
    if not values:
        return None
    place = math.ceil(len(values) * share - 1e-9) - 1  # less the noise of 0.95 times 20
    return values[min(len(values) - 1, max(0, place))]


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one operation: how many, how many told nothing, and the milliseconds they took, sorted."""

    operation: str
    count: int
    errors: int
    refused: int
    milliseconds: list[int]
    by_outcome: Counter[str]


def calls(
    environment: str, first: date, last: date, *, recent_from: datetime
) -> tuple[list[Calls], list[Calls]]:
    """Return (the calls of a range of days, those since recent_from), by operation, most first.

    Exact, and small however many calls there were: they are counted by their milliseconds.
    """
    names = ("operation", "stage", "outcome", "reason", "milliseconds")
    start, end = span_of(first, last)
    under_way = Q(stage=Exchange.Stage.STARTED, started_at__gte=start, started_at__lt=end)
    tallied = (
        CallTally.objects.filter(environment=environment, day__gte=first, day__lte=last)
        .annotate(recent=Value(0), within=Value(1))
        .values(*names, "recent", "within")
        .annotate(n=Sum("calls"))
    )
    live = (
        Exchange.objects.filter(Q(started_at__gte=recent_from) | under_way, environment=environment)
        .annotate(recent=Case(When(started_at__gte=recent_from, then=Value(1)), default=Value(0)))
        .annotate(within=Case(When(under_way, then=Value(1)), default=Value(0)))
        .values(*names, "recent", "within")
        .annotate(n=Count("pk"))
    )
    # One question, one moment: a call that is answered between two would be in neither or in both.
    parts = [rows.order_by().values_list(*names, "recent", "within", "n") for rows in (tallied, live)]
    rows: list[dict[str, Any]] = [
        dict(zip((*names, "recent", "within", "n"), row, strict=True))
        for row in parts[0].union(parts[1], all=True)
    ]
    for row in rows:
        row["n"] = int(row["n"])
        row["milliseconds"] = None if (row["milliseconds"] or 0) < 0 else row["milliseconds"]
    return (
        _grouped(row for row in rows if row["within"]),
        _grouped(row for row in rows if row["recent"]),
    )


CLOSED_TO_MANY = "check_transaction_by_md5_list"


def _grouped(rows: Iterable[dict[str, Any]]) -> list[Calls]:
    counts: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    spans: dict[str, list[int]] = defaultdict(list)
    words: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        name, n = row["operation"], row["n"]
        counts[name] += n
        # The list call is closed to many tokens and tried once a week: that is no refusal of this server.
        closed_list = row["reason"] == "blocked" and name == CLOSED_TO_MANY
        if (row["outcome"] == "cannot_tell" or row["stage"] == "lost") and not closed_list:
            errors[name] += n
        if row["reason"] == "blocked" and not closed_list:
            refused[name] += n
        words[name][row["reason"] or row["outcome"] or row["stage"]] += n
        if row["milliseconds"] is not None:
            spans[name] += [row["milliseconds"]] * n
    return [
        Calls(name, n, errors[name], refused[name], sorted(spans[name]), words[name])
        for name, n in counts.most_common()
    ]


@dataclass(frozen=True, slots=True)
class Desk:
    """The review desk: open items by what they are, and what it gave to payers besides their payments."""

    opened: Counter[str]
    given: Received


MISMATCH = ("amount_differs", "currency_differs")


def review_desk(environment: str, first: date, last: date) -> Desk:
    """Return what waits at the review desk, and what it credited in a range of days, in one query.

    Another amount than was asked for completes no payment; it is given all the same, and counts as
    received on the day a person decided so.
    """
    start, end = span_of(first, last)
    given = Q(decision=ReviewItem.Decision.CREDITED, decided_at__gte=start, decided_at__lt=end)
    rows = ReviewItem.objects.filter(Q(decision="") | given, of_environment(environment)).values_list(
        "decision", "reasons", "decided_at", "transfer__fate", "transfer__currency", "transfer__amount_minor"
    )
    found = Desk(Counter(), {currency: {} for currency in Currency})
    for decision, reasons, decided_at, fate, code, minor in rows:
        if decision and fate != "extra":
            continue  # it completed its payment, and counts there
        if decision and decided_at is not None:
            currency, day = Currency(code), day_of(decided_at)
            by_day = found.given[currency]
            by_day[day] = by_day.get(day, Money(0, currency)) + Money(int(minor or 0), currency)
            continue
        kind = "late" if "late_held" in reasons else "other"
        found.opened["mismatch" if any(name in reasons for name in MISMATCH) else kind] += 1
        found.opened["all"] += 1
    return found


def together(one: Received, other: Received) -> Received:
    """Return two tables of money by day, added up; each currency for itself."""
    summed: Received = {}
    for currency in Currency:
        days = {**one[currency], **other[currency]}
        zero = Money(0, currency)
        summed[currency] = {
            day: one[currency].get(day, zero) + other[currency].get(day, zero) for day in days
        }
    return summed


@dataclass(frozen=True, slots=True)
class Pulse:
    """When a watcher was last alive, since when spending is stopped, and what the nights found.

    differences, newest_difference: those nobody explained. failed_proof, problems: the newest proof of the
    books, where it failed. is_on: payers can pay by KHQR in some currency. law_at: when the law of money was
    last checked.
    """

    beat_at: datetime | None
    spending_stopped_at: datetime | None
    differences: int = 0
    newest_difference: int | None = None
    failed_proof: int | None = None
    problems: int = 0
    is_on: bool = True
    law_at: datetime | None = None


def pulse(environment: str = "") -> Pulse:
    """Return whether somebody looks for transfers, and whether the books are well; one query.

    environment: whose differences count; every one's where none is named.
    """
    stopped = PaymentSettings.objects.filter(singleton=1).values("spending_stopped_at")
    differences = Difference.objects.filter(explained_at__isnull=True)
    if environment:
        differences = differences.filter(environment=environment)
    counted = differences.order_by().values("explained_at").annotate(n=Count("pk"), newest=Max("pk"))
    ended = BooksCheck.objects.filter(ended_at__isnull=False)
    later = ended.filter(what=OuterRef("what"), night__gt=OuterRef("night"))
    failed = ended.filter(~Exists(later), problem_count__gt=0).order_by("-night", "what")
    switched = PaymentSettings.objects.filter(singleton=1).annotate(
        on=Case(
            When(Q(khqr_enabled=True) & (Q(usd_enabled=True) | Q(khr_enabled=True)), then=Value(1)),
            default=Value(0),
        )
    )
    law = WorkerPulse.objects.filter(worker=tidying.LAW).values("beat_at")
    never = Q(pk__isnull=True)

    def alone(rows: Any, nothing: Any, kind: Any = BigIntegerField) -> Any:
        """A subquery beside an aggregate: a query of aggregates has its one row where no watcher was yet."""
        return Coalesce(Subquery(rows[:1]), nothing, output_field=kind())

    zero, no_number = Count("pk", filter=never), Max("steps", filter=never)
    row = WorkerPulse.objects.exclude(worker=tidying.LAW).aggregate(
        beat=Max("beat_at"),
        stopped=alone(stopped, Max("beat_at", filter=never), DateTimeField),
        differences=alone(counted.values("n"), zero),
        newest=alone(counted.values("newest"), no_number),
        failed=alone(failed.values("pk"), no_number),
        problems=alone(failed.values("problem_count"), zero),
        on=alone(switched.values("on"), zero + Value(1)),  # without a row everything is as it comes: on
        law=alone(law, Max("beat_at", filter=never), DateTimeField),
    )
    return Pulse(
        row["beat"],
        row["stopped"],
        row["differences"],
        row["newest"],
        row["failed"],
        row["problems"],
        bool(row["on"]),
        row["law"],
    )


def days_of(first: date, last: date) -> list[date]:
    """Return every day of a range, both ends included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def today(at: datetime) -> date:
    """Return the business day of a moment."""
    return day_of(at)

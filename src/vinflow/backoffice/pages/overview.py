"""The first staff page: is money arriving, is anything stuck, is the gateway well?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from vinflow.backoffice import attention, charts, figures, listing, meanings, quota, secrets_shown
from vinflow.backoffice.charts import Chart, Series
from vinflow.backoffice.days import PHNOM_PENH
from vinflow.backoffice.desk import desk
from vinflow.backoffice.words import say
from vinflow.money import Currency, Money, format_money
from vinflow.payments import clock

__all__ = ["overview"]

RANGES = {"today": 1, "7": 7, "30": 30}
RECENT = timedelta(minutes=15)
SLOW_MS = 5_000
# Up to a minute, two, five, ten, an hour, later: where payers stand when the QR lives ten minutes.
STEPS = ((30, "≤ 0:30"), (60, "≤ 1:00"), (120, "≤ 2:00"), (300, "≤ 5:00"), (600, "≤ 10:00"))
RESULTS = (
    ("completed", "Completed"),
    ("late", "Paid late"),
    ("pending", "Waiting"),
    ("expired", "Expired"),
    ("failed", "Failed"),
    ("canceled", "Canceled"),
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One figure: its name, its value, a line below, and the list behind it."""

    key: str
    name: str
    value: str
    below: Sequence[str]
    url: str


@desk("overview")
def overview(request: HttpRequest) -> HttpResponse:
    """Show the figures of today, a week or a month."""
    at = clock.now()
    chosen = request.GET.get("range", "")
    chosen = chosen if chosen in RANGES else "today"
    length = RANGES[chosen]
    last = figures.today(at)
    first = last - timedelta(days=length - 1)
    before = first - timedelta(days=length)
    environment = listing.environment()

    outcomes, received = figures.ended(environment, before, last)
    waiting = figures.waiting(environment, at=at)
    outcomes = outcomes.with_pending(waiting.by_day)
    times = figures.times(environment, first, last)
    calls, recent = figures.calls(environment, first, last, recent_from=at - RECENT)
    odd = figures.review_desk(environment, before, last)
    received = figures.together(received, odd.given)
    left = quota.today(at=at)
    alive = figures.pulse(environment)

    days, earlier = figures.days_of(first, last), figures.days_of(before, first - timedelta(days=1))
    listed = reverse("backoffice:transactions")
    beat = f"{alive.beat_at.astimezone(PHNOM_PENH):%H:%M}" if alive.beat_at else ""
    context = {
        "here": "overview",
        "at": at,
        "range": chosen,
        "ranges": [("today", say("Today")), ("7", say("{n} days", n=7)), ("30", say("{n} days", n=30))],
        "tiles": _tiles(
            outcomes, received, waiting, times, days, earlier, at=at, chosen=chosen, listed=listed
        ),
        "notes": attention.notes(
            reviews=odd.opened,
            waiting=waiting,
            recent=recent,
            quota=left,
            pulse=alive,
            token_ends_at=secrets_shown.token_ends_at(),
            at=at,
            clock_time=beat,
        ),
        "quota": left,
        "pulse": alive,
        "gateway": _gateway(recent, left, at),
        "calls": [_call_row(one) for one in calls],
        "charts": _charts(outcomes, received, times, days, listed),
        "to_credit": [
            (f"p{share:g}", _clock(figures.percentile(times.to_credit, share / 100)))
            for share in (50, 95, 99)
        ],
    }
    return render(request, "backoffice/overview.html", context)


def _tiles(
    outcomes: figures.Outcomes,
    received: dict[Currency, dict[date, Money]],
    waiting: figures.Waiting,
    times: figures.Times,
    days: list[date],
    earlier: list[date],
    *,
    at: datetime,
    chosen: str,
    listed: str,
) -> list[Tile]:
    tiles = []
    words = {Currency.USD: "Received in dollars", Currency.KHR: "Received in riel"}
    for currency in Currency:
        now, then = (_sum(received[currency], span, currency) for span in (days, earlier))
        delta = _delta(now.minor, then.minor)
        tiles.append(
            Tile(
                f"received_{currency.lower()}",
                say(words[currency]),
                format_money(now),
                [delta] if delta else [],
                f"{listed}?currency={currency}&date=paid&range={chosen}&status=completed&status=late",
            )
        )
    rate, old = (figures.success(outcomes.total(span)) for span in (days, earlier))
    below = [say("Completed out of all payments that have ended")]
    if rate is not None and old is not None:
        points = f"{(rate - old) * 100:+.0f}".replace("-", "\u2212")
        below.insert(0, say("{delta} versus the period before", delta=f"{points} %"))
    tiles.append(
        Tile(
            "success",
            say("Success rate"),
            "—" if rate is None else f"{rate:.0%}",
            below,
            f"{listed}?range={chosen}",
        )
    )
    oldest = (
        [say("Oldest: {time}", time=_clock(int((at - waiting.oldest_at).total_seconds())))]
        if waiting.oldest_at
        else []
    )
    tiles.append(
        Tile(
            "waiting",
            say("Waiting now"),
            f"{waiting.count:,}",
            oldest,
            f"{listed}?status=pending&status=confirming",
        )
    )
    middle, most = figures.percentile(times.to_pay, 0.5), figures.percentile(times.to_pay, 0.9)
    tiles.append(
        Tile(
            "median",
            say("Median time to pay"),
            _clock(middle),
            [say("9 in 10 within {time}", time=_clock(most))] if most is not None else [],
            f"{listed}?range={chosen}&status=completed",
        )
    )
    return tiles


def _sum(by_day: dict[date, Money], days: list[date], currency: Currency) -> Money:
    return sum((by_day[day] for day in days if day in by_day), Money(0, currency))


def _delta(now: int, then: int) -> str:
    """Return "+12 %" against the period before, "" where there is nothing to compare with."""
    if not then:
        return ""
    change = f"{(now - then) * 100 / then:+.0f} %".replace("-", "\u2212")
    return say("{delta} versus the period before", delta=change)


def _clock(seconds: int | None) -> str:
    """Return "0:48", "12:05", "1:02:03"; a dash for none."""
    if seconds is None:
        return "—"
    hours, rest = divmod(max(0, seconds), 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def _gateway(recent: list[figures.Calls], left: quota.Quota | None, at: datetime) -> dict[str, str]:
    """Return the gateway's state in a word, its last answer, and the errors of the last quarter hour."""
    asked, errors = sum(one.count for one in recent), sum(one.errors for one in recent)
    spans = sorted(ms for one in recent for ms in one.milliseconds)
    middle = figures.percentile(spans, 0.5)
    word, tone = "Working", "success"
    if asked and errors == asked:
        word, tone = "Not answering", "danger"
    elif middle is not None and middle > SLOW_MS:
        word, tone = "Slow", "warn"
    elif left is not None and left.refused_since is not None and not asked:
        word, tone = "Not answering", "danger"
    last = ""
    if left is not None and left.last_answer_at is not None:
        last = say("Last answer {time} ago", time=_clock(int((at - left.last_answer_at).total_seconds())))
    facts = [last, f"{middle:,} ms" if middle is not None else ""]
    facts.append(say("{percent} errors", percent=f"{errors / asked:.1%}") if asked else "")
    return {"word": say(word), "tone": tone, "facts": " · ".join(fact for fact in facts if fact)}


@dataclass(frozen=True, slots=True)
class CallRow:
    """One operation in the table of answer times."""

    operation: str
    count: int
    errors: str
    spans: list[tuple[str, str]]
    words: list[tuple[str, int]]


def _call_row(one: figures.Calls) -> CallRow:
    spans = []
    for name, share in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99)):
        found = figures.percentile(one.milliseconds, share)
        spans.append((name, "—" if found is None else f"{found:,}"))
    return CallRow(
        one.operation,
        one.count,
        f"{one.errors / one.count:.1%}",
        spans,
        [(meanings.short(word), n) for word, n in one.by_outcome.most_common()],
    )


def _charts(
    outcomes: figures.Outcomes,
    received: dict[Currency, dict[date, Money]],
    times: figures.Times,
    days: list[date],
    listed: str,
) -> list[Chart]:
    labels = [f"{day.day}/{day.month}" for day in days]
    made = []

    def links(extra: str) -> list[str]:
        return [f"{listed}?from={day}&to={day}&range=custom{extra}" for day in days]

    for currency, title in ((Currency.USD, "Received per day, USD"), (Currency.KHR, "Received per day, KHR")):
        money = [received[currency].get(day, Money(0, currency)) for day in days]
        series = Series(
            currency.value,
            f"bo-{currency.lower()}",
            [one.minor for one in money],
            [format_money(one) for one in money],
        )
        total = format_money(_sum(received[currency], days, currency))
        made.append(
            charts.bars(
                f"received_{currency.lower()}",
                say(title),
                labels,
                [series],
                total=total,
                links=links(f"&date=paid&currency={currency}&status=completed&status=late"),
            )
        )
    results = [
        Series(say(word), f"bo-{state}", values, [str(value) for value in values])
        for state, word in RESULTS
        if (values := [outcomes.total([day])[state] for day in days]) and any(values)
    ]
    made.append(charts.bars("results", say("Payments per day by result"), labels, results, links=links("")))
    made.append(_paying(times))
    return made


def _paying(times: figures.Times) -> Chart:
    """Return how many payers paid within each step of time."""
    counts, start = [], -1
    for limit in [limit for limit, _label in STEPS] + [10**9]:
        counts.append(sum(start < value <= limit for value in times.to_pay))
        start = limit
    labels = [label for _limit, label in STEPS] + ["> 10:00"]
    series = Series(say("Completed"), "bo-completed", counts, [str(count) for count in counts])
    return charts.bars("times", say("Time from QR to payment"), labels, [series])

"""The site's counters for Prometheus, read from the rows and their tallies at the moment they are asked for.

No counter lives in memory: any number of processes tell the same, and a restart loses nothing. Amounts
are whole minor units (cents, riel) with the currency as a label; the two are never one number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

from django.db.models import Sum
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from vinflow.backoffice import figures, listing, quota, secrets_shown, tallies
from vinflow.backoffice.models import PaymentTally
from vinflow.payments.models import Transfer
from vinflow.payments.states import Status

__all__ = ["exposition"]


class _Rows(Collector):
    """Reads the rows when the registry collects."""

    def __init__(self, at: datetime) -> None:
        self._at = at

    def collect(self) -> Iterable[Metric]:
        """Yield every family."""
        environment = listing.environment()
        waiting = figures.waiting(environment, at=self._at)
        yield from _payments(environment, waiting)
        yield from _calls(environment)
        yield from _day(environment, waiting, self._at)


def _payments(environment: str, waiting: figures.Waiting) -> Iterable[Metric]:
    count = GaugeMetricFamily(
        "vinflow_payments", "Payments by how they stand now", labels=["status", "currency"]
    )
    money = CounterMetricFamily(
        "vinflow_received_minor", "Credited to payers, in cents or riel", labels=["currency"]
    )
    late = CounterMetricFamily(
        "vinflow_paid_late", "Payments paid after their QR had expired", labels=["currency"]
    )
    sums: Counter[str] = Counter()
    lates: Counter[str] = Counter()
    rows = (
        PaymentTally.objects.filter(environment=environment, moment="opened")
        .values("status", "currency", "late")
        .annotate(n=Sum("payments"), total=Sum("minor"))
        .order_by()
    )
    by_state: Counter[tuple[str, str]] = Counter()
    for row in rows:
        by_state[row["status"], row["currency"]] += int(row["n"])
        if row["status"] == Status.COMPLETED:
            sums[row["currency"]] += int(row["total"])
            lates[row["currency"]] += int(row["n"]) if row["late"] else 0
    for currency, n in waiting.by_currency.items():
        by_state["pending", currency] = n
    given = Transfer.objects.filter(environment=environment, fate="extra").values("currency")
    for extra in given.annotate(total=Sum("amount_minor")).order_by():
        sums[extra["currency"]] += int(extra["total"] or 0)
    for (status, currency), n in sorted(by_state.items()):
        if n:
            count.add_metric([status, currency], n)
    for currency in sorted(sums):
        money.add_metric([currency], sums[currency])
        late.add_metric([currency], lates[currency])
    yield from (count, money, late)


def _calls(environment: str) -> Iterable[Metric]:
    made = CounterMetricFamily(
        "vinflow_gateway_calls", "Calls to the gateway", labels=["operation", "outcome", "reason"]
    )
    spans = HistogramMetricFamily("vinflow_gateway_seconds", "How long calls took", labels=["operation"])
    counts: Counter[tuple[str, str, str]] = Counter()
    took: dict[str, Counter[int]] = {}
    milliseconds: Counter[str] = Counter()
    for row in tallies.calls_by_step(environment):
        if not row.calls:
            continue
        counts[row.operation, row.outcome, row.reason] += row.calls
        if row.step >= 0:
            took.setdefault(row.operation, Counter())[row.step] += row.calls
            milliseconds[row.operation] += row.milliseconds
    for labels, n in sorted(counts.items()):
        made.add_metric(list(labels), n)
    for operation, found in sorted(took.items()):
        buckets = [
            (str(limit / 1000), sum(n for step, n in found.items() if step <= limit))
            for limit in tallies.STEPS_MS
        ]
        buckets.append(("+Inf", sum(found.values())))
        spans.add_metric([operation], buckets, milliseconds[operation] / 1000)
    yield from (made, spans)


def _day(environment: str, waiting: figures.Waiting, at: datetime) -> Iterable[Metric]:
    left = quota.today(at=at)
    if left is not None:
        yield _gauge("vinflow_quota_used", "Calls used in the tightest window of today", left.used)
        yield _gauge("vinflow_quota_promised", "Calls promised to QRs that are shown", left.aside)
        if left.allowed is not None:
            yield _gauge("vinflow_quota_allowed", "Calls the token may make in a day", left.allowed)
        if left.confirmable is not None:
            yield _gauge("vinflow_confirmable", "QRs that can still be confirmed today", left.confirmable)
    yield _gauge("vinflow_stuck_payments", "Payments past expiry without a verdict", waiting.stuck)
    items = GaugeMetricFamily("vinflow_review_open", "Items that wait at the review desk", labels=["kind"])
    opened = figures.review_desk(environment, figures.today(at), figures.today(at)).opened
    for kind in ("mismatch", "late", "other"):
        items.add_metric([kind], opened[kind])
    yield items
    alive = figures.pulse()
    if alive.beat_at is not None:
        age = max(0.0, (at - alive.beat_at).total_seconds())
        yield _gauge("vinflow_watcher_age_seconds", "Since a watcher was last alive", age)
    yield _gauge(
        "vinflow_spending_stopped",
        "1 while the books do not add up",
        int(alive.spending_stopped_at is not None),
    )
    ends = secrets_shown.token_ends_at()
    if ends is not None:
        yield _gauge("vinflow_token_seconds_left", "Until the access token ends", (ends - at).total_seconds())


def _gauge(name: str, what: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, what, value=value)


def exposition(*, at: datetime) -> bytes:
    """Return every counter as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Rows(at))
    return generate_latest(registry)

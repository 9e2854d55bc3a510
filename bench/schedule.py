"""Payers, a day of them, and the calls it takes to notice that they paid: the figures of docs/checking.md.

    python -m bench.schedule              tables
    python -m bench.schedule --json       the same as JSON (--svg FILE draws the chart, --only NAME a single
    table)

The payer model (payments are made 10 to 240 s after the QR is shown, evenly; one QR in five is never paid;
three payers in ten give a signal within six seconds of paying; one in ten of everybody else gives a false
one; a day has 14 hours) and what is counted:

    calls     every call, the last and the tail checks among them, divided by the QRs shown, paid or not
    latency   from the moment the transfer is visible at Bakong to the moment the answer is in our hands

An answer takes half a second. Days follow each other, so that yesterday's tail checks eat today's quota; the
first day is not counted. Every row runs once per seed; the figures are medians over the seeds, with the least
and most.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import platform
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from vinflow.payments.prior import Prior
from vinflow.payments.schedule import (
    LIKELY,
    PRICE_LEAST_S,
    RESERVE,
    SETTLE_S,
    Look,
    Pressure,
    Signal,
    Watched,
    due_kind,
    may_ask,
    next_look,
    pick,
    price,
    tail_affordable,
)

DAY_S = 86400.0
OPENS_S, OPEN_S = 8 * 3600.0, 14 * 3600.0
LIFE_S, GRACE_S, WATCH_S = 600.0, 120.0, 86400.0
ANSWER_S = 0.5
NEVER = 0.2
SEEDS = (1, 2, 3, 4, 5)

# Which signals, so that each is as true as schedule.LIKELY takes it to be.
TRUE_KINDS = ((Signal.SAID_PAID, 0.4), (Signal.BACK_FROM_APP, 0.4), (Signal.PAGE_SHOWN, 0.2))
FALSE_KINDS = ((Signal.SAID_PAID, 0.2), (Signal.BACK_FROM_APP, 0.3), (Signal.PAGE_SHOWN, 0.5))


# ---- payers ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Payers:
    """How long paying takes: draw(chance) -> seconds; shape(age) -> share that has paid by then."""

    name: str
    draw: Callable[[random.Random], float]
    shape: Callable[[float], float]


def even(low: float, high: float) -> Callable[[float], float]:
    """Return the shape of payers spread evenly between two ages."""
    return lambda age: min(max((age - low) / (high - low), 0.0), 1.0)


EVEN = Payers("even, 10 to 240 s", lambda c: c.uniform(10, 240), even(10, 240))
# Half have the app in their hand; the others look for a phone, a PIN or a friend.
TWO_KINDS = Payers(
    "two kinds: 12 to 40 s, or 150 to 330 s",
    lambda c: c.uniform(12, 40) if c.random() < 0.5 else c.uniform(150, 330),
    lambda age: 0.5 * even(12, 40)(age) + 0.5 * even(150, 330)(age),
)


def exact(payers: Payers) -> Prior:
    """Return the prior that is right about these payers."""
    return Prior.of(payers.shape, never=NEVER, payers=1e6)


def paced(payers: Payers, factor: float) -> Payers:
    """Return payers who take this many times as long."""
    return Payers(
        f"{payers.name}, times {factor}",
        lambda chance: factor * payers.draw(chance),
        lambda age: payers.shape(age / factor),
    )


@dataclass
class Qr:
    """One QR of the simulated shop."""

    watched: Watched
    paid_at: float | None
    signals: list[tuple[float, Signal]]
    found_at: float | None = None
    turn: int = 0
    counted: bool = True


def of_kind(chance: random.Random, kinds: tuple[tuple[Signal, float], ...]) -> Signal:
    """Draw a signal."""
    return chance.choices([k for k, _ in kinds], [w for _, w in kinds])[0]


def customer(chance: random.Random, payers: Payers, shown_at: float, *, counted: bool) -> Qr:
    """Draw one customer who is shown a QR at this moment."""
    paid_at = None if chance.random() < NEVER else shown_at + payers.draw(chance)
    signals: list[tuple[float, Signal]] = []
    if paid_at is not None and chance.random() < 0.3:
        signals.append((paid_at + chance.uniform(1, 6), of_kind(chance, TRUE_KINDS)))
    elif chance.random() < 0.1:
        until = paid_at if paid_at is not None else shown_at + 240
        signals.append((chance.uniform(shown_at + 3, until), of_kind(chance, FALSE_KINDS)))
    ends = shown_at + LIFE_S
    return Qr(Watched(shown_at, ends, ends + WATCH_S, grace_s=GRACE_S), paid_at, signals, counted=counted)


# ---- ways of deciding --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Way:
    """One way of deciding when to ask; the switches take one ingredient out each."""

    name: str
    signals: bool = True
    priced: bool = True
    planned: bool = True
    learned: bool = True
    poll_s: float = 0.0
    filled: bool = True

    def moment(self, w: Watched, prior: Prior, pressure: Pressure, at: float) -> float | None:
        """Return when to ask next."""
        if self.poll_s:
            return self._poll(w, at)
        if not self.priced:
            pressure = replace(pressure, free_calls=None)
        if self.planned or w.last_look_done:
            return next_look(w, prior=prior, pressure=pressure, at=at)
        return self._threshold(w, prior, price(pressure, prior=prior), at)

    def _poll(self, w: Watched, at: float) -> float | None:
        if w.last_look_done:
            return None
        asked = w.last_asked_at if w.last_asked_at is not None else w.shown_at
        return max(at, min(asked + self.poll_s, w.last_look_at) if at < w.last_look_at else at)

    def _threshold(self, w: Watched, prior: Prior, asking: float, at: float) -> float:
        """The plain rule: ask when the running sum of P(paid) since the last no reaches the price."""
        start = w.last_negative_started_at if w.last_negative_started_at is not None else w.shown_at
        earliest = max(at, (w.last_asked_at + 10) if w.last_asked_at is not None else at)
        heard = [(s, k) for s, k in w.signals if s + SETTLE_S > start]
        if heard:
            earliest = max(earliest, heard[-1][0] + SETTLE_S)
        owed, moment, level, since = 0.0, start, 0.0, start
        while moment < w.last_look_at and (owed < asking or moment < earliest):
            for s, kind in heard:
                if moment <= s < moment + 1:
                    now = 1 - (1 - level) * self._left(prior, w, since, s)
                    level, since = max(LIKELY[kind], now), s
            owed += 1 - (1 - level) * self._left(prior, w, since, moment)
            moment += 1
        return min(moment, max(w.last_look_at, earliest))

    @staticmethod
    def _left(prior: Prior, w: Watched, since: float, moment: float) -> float:
        return prior.unpaid_at(moment - w.shown_at) / prior.unpaid_at(since - w.shown_at)


VINFLOW = Way("VinFlow")
POLL = Way("every 5 s", poll_s=5.0)


# ---- a shop ------------------------------------------------------------------------------------------------


@dataclass
class Tally:
    """What one run counted."""

    shown: int = 0
    refused: int = 0
    calls: int = 0
    tails: int = 0
    busiest_day: int = 0
    late_s: list[float] = field(default_factory=list)
    unknown: int = 0


@dataclass
class Shop:
    """One run: a clock, a quota, QRs, and a way of deciding."""

    way: Way
    payers: Payers
    prior: Prior
    seed: int
    quota: int | None
    arrivals: list[tuple[float, bool]]
    per_day: float
    batch: bool = False
    floor_s: float = PRICE_LEAST_S
    reserve: int = RESERVE
    learning: bool = False

    def run(self) -> Tally:
        """Return the tally of the whole run."""
        chance = random.Random(self.seed)
        self.tally = Tally()
        self.used: dict[int, int] = {}
        self.open: dict[int, None] = {}
        self.heap: list[tuple[float, int, str, int, int]] = []
        self.count, self.ticking = 0, False
        self.fresh, self.lessons = self.prior, 0
        self.qrs: list[Qr] = []
        for at, counted in self.arrivals:
            self.qrs.append(customer(chance, self.payers, at, counted=counted))
            self._push(at, "show", len(self.qrs) - 1, 0)
        while self.heap:
            at, _, what, place, turn = heapq.heappop(self.heap)
            qr = self.qrs[place]
            if what == "show":
                self._show(place, qr, at)
            elif what == "tick":
                self._tick(at)
            elif qr.found_at is None and place in self.open:
                if what == "signal":
                    w = qr.watched
                    qr.watched = replace(w, signals=(*w.signals, *(s for s in qr.signals if s[0] == at)))
                    self._attend(place, at)
                elif turn == qr.turn:
                    self._look(place, qr, at)
        for qr in self.qrs:
            if qr.counted and qr.paid_at is not None and qr.found_at is None and qr.turn:
                self.tally.unknown += 1
        first = min(int(at // DAY_S) for at, counted in self.arrivals if counted)
        self.tally.busiest_day = max(self.used.values(), default=0)
        self.tally.calls = sum(n for day, n in self.used.items() if day >= first)
        return self.tally

    def _learn(self, fresh: Prior) -> None:
        """Keep what was learnt; plans follow at every tenth lesson, which keeps this bench short."""
        self.fresh, self.lessons = fresh, self.lessons + 1
        if self.lessons % 10 == 0:
            self.prior = fresh

    def _push(self, at: float, what: str, place: int, turn: int) -> None:
        self.count += 1
        heapq.heappush(self.heap, (at, self.count, what, place, turn))

    def _free(self, at: float) -> int | None:
        if self.quota is None:
            return None
        left = self.quota - self.used.get(int(at // DAY_S), 0)
        return left - sum(1 for p in self.open if not self.qrs[p].watched.last_look_done)

    def _pressure(self, at: float) -> Pressure:
        into = min(max(at % DAY_S - OPENS_S, 0.0), OPEN_S)
        early = sum(1 for p in self.open if not self.qrs[p].watched.last_look_done)
        company = self.batch and self.way.filled
        return Pressure(
            self._free(at),
            self.per_day * (1 - into / OPEN_S),
            company,
            max(early, 1),
            self.floor_s,
            self.reserve,
        )

    def _show(self, place: int, qr: Qr, at: float) -> None:
        free = self._free(at)
        if free is not None and free < 1 and not self.way.poll_s:
            self.tally.refused += qr.counted
            return
        self.tally.shown += qr.counted
        self.open[place] = None
        if self.way.signals:
            for s, _ in qr.signals:
                self._push(s, "signal", place, 0)
        self._attend(place, at)

    def _tick(self, at: float) -> None:
        """Let a watcher with an open list call look round: once a second while anybody may still pay."""
        heard = [p for p in self.open if self._awake(p, at)]
        those = [self.qrs[p].watched for p in heard]
        named = pick(those, prior=self.prior, pressure=self._pressure(at), at=at)
        if named:
            self.used[int(at // DAY_S)] = self.used.get(int(at // DAY_S), 0) + 1
            tails = [due_kind(those[i], at=at) is Look.TAIL for i in named]
            self.tally.tails += all(tails)
            for i in named:
                self._answer(heard[i], self.qrs[heard[i]], at)
        if not self.open:
            self.ticking = False
            return
        early = any(not self.qrs[p].watched.last_look_done for p in self.open)
        self._push(at + (1 if early else 60), "tick", 0, 0)

    def _awake(self, place: int, at: float) -> bool:
        """Whether this QR can want anything: between its last check and its tail check it cannot."""
        w = self.qrs[place].watched
        return not w.last_look_done or at >= w.watch_until

    def _attend(self, place: int, at: float) -> None:
        if self.batch and self.way.filled and not self.way.poll_s:
            if self.qrs[place].watched.tail_done:
                self.open.pop(place, None)
            elif not self.ticking:
                self.ticking = True
                self._push(at + 1, "tick", 0, 0)
            return
        qr = self.qrs[place]
        moment = self.way.moment(qr.watched, self.prior, self._pressure(at), at)
        qr.turn += 1
        if moment is None:
            self.open.pop(place, None)
        else:
            self._push(moment, "look", place, qr.turn)

    def _look(self, place: int, qr: Qr, at: float) -> None:
        kind, pressure = due_kind(qr.watched, at=at), self._pressure(at)
        if kind is Look.TAIL and not tail_affordable(pressure, prior=self.prior):
            if at > qr.watched.watch_until + DAY_S:
                self.open.pop(place)
            else:
                qr.turn += 1
                self._push(at + 600, "look", place, qr.turn)
            return
        moment = self.way.moment(qr.watched, self.prior, pressure, at)
        if moment is not None and moment > at + 1e-6:
            self._attend(place, at)
            return
        left = math.inf if self.quota is None else self.quota - self.used.get(int(at // DAY_S), 0)
        if self.way.poll_s or kind is Look.LAST:
            allowed = left >= 1
        else:
            allowed = may_ask(qr.watched, pressure, at=at)
        if not allowed:
            qr.turn += 1
            ends = (at // DAY_S + 1) * DAY_S
            again = ends if left < 1 and self.way.poll_s else at + 15
            if again <= qr.watched.watch_until + DAY_S:
                self._push(again, "look", place, qr.turn)
            return
        places = [place]
        if self.batch:
            others = sorted((self.qrs[p].watched.last_asked_at or 0.0, p) for p in self.open if p != place)
            places += [p for asked, p in others if self.way.poll_s and at - asked >= self.way.poll_s - 0.1][
                :49
            ]
        self.used[int(at // DAY_S)] = self.used.get(int(at // DAY_S), 0) + 1
        self.tally.tails += kind is Look.TAIL
        for p in places:
            self._answer(p, self.qrs[p], at)

    def _answer(self, place: int, qr: Qr, at: float) -> None:
        w = qr.watched
        if qr.paid_at is not None and qr.paid_at <= at:
            qr.found_at = at + ANSWER_S
            self.open.pop(place)
            if qr.counted:
                self.tally.late_s.append(qr.found_at - qr.paid_at)
            if self.learning:
                self._learn(self.fresh.observe_paid(qr.paid_at - w.shown_at))
            return
        done = due_kind(w, at=at) is Look.TAIL
        was_done = w.last_look_done
        qr.watched = replace(
            w,
            last_negative_started_at=at,
            last_asked_at=at,
            checks=w.checks + 1,
            tail_done=w.tail_done or done,
        )
        if self.learning and qr.watched.last_look_done and not was_done:
            self._learn(self.fresh.observe_unpaid())
        self._attend(place, at)


def daily(per_day: int, days: int, seed: int, warm: int = 1) -> list[tuple[float, bool]]:
    """Return when QRs are shown: so many a day, at any moment of its 14 hours; the first days are not
    counted.
    """
    chance = random.Random(seed * 7919)
    return sorted(
        (d * DAY_S + OPENS_S + chance.uniform(0, OPEN_S), d >= warm)
        for d in range(days)
        for _ in range(per_day)
    )


def rush(count: int, within_s: float, seed: int) -> list[tuple[float, bool]]:
    """Return when QRs are shown: so many within this time on one day."""
    chance = random.Random(seed * 7919)
    return sorted((DAY_S + OPENS_S + chance.uniform(0, within_s), True) for _ in range(count))


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan


# ---- the tables --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """One row: what runs, and on what."""

    table: str
    name: str
    per_day: int
    way: Way = VINFLOW
    payers: Payers = EVEN
    prior: Prior = field(default_factory=lambda: exact(EVEN))
    learning: bool = False
    quota: int | None = 100
    rush_s: float | None = None  # all of them within this time, list call open, no quota
    floor_s: float = PRICE_LEAST_S
    reserve: int = RESERVE
    days: int = 8
    warm: int = 1

    def run(self, seed: int) -> Tally:
        """Return the tally of one seed."""
        arrivals = (
            daily(self.per_day, self.days, seed, self.warm)
            if self.rush_s is None
            else rush(self.per_day, self.rush_s, seed)
        )
        return Shop(
            self.way, self.payers, self.prior, seed, self.quota, arrivals, self.per_day,
            batch=self.rush_s is not None, floor_s=self.floor_s, reserve=self.reserve, learning=self.learning,
        ).run()  # fmt: skip


PLAIN = Way("debt reaches price", planned=False)
BY_RUSH = (("200 at once", 1.0), ("200 within 10 min", 600.0), ("200 over 14 h", OPEN_S))


def cases() -> Iterator[Case]:
    """Yield every row of every table."""
    for n in (20, 30, 50, 80):
        yield Case("quota", "VinFlow", n)
        yield Case("quota", "VinFlow, prior learned from its payers", n, prior=taught(EVEN, 1000))
        yield Case("quota", "debt reaches price", n, PLAIN)
        yield Case("quota", "every 5 s", n, POLL)
    for name, within in BY_RUSH:
        yield Case("batch", f"{name}: VinFlow", 200, quota=None, rush_s=within)
        yield Case("batch", f"{name}: every 5 s", 200, POLL, quota=None, rush_s=within)
    yield Case("batch", "200 over 14 h: VinFlow, price 65 s", 200, quota=None, rush_s=OPEN_S, floor_s=65.0)
    slow, fast = taught(paced(EVEN, 2.0), 1000), taught(paced(EVEN, 0.5), 1000)
    for n in (20, 50):
        yield Case("prior", "right", n)
        yield Case("prior", "learnt from payers twice as slow, frozen", n, prior=slow)
        yield Case("prior", "the same, learning on: days 2 to 6", n, prior=slow, learning=True, days=6)
        yield Case("prior", "learnt from payers twice as fast, frozen", n, prior=fast)
        yield Case("prior", "the same, learning on: days 2 to 6", n, prior=fast, learning=True, days=6)
        yield Case("prior", "the guess it ships with, frozen", n, prior=Prior.of())
        yield Case("prior", "the guess, learning on: days 2 to 6", n, prior=Prior.of(), learning=True, days=6)
        yield Case("prior", "two kinds of payers, right", n, prior=exact(TWO_KINDS), payers=TWO_KINDS)
        yield Case("prior", "two kinds of payers, prior of the even ones, frozen", n, payers=TWO_KINDS)
        yield Case("prior", "two kinds of payers, the guess, learning on: days 2 to 6", n, prior=Prior.of(),
                   learning=True, days=6, payers=TWO_KINDS)  # fmt: skip
    for n in (20, 50, 80):
        yield Case("ablation", "everything", n)
        yield Case("ablation", "without signals", n, replace(VINFLOW, signals=False))
        yield Case("ablation", "without the plan (debt reaches price)", n, PLAIN)
        yield Case("ablation", "without a rising price", n, replace(VINFLOW, priced=False))
        yield Case("ablation", "without a reserve", n, reserve=0)
        yield Case("ablation", "without learning (the guess)", n, prior=Prior.of())
    yield Case("ablation", "200 at once, everything", 200, quota=None, rush_s=1.0)
    yield Case(
        "ablation",
        "200 at once, without company",
        200,
        replace(VINFLOW, filled=False),
        quota=None,
        rush_s=1.0,
    )
    for floor in (5.0, 8.0, 10.0, PRICE_LEAST_S, 18.0, 25.0, 40.0, 60.0, 90.0):
        for way in (VINFLOW, PLAIN):
            yield Case("frontier", way.name, 20, way, quota=None, floor_s=floor)
    for poll_s in (20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0):
        yield Case("frontier", "fixed", 20, Way("fixed", poll_s=poll_s), quota=None, floor_s=poll_s)


def taught(payers: Payers, count: int) -> Prior:
    """Return the prior after this many QRs of these payers, starting from the guess."""
    chance, prior = random.Random(99), Prior.of()
    for _ in range(count):
        prior = prior.observe_unpaid() if chance.random() < NEVER else prior.observe_paid(payers.draw(chance))
    return prior


def spread(values: list[float]) -> dict[str, float]:
    """Return median, least and most."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def measured(case: Case, seeds: tuple[int, ...]) -> dict[str, Any]:
    """Return one row: medians over the seeds, with the least and the most."""
    tallies = [case.run(seed) for seed in seeds]
    return {
        "table": case.table,
        "name": case.name,
        "checkouts_a_day": case.per_day,
        "quota": case.quota,
        "list_call": case.rush_s is not None,
        "price_floor_s": case.floor_s,
        "payers": case.payers.name,
        "calls": spread([t.calls / t.shown for t in tallies]),
        "p50_s": spread([percentile(t.late_s, 0.5) for t in tallies]),
        "p95_s": spread([percentile(t.late_s, 0.95) for t in tallies]),
        "mean_s": spread([statistics.fmean(t.late_s) for t in tallies]),
        "shown": sum(t.shown for t in tallies),
        "paid": sum(len(t.late_s) for t in tallies),
        "tail_checks": sum(t.tails for t in tallies),
        "refused": sum(t.refused for t in tallies),
        "busiest_day": max(t.busiest_day for t in tallies),
        "never_noticed": sum(t.unknown for t in tallies),
    }


def as_markdown(rows: list[dict[str, Any]]) -> str:
    """Return the tables as Markdown."""

    def cell(value: dict[str, float], digits: int) -> str:
        return f"{value['median']:.{digits}f} ({value['least']:.{digits}f} to {value['most']:.{digits}f})"

    lines: list[str] = []
    for table in dict.fromkeys(r["table"] for r in rows):
        lines += [
            "",
            f"**{table}**",
            "",
            "| a day | way | calls | p50 s | p95 s | not shown |",
            "| --- " * 6 + "|",
        ]
        lines += [
            f"| {r['checkouts_a_day']} | {r['name']} | {cell(r['calls'], 2)} | {cell(r['p50_s'], 0)} |"
            f" {cell(r['p95_s'], 0)} | {r['refused'] / (r['refused'] + r['shown']):.1%} |"
            for r in rows
            if r["table"] == table
        ]
    return "\n".join(lines)


INK = {"VinFlow": "#1f6f54", "debt reaches price": "#b4701a", "fixed": "#7a7f87"}
WORDS = {
    "VinFlow": "VinFlow's plan",
    "debt reaches price": "plain rule: ask when the debt reaches the price",
    "fixed": "a fixed interval (20 to 180 s)",
}


def drawn(rows: list[dict[str, Any]]) -> str:
    """Return the chart: calls per QR across, seconds until half and until 95 % of the payments are noticed
    up.
    """
    width, height, left, top, wide, tall = 760, 400, 64, 56, 660, 280
    x_most, y_most = 6.0, 200.0

    def x(calls: float) -> float:
        return round(left + wide * calls / x_most, 1)

    def y(seconds: float) -> float:
        return round(top + tall * (1 - seconds / y_most), 1)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
        ' font-family="system-ui, Arial, sans-serif" font-size="13" fill="#2b2f36">',
        "<title>Calls per QR against the time until a payment is noticed</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
        '<text x="64" y="24" font-size="15" font-weight="600">Seconds until a payment is noticed</text>',
        '<text x="64" y="42" fill="#5b6069">full line: half of the payments; broken line: 95 % of them.'
        " Single calls, no quota, 20 checkouts a day</text>",
    ]
    for seconds in range(0, int(y_most) + 1, 50):
        out.append(f'<path d="M{left} {y(seconds)}h{wide}" stroke="#e3e5e8"/>')
        out.append(f'<text x="{left - 8}" y="{y(seconds) + 4}" text-anchor="end">{seconds} s</text>')
    out += [
        f'<text x="{x(calls)}" y="{top + tall + 20}" text-anchor="middle">{calls}</text>'
        for calls in range(int(x_most) + 1)
    ]
    out.append(f'<text x="{left + wide}" y="{top + tall + 38}" text-anchor="end">calls per QR shown</text>')
    for line, (name, ink) in enumerate(INK.items()):
        points = sorted(
            (r["calls"]["median"], r["p50_s"]["median"], r["p95_s"]["median"])
            for r in rows
            if r["name"] == name
        )
        inside = [p for p in points if p[0] <= x_most]
        for which, dash in ((1, ""), (2, ' stroke-dasharray="6 4"')):
            path = " ".join(f"{x(p[0])},{y(p[which])}" for p in inside if p[which] <= y_most)
            out.append(f'<polyline points="{path}" fill="none" stroke="{ink}" stroke-width="2.2"{dash}/>')
        out.append(f'<path d="M396 {78 + 20 * line}h26" stroke="{ink}" stroke-width="3"/>')
        out.append(f'<text x="428" y="{82 + 20 * line}">{WORDS[name]}</text>')
    return "\n".join([*out, "</svg>", ""])


def main() -> None:
    """Run the tables and print them."""
    parser = argparse.ArgumentParser(description="Calls and latency of checking, simulated.")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--only", help="one table: quota, batch, prior, ablation, frontier")
    parser.add_argument("--svg", help="draw the frontier into this file")
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="how many seeds (default 5)")
    chosen = parser.parse_args()
    seeds = tuple(range(1, chosen.seeds + 1))
    started = time.perf_counter()
    rows = []
    for case in cases():
        if chosen.only in (None, case.table):
            rows.append(measured(case, seeds))
            print(f"\r{len(rows)} rows", end="", file=sys.stderr)
    print(f", {time.perf_counter() - started:.0f} s", file=sys.stderr)
    if chosen.svg:
        with open(chosen.svg, "w", encoding="utf-8") as file:
            file.write(drawn([r for r in rows if r["table"] == "frontier"]))
    if chosen.json:
        about = {
            "python": platform.python_version(),
            "seeds": seeds,
            "seconds": round(time.perf_counter() - started, 1),
        }
        print(json.dumps({**about, "payers": EVEN.name, "never": NEVER, "rows": rows}, indent=1))
    else:
        print(as_markdown(rows))


if __name__ == "__main__":
    main()

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


def stretched(payers: Payers, factor: float, weight: float = 1e6) -> Prior:
    """Return the prior that takes every payer to be slower by this factor."""
    return Prior.of(lambda age: payers.shape(age / factor), never=NEVER, payers=weight)


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
    learning: bool = False

    def run(self) -> Tally:
        """Return the tally of the whole run."""
        chance = random.Random(self.seed)
        self.tally, self.used, self.open = Tally(), {}, {}  # type: ignore[var-annotated]
        self.heap: list[tuple[float, int, str, int, int]] = []
        self.count, self.ticking = 0, False
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
        first = 0 if self.arrivals[0][1] else 1  # the first day has no tail checks of the day before
        self.tally.busiest_day = max(self.used.values(), default=0)
        self.tally.calls = sum(n for day, n in self.used.items() if day >= first)
        return self.tally

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
        return Pressure(
            self._free(at), self.per_day * (1 - into / OPEN_S), self.batch, max(early, 1), self.floor_s
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
        heard = list(self.open)
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

    def _attend(self, place: int, at: float) -> None:
        if self.batch and not self.way.poll_s:
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
            places += [p for asked, p in others if at - asked >= self.way.poll_s - 0.1][:49]
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
                self.prior = self.prior.observe_paid(qr.paid_at - w.shown_at)
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
            self.prior = self.prior.observe_unpaid()
        self._attend(place, at)


def daily(per_day: int, days: int, seed: int) -> list[tuple[float, bool]]:
    """Return when QRs are shown: so many a day, at any moment of its 14 hours; the first day is not counted."""
    chance = random.Random(seed * 7919)
    return sorted(
        (d * DAY_S + OPENS_S + chance.uniform(0, OPEN_S), d > 0) for d in range(days) for _ in range(per_day)
    )


def rush(count: int, within_s: float, seed: int) -> list[tuple[float, bool]]:
    """Return when QRs are shown: so many within this time on one day."""
    chance = random.Random(seed * 7919)
    return sorted((DAY_S + OPENS_S + chance.uniform(0, within_s), True) for _ in range(count))


def percentile(values: list[float], share: float) -> float:
    """Return the value below which this share lies (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)] if ordered else math.nan

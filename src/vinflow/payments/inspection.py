"""What is believed about one QR, and the cheapest way to look at one whose payer is silent.

Plain Python: no Django, no clock, no chance. schedule.py decides with it; prior.py says how long payers take.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from vinflow.payments.prior import Prior

COOL_DOWN_S: Final = 10.0  # between two looks at one md5, whoever asks
SETTLE_S: Final = 3.0  # a transfer needs a moment to become visible after the payer's own word
GRACE_S: Final = 120.0

# A payer who said so, and Bakong says no: either not so, or the bank is slow. One in twelve is slow.
SLOW: Final = 0.08
SLOW_HALF_S: Final = 30.0
DENIED: Final = 0.25  # what is left of a signal's odds each time Bakong has said no to one of its kind


class Signal(StrEnum):
    """What the payer's own device told us; never proof."""

    SAID_PAID = "said_paid"
    BACK_FROM_APP = "back_from_app"
    PAGE_SHOWN = "page_shown"


LIKELY: Final = {Signal.SAID_PAID: 0.85, Signal.BACK_FROM_APP: 0.7, Signal.PAGE_SHOWN: 0.4}


@dataclass(frozen=True, slots=True)
class Watched:
    """One QR that was shown, and everything known about it that bears on asking. Moments are epoch seconds.

    last_negative_started_at: when the last request that was answered NotFound *started*; None before the
    first.
    last_asked_at: when the last request of any outcome started: the cool-down counts from there.
    unanswered: how many answers in a row were CannotTell; each doubles the cool-down, up to 32 times.
    signals: (moment, what), oldest first; old ones may be left in, they have been answered.
    tail_done: the one check at the end of the watch window was made (or given up).
    """

    shown_at: float
    expires_at: float
    watch_until: float
    last_negative_started_at: float | None = None
    signals: tuple[tuple[float, Signal], ...] = ()
    checks: int = 0
    tail_done: bool = False
    last_outcome: str = ""
    last_asked_at: float | None = None
    unanswered: int = 0
    grace_s: float = GRACE_S

    @property
    def last_look_at(self) -> float:
        """When the check is due that alone may end the payment as expired."""
        return self.expires_at + self.grace_s

    @property
    def last_look_done(self) -> bool:
        """Whether Bakong has said NotFound to a request that started after expiry plus grace."""
        said = self.last_negative_started_at
        return said is not None and said >= self.last_look_at


# ---- what we believe about one QR --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Belief:
    """P(paid and visible) as it runs from one age on, while nothing more is heard.

    age: where the run starts. p: the likelihood there. debt: expected seconds already owed there.
    echo: how likely it is that the payer paid and the bank is slow; echo_age: when Bakong last said no.
    Each moment of debt is an expectation over everything known now: a signal speaks of the time before it
    too.
    """

    prior: Prior
    age: float
    p: float
    debt: float
    echo: float
    echo_age: float

    @property
    def silence(self) -> float:
        """How much of the prior's curve is left: P(not paid by an age) is this times prior.unpaid_at(age)."""
        return (1 - self.p) / self.prior.unpaid_at(self.age)

    def likely(self, age: float) -> float:
        """Return P(paid and visible by this age)."""
        return 1 - self.silence * self.prior.unpaid_at(age) * (1 - self.echo * self.visible(age))

    def owed(self, age: float) -> float:
        """Return the expected seconds of "paid, and we do not know" by this age."""
        area = self.prior.unpaid_area(age) - self.prior.unpaid_area(self.age)
        return self.debt + (age - self.age) - self.silence * area + self.echoed(age) - self.echoed(self.age)

    def echoed(self, age: float) -> float:
        """Return the part of the debt that the slow bank owes by this age.

        The two ways of being paid overlap by less than a second; adding them is near enough.
        """
        if not self.echo:
            return 0.0
        waited = max(age - self.echo_age, 0.0)
        return self.echo * (1 - self.p) * (waited - SLOW_HALF_S / math.log(2) * self.visible(age))

    def visible(self, age: float) -> float:
        """Return the share of slow transfers that have become visible by this age."""
        return 1 - math.exp2(-max(age - self.echo_age, 0.0) / SLOW_HALF_S)


def open_signals(watched: Watched, at: float) -> list[tuple[float, Signal]]:
    """Return the signals heard by now that no NotFound has answered (one younger than 3 s is not answered by
    it).
    """
    said = watched.last_negative_started_at
    return [(s, what) for s, what in watched.signals if s <= at and (said is None or s + SETTLE_S > said)]


def _credible(watched: Watched, what: Signal) -> float:
    """Return how likely a signal makes the payment: less for each time that Bakong has said no to the same
    one.

    A page that is hidden and shown all evening, or a button pressed out of impatience, must not spend the
    day's
    calls: four nos make an "I have paid" count for 2 %.
    """
    said = watched.last_negative_started_at
    denied = 0 if said is None else sum(k is what and s + SETTLE_S <= said for s, k in watched.signals)
    odds = LIKELY[what] / (1 - LIKELY[what]) * DENIED**denied
    return odds / (1 + odds)


def belief_of(watched: Watched, prior: Prior, at: float) -> Belief:
    """Return what is believed at this moment."""
    said = watched.last_negative_started_at
    start = 0.0 if said is None else said - watched.shown_at
    echo = 0.0
    if said is not None:
        for s, what in watched.signals:
            if what is Signal.SAID_PAID and s + SETTLE_S <= said:
                slow = LIKELY[what] * SLOW * math.exp2((s - said) / SLOW_HALF_S)
                echo = max(echo, slow / (1 - LIKELY[what] + slow))
    belief = Belief(prior, start, 0.0, 0.0, echo, start)
    for s, what in open_signals(watched, at):
        age = max(s - watched.shown_at, start)
        p, owed, likely = belief.likely(age), belief.owed(age), _credible(watched, what)
        if likely > p:
            # Paid at some moment since the last no: as the prior has it, or anywhere where it has nothing.
            owed = likely * (owed / p if p > 1e-9 else (age - start) / 2)
            belief = Belief(prior, age, likely, owed, echo, start)
    return belief


# ---- the plan for a QR whose payer is silent ---------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """The cheapest way to go on after a NotFound, by age, down to the last check.

    ages: a grid from 0 to the last check. cost, calls: expected price-weighted cost and calls still to come,
    times P(unpaid at that age), so that straight lines between the nodes are right where the prior's curve is
    straight.
    following: the age of the next look. area: the prior's unpaid_area, kept for speed.
    """

    ages: tuple[float, ...]
    cost: tuple[float, ...]
    calls: tuple[float, ...]
    following: tuple[float, ...]
    area: tuple[float, ...]

    def cost_at(self, age: float) -> float:
        """Return the cost to come after a look at this age that found nothing, times P(unpaid)."""
        i = min(bisect_right(self.ages, age), len(self.ages) - 1)
        low, high = self.ages[i - 1], self.ages[i]
        share = min(max((age - low) / (high - low), 0.0), 1.0)
        return self.cost[i - 1] + share * (self.cost[i] - self.cost[i - 1])


def _grid(last_age: float) -> tuple[float, ...]:
    """Return the ages at which a look may be planned: every 5 s for five minutes, then every 15 s."""
    fine = [5.0 * i for i in range(60)]
    coarse = [300.0 + 15.0 * i for i in range(max(0, math.ceil((last_age - 300) / 15)))]
    return (*(a for a in fine + coarse if a < last_age - COOL_DOWN_S), last_age)


@lru_cache(maxsize=512)
def plan(prior: Prior, price_s: float, last_age: float) -> Plan:
    """Return the plan for silent payers at this price. Remembered: a millisecond or two to make.

    Worked backwards: at each age the next look is the one that makes debt until it, plus its price, plus what
    follows if it finds nothing, smallest. The last check is paid for like the others, and cannot be left out.
    """
    ages = _grid(last_age)
    n = len(ages)
    unpaid = [prior.unpaid_at(a) for a in ages]
    area = [prior.unpaid_area(a) for a in ages]
    cost, calls, following = [0.0] * n, [0.0] * n, [last_age] * n
    for i in range(n - 2, -1, -1):
        here, left, base = ages[i], unpaid[i], area[i]
        best, chosen = math.inf, n - 1
        for j in range(i + 1, n):
            gap = ages[j] - here
            if gap < COOL_DOWN_S and j < n - 1:
                continue
            total = left * gap - (area[j] - base) + cost[j]
            if total < best:
                best, chosen = total, j
        cost[i] = best + price_s * left
        calls[i] = left + calls[chosen]
        following[i] = ages[chosen]
    return Plan(ages, tuple(cost), tuple(calls), tuple(following), tuple(area))

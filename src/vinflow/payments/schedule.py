"""When is the next check of a QR worth a call?

A pure function of what is known: no Django, no clock, no chance. A call to Bakong has a price, in seconds of
"paid, and we do not know" (debt). For each QR we choose the moments of asking that make

    expected debt + price * expected calls

smallest, given how long this shop's payers take (prior.py), what the payer did on our page (signals) and the
last check at expiry + grace, which is made in any case. Without signals that choice is the inspection plan of
a table worked backwards from the last check; a signal makes the payment likely at once, and the same sum then
says "now".

The price is the lowest at which the calls left today last for the QRs still expected. Where one call may
carry fifty QRs they share it, so each needs to run up only its share.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Final

from vinflow.payments.inspection import (
    COOL_DOWN_S,
    GRACE_S,
    LIKELY,
    SETTLE_S,
    Belief,
    Signal,
    Watched,
    belief_of,
    open_signals,
    plan,
)
from vinflow.payments.prior import Prior

__all__ = [
    "COOL_DOWN_S",
    "LIKELY",
    "PRICE_LEAST_S",
    "RESERVE",
    "SETTLE_S",
    "Look",
    "Pressure",
    "Signal",
    "Watched",
    "confirmable",
    "debt",
    "due_kind",
    "may_ask",
    "next_call",
    "next_look",
    "pick",
    "price",
    "tail_affordable",
    "worth",
]

PRICE_LEAST_S: Final = 13.5
PRICE_MOST_S: Final = 600.0  # a dearer call would leave everybody to the last check, ten minutes late
PATIENT_S: Final = 900.0  # the most that one unnoticed payment is taken to cost, even if nobody looks all day
PRICE_STEP: Final = 1.05  # prices are rounded up to powers of this, so that plans can be remembered
RESERVE: Final = 15  # usual Pressure.reserve: for last checks, first looks, "I have paid" and staff
PRICE_SPREAD: Final = 1.25  # each QR's own price lies within this factor of the price
GOLDEN: Final = (math.sqrt(5) - 1) / 2
BATCH_MOST: Final = 50  # md5s in one list call
CROWD: Final = 0.4  # a call for n QRs must be worth n to this power as much as a call for one
# Where calls are shared, a check that hardly ever finds anything waits this long for company.
LAST_PATIENCE_S: Final = 60.0
TAIL_PATIENCE_S: Final = 900.0


class Look(StrEnum):
    """Why a QR is asked about; the order is the rank."""

    LAST = "last"
    ORDINARY = "ordinary"
    TAIL = "tail"


RANK: Final = {kind: rank for rank, kind in enumerate(Look)}


@dataclass(frozen=True, slots=True)
class Pressure:
    """How scarce calls are at this moment.

    free_calls: calls left until the reset beyond those set aside for the last checks of QRs already shown;
    None
      where there is no quota.
    arrivals: further QRs expected until the reset. open: QRs being watched before their last check.
    batch_open: one call may carry 50. floor_s: the price where calls are plenty.
    reserve: how many of free_calls ordinary looks must leave (see may_ask); 0 when already taken off.
    """

    free_calls: int | None
    arrivals: float = 0.0
    batch_open: bool = False
    open: int = 1
    floor_s: float = PRICE_LEAST_S
    reserve: int = 0


def debt(watched: Watched, *, prior: Prior, at: float) -> float:
    """Return the expected seconds for which this QR is paid and visible and we have not asked, by this
    moment.

    Zero just after a NotFound. Grows with P(paid), and jumps with a signal, which says that the payment may
    have been made at any moment since the last NotFound. This is the rank among QRs that compete for one
    call.
    """
    return belief_of(watched, prior, at).owed(max(at - watched.shown_at, 0.0))


# ---- what a call costs -------------------------------------------------------------------------------------


def _rounded(price_s: float) -> float:
    """Return the price on the grid of PRICE_STEP, so that plans and prices are remembered."""
    return float(PRICE_STEP ** math.ceil(math.log(max(price_s, 1e-3)) / math.log(PRICE_STEP) - 1e-9))


@lru_cache(maxsize=512)
def _price_of(prior: Prior, supply: float, floor_s: float) -> float:
    """Return the lowest price, floor or dearer, at which a QR is expected to take no more calls than
    supplied.

    Where no price makes it so few, the lowest that makes them fewest: a dearer call would save nothing.
    """
    low = math.ceil(math.log(floor_s) / math.log(PRICE_STEP) - 1e-9)
    high = max(low, math.ceil(math.log(PRICE_MOST_S) / math.log(PRICE_STEP)))
    enough = max(supply, _calls_at(prior, high) + 1e-9)
    while low < high:  # calls fall as the price rises
        middle = (low + high) // 2
        if _calls_at(prior, middle) <= enough:
            high = middle
        else:
            low = middle + 1
    return float(PRICE_STEP**low)


@lru_cache(maxsize=512)
def _calls_at(prior: Prior, step: int) -> float:
    """Return the calls planned for a new QR at PRICE_STEP to this power, its own price being spread around
    it.
    """
    edge = round(math.log(PRICE_SPREAD) / math.log(PRICE_STEP))
    prices = (PRICE_STEP ** (step + off) for off in (-edge, 0, edge))
    return sum(plan(prior, float(p), 600.0 + GRACE_S).calls[0] for p in prices) / 3


def together(pressure: Pressure) -> int:
    """Return how many QRs one call can serve now."""
    return min(max(pressure.open, 1), BATCH_MOST) if pressure.batch_open else 1


def price(pressure: Pressure, *, prior: Prior) -> float:
    """Return what one call must be worth, in seconds of debt.

    The floor where there is no quota or plenty is left; otherwise the lowest price at which the calls left,
    shared by the QRs open and expected, are enough for the looks planned at that price. Used calls raise it,
    and payments that come early lower it, so that it steers by itself.
    """
    if pressure.free_calls is None:
        return _rounded(pressure.floor_s)
    waiting = max(pressure.open, 0) + max(pressure.arrivals, 0.0)
    if waiting <= 0:
        return _rounded(pressure.floor_s)
    # The set-aside call of an open QR is there for it too: it returns when the QR is found paid.
    supply = (max(pressure.free_calls - pressure.reserve, 0) + max(pressure.open, 0)) / waiting
    # Calls fall as the root of the price, and a call for n carries n: so many more looks may be planned.
    supply *= together(pressure) ** (1 - (1 - CROWD) / 2)
    return _price_of(prior, round(supply, 2), pressure.floor_s)


def worth(pressure: Pressure, *, prior: Prior) -> float:
    """Return the debt that the QRs of one call must owe between them: the price, more for a fuller call.

    n QRs in one call pay the root of n prices, not one: a shop with two hundred QRs open can afford to be
    quick with a fifth of a call each, and still Bakong is not asked fifty times as eagerly.
    """
    return float(price(pressure, prior=prior) * together(pressure) ** CROWD)


def confirmable(pressure: Pressure) -> int | None:
    """Return how many more QRs can be shown today with a last check each; None without a quota."""
    return None if pressure.free_calls is None else max(pressure.free_calls, 0)


def may_ask(watched: Watched, pressure: Pressure, *, at: float) -> bool:
    """Return whether the quota has a call for this QR now, whatever it is worth.

    The last check always has: it was set aside. The first look at a QR and a payer's "I have paid" may take
    the reserve; every other look leaves it.
    """
    free = pressure.free_calls
    if free is None or due_kind(watched, at=at) is Look.LAST:
        return True
    said = any(what is Signal.SAID_PAID for _, what in open_signals(watched, at))
    return free > (0 if said or not watched.checks else pressure.reserve)


def tail_affordable(pressure: Pressure, *, prior: Prior) -> bool:
    """Return whether a tail check may be made now: calls are at their floor price, so nobody goes short for
    it.
    """
    free = pressure.free_calls
    if free is None:
        return True
    return free > pressure.reserve and price(pressure, prior=prior) <= _rounded(pressure.floor_s)


# ---- the next look -----------------------------------------------------------------------------------------


def next_look(watched: Watched, *, prior: Prior, pressure: Pressure, at: float) -> float | None:
    """Return the moment at which asking about this QR is worth its price; None when nothing is left to ask.

    Never before `at`, never inside the cool-down, three seconds after a signal at the earliest. Until the
    last check is answered NotFound that check is always ahead, at expiry + grace; after it the tail check, at
    the end of the watch window (whether it is made is tail_affordable's word), or sooner if the payer speaks.
    To be asked again whenever something changes: an answer, a signal, a new price.
    """
    if watched.last_look_done and watched.tail_done and not open_signals(watched, at):
        return None
    earliest = _earliest(watched, at)
    end = max(_forced(watched, pressure), earliest)
    if earliest >= min(end, watched.last_look_at if not watched.last_look_done else end):
        return end
    belief = belief_of(watched, prior, at)
    born = watched.shown_at
    if together(pressure) > 1:
        asking, horizon = worth(pressure, prior=prior), min(end, earliest + PATIENT_S)
        quiet = belief_of(replace(watched, signals=()), prior, at)
        silent = _reaches(quiet, born, asking / together(pressure), earliest, horizon)
        # The others owe half of their part on the average: one who spoke has to bring the other half.
        spoken = _reaches(belief, born, asking / 2, earliest, horizon)
        return _known(min(silent or end, spoken or end))
    asking = price(pressure, prior=prior) * _spread(watched)
    best, best_cost = end, belief.owed(min(end, earliest + PATIENT_S) - born) + asking
    if watched.last_look_done:
        # Nobody is expected any more: only the payer's word, or its echo, can make a look worth while.
        later = [earliest + step for step in (0.0, 15.0, 30.0, 60.0, 120.0, 240.0)]
        for moment in later:
            total = belief.owed(moment - born) + asking
            total += (1 - belief.likely(moment - born)) * asking
            if moment < end and total < best_cost:
                best, best_cost = moment, total
        return _known(best)
    ahead = plan(prior, _rounded(asking), float(round(watched.last_look_at - born)))
    age = earliest - born
    total = belief.owed(age) + asking + (1 - belief.likely(age)) / prior.unpaid_at(age) * ahead.cost_at(age)
    if total < best_cost:
        best, best_cost = earliest, total
    # The same sum at the nodes ahead, with what does not change taken out of the loop.
    silence = belief.silence
    fixed = belief.debt + asking - belief.age - belief.echoed(belief.age)
    fixed += silence * prior.unpaid_area(belief.age)
    for i in range(bisect_right(ahead.ages, age), len(ahead.ages) - 1):
        node, follows = ahead.ages[i], silence * ahead.cost[i]
        total = fixed + node - silence * ahead.area[i] + follows
        if belief.echo:
            total += belief.echoed(node) - belief.echo * belief.visible(node) * follows
        if total < best_cost:
            best, best_cost = born + node, total
    return best


def _forced(watched: Watched, pressure: Pressure) -> float:
    """Return when this QR is asked about in any case: its last check, then its tail check, or never again."""
    if not watched.last_look_done:
        company = pressure.batch_open and pressure.open > 1
        return watched.last_look_at + (LAST_PATIENCE_S if company else 0.0)
    if not watched.tail_done:
        return watched.watch_until + (TAIL_PATIENCE_S if pressure.batch_open else 0.0)
    return math.inf


def _known(moment: float) -> float | None:
    """Return the moment, or None where it never comes."""
    return None if math.isinf(moment) else moment


def _reaches(belief: Belief, born: float, owed: float, earliest: float, end: float) -> float | None:
    """Return when the debt reaches this sum between the two moments, or None. It only grows: by halving."""
    if belief.owed(end - born) < owed:
        return None
    low, high = earliest, end
    while high - low > 0.05:
        middle = (low + high) / 2
        if belief.owed(middle - born) >= owed:
            high = middle
        else:
            low = middle
    return high if belief.owed(earliest - born) < owed else earliest


def _spread(watched: Watched) -> float:
    """Return a factor between 0.8 and 1.25 that is this QR's own, and the same whenever it is asked for.

    The best plan jumps as the price passes certain values (three looks rather than four), for all QRs
    together. Near such a value both plans cost the same, so a little unevenness costs nothing, and the number
    of calls follows the price smoothly. It also keeps QRs shown together from being asked about together.
    """
    place = math.fmod(round(watched.shown_at * 1000) * GOLDEN, 1.0)
    return float(PRICE_SPREAD ** (2 * place - 1))


def _earliest(watched: Watched, at: float) -> float:
    """Return the first moment at which a look is allowed."""
    earliest = at
    if watched.last_asked_at is not None:
        earliest = max(earliest, watched.last_asked_at + COOL_DOWN_S * 2 ** min(watched.unanswered, 5))
    fresh = open_signals(watched, at)
    if fresh:
        # After the newest word, but a page that is hidden and shown without end must not put us off for ever.
        earliest = max(earliest, min(fresh[-1][0] + SETTLE_S, fresh[0][0] + COOL_DOWN_S))
    return earliest


# ---- whom to ask now ---------------------------------------------------------------------------------------


def due_kind(watched: Watched, *, at: float) -> Look:
    """Return why this QR would be asked about now: its last check, its tail check, or an ordinary one."""
    if not watched.last_look_done:
        return Look.LAST if at >= watched.last_look_at else Look.ORDINARY
    return Look.TAIL if at >= watched.watch_until and not watched.tail_done else Look.ORDINARY


def pick(watched: Sequence[Watched], *, prior: Prior, pressure: Pressure, at: float) -> list[int]:
    """Return the places of the QRs to ask about in one call now, first rank first; empty when no call is
    worth it.

    Single calls: the one QR whose next look has come, a last check first, then the largest debt. List calls:
    up to 50, last checks first, then by debt, when together they owe what the call is worth or one of them
    can wait no longer. Tail checks come last, when affordable.
    """
    ranked: list[tuple[int, float, int]] = []
    pressing = False
    tails = tail_affordable(pressure, prior=prior)
    alone = together(pressure) == 1
    for place, one in enumerate(watched):
        kind = due_kind(one, at=at)
        if (kind is Look.TAIL and not tails) or _earliest(one, at) > at:
            continue
        owed = debt(one, prior=prior, at=at)
        if kind is not Look.ORDINARY or alone:
            moment = next_look(one, prior=prior, pressure=pressure, at=at)
            now = moment is not None and moment <= at
            pressing = pressing or now
            if not now and not pressure.batch_open:
                continue
        if owed > 0 or kind is not Look.ORDINARY:
            ranked.append((RANK[kind], -owed, place))
    ranked.sort()
    chosen = ranked[: BATCH_MOST if pressure.batch_open else 1]
    owed_together = -sum(owed for _, owed, _ in chosen)
    if pressing or (not alone and owed_together >= worth(pressure, prior=prior)):
        return [place for *_, place in chosen]
    return []


def next_call(watched: Sequence[Watched], *, prior: Prior, pressure: Pressure, at: float) -> float | None:
    """Return the moment at which pick will name somebody, if nothing new is heard; None when it never will.

    Single calls: the earliest next look. List calls: also the moment at which the debts together reach the
    worth of a call, which is sooner than any of them alone would.
    """
    if together(pressure) == 1:
        looks = [next_look(one, prior=prior, pressure=pressure, at=at) for one in watched]
        return min((moment for moment in looks if moment is not None), default=None)
    if pick(watched, prior=prior, pressure=pressure, at=at):
        return at
    asking = worth(pressure, prior=prior)
    ready = [(_earliest(one, at), one.shown_at, belief_of(one, prior, at)) for one in watched]
    forced = min(
        (max(_forced(one, pressure), first) for one, (first, *_) in zip(watched, ready, strict=True)),
        default=math.inf,
    )
    last = min(forced, at + 2 * 86_400.0)

    def enough(moment: float) -> bool:
        owed = sorted((b.owed(moment - born) for first, born, b in ready if first <= moment), reverse=True)
        return sum(owed[:BATCH_MOST]) >= asking

    # Debts only grow, so halving finds the moment, to a quarter of a second.
    if not enough(last):
        return _known(forced)
    low, high = at, last
    while high - low > 0.25:
        middle = (low + high) / 2
        if enough(middle):
            high = middle
        else:
            low = middle
    return high

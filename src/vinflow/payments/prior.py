"""How long payers take: a small histogram that starts as a guess and learns from this shop's own payers.

    PriorUnreadable (ValueError)   stored JSON that is not a prior; .detail says what is wrong

Twenty-five bins of age (seconds since the QR was shown) and one weight for those who never pay. Every weight
is in *payers*: the guess counts as START_PAYERS of them and never fades, what is seen is added on top and
fades by half every HALF_LIFE payers. So the first odd payer moves little, a few dozen outweigh the guess, and
a shop whose customers change is followed within a few hundred payments. Nothing here reads a clock or rolls a
die.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any, Final, Self

# Narrow where most payers are, wide in the tail: a weight per bin should never rest on one payer alone.
EDGES: Final = (
    0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 60.0, 75.0, 90.0, 105.0, 120.0, 140.0, 160.0, 180.0, 210.0,
    240.0, 270.0, 300.0, 360.0, 420.0, 480.0, 540.0, 600.0, 720.0,
)  # fmt: skip
BINS: Final = len(EDGES) - 1

START_PAYERS: Final = 16.0
HALF_LIFE: Final = 200.0
FADE: Final = 0.5 ** (1 / HALF_LIFE)

MEDIAN_S: Final = 60.0  # the guess: open the bank app, scan, PIN; half of those who pay are done in a minute
SPREAD: Final = 0.8  # of the logarithm: two thirds between 27 s and 134 s
ANYWHERE: Final = 0.1  # of the payers follow no pattern at all and pay at any moment of the ten minutes
NEVER: Final = 0.25  # of the QRs shown are never paid
NEVER_LEAST: Final = 0.02  # nobody's payers are so faithful that a QR is certain to be paid

# One payer speaks for the neighbouring bins too, or a histogram of thirty payers is a comb.
KERNEL: Final = ((-1, 0.25), (0, 0.5), (1, 0.25))

VERSION: Final = 1


class PriorUnreadable(ValueError):
    """A stored prior cannot be read: not JSON, another version, or weights that cannot be."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def guess(age_s: float) -> float:
    """Return the share of paying customers that have paid by this age, before anything was seen."""
    if age_s <= 0:
        return 0.0
    usual = 0.5 * (1 + math.erf(math.log(age_s / MEDIAN_S) / (SPREAD * math.sqrt(2))))
    return (1 - ANYWHERE) * usual + ANYWHERE * min(age_s / 600.0, 1.0)


@dataclass(frozen=True, slots=True)
class Prior:
    """When, if ever, a QR shown by this shop will be paid.

    start, paid: payers per bin of EDGES: the lasting guess, and what was seen (fading).
    start_never, never: the same for QRs whose watch ended unpaid.
    Frozen: observing returns another Prior. Equal priors hash alike, so that plans can be remembered by them.
    """

    start: tuple[float, ...]
    start_never: float
    paid: tuple[float, ...] = (0.0,) * BINS
    never: float = 0.0
    _unpaid: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())
    _area: tuple[float, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        """Refuse impossible weights, and lay out the curve. Raises PriorUnreadable."""
        weights = (*self.start, *self.paid, self.start_never, self.never)
        if len(self.start) != BINS or len(self.paid) != BINS:
            raise PriorUnreadable(f"expected {BINS} bins, found {len(self.start)} and {len(self.paid)}")
        if not all(math.isfinite(w) and w >= 0 for w in weights):
            raise PriorUnreadable("a weight is negative or not a number")
        payers = sum(self.start) + sum(self.paid)
        if payers <= 0:
            raise PriorUnreadable("no payer at all, not even a guessed one")
        never = max((self.start_never + self.never) / (payers + self.start_never + self.never), NEVER_LEAST)
        unpaid, area = [1.0], [0.0]
        for guessed, seen, (low, high) in zip(self.start, self.paid, pairwise(EDGES), strict=True):
            unpaid.append(max(unpaid[-1] - (1 - never) * (guessed + seen) / payers, never))
            area.append(area[-1] + (high - low) * (unpaid[-2] + unpaid[-1]) / 2)
        object.__setattr__(self, "_unpaid", tuple(unpaid))
        object.__setattr__(self, "_area", tuple(area))

    @classmethod
    def of(
        cls, shape: Callable[[float], float] = guess, *, never: float = NEVER, payers: float = START_PAYERS
    ) -> Self:
        """Return a prior that starts from a given shape and has seen nobody yet.

        shape: share of paying customers that have paid by an age in seconds; rises from 0 to 1.
        never: share of QRs that are never paid. payers: how many customers the guess is worth.
        """
        last = shape(EDGES[-1])
        start = tuple(payers * (1 - never) * (shape(b) - shape(a)) / last for a, b in pairwise(EDGES))
        return cls(start=start, start_never=payers * never)

    def unpaid_at(self, age_s: float) -> float:
        """Return the probability that a QR of this age has not been paid: 1 when shown, flat after 720 s."""
        if age_s <= 0:
            return 1.0
        if age_s >= EDGES[-1]:
            return self._unpaid[-1]
        i = bisect_right(EDGES, age_s) - 1
        share = (age_s - EDGES[i]) / (EDGES[i + 1] - EDGES[i])
        return self._unpaid[i] + share * (self._unpaid[i + 1] - self._unpaid[i])

    def unpaid_area(self, age_s: float) -> float:
        """Return the integral of unpaid_at from 0 to this age, in seconds, exactly (the curve is of straight
        lines).
        """
        if age_s <= 0:
            return age_s
        if age_s >= EDGES[-1]:
            return self._area[-1] + (age_s - EDGES[-1]) * self._unpaid[-1]
        i = bisect_right(EDGES, age_s) - 1
        return self._area[i] + (age_s - EDGES[i]) * (self._unpaid[i] + self.unpaid_at(age_s)) / 2

    @property
    def never_share(self) -> float:
        """The share of QRs that are never paid."""
        return self._unpaid[-1]

    @property
    def seen(self) -> float:
        """How many observations it rests on, faded ones counted by what is left of them."""
        return sum(self.paid) + self.never

    def observe_paid(self, age_s: float) -> Self:
        """Return the prior after one more payer, whose transfer was made this many seconds after the QR was
        shown.

        An age that cannot be (negative: clocks apart; beyond the last bin) counts for the nearest bin.
        """
        i = min(max(bisect_right(EDGES, age_s) - 1, 0), BINS - 1) if math.isfinite(age_s) else BINS - 1
        paid = [w * FADE for w in self.paid]
        for step, share in KERNEL:
            paid[min(max(i + step, 0), BINS - 1)] += share
        return replace(self, paid=tuple(paid), never=self.never * FADE)

    def observe_unpaid(self) -> Self:
        """Return the prior after one more QR whose last check said that nobody had paid."""
        return replace(self, paid=tuple(w * FADE for w in self.paid), never=self.never * FADE + 1)

    def to_dict(self) -> dict[str, Any]:
        """Return everything there is to keep, ready for a JSON column: about a kilobyte."""
        return {
            "version": VERSION,
            "start": [round(w, 6) for w in self.start],
            "start_never": round(self.start_never, 6),
            "paid": [round(w, 6) for w in self.paid],
            "never": round(self.never, 6),
        }

    @classmethod
    def from_dict(cls, kept: object) -> Self:
        """Return the prior that to_dict wrote. Raises PriorUnreadable: start again from Prior.of()."""
        if not isinstance(kept, dict) or kept.get("version") != VERSION:
            raise PriorUnreadable(f"expected an object of version {VERSION}")
        return cls(
            start=_weights(kept, "start"),
            start_never=_weight(kept.get("start_never"), "start_never"),
            paid=_weights(kept, "paid"),
            never=_weight(kept.get("never"), "never"),
        )

    def to_json(self) -> str:
        """Return to_dict as JSON text."""
        return json.dumps(self.to_dict(), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Return the prior that to_json wrote. Raises PriorUnreadable."""
        try:
            return cls.from_dict(json.loads(text))
        except ValueError as broken:
            raise broken if isinstance(broken, PriorUnreadable) else PriorUnreadable("not JSON") from None


def _weights(kept: dict[str, Any], key: str) -> tuple[float, ...]:
    """Return the list of weights under a key. Raises PriorUnreadable."""
    found = kept.get(key)
    if not isinstance(found, Sequence) or isinstance(found, str):
        raise PriorUnreadable(f"{key} is not a list")
    return tuple(_weight(w, key) for w in found)


def _weight(found: object, key: str) -> float:
    """Return one weight. Raises PriorUnreadable."""
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise PriorUnreadable(f"{key} holds {found!r}, not a number")
    return float(found)

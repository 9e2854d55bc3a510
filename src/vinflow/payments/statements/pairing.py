"""Which line of a statement is which transfer: by hash, by reference, by amount and time. Plain Python.

Counts, not sets: each transfer is used once and each line is used once, so two genuine payments that look
the same need two transfers, and of a QR that was paid twice one line is left over.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from vinflow.money import Money
from vinflow.payments.statements.reading import Line

__all__ = ["Known", "Pair", "business_day", "pair"]

PHNOM_PENH = timedelta(hours=7)
# How far a line and a transfer of one amount may lie apart: a minute's clock, a day's booking, a weekend's.
NEAR = (timedelta(minutes=10), timedelta(hours=12), timedelta(hours=36))


@dataclass(frozen=True, slots=True)
class Known:
    """A transfer the books have. names: references it may go by. at: when it was sent."""

    id: int
    hash: str
    money: Money
    at: datetime
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """A line and its transfer. by: hash, reference or amount."""

    place: int
    transfer_id: int
    by: str


def business_day(at: datetime) -> str:
    """Return the day in Phnom Penh."""
    return (at + PHNOM_PENH).date().isoformat()


def pair(lines: Sequence[Line], known: Sequence[Known]) -> list[Pair]:
    """Return each line's transfer where there is one; a line without one is in no pair.

    The surest first: all hashes, then all references, then amounts, nearest in time first. A reference or
    hash that names a transfer of another amount pairs nothing: a person looks at it.
    """
    pairs: list[Pair] = []
    free_lines = {place: line for place, line in enumerate(lines) if line.money.minor > 0}
    free = {one.id: one for one in known}

    def take(place: int, transfer_id: int, by: str) -> None:
        pairs.append(Pair(place, transfer_id, by))
        del free_lines[place], free[transfer_id]

    by_hash = {one.hash: one.id for one in known}
    for place, line in list(free_lines.items()):
        found = by_hash.get(line.hash) if line.hash else None
        if found in free and free[found].money == line.money:
            take(place, found, "hash")
    by_name: dict[str, list[int]] = defaultdict(list)
    for one in free.values():
        for name in one.names:
            if len(name) >= 6:
                by_name[name.casefold()].append(one.id)
    for place, line in list(free_lines.items()):
        words = [line.reference.casefold(), *line.description.casefold().replace(",", " ").split()]
        for word in words:
            match = next(
                (i for i in by_name.get(word, ()) if i in free and free[i].money == line.money), None
            )
            if match is not None:
                take(place, match, "reference")
                break
    for reach in NEAR:
        _by_amount(free_lines, free, reach, take)
    return sorted(pairs, key=lambda one: one.place)


def _by_amount(
    free_lines: dict[int, Line],
    free: dict[int, Known],
    reach: timedelta,
    take: Callable[[int, int, str], None],
) -> None:
    """Pair what is left by amount, in the order of time, within a reach."""
    shelves: dict[Money, list[tuple[datetime, int]]] = defaultdict(list)
    for one in free.values():
        shelves[one.money].append((one.at, one.id))
    for shelf in shelves.values():
        shelf.sort()
    for place, line in sorted(free_lines.items(), key=lambda item: (item[1].at, item[0])):
        shelf = shelves.get(line.money, [])
        if not shelf:
            continue
        spot = bisect_left(shelf, (line.at, 0))
        near = [n for n in (spot - 1, spot) if 0 <= n < len(shelf)]
        best = min(near, key=lambda n: abs(shelf[n][0] - line.at))
        if abs(shelf[best][0] - line.at) <= reach:
            _at, transfer_id = shelf.pop(best)
            take(place, transfer_id, "amount")

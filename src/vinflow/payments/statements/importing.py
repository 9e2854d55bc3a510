"""A statement of the bank, previewed, stored once, and matched; what nobody knows goes to suspense.

Counts, not sets: of lines that say the same, as many are stored as the fullest file has. The same file, or
one that overlaps, adds nothing that is there. All of a file is stored or none of it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q

from vinflow.money import Currency, Money
from vinflow.payments import conf, receivers
from vinflow.payments.business_days import day_begins, day_of
from vinflow.payments.models import (
    Attempt,
    ClosingBalance,
    Statement,
    StatementFormat,
    StatementLine,
    Transfer,
)
from vinflow.payments.statements.columns import ColumnMap
from vinflow.payments.statements.errors import StatementRefused
from vinflow.payments.statements.pairing import NEAR, Known, Pair, pair
from vinflow.payments.statements.reading import Line, read
from vinflow.payments.statements.settling import book_line
from vinflow.payments.states import Status

__all__ = ["Plan", "enter_closing_balance", "import_statement", "known_receiver", "preview", "save_format"]

LineFate = StatementLine.Fate
EARLY = timedelta(minutes=5)  # clocks differ
REPEATS = 3
CHUNK = 500


@dataclass(frozen=True, slots=True)
class Placed:
    """A line that is not stored yet, or waits since an earlier file, and what it would become."""

    line: Line
    key: str
    occurrence: int
    fate: LineFate
    stored_id: int | None = None
    transfer_id: int | None = None
    by: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What importing a file would do; nothing is stored by making one."""

    lines: tuple[Line, ...]
    placed: tuple[Placed, ...]
    closings: tuple[tuple[str, Money], ...] = ()
    counts: Counter[str] = field(default_factory=Counter)

    @property
    def new_count(self) -> int:
        """How many lines are not stored yet."""
        return sum(one.stored_id is None for one in self.placed)

    @property
    def known_count(self) -> int:
        """How many lines are there already, from this file or another."""
        return len(self.lines) - self.new_count

    @property
    def unknown(self) -> tuple[Placed, ...]:
        """The lines that would go to suspense and to the review desk."""
        return tuple(one for one in self.placed if one.fate is LineFate.SUSPENSE)


def known_receiver(receiver: str) -> str:
    """Return one of our own accounts as it is written. Raises StatementRefused for any other."""
    for ours in (conf.merchant_id(), *receivers.accepted()):
        if ours.casefold() == receiver.strip().casefold():
            return ours
    raise StatementRefused(
        "receiver", "{account} is not an account of this site", account=repr(receiver[:64])
    )


def preview(content: bytes, columns: ColumnMap, *, receiver: str, at: datetime) -> Plan:
    """Return what importing this file would do. Raises StatementRefused; nothing is stored either way."""
    return _plan(read(content, columns), known_receiver(receiver), at)


def import_statement(
    content: bytes, columns: ColumnMap, *, receiver: str, filename: str, by: Any, at: datetime
) -> Statement:
    """Store what is new of a statement and return it; lines nobody knows are booked to suspense, once.

    All or nothing, and safe to repeat: the same file again adds nothing. Raises StatementRefused.
    """
    lines = read(content, columns)
    ours = known_receiver(receiver)
    for repeat in range(REPEATS):
        try:
            return _store(lines, ours, content, filename, by, at)
        except IntegrityError:  # a rival stored some of these lines meanwhile: they are counted anew
            if repeat == REPEATS - 1:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


@transaction.atomic
def _store(
    lines: list[Line], receiver: str, content: bytes, filename: str, by: Any, at: datetime
) -> Statement:
    plan = _plan(lines, receiver, at)
    environment = conf.environment()
    statement = Statement.objects.create(
        environment=environment,
        receiver=receiver,
        filename="".join(sign for sign in filename if sign.isprintable())[:120],
        digest=hashlib.sha256(content).hexdigest(),
        imported_at=at,
        imported_by=by,
        line_count=len(lines),
        new_count=plan.new_count,
    )
    rows = [
        StatementLine(
            statement=statement,
            environment=environment,
            receiver=receiver,
            key=one.key,
            occurrence=one.occurrence,
            row=one.line.row,
            at=one.line.at,
            has_time=one.line.has_time,
            currency=one.line.money.currency.value,
            amount_minor=one.line.money.minor,
            reference=one.line.reference,
            hash=one.line.hash,
            description=one.line.description,
            # Suspense is a state with an entry and an item behind it: it is reached below, by booking.
            fate=LineFate.WAITING if one.fate is LineFate.SUSPENSE else one.fate,
            transfer_id=one.transfer_id,
            matched_by=one.by,
        )
        for one in plan.placed
        if one.stored_id is None
    ]
    StatementLine.objects.bulk_create(rows, batch_size=CHUNK)
    for one in plan.placed:
        if one.stored_id is not None and one.transfer_id is not None:
            StatementLine.objects.filter(pk=one.stored_id, fate=LineFate.WAITING).update(
                fate=LineFate.MATCHED, transfer_id=one.transfer_id, matched_by=one.by
            )
    unknown = {(one.key, one.occurrence) for one in plan.unknown}
    keys = {key for key, _occurrence in unknown}
    waiting = StatementLine.objects.filter(environment=environment, fate=LineFate.WAITING, key__in=keys)
    for row in waiting.order_by("pk"):
        if (row.key, row.occurrence) in unknown:
            book_line(row, at=at)
    for day, balance in plan.closings:
        _enter(receiver, day, balance, None, by=by, at=at, statement=statement)
    return statement


def _plan(lines: list[Line], receiver: str, at: datetime) -> Plan:
    """Work out what is new, what it is, and what closing balances the file tells."""
    environment = conf.environment()
    keys = [line.key(receiver) for line in lines]
    stored: Counter[str] = Counter()
    names = sorted(set(keys))
    for start in range(0, len(names), CHUNK):
        some = StatementLine.objects.filter(environment=environment, key__in=names[start : start + CHUNK])
        stored.update(some.values_list("key", flat=True))
    had = dict(stored)
    seen: Counter[str] = Counter()
    placed: list[Placed] = []
    for line, key in zip(lines, keys, strict=True):
        seen[key] += 1
        if seen[key] > had.get(key, 0):
            placed.append(Placed(line, key, seen[key], LineFate.OUT))
    placed += [
        Placed(_line_of(row), row.key, row.occurrence, LineFate.WAITING, stored_id=row.pk)
        for row in StatementLine.objects.filter(
            environment=environment, receiver=receiver, fate=LineFate.WAITING
        ).order_by("pk")
    ]
    incoming = [place for place, one in enumerate(placed) if one.line.money.minor > 0]
    pairs = pair(
        [placed[place].line for place in incoming], _known(receiver, [placed[p].line for p in incoming])
    )
    found: dict[int, Pair] = {incoming[one.place]: one for one in pairs}
    left = [place for place in incoming if place not in found]
    candidates = _candidates(receiver, [placed[place].line for place in left])
    waiting = {left[place] for place in candidates}
    decided = tuple(_placed(one, found.get(place), place in waiting) for place, one in enumerate(placed))
    counts = Counter(one.fate.value for one in decided)
    return Plan(tuple(lines), decided, _closings(lines, at), counts)


def _placed(one: Placed, found: Pair | None, waits: bool) -> Placed:
    if one.line.money.minor <= 0:
        return one
    if found is not None:
        fate, transfer_id, by = LineFate.MATCHED, found.transfer_id, found.by
    else:
        fate, transfer_id, by = LineFate.WAITING if waits else LineFate.SUSPENSE, None, ""
    return Placed(one.line, one.key, one.occurrence, fate, one.stored_id, transfer_id, by)


def _line_of(row: StatementLine) -> Line:
    return Line(row.row, row.at, row.has_time, row.money, row.reference, row.hash, row.description)


def _span(lines: Sequence[Line]) -> tuple[datetime, datetime]:
    return min(line.at for line in lines) - NEAR[-1], max(line.at for line in lines) + NEAR[-1]


def _known(receiver: str, lines: Sequence[Line]) -> list[Known]:
    """Return the booked transfers that could be these lines and that no line names yet."""
    if not lines:
        return []
    first, last = _span(lines)
    hashes = [line.hash for line in lines if line.hash]
    rows = (
        Transfer.objects.filter(
            Q(sent_at__gte=first, sent_at__lte=last)
            | Q(sent_at__isnull=True, stored_at__gte=first, stored_at__lte=last)
            | Q(hash__in=hashes[:CHUNK]),
            environment=conf.environment(),
            booked_receiver__iexact=receiver,
            statement_line__isnull=True,
            amount_minor__isnull=False,
        )
        .select_related("payment")
        .order_by("pk")
    )
    return [
        Known(
            row.pk,
            row.hash,
            Money(row.amount_minor or 0, Currency(row.currency)),
            row.sent_at or row.stored_at,
            (row.external_ref, row.instruction_ref, row.payment.transaction_id),
        )
        for row in rows.iterator(chunk_size=2000)
    ]


def _candidates(receiver: str, lines: Sequence[Line]) -> set[int]:
    """Return the places of lines that may be a QR of which Bakong has not had its last word.

    Such a line is not booked: when Bakong names the transfer it is credited, and booking the line too
    would make the money come twice.
    """
    if not lines:
        return set()
    first, last = _span(lines)
    open_ones: dict[tuple[str, int], list[Attempt]] = {}
    attempts = (
        Attempt.objects.filter(
            environment=conf.environment(),
            receiver__iexact=receiver,
            created_at__lte=last,
            watch_until__gte=first,
            transfers__isnull=True,
        )
        .exclude(payment__status=Status.COMPLETED)
        .select_related("payment")
        .order_by("pk")
    )
    for attempt in attempts.iterator(chunk_size=2000):
        money = attempt.payment.money
        open_ones.setdefault((money.currency.value, money.minor), []).append(attempt)
    found = set()
    for place, line in enumerate(lines):
        shelf = open_ones.get((line.money.currency.value, line.money.minor), [])
        match = next((attempt for attempt in shelf if _may_be(attempt, line)), None)
        if match is not None:
            shelf.remove(match)
            found.add(place)
    return found


def _may_be(attempt: Attempt, line: Line) -> bool:
    """Return whether a line may be the money of a QR that Bakong has not denied since."""
    begins, ends = line.at, line.at
    if not line.has_time:
        begins = day_begins(day_of(line.at))
        ends = begins + timedelta(days=1)
    if ends < attempt.created_at - EARLY or begins > attempt.watch_until:
        return False
    return attempt.last_negative_at is None or attempt.last_negative_at < ends + EARLY


def _closings(lines: Sequence[Line], at: datetime) -> tuple[tuple[str, Money], ...]:
    """Return the balance at the end of each day that is over, where the file has balances.

    The newest line of a day tells it; files come oldest first or newest first.
    """
    if len(lines) > 1 and lines[0].at > lines[-1].at:
        lines = list(reversed(lines))
    last: dict[tuple[str, Currency], Money] = {}
    for line in lines:
        if line.balance is not None and day_of(line.at) < day_of(at):
            last[day_of(line.at).isoformat(), line.money.currency] = line.balance
    return tuple((day, balance) for (day, _currency), balance in last.items())


def enter_closing_balance(
    *, receiver: str, day: str, balance: Money, other: Money | None = None, by: Any, at: datetime
) -> ClosingBalance:
    """Return the balance the bank shows for the end of a day, as a person entered it.

    other: what of it did not come by this site; left out, what the row before says. Entering a day again
    corrects it. Raises StatementRefused for a foreign account and for a day that is not over.
    """
    return _enter(known_receiver(receiver), day, balance, other, by=by, at=at, statement=None)


def _enter(
    receiver: str,
    day: str,
    balance: Money,
    other: Money | None,
    *,
    by: Any,
    at: datetime,
    statement: Statement | None,
) -> ClosingBalance:
    try:
        business_date = datetime.fromisoformat(day).date()
    except ValueError:
        raise StatementRefused("date", "{cell} is no day", cell=repr(day[:20])) from None
    if business_date >= day_of(at):
        raise StatementRefused("date", "this day is not over: its balance still moves")
    rows = ClosingBalance.objects.filter(
        environment=conf.environment(), receiver=receiver, currency=balance.currency.value
    )
    if other is None:
        before = rows.filter(business_date__lte=business_date).order_by("-business_date", "-pk").first()
        other = before.other if before else Money(0, balance.currency)
    same = rows.filter(business_date=business_date).order_by("-pk").first()
    if same is not None and (same.balance, same.other) == (balance, other):
        return same
    return ClosingBalance.objects.create(
        environment=conf.environment(),
        receiver=receiver,
        currency=balance.currency.value,
        business_date=business_date,
        balance_minor=balance.minor,
        other_minor=other.minor,
        statement=statement,
        entered_at=at,
        entered_by=by,
    )


def save_format(*, name: str, columns: ColumnMap, by: Any, at: datetime) -> StatementFormat:
    """Return the map saved under a name, whether new or replaced. Raises StatementRefused."""
    said = " ".join(name.split())[:60]
    if not said:
        raise StatementRefused("columns", "give the map of columns a name")
    row, _made = StatementFormat.objects.update_or_create(
        name=said, defaults={"columns": columns.check().as_json(), "saved_at": at, "saved_by": by}
    )
    return row

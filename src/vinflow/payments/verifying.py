"""Every payment's state, every wallet's balance and every total, rebuilt from evidence and compared.

The audit of the ledger asks whether the books agree with themselves. This asks whether they agree with what
happened: it works out from transfers, lines of statements, deposits, refunds and people's decisions which
entries there must be (rebuilding.py) and compares them, one to one, with those that are. All at one moment,
read in chunks, linear in the rows; nothing is written.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, Sum, When
from django.db.models.functions import Substr

from vinflow.payments.models import (
    Attempt,
    ClawBack,
    Fate,
    ManualDeposit,
    Method,
    Payment,
    Refund,
    ReviewItem,
    StatementLine,
    Transfer,
)
from vinflow.payments.rebuilding import (
    WHO,
    Expected,
    deposit_entry,
    line_entries,
    transfer_entries,
    wrong_evidence,
    wrong_state,
)
from vinflow.payments.states import Status
from vinflow.wallet.audit import one_moment
from vinflow.wallet.findings import KEPT, Findings, Tick
from vinflow.wallet.models import Account, JournalEntry, JournalLine

__all__ = ["Verification", "verify"]

CHUNK = 2_000
# What is looked at: to turn the other columns into Python took longer than all that is compared.
OF_PAYMENTS = (
    *("transaction_id", "user_id", "amount_minor", "currency", "method", "status", "environment"),
    "canceled_at",
)
OF_ATTEMPTS = (
    *("payment_id", "number", "protocol", "receiver", "created_at", "expires_at", "watch_until"),
    *("last_check_at", "last_negative_at", "last_real_word"),
)
OF_TRANSFERS = (
    *("hash", "attempt_id", "payment_id", "environment", "amount_text", "amount_minor", "currency"),
    *("from_account", "to_account", "sent_at", "acknowledged_at", "tracking_status", "bill_number", "raw"),
    *("asked_at", "booked_receiver", "fate"),
)
OF_ITEMS = ("transfer_id", "decision")


@dataclass
class Verification(Findings):
    """What was compared, and every difference. The books follow from the evidence when there is none."""

    payments: int = 0
    transfers: int = 0
    statement_lines: int = 0
    deposits: int = 0
    refunds: int = 0
    entries: int = 0
    wallets: int = 0
    milliseconds: int = 0


class AccountName(NamedTuple):
    """An account as evidence names it."""

    kind: str
    key: str
    environment: str
    currency: str


class Posted(NamedTuple):
    """One line of the journal."""

    side: str
    kind: str
    key: str
    minor: int
    currency: str


Sums = dict[AccountName, int]  # credit less debit, as the evidence has it


def verify(*, tick: Tick = lambda done, total: None) -> Verification:
    """Return how the rows of payments and the books differ from what the evidence says.

    tick: told about the progress. Reads only; every query sees the same moment.
    """
    report, started = Verification(), time.monotonic()
    with one_moment(connection):
        total = sum(rows.objects.count() for rows in (Transfer, StatementLine, ManualDeposit, Payment))
        sums: Sums = defaultdict(int)
        walks: tuple[tuple[QuerySet[Any], Callable[..., Iterator[str]]], ...] = (
            (Payment.objects.only(*OF_PAYMENTS), _payments),
            (StatementLine.objects.all(), _lines),
            (ManualDeposit.objects.select_related("payment"), _deposits),
        )
        for rows, walk in walks:
            for chunk in _chunks(rows):
                report.take(walk(report, chunk, sums))
                done = report.payments + report.transfers + report.statement_lines + report.deposits
                tick(done, total)
        report.take(_without_evidence())
        report.take(_money_back(report))
        report.take(_accounts(report, sums))
    report.milliseconds = round((time.monotonic() - started) * 1000)
    return report


def _chunks(rows: QuerySet[Any]) -> Iterator[Sequence[Any]]:
    """Yield rows by their keys, so many at a time: the next chunk costs what the first did."""
    after = 0
    while chunk := list(rows.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        yield chunk
        after = chunk[-1].pk


def _posted(sources: Sequence[str]) -> dict[str, dict[str, list[Posted]]]:
    """Return the lines of the journal under these sources, by source and purpose."""
    found: dict[str, dict[str, list[Posted]]] = defaultdict(lambda: defaultdict(list))
    rows = JournalLine.objects.filter(entry__source__in=sources).values_list(
        "entry__source",
        "entry__purpose",
        "side",
        "account__kind",
        "account__key",
        "amount_minor",
        "currency",
    )
    for source, purpose, side, kind, key, minor, currency in rows.iterator(chunk_size=5000):
        found[source][purpose].append(Posted(side, kind, key, minor, currency))
    return found


def _payments(report: Verification, chunk: Sequence[Payment], sums: Sums) -> Iterator[str]:
    """Yield what is wrong with payments and their transfers: each row is read once, no column for nothing."""
    payments = {one.pk: one for one in chunk}
    attempts = {one.pk: one for one in Attempt.objects.filter(payment__in=payments).only(*OF_ATTEMPTS)}
    transfers = list(Transfer.objects.filter(payment__in=payments).only(*OF_TRANSFERS).order_by("pk"))
    keys = [one.pk for one in transfers]
    items = {one.transfer_id: one for one in ReviewItem.objects.filter(transfer__in=keys).only(*OF_ITEMS)}
    lines = {one.transfer_id: one for one in StatementLine.objects.filter(transfer__in=keys)}
    posted = _posted([f"transfer:{one.hash}" for one in transfers])
    report.payments += len(chunk)
    report.transfers += len(transfers)
    credited: Counter[int] = Counter()
    for one in transfers:
        credited[one.payment_id] += one.fate == Fate.CREDITED
        attempt = attempts.get(one.attempt_id)
        if attempt is None:
            yield f"transfer {one.hash[:8]} stands under a QR of another payment"
            continue
        one.payment, one.attempt = payments[one.payment_id], attempt
        item = items.get(one.pk)
        yield from wrong_evidence(one, item, lines.get(one.pk))
        wanted = transfer_entries(one, item)
        source = f"transfer:{one.hash}"
        yield from _compare(report, source, one.environment, wanted, posted.get(source, {}), sums)
    shown: dict[int, list[Attempt]] = defaultdict(list)
    for attempt in attempts.values():
        shown[attempt.payment_id].append(attempt)
    for payment in chunk:
        if payment.method != Method.KHQR:
            continue  # its evidence is paper: people recorded it, and no transfer tells of it
        if why := wrong_state(payment, shown[payment.pk], credited[payment.pk]):
            yield f"payment {payment.transaction_id} {why}"


def _lines(report: Verification, chunk: Sequence[StatementLine], sums: Sums) -> Iterator[str]:
    posted = _posted([one.source for one in chunk if one.booked_at is not None])
    report.statement_lines += len(chunk)
    for one in chunk:
        wanted = line_entries(one)
        yield from _compare(report, one.source, one.environment, wanted, posted.get(one.source, {}), sums)


def _deposits(report: Verification, chunk: Sequence[ManualDeposit], sums: Sums) -> Iterator[str]:
    """Yield credited deposits whose payment or whose entry is another: the paper is the evidence here."""
    credited = [(one, one.payment) for one in chunk if one.decision == ManualDeposit.Decision.CREDITED]
    posted = _posted([f"deposit:{payment.transaction_id}" for _one, payment in credited if payment])
    report.deposits += len(chunk)
    for one, payment in credited:
        if payment is None or (payment.money, payment.user_id, payment.status) != (
            one.money,
            one.payer_id,
            Status.COMPLETED,
        ):
            yield f"deposit {one.pk} of {one.money} is credited, and its payment is another"
            continue
        source = f"deposit:{payment.transaction_id}"
        wanted, there = [deposit_entry(one)], posted.get(source, {})
        yield from _compare(report, source, one.environment, wanted, there, sums)


def _compare(
    report: Verification,
    source: str,
    environment: str,
    wanted: Sequence[Expected],
    posted: dict[str, list[Posted]],
    sums: Sums,
) -> Iterator[str]:
    """Yield where the entries of a source are not those the evidence asks for; add the evidence up."""
    name = f"{source[:30]}"
    for entry in wanted:
        report.entries += 1
        lines = posted.get(entry.purpose)
        if lines is None:
            yield f"{name}: no entry {entry.purpose} of {entry.debit.minor} {entry.debit.currency}"
        sides = {line.side: line for line in lines or ()}
        if lines is not None and (len(lines) != 2 or len(sides) != 2):
            yield f"{name}: the entry {entry.purpose} has {len(lines)} lines, not one on each side"
        for leg in (entry.debit, entry.credit):
            line = sides.get(leg.side)
            kind, key = leg.kind, leg.key
            if kind == WHO:  # the wallet, or the host's balance where its handler keeps it
                kind = "external" if line is not None and line.kind == "external" else "user"
                key = None if kind == "external" else leg.key
            if line is not None and (
                (line.kind, line.minor, line.currency) != (kind, leg.minor, leg.currency)
                or (key is not None and line.key != key)
            ):
                yield (
                    f"{name}: {entry.purpose} {leg.side} is {line.minor} {line.currency} on"
                    f" {line.kind}, the evidence says {leg.minor} {leg.currency} on {kind}"
                )
            where = AccountName(
                kind, key if key is not None else (line.key if line else ""), environment, leg.currency
            )
            sums[where] += leg.minor if leg.side == "C" else -leg.minor
    for purpose in set(posted) - {entry.purpose for entry in wanted}:
        yield f"{name}: an entry {purpose} that no evidence asks for"


def _without_evidence() -> Iterator[str]:
    """Yield entries under the name of a transfer that nobody reported."""
    entries = JournalEntry.objects.filter(source__gte="transfer:", source__lt="transfer;")
    alone = entries.annotate(named=Substr("source", 10)).filter(
        ~Exists(Transfer.objects.filter(hash=OuterRef("named")))
    )
    for source in alone.order_by("pk").values_list("source", flat=True)[:KEPT]:
        yield f"{source[:30]}: entries without any transfer"
    booked = StatementLine.objects.filter(booked_at__isnull=False).count()
    entered = JournalEntry.objects.filter(
        source__gte="statement:", source__lt="statement;", purpose="suspense"
    ).count()
    if booked != entered:
        yield f"{entered} entries of lines of statements, {booked} lines that were booked"


def _money_back(report: Verification) -> Iterator[str]:
    """Yield refunds and claw-backs whose entry is missing, too much, or of another amount."""
    kinds: tuple[tuple[str, str, QuerySet[Any], Q], ...] = (
        ("refund", "refund:captured", Refund.objects.all(), Q(state="done")),
        ("clawback", "claw_back", ClawBack.objects.all(), Q(decision="booked")),
    )
    for word, purpose, rows, done in kinds:
        finished = set(rows.filter(done).values_list("pk", flat=True))
        for chunk in _chunks(rows):
            report.refunds += len(chunk)
            posted = _posted([f"{word}:{one.reference}" for one in chunk])
            for one in chunk:
                lines = posted.get(f"{word}:{one.reference}", {}).get(purpose, [])
                ours = "external" if getattr(one, "deposit_id", None) is not None else "bakong"
                out = sum(line.minor for line in lines if (line.kind, line.side) == (ours, "C"))
                wanted = one.amount_minor if one.pk in finished else 0
                if out != wanted:
                    yield f"{word} {one.reference}: {out} left us by the books, {wanted} by its record"


def _accounts(report: Verification, sums: Sums) -> Iterator[str]:
    """Yield accounts on which the journal and the evidence differ, and wallets whose balance is not both.

    What the host itself spent or moved has no other record than the journal: it is taken from there.
    """
    by_evidence = Q()
    for word in ("transfer", "statement", "deposit"):
        by_evidence |= Q(lines__entry__source__gte=f"{word}:", lines__entry__source__lt=f"{word};")
    signed = Case(When(lines__side="C", then=F("lines__amount_minor")), default=-F("lines__amount_minor"))
    rows = (
        Account.objects.annotate(
            ours=Sum(signed, filter=by_evidence), others=Sum(signed, filter=~by_evidence)
        )
        .order_by("pk")
        .values_list("kind", "key", "environment", "currency", "balance_minor", "ours", "others")
    )
    left = dict(sums)
    for kind, key, environment, currency, balance, ours, others in rows.iterator(chunk_size=CHUNK):
        name = AccountName(kind, key, environment, currency)
        rebuilt = left.pop(name, 0)
        ours, others = int(ours or 0), int(others or 0)
        shown = f"{kind}:{key}" if kind == "user" else kind
        if ours != rebuilt:
            yield f"account {shown} {currency}: {ours} by the journal, {rebuilt} by the evidence"
        if balance is not None:
            report.wallets += 1
            if balance != rebuilt + others:
                yield f"wallet {shown} {currency}: the balance is {balance}, rebuilt it is {rebuilt + others}"
    for name, rebuilt in left.items():
        if rebuilt:
            yield f"account {name.kind} {name.currency}: not there, {rebuilt} by the evidence"

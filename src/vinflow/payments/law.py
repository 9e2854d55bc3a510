"""The law of money, stated once. Tests, the simulator, the audit and the running site call this.

Per currency and environment, at every moment:

    received = credited + in suspense + returned + written off
    received = the sum over transfers booked, once per hash, on a verified receiver
    returned = returns of the review desk + refunds done + claw-backs booked
    a payment is `completed` if and only if exactly one credit entry exists for it
    of no transfer and no deposit more goes back, or is promised back, than came in; what is promised is held
    a manual deposit is no transfer: it is credited if and only if one entry of its amount exists for it

and every wallet's balance is its last line's (the wallet's own audit looks at that). When it is
broken, spending and refunds stop; receiving never does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.models import BigIntegerField, Exists, F, OuterRef, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Concat, Left, StrIndex

from vinflow.money import Currency, Money
from vinflow.payments import conf
from vinflow.payments.errors import LawBroken
from vinflow.payments.models import (
    ClawBack,
    ManualDeposit,
    Payment,
    PaymentSettings,
    Refund,
    SettingsChange,
    StatementLine,
    Transfer,
)
from vinflow.payments.refund_states import COUNTED, HELD
from vinflow.payments.states import Status
from vinflow.wallet.audit import one_moment
from vinflow.wallet.models import Account, Hold, JournalEntry, JournalLine

__all__ = ["Breach", "check", "enforce", "require_spending_allowed", "resume", "sentences", "why_stopped"]


SHOWN = 20  # of one kind of breach: enough to begin with, and never a million sentences


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which the books do not add up."""

    rule: str
    what: str


def check(environment: str) -> list[Breach]:
    """Return every breach of the law in one environment; an empty list is what should be."""
    with one_moment(connection):
        return [
            *_received(environment),
            *_completed(environment),
            *_promised(environment),
            *_deposited(environment),
        ]


@dataclass(frozen=True, slots=True)
class _Journal:
    """The journal of an environment added up: (currency, kind, side, what the source is, purpose) -> minor.

    One statement reads every line once. What a source is stands before its colon: "transfer", "refund".
    """

    sums: dict[tuple[str, str, str, str, str], int]

    @classmethod
    def of(cls, environment: str) -> _Journal:
        rows = (
            JournalLine.objects.filter(account__environment=environment)
            .annotate(what=Left("entry__source", StrIndex("entry__source", Value(":"))))
            .values_list("currency", "account__kind", "side", "what", "entry__purpose")
            .annotate(total=Sum("amount_minor"))
            .order_by()
        )
        return cls({(c, kind, side, what[:-1], why): int(total) for c, kind, side, what, why, total in rows})

    def of_side(self, currency: Currency, side: str, kind: str, what: str, *purposes: str) -> int:
        """Return what was booked on one side of a kind of account from such sources, for these purposes."""
        return sum(self.sums.get((currency, kind, side, what, purpose), 0) for purpose in purposes)

    def balance(self, currency: Currency, kind: str = "", what: str = "") -> int:
        """Return debits less credits; of one kind of account, of one kind of source, unless they are ""."""
        return sum(
            total if side == "D" else -total
            for (code, account, side, source, _purpose), total in self.sums.items()
            if code == currency and kind in ("", account) and what in ("", source)
        )


def _sums(rows: QuerySet[Any], *by: str, **of: str) -> dict[Any, list[int]]:
    """Return {(currency, ...): [sum, ...]} of rows, in minor units; the sums as `of` names their columns."""
    found = rows.order_by().values_list("currency", *by).annotate(**{n: Sum(c) for n, c in of.items()})
    keys = 1 + len(by)
    return {tuple(row[:keys]): [int(total or 0) for total in row[keys:]] for row in found}


def _received(environment: str) -> Iterator[Breach]:
    """Compare, by currency, what the ledger received with what the transfers say came; then where it went."""
    journal = _Journal.of(environment)
    booked = Transfer.objects.filter(environment=environment).exclude(booked_receiver="")
    transfers = _sums(booked, "fate", total="amount_minor")
    lines = _sums(
        StatementLine.objects.filter(environment=environment, booked_at__isnull=False),
        "fate",
        total="amount_minor",
    )
    gone = {
        "refunds": _sums(_done(environment, transfer__isnull=False), total="amount_minor"),
        "deposits back": _sums(_done(environment, deposit__isnull=False), total="amount_minor"),
        "claw-backs": _sums(
            ClawBack.objects.filter(environment=environment, decision="booked"),
            total="amount_minor", owed="owed_minor", repaid="repaid_minor",
        ),
    }  # fmt: skip
    for currency in Currency:
        if total := journal.balance(currency):
            yield Breach("balanced", f"debits and credits of {currency} differ by {total} minor units")
        fates = {fate: total for (code, fate), (total,) in transfers.items() if code == currency}
        came = sum(fates.values())
        received = journal.of_side(currency, "D", "bakong", "transfer", "credit", "credit_extra", "suspense")
        if received != came:
            yield Breach(
                "received",
                f"the books have {Money(received, currency)}, transfers booked {Money(came, currency)}",
            )
        waiting = fates.get("in_review", 0)
        suspense = -journal.balance(currency, "suspense")
        by_lines, off = (lines.get((currency, fate), [0])[0] for fate in ("suspense", "written_off"))
        if suspense != waiting + by_lines:
            yield Breach(
                "suspense",
                f"suspense has {Money(suspense, currency)}, in review are"
                f" {Money(waiting + by_lines, currency)}",
            )
        # Received under a line's own source, less what was handed over to a transfer.
        booked_so = journal.balance(currency, "bakong", "statement")
        if by_lines + off != booked_so:
            yield Breach(
                "statements",
                f"statements say {Money(by_lines + off, currency)}, the books {Money(booked_so, currency)}",
            )
        yield from _went(currency, journal, gone, fates, received, suspense - by_lines)


def _done(environment: str, **of: Any) -> QuerySet[Refund]:
    return Refund.objects.filter(environment=environment, state="done", **of)


def _went(
    currency: Currency,
    journal: _Journal,
    gone: dict[str, dict[Any, list[int]]],
    fates: dict[str, int],
    received: int,
    suspense: int,
) -> Iterator[Breach]:
    """Yield where the rows of what went, or is owed, differ from the books; then the law itself."""
    rows = {rule: sums.get((currency,), [0, 0, 0]) for rule, sums in gone.items()}
    went = {
        "refunds": (rows["refunds"][0], ("bakong", "refund", "refund:captured")),
        "deposits back": (rows["deposits back"][0], ("external", "refund", "refund:captured")),
        "claw-backs": (rows["claw-backs"][0], ("bakong", "clawback", "claw_back")),
        "returns": (fates.get("returned", 0), ("bakong", "transfer", "return")),
        "written off": (fates.get("written_off", 0), ("unclaimed", "transfer", "unclaimed")),
    }
    in_books = {}
    for rule, (by_rows, where) in went.items():
        in_books[rule] = journal.of_side(currency, "C", *where)
        if by_rows != in_books[rule]:
            yield Breach(
                rule,
                f"the rows have {Money(by_rows, currency)}, the books have {Money(in_books[rule], currency)}",
            )
    _total, owed, repaid = rows["claw-backs"]
    receivable = journal.balance(currency, "receivable")
    if owed - repaid != receivable:
        yield Breach(
            "owed",
            f"payers owe {Money(owed - repaid, currency)} by the rows,"
            f" {Money(receivable, currency)} by the books",
        )
    given = fates.get("credited", 0) + fates.get("extra", 0)
    credited = given - went["refunds"][0] - went["claw-backs"][0]
    returned = in_books["refunds"] + in_books["claw-backs"] + in_books["returns"]
    parts = credited + suspense + returned + in_books["written off"]
    if received != parts:
        yield Breach(
            "law",
            f"received {Money(received, currency)}, accounted for {Money(parts, currency)}: credited"
            f" {Money(credited, currency)}, in suspense {Money(suspense, currency)}, returned"
            f" {Money(returned, currency)}, written off {Money(in_books['written off'], currency)}",
        )


def _promised(environment: str) -> Iterator[Breach]:
    """Yield each transfer or deposit of which too much goes back, each open refund whose money is not held,
    each payer who owes and may spend."""
    back = Refund.objects.filter(transfer=OuterRef("pk"), state__in=COUNTED)
    taken = ClawBack.objects.filter(transfer=OuterRef("pk"), decision__in=["", "booked"])
    over = Transfer.objects.filter(Exists(back) | Exists(taken), environment=environment).annotate(
        gone=Coalesce(_sum_of(back), 0) + Coalesce(_sum_of(taken), 0)
    )
    for transfer in over.filter(Q(gone__gt=F("amount_minor")) | ~Q(fate__in=["credited", "extra"]))[:SHOWN]:
        yield Breach(
            "over_rest",
            f"of transfer {transfer.hash[:8]} {transfer.gone} go back and {transfer.amount_minor} came",
        )
    paid_back = Refund.objects.filter(deposit=OuterRef("pk"), state__in=COUNTED)
    deposits = ManualDeposit.objects.filter(Exists(paid_back), environment=environment).annotate(
        gone=Coalesce(_sum_of(paid_back, by="deposit"), 0)
    )
    for deposit in deposits.filter(Q(gone__gt=F("amount_minor")) | ~Q(decision="credited"))[:SHOWN]:
        yield Breach(
            "over_rest",
            f"of deposit {deposit.pk} {deposit.gone} go back and {deposit.amount_minor} came",
        )
    held = Hold.objects.filter(
        source=Concat(Value("refund:"), OuterRef("reference")),
        purpose="refund",
        state="held",
        amount_minor=OuterRef("amount_minor"),
    )
    loose = Refund.objects.filter(environment=environment, leg="wallet").annotate(is_held=Exists(held))
    for refund in loose.filter(Q(state__in=HELD, is_held=False) | Q(~Q(state__in=HELD), is_held=True))[
        :SHOWN
    ]:
        said = "holds no money" if refund.is_open else "has ended and holds money still"
        yield Breach("held", f"refund {refund.reference} is {refund.state} and {said}")
    owing = ClawBack.objects.filter(owed_minor__gt=F("repaid_minor"), environment=environment)
    for clawback in owing.exclude(
        Exists(
            Account.objects.filter(
                owner=OuterRef("user"),
                environment=environment,
                currency=OuterRef("currency"),
                frozen_at__isnull=False,
            )
        )
    )[:SHOWN]:
        yield Breach("frozen", f"the payer of claw-back {clawback.reference} owes and may spend")


def _sum_of(rows: QuerySet[Any], *, by: str = "transfer") -> Subquery:
    """Return the sum of what an outer row's rows say, as a subquery."""
    return Subquery(
        rows.order_by().values(by).annotate(total=Sum("amount_minor")).values("total"),
        output_field=BigIntegerField(),
    )


def _completed(environment: str) -> list[Breach]:
    """Compare completed payments with the credit entries of their transfers, one to one, all in SQL."""
    entry = JournalEntry.objects.filter(
        source=Concat(Value("transfer:"), OuterRef("hash")), purpose="credit", environment=environment
    )
    credited = Transfer.objects.filter(environment=environment, fate="credited")
    breaches = [
        Breach("evidence", f"transfer {hash_[:8]} is credited, and the books have no entry for it")
        for hash_ in credited.filter(~Exists(entry)).values_list("hash", flat=True)[:SHOWN]
    ]
    of_payment = Transfer.objects.filter(payment=OuterRef("pk"), fate="credited")
    payments = Payment.objects.filter(environment=environment, method="khqr")
    breaches += [
        Breach("completed", f"payment {name} is completed, and no transfer was credited to it")
        for name in payments.filter(~Exists(of_payment), status=Status.COMPLETED).values_list(
            "transaction_id", flat=True
        )[:SHOWN]
    ]
    breaches += [
        Breach("completed", f"payment {name} is not completed, and a transfer was credited to it")
        for name in payments.filter(Exists(of_payment))
        .exclude(status=Status.COMPLETED)
        .values_list("transaction_id", flat=True)[:SHOWN]
    ]
    # Exactly one: entries are unique by source and purpose, credited transfers by payment; so a count
    # that differs is an entry that names no credited transfer.
    entries = JournalEntry.objects.filter(
        environment=environment, purpose="credit", source__startswith="transfer:"
    ).count()
    if entries != credited.count() - len([b for b in breaches if b.rule == "evidence"]):
        breaches.append(
            Breach("evidence", f"{entries} credit entries, {credited.count()} credited transfers")
        )
    return breaches


def _deposited(environment: str) -> list[Breach]:
    """Compare credited deposits, manual payments and their entries: one of each, of the same amount."""
    deposits = ManualDeposit.objects.filter(environment=environment, decision="credited")
    lines = JournalLine.objects.filter(
        entry__source=Concat(Value("deposit:"), OuterRef("payment__transaction_id")),
        entry__purpose="credit",
        account__kind="external",
        account__environment=environment,
        side="D",
        currency=OuterRef("currency"),
        amount_minor=OuterRef("amount_minor"),
    )
    breaches = [
        Breach("deposit", f"deposit {number} is credited, and the books have no entry of its amount for it")
        for number in deposits.filter(~Exists(lines)).values_list("pk", flat=True)[:SHOWN]
    ]
    manual = Payment.objects.filter(environment=environment, method="manual")
    breaches += [
        Breach("deposit", f"payment {name} is completed, and no deposit was credited for it")
        for name in manual.filter(status=Status.COMPLETED)
        .exclude(deposit__decision="credited")
        .values_list("transaction_id", flat=True)[:SHOWN]
    ]
    entries = JournalEntry.objects.filter(environment=environment, source__startswith="deposit:").count()
    if entries != (count := deposits.count()) - sum(breach.what.startswith("deposit") for breach in breaches):
        breaches.append(Breach("deposit", f"{entries} entries of deposits, {count} credited deposits"))
    return breaches


def sentences(using: str) -> Iterator[str]:
    """Yield each breach in any environment as a sentence: the wallet's audit asks for them.

    using: the database; payments live in the default one, and the law of another is empty.
    """
    if using == DEFAULT_DB_ALIAS:
        for environment in conf.Environment:
            for breach in check(environment):
                yield f"{environment}: {breach.rule}: {breach.what}"


def enforce(environment: str, *, at: datetime) -> list[Breach]:
    """Check the law and stop spending when it is broken; return the breaches. Receiving never stops.

    A breach counts when a second look, at another moment, sees it too.
    """
    first = check(environment)
    if not first:
        return []
    seen_twice = set(check(environment))
    breaches = [breach for breach in first if breach in seen_twice]
    if breaches:
        PaymentSettings.objects.get_or_create(singleton=1)
        PaymentSettings.objects.filter(singleton=1, spending_stopped_at__isnull=True).update(
            spending_stopped_at=at,
            spending_stopped_why="; ".join(f"{b.rule}: {b.what}" for b in breaches)[:2000],
            version=F("version") + 1,
        )
    return breaches


@transaction.atomic
def resume(*, by: Any, why: str, at: datetime) -> None:
    """Let spending go on after a breach was explained or mended; kept in the trail of settings.

    Raises LawBroken while the law is still broken in any environment.
    """
    still = [breach for environment in conf.Environment for breach in check(environment)]
    if still:
        raise LawBroken(f"the books still do not add up: {still[0].rule}: {still[0].what}")
    row = PaymentSettings.objects.select_for_update().filter(spending_stopped_at__isnull=False).first()
    if row is None:
        return
    SettingsChange.objects.create(
        field="spending_stopped_why", old=row.spending_stopped_why, new=why, changed_by=by, changed_at=at
    )
    PaymentSettings.objects.filter(singleton=1).update(
        spending_stopped_at=None, spending_stopped_why="", version=F("version") + 1
    )


def why_stopped(using: str = DEFAULT_DB_ALIAS) -> str:
    """Return why spending is stopped, "" while it is not; the wallet's brake."""
    rows = PaymentSettings.objects.using(using).filter(singleton=1, spending_stopped_at__isnull=False)
    return rows.values_list("spending_stopped_why", flat=True).first() or ""


def require_spending_allowed() -> None:
    """Return nothing while the law holds. Raises LawBroken once a breach has stopped spending."""
    row = PaymentSettings.objects.filter(singleton=1, spending_stopped_at__isnull=False).first()
    if row is not None:
        raise LawBroken(
            f"spending is stopped since {row.spending_stopped_at:%Y-%m-%d %H:%M} UTC: "
            f"{row.spending_stopped_why}"
        )

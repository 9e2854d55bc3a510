"""The law of money, stated once. Tests, the simulator, the audit and the running site call this.

Per currency and environment, at every moment:

    received = credited + in suspense + returned + written off
    received = the sum over transfers booked, once per hash, on a verified receiver
    a payment is `completed` if and only if exactly one credit entry exists for it

and every wallet's balance is its last line's (the wallet's own audit looks at that). When it is
broken, spending and refunds stop; receiving never does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import F, Sum

from vinflow.money import Currency, Money
from vinflow.payments import conf
from vinflow.payments.errors import LawBroken
from vinflow.payments.models import Payment, PaymentSettings, Transfer
from vinflow.payments.states import Status
from vinflow.wallet.models import JournalEntry, JournalLine

__all__ = ["Breach", "check", "enforce", "require_spending_allowed", "sentences", "why_stopped"]


@dataclass(frozen=True, slots=True)
class Breach:
    """One way in which the books do not add up."""

    rule: str
    what: str


def check(environment: str) -> list[Breach]:
    """Return every breach of the law in one environment; an empty list is what should be."""
    with transaction.atomic():
        return [*_received(environment), *_completed(environment)]


def _received(environment: str) -> list[Breach]:
    """Compare, by currency, what the ledger received with what the transfers say came."""
    breaches = []
    sums: dict[tuple[str, str], int] = defaultdict(int)
    rows = (
        JournalLine.objects.filter(account__environment=environment)
        .values("account__kind", "currency", "side")
        .annotate(total=Sum("amount_minor"))
    )
    for row in rows:
        sign = 1 if row["side"] == "D" else -1
        sums[row["account__kind"], row["currency"]] += sign * int(row["total"])
    for currency in Currency:
        if total := sum(amount for (_kind, code), amount in sums.items() if code == currency):
            breaches.append(
                Breach("balanced", f"debits and credits of {currency} differ by {total} minor units")
            )
        booked = Transfer.objects.filter(environment=environment, currency=currency).exclude(
            booked_receiver=""
        )
        came = booked.aggregate(total=Sum("amount_minor"))["total"] or 0
        received = (
            JournalLine.objects.filter(
                account__environment=environment,
                account__kind="bakong",
                currency=currency,
                side="D",
                entry__source__startswith="transfer:",
                entry__purpose__in=("credit", "suspense"),
            ).aggregate(total=Sum("amount_minor"))["total"]
            or 0
        )
        if received != came:
            breaches.append(
                Breach(
                    "received",
                    f"the books have {Money(received, currency)}, transfers booked {Money(came, currency)}",
                )
            )
        waiting = booked.filter(fate="in_review").aggregate(total=Sum("amount_minor"))["total"] or 0
        suspense = -sums["suspense", currency]
        if suspense != waiting:
            breaches.append(
                Breach(
                    "suspense",
                    f"suspense has {Money(suspense, currency)}, in review are {Money(waiting, currency)}",
                )
            )
    return breaches


def _completed(environment: str) -> list[Breach]:
    """Compare completed payments with the credit entries of their transfers, one to one."""
    entries: dict[str, int] = defaultdict(int)
    sources = JournalEntry.objects.filter(
        environment=environment, purpose="credit", source__startswith="transfer:"
    ).values_list("source", flat=True)
    for source in sources:
        entries[source.removeprefix("transfer:")] += 1
    credited: dict[int, int] = defaultdict(int)
    breaches: list[Breach] = []
    transfers = Transfer.objects.filter(environment=environment, fate="credited").values_list(
        "hash", "payment_id"
    )
    for hash_, payment_id in transfers:
        if payment_id is not None:
            credited[payment_id] += entries.pop(hash_, 0)
    breaches.extend(
        Breach("evidence", f"a credit entry names transfer {hash_[:8]}, which is not credited")
        for hash_ in entries
    )
    done = set(
        Payment.objects.filter(environment=environment, status=Status.COMPLETED, method="khqr").values_list(
            "pk", flat=True
        )
    )
    breaches.extend(
        Breach(
            "completed",
            f"payment {pk}: {'completed' if pk in done else 'not completed'}, {credited[pk]} credit entries",
        )
        for pk in done | set(credited)
        if (pk in done) != (credited[pk] == 1)
    )
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
    """Check the law and stop spending when it is broken; return the breaches. Receiving never stops."""
    breaches = check(environment)
    if breaches:
        PaymentSettings.objects.get_or_create(singleton=1)
        PaymentSettings.objects.filter(singleton=1, spending_stopped_at__isnull=True).update(
            spending_stopped_at=at,
            spending_stopped_why="; ".join(f"{b.rule}: {b.what}" for b in breaches)[:2000],
            version=F("version") + 1,
        )
    return breaches


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

"""Differences that need no call: our own rows, and the bank's closing balances, against the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from django.db.models import Case, Exists, F, OuterRef, Q, Sum, When
from django.db.models.functions import Coalesce

from vinflow.money import Currency, Money
from vinflow.payments.booked_evidence import RECEIVED
from vinflow.payments.business_days import day_begins
from vinflow.payments.differences import STUCK_AFTER, Finding, Kind, closing
from vinflow.payments.models import (
    Attempt,
    ClosingBalance,
    Payment,
    Reconciliation,
    ReviewItem,
    StatementLine,
    Transfer,
)
from vinflow.payments.states import Status
from vinflow.wallet.models import JournalLine

__all__ = ["at_home", "at_the_bank", "suspense_sums"]

PHNOM_PENH = timedelta(hours=7)
CHUNK = 500


def at_home(run: Reconciliation, *, at: datetime) -> Iterator[Finding]:
    """Yield what stands wrong in our own rows: stuck payments, a stuck inbox, suspense nobody decides
    about, and ledger accounts that differ from the bank's closing balances since the run's beginning."""
    yield from _stuck(run.environment, at)
    yield from _inbox(run.environment, at)
    yield from _suspense(run.environment)
    yield from _closings(run)


def _stuck(environment: str, at: datetime) -> Iterator[Finding]:
    """Pending long after every QR of it should have had Bakong's last word, and not at the review desk."""
    young = Attempt.objects.filter(payment=OuterRef("pk"), last_check_at__gt=at - STUCK_AFTER)
    own = Attempt.objects.filter(payment=OuterRef("pk"))
    reviewed = ReviewItem.objects.filter(payment=OuterRef("pk"), decision="")
    stuck = Payment.objects.filter(
        Exists(own), ~Exists(young), ~Exists(reviewed), status=Status.PENDING, environment=environment
    )
    for payment in stuck.order_by("pk").iterator(chunk_size=CHUNK):
        yield Finding(
            Kind.STUCK_PENDING,
            f"payment:{payment.transaction_id}",
            "an end by now",
            "pending still",
            payment_id=payment.pk,
        )


def _inbox(environment: str, at: datetime) -> Iterator[Finding]:
    """Reported, stored, and for an hour neither credited nor at the review desk."""
    waiting = Transfer.objects.filter(
        environment=environment, processed_at__isnull=True, stored_at__lt=at - STUCK_AFTER
    )
    for transfer in waiting.order_by("pk").iterator(chunk_size=CHUNK):
        yield Finding(
            Kind.PAID_NOT_BOOKED,
            f"transfer:{transfer.hash}",
            "nothing booked",
            f"{transfer.amount_text} {transfer.currency}",
            payment_id=transfer.payment_id,
            transfer_id=transfer.pk,
            attempt_id=transfer.attempt_id,
        )


def suspense_sums(environment: str) -> Iterator[tuple[str, Money]]:
    """Yield what stands in suspense under each source, where it is not nothing. Linear in its lines."""
    rows = (
        JournalLine.objects.filter(account__kind="suspense", account__environment=environment)
        .values("entry__source", "currency")
        .annotate(left=Sum(Case(When(side="C", then=F("amount_minor")), default=-F("amount_minor"))))
        .exclude(left=0)
        .order_by("entry__source", "currency")
    )
    for row in rows.iterator(chunk_size=2000):
        yield row["entry__source"], Money(int(row["left"]), Currency(row["currency"]))


def _suspense(environment: str) -> Iterator[Finding]:
    """Money that waits for a decision which nobody is asked for."""
    chunk: list[tuple[str, Money]] = []
    for pair in suspense_sums(environment):
        chunk.append(pair)
        if len(chunk) == CHUNK:
            yield from _without_item(chunk)
            chunk = []
    yield from _without_item(chunk)


def _without_item(chunk: list[tuple[str, Money]]) -> Iterator[Finding]:
    sources = [source for source, _money in chunk]
    asked = set(ReviewItem.objects.filter(decision="", subject__in=sources).values_list("subject", flat=True))
    # A claim that people credited keeps its own subject; its transfer names the source.
    hashes = [source.removeprefix("transfer:") for source in sources if source.startswith("transfer:")]
    transfers = {f"transfer:{one.hash}": one for one in Transfer.objects.filter(hash__in=hashes)}
    asked |= {
        f"transfer:{name}"
        for name in ReviewItem.objects.filter(decision="", transfer__hash__in=hashes).values_list(
            "transfer__hash", flat=True
        )
    }
    for source, money in chunk:
        if source in asked:
            continue
        transfer = transfers.get(source)
        yield Finding(
            Kind.SUSPENSE_WITHOUT_ITEM,
            source,
            "an open review item",
            f"{money} in suspense",
            payment_id=transfer.payment_id if transfer else None,
            transfer_id=transfer.pk if transfer else None,
        )


def _closings(run: Reconciliation) -> Iterator[Finding]:
    """The bank's balance at the end of each day since the run's beginning, as last entered."""
    first_day = (run.since + PHNOM_PENH).date()
    rows = ClosingBalance.objects.filter(environment=run.environment, business_date__gte=first_day)
    newest: dict[tuple[str, str, object], ClosingBalance] = {}
    for row in rows.order_by("pk"):
        newest[row.receiver, row.currency, row.business_date] = row
    for row in newest.values():
        ledger = at_the_bank(row.receiver, row.environment, Currency(row.currency), until=row.business_date)
        yield from closing(row.receiver, row.business_date.isoformat(), ledger, row.balance, row.other)


def at_the_bank(receiver: str, environment: str, currency: Currency, *, until: date) -> Money:
    """Return what our books expect the bank to show for an account at the end of a business day.

    What came counts from the moment the bank had it, not from the moment we booked it: a payment of 23:59
    that was credited at 00:01 is in both balances. What went counts from its entry. Linear in the account.
    """
    end = day_begins(until + timedelta(days=1))
    whose = {"environment": environment, "currency": currency.value}
    received = Q(entry__source__startswith="transfer:", entry__purpose__in=RECEIVED)
    others = (
        JournalLine.objects.filter(
            account__kind="bakong",
            account__key=receiver,
            account__environment=environment,
            account__currency=currency.value,
            entry__business_date__lte=until,
        )
        .exclude(received)
        .exclude(entry__source__startswith="statement:")
        .aggregate(total=Sum(Case(When(side="D", then=F("amount_minor")), default=-F("amount_minor"))))
    )
    transfers = (
        Transfer.objects.filter(**whose, booked_receiver=receiver)
        .annotate(came_at=Coalesce("sent_at", "stored_at"))
        .filter(came_at__lt=end)
        .aggregate(total=Sum("amount_minor"))
    )
    lines = StatementLine.objects.filter(
        **whose, receiver=receiver, fate__in=["suspense", "written_off"], booked_at__isnull=False, at__lt=end
    ).aggregate(total=Sum("amount_minor"))
    return Money(sum(int(part["total"] or 0) for part in (others, transfers, lines)), currency)

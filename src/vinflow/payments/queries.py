"""Reads that span rows. Nothing here asks Bakong, and nothing but mark_seen writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum

from vinflow.money import Currency, Money
from vinflow.payments import conf
from vinflow.payments.models import Attempt, Method, Payment, ReviewItem, TokenState, Transfer
from vinflow.payments.prepared import Prepared
from vinflow.payments.states import Status
from vinflow.wallet import queries as wallet

__all__ = [
    "FILTERS",
    "Checkout",
    "Page",
    "Standing",
    "cannot_be_asked",
    "checkout",
    "counts",
    "given_by_hand",
    "history",
    "payment_for",
    "payment_without_user",
    "pending_for",
    "recent",
    "shown_state",
    "standing",
    "unseen_credits",
]

DELAYED_AFTER = timedelta(minutes=2)
POLL_EARLY_MS, POLL_MS, POLL_SLOW_MS = 3_000, 5_000, 15_000


@dataclass(frozen=True, slots=True)
class Checkout:
    """What a checkout page may know about a payment at one moment.

    state: pending, confirming, completed, review, expired, failed, canceled. late: paid after the
    QR had expired. paid: what came, while it lies in review, or what the review desk gave
    instead of the amount asked for. paid_at: when the payer sent it. delayed: Bakong cannot be asked.
    slow: its last answer told nothing. try_failed: the payer's last try did not go through.
    remaining_ms: until the QR expires, 0 afterwards. balance: the wallet's, known once completed.
    """

    state: str
    late: bool
    late_held: bool
    money: Money
    reference: str
    merchant_name: str
    receiver: str
    qr_string: str
    md5: str
    number: int
    created_at: datetime
    expires_at: datetime
    watch_until: datetime
    remaining_ms: int
    poll_after_ms: int
    checked_at: datetime | None
    next_check_at: datetime | None
    completed_at: datetime | None
    paid_at: datetime | None
    paid: Money | None
    delayed: bool
    slow: bool
    try_failed: bool
    can_cancel: bool
    can_renew: bool
    deeplink: str
    balance: Money | None
    server_time: datetime
    version: int


def payment_for(user: Any, transaction_id: str) -> Payment | None:
    """Return this user's payment of that reference, None for a foreign or unknown one alike."""
    return _with_review(Payment.objects.filter(user=user, transaction_id=transaction_id)).first()


def payment_without_user(transaction_id: str) -> Payment | None:
    """Return the payment of that reference if it belongs to no user: for whoever holds its signed link."""
    return _with_review(Payment.objects.filter(user=None, transaction_id=transaction_id)).first()


def _with_review(payments: QuerySet[Payment]) -> QuerySet[Payment]:
    opened = ReviewItem.objects.filter(payment=OuterRef("pk"), decision="")
    given = Transfer.objects.filter(payment=OuterRef("pk"), fate="extra").order_by("pk")
    return payments.annotate(
        in_review=Exists(opened),
        given_minor=Subquery(given.values("amount_minor")[:1]),
        given_currency=Subquery(given.values("currency")[:1]),
    )


def given_by_hand(payment: Payment) -> Money | None:
    """Return what the review desk gave the payer instead of the amount asked for, None where it did not.

    Such a payment never says "completed" to a program; to its payer it has gone well.
    """
    if payment.status != Status.CANCELED:
        return None
    known = vars(payment)
    if "given_minor" not in known:
        transfer = payment.transfers.filter(fate="extra").order_by("pk").first()
        return None if transfer is None else transfer.money
    if known["given_minor"] is None:
        return None
    return Money(known["given_minor"], Currency(known["given_currency"]))


def shown_state(payment: Payment) -> str:
    """Return the state a payer is shown: review stands before it until somebody has decided."""
    if payment.status != Status.COMPLETED and is_in_review(payment):
        return "review"
    return "completed" if given_by_hand(payment) is not None else str(payment.status)


def is_in_review(payment: Payment) -> bool:
    """Return whether an item about this payment is open at the review desk."""
    known = getattr(payment, "in_review", None)
    if known is None:
        known = ReviewItem.objects.filter(payment=payment, decision="").exists()
    return bool(known)


def checkout(payment: Payment, *, at: datetime) -> Checkout:
    """Return what the checkout page shows at this moment: two queries while unpaid, with payment_for."""
    attempt = _with_gate(Attempt.objects.filter(payment=payment), at, at - DELAYED_AFTER).first()
    if attempt is None and payment.method == Method.MANUAL:  # it never had a QR, and is paid
        at_once = payment.created_at
        attempt = Attempt(
            payment=payment,
            merchant_name=conf.merchant_name(),
            created_at=at_once,
            expires_at=at_once,
            watch_until=at_once,
        )
    if attempt is None:
        raise Attempt.DoesNotExist(f"{payment.transaction_id} has no QR yet")
    return _as_shown(payment, attempt, at=at)


def cannot_be_asked(*, at: datetime) -> bool:
    """Return whether a payment made now is confirmed later than usual: no calls left, or no answers."""
    shut, failing = Q(closed_until__gt=at), Q(refused_since__lt=at - DELAYED_AFTER)
    return TokenState.objects.filter(shut | failing).exists()


def _with_gate(attempts: QuerySet[Attempt], at: datetime, failing_since: datetime) -> QuerySet[Attempt]:
    """Newest first, with whether Bakong may be asked at all just now."""
    return attempts.annotate(
        gate_shut=Exists(TokenState.objects.filter(closed_until__gt=at)),
        gate_failing=Exists(TokenState.objects.filter(refused_since__lt=failing_since)),
    ).order_by("-number")


# What the status address reads, in one prepared query: the payment, its newest QR, and its owner's proof.
PAYMENT_READ = (
    *("id", "transaction_id", "user_id", "amount_minor", "currency", "status", "environment"),
    *("created_at", "completed_at", "completed_late", "ended_at", "version"),
)
ATTEMPT_READ = (
    *("id", "number", "qr_string", "md5", "receiver", "merchant_name", "deeplink", "created_at"),
    *("expires_at", "watch_until", "next_check_at", "last_asked_at", "last_outcome", "last_reason"),
    "last_real_word",
)
OWNER_READ = ("password", "is_active")


def _asked_for(reference: str, at: datetime, failing_since: datetime) -> QuerySet[Any, Any]:
    of_payment = OuterRef("payment_id")
    given = Transfer.objects.filter(payment=of_payment, fate="extra").order_by("pk")
    return (
        _with_gate(Attempt.objects.filter(payment__transaction_id=reference), at, failing_since)
        .annotate(
            in_review=Exists(ReviewItem.objects.filter(payment=of_payment, decision="")),
            given_minor=Subquery(given.values("amount_minor")[:1]),
            given_currency=Subquery(given.values("currency")[:1]),
        )
        .values_list(
            *(f"payment__{name}" for name in PAYMENT_READ),
            *ATTEMPT_READ,
            *(f"payment__user__{name}" for name in OWNER_READ),
            *("gate_shut", "gate_failing", "in_review", "given_minor", "given_currency"),
        )[:1]
    )


_status_query = Prepared(
    _asked_for,
    {
        "reference": "the reference",
        "at": datetime(1971, 1, 1, tzinfo=UTC),
        "failing_since": datetime(1972, 1, 1, tzinfo=UTC),
    },
)


@dataclass(frozen=True, slots=True)
class Standing:
    """A payment as the status address reads it: one query. The rows are partial: no page is drawn of them.

    password, is_active: of the payment's user, to prove a session with; "" and False where there is none.
    """

    payment: Payment
    attempt: Attempt
    password: str
    is_active: bool

    def shown(self, *, at: datetime) -> Checkout:
        """Return what the page shows at this moment; no query while it is not paid and not in review."""
        return _as_shown(self.payment, self.attempt, at=at)


def standing(reference: str, *, at: datetime) -> Standing | None:
    """Return a payment by its reference, None for an unknown one; whose it is, the caller has to judge."""
    values = {"reference": reference, "at": at, "failing_since": at - DELAYED_AFTER}
    rows = _status_query.rows(values)
    if not rows:
        return None
    row = rows[0]
    first, second = len(PAYMENT_READ), len(PAYMENT_READ) + len(ATTEMPT_READ)
    payment = Payment.from_db("default", PAYMENT_READ, row[:first])
    attempt = Attempt.from_db("default", ATTEMPT_READ, row[first:second])
    password, is_active, shut, failing, in_review, given_minor, given_currency = row[second:]
    vars(attempt).update(gate_shut=shut, gate_failing=failing)
    vars(payment).update(in_review=in_review, given_minor=given_minor, given_currency=given_currency)
    return Standing(payment, attempt, password or "", bool(is_active))


def _as_shown(payment: Payment, attempt: Attempt, *, at: datetime) -> Checkout:
    status = Status(payment.status)
    review = status is not Status.COMPLETED and is_in_review(payment)
    running = attempt.expires_at > at
    given = given_by_hand(payment)
    if review:
        state = "review"
    elif given is not None:
        state = "completed"
    elif status is Status.PENDING:
        state = "pending" if running else "confirming"
    else:
        state = status.value
    paid, late_held = _in_review(payment) if review else (given, False)
    shut = bool(getattr(attempt, "gate_shut", False) or getattr(attempt, "gate_failing", False))
    asked_out = attempt.last_outcome == "cannot_tell"
    remaining = max(0, int((attempt.expires_at - at).total_seconds() * 1000))
    return Checkout(
        state=state,
        late=payment.completed_late,
        late_held=late_held,
        money=payment.money,
        reference=payment.transaction_id,
        merchant_name=attempt.merchant_name,
        receiver=attempt.receiver,
        qr_string=attempt.qr_string,
        md5=attempt.md5,
        number=attempt.number,
        created_at=payment.created_at,
        expires_at=attempt.expires_at,
        watch_until=attempt.watch_until,
        remaining_ms=remaining if state == "pending" else 0,
        poll_after_ms=_poll_after(state, attempt, at=at),
        checked_at=attempt.last_asked_at,
        next_check_at=attempt.next_check_at,
        completed_at=payment.completed_at or (payment.ended_at if given else None),
        paid_at=_paid_at(payment) if state == "completed" else None,
        paid=paid,
        delayed=status is Status.PENDING
        and (shut or (asked_out and attempt.last_reason in ("budget", "quota", "blocked", "auth"))),
        slow=status is Status.PENDING and asked_out and not shut,
        try_failed=state == "pending" and attempt.last_real_word == "failed",
        can_cancel=status is Status.PENDING and not review,
        can_renew=not review and (status in (Status.EXPIRED, Status.FAILED) or state == "confirming"),
        deeplink=attempt.deeplink,
        balance=_balance(payment, (given or payment.money).currency) if state == "completed" else None,
        server_time=at,
        version=payment.version,
    )


def _in_review(payment: Payment) -> tuple[Money | None, bool]:
    """Return (what came, whether it is held only for being late) of the newest open item."""
    item = (
        ReviewItem.objects.filter(payment=payment, decision="")
        .select_related("transfer")
        .order_by("-opened_at")
        .first()
    )
    if item is None or item.transfer is None:
        return None, False
    return item.transfer.money, item.reasons == ["late_held"]


def _paid_at(payment: Payment) -> datetime | None:
    """Return when the payer sent the money, as their own receipt says it; else when it was credited."""
    paid = payment.transfers.filter(fate__in=["credited", "extra"]).order_by("pk").first()
    return (paid.sent_at if paid is not None else None) or payment.completed_at or payment.ended_at


def _balance(payment: Payment, currency: Currency) -> Money | None:
    if payment.user is None:
        return None
    held = {money.currency: money for money in wallet.balances(payment.user, payment.environment)}
    return held.get(currency, Money(0, currency))


def _poll_after(state: str, attempt: Attempt, *, at: datetime) -> int:
    if state == "pending":
        return POLL_EARLY_MS if at - attempt.created_at < timedelta(minutes=2) else POLL_MS
    if state == "confirming":
        return POLL_MS if at - attempt.expires_at < timedelta(minutes=1) else POLL_SLOW_MS
    return 2 * POLL_SLOW_MS


def recent(user: Any, limit: int) -> Sequence[Payment]:
    """Return a user's newest payments in this environment, newest first."""
    own = Payment.objects.filter(user=user, environment=conf.environment())
    return list(_with_review(own).order_by("-created_at")[:limit])


def pending_for(user: Any, *, at: datetime, money: Money | None = None) -> Payment | None:
    """Return the newest unpaid payment of a user whose QR may still be paid, of this amount if given."""
    live = Attempt.objects.filter(payment=OuterRef("pk"), expires_at__gt=at)
    own = Payment.objects.filter(user=user, status=Status.PENDING, environment=conf.environment())
    if money is not None:
        own = own.filter(amount_minor=money.minor, currency=money.currency.value)
    return own.filter(Exists(live)).order_by("-created_at").first()


FILTERS: dict[str, Q] = {
    "all": Q(),
    "completed": Q(status=Status.COMPLETED),
    "pending": Q(status=Status.PENDING),
    "expired": Q(status=Status.EXPIRED),
    "failed": Q(status=Status.FAILED),
    "canceled": Q(status=Status.CANCELED),
}


@dataclass(frozen=True, slots=True)
class Page:
    """One page of payments; number and pages count from 1."""

    rows: Sequence[Payment]
    number: int
    pages: int
    total: int


def history(user: Any, *, which: str = "all", page: int = 1, size: int = 10) -> Page:
    """Return a page of a user's payments; an unknown filter means all, a page too far the last."""
    own = Payment.objects.filter(FILTERS.get(which, Q()), user=user, environment=conf.environment())
    total = own.count()
    pages = max(1, -(-total // size))
    number = min(max(1, page), pages)
    rows = _with_review(own).order_by("-created_at", "-pk")[(number - 1) * size : number * size]
    return Page(list(rows), number, pages, total)


def counts(user: Any) -> dict[str, int]:
    """Return how many of a user's payments each filter shows."""
    own = Payment.objects.filter(user=user, environment=conf.environment())
    kinds = {name: Count("pk", filter=condition) for name, condition in FILTERS.items() if name != "all"}
    found = own.aggregate(all=Count("pk"), **kinds)
    return {name: int(found[name] or 0) for name in FILTERS}


def total_added(user: Any) -> list[Money]:
    """Return what a user has added in all, by currency; currencies never added are left out."""
    rows = (
        Payment.objects.filter(user=user, status=Status.COMPLETED, environment=conf.environment())
        .values("currency")
        .annotate(total=Sum("amount_minor"))
        .order_by("currency")
    )
    return [Money(int(row["total"]), Currency(row["currency"])) for row in rows]


def credited_transfer(payment: Payment) -> Transfer | None:
    """Return the transfer that paid a payment."""
    return payment.transfers.filter(fate="credited").first()


def unseen_credits(user: Any) -> Sequence[Payment]:
    """Return completed payments whose success the payer has not seen on any page yet."""
    own = Payment.objects.filter(
        user=user, status=Status.COMPLETED, seen_at__isnull=True, environment=conf.environment()
    )
    return list(own.order_by("completed_at")[:5])


def mark_seen(payment: Payment, *, at: datetime) -> None:
    """Note that the payer has seen the success of a payment; no rule of money reads it."""
    Payment.objects.filter(pk=payment.pk, seen_at__isnull=True).update(seen_at=at)

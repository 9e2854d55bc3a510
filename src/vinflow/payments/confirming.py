"""An answer becomes a Transfer, matched or sent to review.

Two steps, so that nothing falls between them: `store_found` writes the transfer durably the moment
the answer is read; `process_transfer` decides about it, now or after a crash. A stored transfer
without processed_at is the inbox, worked off without another call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from django.db import DEFAULT_DB_ALIAS, IntegrityError, OperationalError, connection, transaction
from django.db.models import F, Q, QuerySet

from vinflow.bakong import Found
from vinflow.money import Currency, Money
from vinflow.payments import announcing, conf, settings_store
from vinflow.payments.crediting import book_to_suspense, credit_locked, lock_for_transfer, stop_watching
from vinflow.payments.errors import OtherEnvironment
from vinflow.payments.evidence import clean, plain
from vinflow.payments.matching import (
    HASH,
    Asked,
    Match,
    Reason,
    Reported,
    judge,
    receiver_accepted,
    reported_money,
)
from vinflow.payments.models import Attempt, Fate, Payment, PaymentSettings, ReviewItem, Transfer
from vinflow.payments.prepared import Prepared
from vinflow.payments.receivers import receivers_for
from vinflow.payments.statements.settling import hand_over
from vinflow.payments.states import Status
from vinflow.wallet.reading import by_hand

__all__ = [
    "adopt_claim",
    "file_claim",
    "file_silence",
    "process_inbox",
    "process_transfer",
    "settle",
    "store_found",
]

log = logging.getLogger(__name__)

T = TypeVar("T")

CREDITED = "SELECT COALESCE(SUM(amount_minor), 0) FROM payments_payment WHERE status = 'completed'"
SINCE = " AND environment = %s AND currency = %s AND completed_at >= %s"
CREDITED_LATELY = f"SELECT ({CREDITED}{SINCE}), ({CREDITED}{SINCE} AND user_id = %s)"

TRIES_MAX = 10
DECIDED = 100  # transfers of the inbox worked off in one step of a watcher
FIRST_WAIT_S, LONGEST_WAIT_S = 5.0, 3600.0
REPEATS = 3  # a deadlock or a failed serialization repeats the whole transaction


def store_found(*, attempt: Attempt, found: Found, asked_at: datetime, at: datetime) -> Transfer | None:
    """Store what Bakong reported for an attempt, durably and once per hash; return the transfer.

    asked_at: when the request that was answered was started. The same answer again returns the row
    that is there. A hash that belongs to another attempt, or is no hash, opens a review item,
    writes no transfer and returns None.
    """
    if attempt.environment != conf.environment():
        # Play money, or another bank's: it may not even be looked at as an answer about this QR.
        raise OtherEnvironment(f"{attempt.md5} is {attempt.environment}, the gateway is {conf.environment()}")
    reported = found.transfer
    if not HASH.fullmatch(reported.hash):
        with transaction.atomic(durable=True):
            _open_item(
                subject=f"malformed:{attempt.md5}",
                attempt=attempt,
                reasons=[Reason.HASH_MALFORMED],
                evidence=_evidence(found),
                at=at,
            )
        return None
    values: dict[str, Any] = {
        "attempt": attempt,
        "payment_id": attempt.payment_id,
        "environment": attempt.environment,
        "asked_at": asked_at,
        "stored_at": at,
        **_facts(found),
    }
    return repeated(lambda: _store(attempt, found, values, at=at))


def _store(attempt: Attempt, found: Found, values: dict[str, Any], *, at: datetime) -> Transfer | None:
    reported = found.transfer
    with transaction.atomic(durable=True):
        known = Transfer.objects.filter(hash=reported.hash).first()
        if known is None:
            try:
                with transaction.atomic():
                    return Transfer.objects.create(hash=reported.hash, **values)
            except IntegrityError:  # a rival stored the same answer between our look and our insert
                known = Transfer.objects.get(hash=reported.hash)
        if known.attempt_id != attempt.pk:
            # One transfer, two QRs: the first keeps it. Booked once per hash, so no entry here.
            _open_item(
                subject=f"sighting:{known.hash}:{attempt.md5}",
                attempt=attempt,
                reasons=[Reason.HASH_SEEN],
                evidence={"first_attempt": known.attempt_id, "answer": _evidence(found)},
                at=at,
            )
            return None
        return known


def _facts(found: Found) -> dict[str, Any]:
    """Return what a transfer reports of itself, as the columns of its row."""
    reported = found.transfer
    money = reported_money(reported.amount, reported.currency)
    evidence = _evidence(found)

    def text(value: object, longest: int) -> str:
        return clean("" if value is None else str(value))[:longest]

    return {
        "amount_text": text(reported.amount, 60),
        "amount_minor": None if money is None else money.minor,
        "currency": text(reported.currency, 10),
        "from_account": text(reported.from_account, 100),
        "to_account": text(reported.to_account, 100),
        "sent_at": reported.created_at,
        "acknowledged_at": reported.acknowledged_at,
        "tracking_status": text(reported.tracking_status, 40),
        "external_ref": text(reported.external_ref, 100),
        "instruction_ref": text(reported.instruction_ref, 100),
        "bill_number": text(evidence.get("bill_number"), 64),
        "raw": evidence,
    }


def file_silence(*, attempt: Attempt, told: str, at: datetime) -> ReviewItem:
    """Open the one review item of a QR about which nothing could be learnt for a day; return it.

    told: why the last answer told nothing. Nothing else changes: the payment stays pending and its QR is
    asked about on and on, and a later word of Bakong's counts whatever people decide meanwhile.
    """
    with transaction.atomic(durable=True):
        return _open_item(
            subject=f"silence:{attempt.md5}",
            attempt=attempt,
            reasons=[Reason.NO_WORD],
            evidence={"told": told, "checks": attempt.checks, "last_check_at": plain(attempt.last_check_at)},
            at=at,
        )


def file_claim(*, payment: Payment, found: Found, named: str, at: datetime) -> ReviewItem:
    """Open the review item of a transfer that a payer named and no QR of theirs brought.

    Nothing is booked and the hash stays free: whoever really paid may still be found by their own
    QR, whatever a stranger claims. Two people decide; `adopt_claim` makes the row when they credit.
    """
    attempt = payment.attempts.order_by("-number").first()
    assert attempt is not None  # a payment with an address has a QR
    return _open_item(
        subject=f"claim:{found.transfer.hash}:{payment.transaction_id}"[:160],
        attempt=attempt,
        reasons=[Reason.CLAIMED_BY_HASH, *_further_reasons(payment, attempt, found, at=at)],
        evidence={
            "named": named,
            "hash": found.transfer.hash,
            "facts": plain(_facts(found)),
            "asked_at": plain(at),
        },
        at=at,
    )


def _further_reasons(payment: Payment, attempt: Attempt, found: Found, *, at: datetime) -> list[Reason]:
    """Return what else speaks against a claimed transfer: another amount, sent back, too early."""
    facts = Transfer(hash=found.transfer.hash, asked_at=at, **_facts(found))
    verdict = judge(reported_of(facts), asked_of(payment, attempt, facts))
    return [] if isinstance(verdict, Match) else list(verdict.reasons)


def adopt_claim(item: ReviewItem, *, at: datetime) -> Transfer | None:
    """Make the transfer of a claim that people are about to credit; inside their transaction.

    None where the hash has been seen meanwhile: then it belongs to whoever it was found for.
    """
    if item.attempt is None or Transfer.objects.filter(hash=item.evidence["hash"]).exists():
        return None
    facts = dict(item.evidence["facts"])
    for name in ("sent_at", "acknowledged_at"):
        facts[name] = datetime.fromisoformat(facts[name]) if facts[name] else None
    try:
        with transaction.atomic():
            return Transfer.objects.create(
                hash=item.evidence["hash"],
                attempt=item.attempt,
                payment_id=item.attempt.payment_id,
                environment=item.attempt.environment,
                asked_at=datetime.fromisoformat(item.evidence["asked_at"]),
                stored_at=at,
                processed_at=at,
                fate=Fate.IN_REVIEW,
                reasons=item.reasons,
                **facts,
            )
    except IntegrityError:  # it was found for its own QR between our look and our insert
        return None


def _evidence(found: Found) -> dict[str, Any]:
    """Return the transfer as it was answered."""
    return dict(plain(found.transfer.raw))


def _open_item(
    *,
    subject: str,
    attempt: Attempt,
    reasons: Sequence[Reason],
    evidence: dict[str, Any],
    at: datetime,
    transfer: Transfer | None = None,
) -> ReviewItem:
    """Open the one review item of a subject; return it, whether new or there already."""
    item, made = ReviewItem.objects.get_or_create(
        subject=subject,
        defaults={
            "transfer": transfer,
            "attempt": attempt,
            "payment_id": attempt.payment_id,
            "reasons": [reason.value for reason in reasons],
            "evidence": evidence,
            "opened_at": at,
        },
    )
    if made:
        Payment.objects.filter(pk=attempt.payment_id).update(version=F("version") + 1)
        announcing.review_opened(item)
    return item


def asked_of(payment: Payment, attempt: Attempt, transfer: Transfer) -> Asked:
    """Return what an attempt asked for, from our own rows, never from a browser.

    transfer: what came; its receiver is looked up among the owners' accounts where the usual ones do not
    hold it.
    """
    own = attempt.receiver
    stated = attempt.protocol == conf.Protocol.OPEN_API
    return Asked(
        money=payment.money,
        receivers=receivers_for(transfer.to_account, own) if stated else {own},
        created_at=attempt.created_at,
        expires_at=attempt.expires_at,
        watch_until=attempt.watch_until,
        receiver_stated=stated,
        bill_number="" if stated else payment.transaction_id,
    )


def reported_of(transfer: Transfer) -> Reported:
    """Return a stored transfer as it was reported."""
    return Reported(
        hash=transfer.hash,
        amount=Decimal(transfer.amount_text) if transfer.amount_text else None,
        currency=transfer.currency,
        to_account=transfer.to_account or None,
        created_at=transfer.sent_at,
        acknowledged_at=transfer.acknowledged_at,
        tracking_status=transfer.tracking_status or None,
        asked_at=transfer.asked_at,
        bill_number=transfer.bill_number or None,
    )


def repeated(act: Callable[[], T]) -> T:
    """Run one whole transaction, again after a deadlock or a failed serialization, three times at most."""
    for repeat in range(REPEATS):
        try:
            return act()
        except OperationalError:
            if repeat == REPEATS - 1:
                raise
    raise AssertionError("unreachable")  # pragma: no cover


def settle(*, transfer_id: int, at: datetime) -> Transfer:
    """Decide about a stored transfer and never raise: what cannot be done now is tried again later.

    A host's funds handler that raises, a closed wallet, a database that gives up: the transfer stays
    in the inbox with its money untouched, is tried again after 5 s, 10 s, 20 s ... an hour, and
    nobody else's transfer waits for it. After ten tries its money goes to suspense and to review.
    """
    try:
        return process_transfer(transfer_id=transfer_id, at=at)
    except Exception:
        log.exception("a transfer could not be credited; it is tried again", extra={"transfer": transfer_id})
    transfer = Transfer.objects.get(pk=transfer_id)
    wait = timedelta(seconds=min(FIRST_WAIT_S * 2**transfer.tries, LONGEST_WAIT_S))
    Transfer.objects.filter(pk=transfer_id).update(tries=F("tries") + 1, next_try_at=at + wait)
    return transfer


def process_transfer(*, transfer_id: int, at: datetime) -> Transfer:
    """Decide about a stored transfer: credited, or booked and sent to review. Safe to repeat.

    All in one transaction, repeated whole after a deadlock. Raises what the ledger or a host's funds
    handler raised; nothing has changed then. `settle` is this for callers that must go on.
    """
    return repeated(lambda: _process(transfer_id, at=at))


@transaction.atomic
def _process(transfer_id: int, *, at: datetime) -> Transfer:
    payment, attempt, transfer = lock_for_transfer(transfer_id)
    if transfer.processed_at is not None:
        return transfer
    if transfer.tries >= TRIES_MAX:
        return _to_review(attempt, transfer, [Reason.NOT_CREDITABLE], at=at)
    settings = settings_store.current()
    verdict = judge(reported_of(transfer), asked_of(payment, attempt, transfer))
    if not isinstance(verdict, Match):
        return _to_review(attempt, transfer, list(verdict.reasons), at=at)
    held = _held_back(payment, settings, late=verdict.late, at=at)
    if held is not None:
        return _to_review(attempt, transfer, [held], at=at)
    hand_over(attempt, transfer, at=at)
    credit_locked(payment, attempt, transfer, late=verdict.late, at=at)
    return transfer


def _held_back(payment: Payment, settings: PaymentSettings, *, late: bool, at: datetime) -> Reason | None:
    """Return why a matching transfer is not credited by itself, or None."""
    if payment.status == Status.COMPLETED:
        return Reason.ALREADY_PAID
    if late and not settings.late_credit:
        return Reason.LATE_HELD
    # Answers are not signed: whoever controls the line mints money, so what is credited without a
    # person looking is capped, per hour and per payer (money rule 22).
    currency = Currency(payment.currency)
    hourly = settings_store.cap(settings, "auto_hourly_max", currency)
    daily = settings_store.cap(settings, "auto_user_daily_max", currency)
    in_all, to_payer = _credited_lately(payment, at=at)
    if in_all + payment.money > hourly or (payment.user_id and to_payer + payment.money > daily):
        return Reason.OVER_CAP
    return None


def _credited_lately(payment: Payment, *, at: datetime) -> tuple[Money, Money]:
    """Return what was credited in this currency in the last hour, and to this payer in the last day."""
    moment = connection.ops.adapt_datetimefield_value
    where = [payment.environment, payment.currency]
    hour, day = moment(at - timedelta(hours=1)), moment(at - timedelta(days=1))
    with by_hand(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(CREDITED_LATELY, [*where, hour, *where, day, payment.user_id])
        in_all, to_payer = cursor.fetchone()
    currency = Currency(payment.currency)
    return Money(int(in_all), currency), Money(int(to_payer), currency)


def _to_review(attempt: Attempt, transfer: Transfer, reasons: list[Reason], *, at: datetime) -> Transfer:
    """Book what may be booked to suspense, open the item, take the transfer out of the inbox."""
    money = transfer.money
    stated = attempt.protocol == conf.Protocol.OPEN_API
    verified = not stated or receiver_accepted(
        transfer.to_account or None, receivers_for(transfer.to_account, attempt.receiver)
    )
    if money is not None and verified and Reason.SENT_BACK not in reasons:
        hand_over(attempt, transfer, at=at)
        book_to_suspense(attempt, transfer, money, at=at)
    transfer.fate, transfer.processed_at = Fate.IN_REVIEW, at
    transfer.reasons = [reason.value for reason in reasons]
    transfer.save(update_fields=["fate", "processed_at", "reasons", "booked_receiver"])
    _open_item(
        subject=f"transfer:{transfer.hash}",
        attempt=attempt,
        transfer=transfer,
        reasons=reasons,
        evidence=dict(transfer.raw),
        at=at,
    )
    stop_watching(attempt)  # asking on would bring the same transfer again
    return transfer


def _turn(environment: str, at: datetime) -> QuerySet[Transfer, tuple[int]]:
    due = Q(next_try_at__isnull=True) | Q(next_try_at__lte=at)
    waiting = Transfer.objects.filter(due, processed_at__isnull=True, environment=environment)
    return waiting.order_by("stored_at").values_list("pk")[:DECIDED]


_turn_query = Prepared(_turn, {"environment": "where", "at": datetime(1971, 1, 1, tzinfo=UTC)})


def process_inbox(*, at: datetime) -> int:
    """Work off stored transfers whose turn it is; no call is made. Returns how many were decided.

    One that cannot be decided waits for its next try and holds up nobody. At most DECIDED at once.
    """
    done = 0
    for (transfer_id,) in _turn_query.rows({"environment": str(conf.environment()), "at": at}):
        done += settle(transfer_id=transfer_id, at=at).processed_at is not None
    return done

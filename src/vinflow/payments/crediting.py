"""One transaction: lock, guard, evidence, ledger, state. The only writer of `completed`.

Lock order, here and everywhere: payment, attempt, transfer, wallet. Bakong was asked and the answer
stored and matched before this module is reached: no lock here waits on a network.
"""

from __future__ import annotations

from datetime import datetime

from django.db import DEFAULT_DB_ALIAS, connection, transaction

from vinflow.money import Currency, Money
from vinflow.payments import announcing, conf, owing
from vinflow.payments.errors import AlreadyCompleted, IllegalTransition
from vinflow.payments.matching import Reason
from vinflow.payments.models import Attempt, Fate, Payment, Transfer
from vinflow.payments.states import Event, Status
from vinflow.wallet.entries import (
    AccountRef,
    Entry,
    bakong_ref,
    credit,
    debit,
    external_ref,
    suspense_ref,
    user_ref,
)
from vinflow.wallet.posting import post
from vinflow.wallet.reading import Columns, by_hand, locking

# What deciding about money does not look at stays unread; Django fetches it when somebody asks.
PAYMENT = Columns(Payment, without=["metadata", "gateway_response"])
ATTEMPT = Columns(Attempt, without=["qr_string", "deeplink", "signals"])
TRANSFER = Columns(Transfer, without=["raw"])

READ_PAYMENT = (
    f"SELECT {PAYMENT.of('p')} FROM payments_payment p"  # noqa: S608
    " WHERE p.id = (SELECT payment_id FROM payments_transfer WHERE id = %s)"
)
READ_TRANSFER = (
    f"SELECT {ATTEMPT.of('a')}, {TRANSFER.of('t')} FROM payments_attempt a"  # noqa: S608
    " JOIN payments_transfer t ON t.attempt_id = a.id WHERE t.id = %s"
)
CREDIT_TRANSFER = (
    "UPDATE payments_transfer SET fate = %s, processed_at = %s, booked_receiver = %s"
    " WHERE id = %s AND fate = %s"
)
STOP_WATCHING = (
    "UPDATE payments_attempt SET next_check_at = NULL, set_aside = %s, leased_until = NULL WHERE id = %s"
)

__all__ = ["book_to_suspense", "credit_transfer", "entry_source", "lock_for_transfer"]


def entry_source(transfer: Transfer) -> str:
    """Return the name under which the ledger knows a transfer; with a purpose it is unique."""
    return f"transfer:{transfer.hash}"


def lock_for_transfer(transfer_id: int) -> tuple[Payment, Attempt, Transfer]:
    """Return the three rows of a transfer, locked in the fixed order. Inside a transaction only.

    Raises Transfer.DoesNotExist.
    """
    using = DEFAULT_DB_ALIAS
    with by_hand(using) as cursor:
        cursor.execute(READ_PAYMENT + locking(using), [transfer_id])
        first = cursor.fetchone()
        if first is None:
            raise Transfer.DoesNotExist(f"no transfer {transfer_id}")
        # Attempt and transfer belong to the payment whose lock we hold now, and nobody takes them
        # without it: their order within this statement decides nothing.
        cursor.execute(READ_TRANSFER + locking(using, "a", "t"), [transfer_id])
        both = cursor.fetchone()
    payment = PAYMENT.instance(first, using=using)
    attempt = ATTEMPT.instance(both[: len(ATTEMPT)], using=using)
    transfer = TRANSFER.instance(both[len(ATTEMPT) :], using=using)
    attempt.payment = transfer.payment = payment
    transfer.attempt = attempt
    return payment, attempt, transfer


@transaction.atomic
def credit_transfer(*, transfer_id: int, late: bool, at: datetime) -> Payment:
    """Pay a matched transfer into its payer's wallet: state, transfer and ledger, all or nothing.

    late: the money was sent after the QR had expired. at: the moment of the decision (aware). Safe
    to repeat: a transfer already credited returns its payment unchanged. Raises AlreadyCompleted
    when another transfer has paid this payment; the caller books this one to suspense.
    """
    payment, attempt, transfer = lock_for_transfer(transfer_id)
    return credit_locked(payment, attempt, transfer, late=late, at=at)


def credit_locked(
    payment: Payment,
    attempt: Attempt,
    transfer: Transfer,
    *,
    late: bool,
    at: datetime,
    debit_from: AccountRef | None = None,
) -> Payment:
    """Credit with the three rows already locked by the caller's transaction.

    debit_from: where the money stands now, for a decision of the review desk; left out, it comes
    straight from the receiving account. What is given is the payment's own amount, always.
    """
    if transfer.fate == Fate.CREDITED:
        return payment
    if payment.status == Status.COMPLETED:
        raise AlreadyCompleted(f"{payment.transaction_id} was paid by another transfer")
    # The transfer first: the database completes a payment only on the evidence of a credited one.
    _mark_credited(transfer, booked_receiver=attempt.receiver, at=at)
    payment.advance(Event.MONEY_MATCHED, at=at, late=late)
    source = debit_from or bakong_ref(attempt.receiver, payment.environment)
    give(payment, transfer, payment.money, debit_from=source, at=at)
    if Reason.CLAIMED_BY_HASH not in transfer.reasons:
        # This QR has given its answer. A transfer known by its receipt alone says nothing about the QR it
        # was claimed for: that one's own money may still come, and stays watched for.
        stop_watching(attempt)
    announcing.completed(payment, transfer)
    return payment


def _mark_credited(transfer: Transfer, *, booked_receiver: str, at: datetime) -> None:
    """Give a transfer its fate, guarded: a row that somebody decided about meanwhile is not touched."""
    before = transfer.fate
    transfer.fate, transfer.booked_receiver = Fate.CREDITED, booked_receiver
    transfer.processed_at = transfer.processed_at or at
    moment = connection.ops.adapt_datetimefield_value(transfer.processed_at)
    with by_hand(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(
            CREDIT_TRANSFER, [Fate.CREDITED.value, moment, booked_receiver, transfer.pk, str(before)]
        )
        if cursor.rowcount != 1:
            raise IllegalTransition(
                f"the transfer {transfer.hash[:8]} is no longer {before or 'in the inbox'}"
            )


def stop_watching(attempt: Attempt) -> None:
    """End the looks at a QR that has given its answer, with the call that was set aside for it."""
    with by_hand(DEFAULT_DB_ALIAS) as cursor:
        cursor.execute(STOP_WATCHING, [False, attempt.pk])


def give(
    payment: Payment,
    transfer: Transfer,
    money: Money,
    *,
    debit_from: AccountRef,
    at: datetime,
    purpose: str = "credit",
) -> None:
    """Post the credit of a transfer: the user's wallet, or the host's own funds by its handler.

    With VINFLOW_FUNDS_HANDLER the journal is kept all the same and only the user's leg differs: it
    goes to `external`, and the handler adds the funds inside this same transaction. Whatever the
    handler raises undoes everything; the transfer is still in the inbox then.
    """
    handler = conf.funds_handler()
    if handler is None and payment.user_id is not None:
        to = user_ref(payment.user_id, payment.environment)
    else:
        to = external_ref(payment.environment, payment.purpose)
    post(
        Entry(
            source=entry_source(transfer),
            purpose=purpose,
            lines=(debit(debit_from, money), credit(to, money)),
            memo=f"{payment.purpose} {payment.transaction_id}",
        ),
        at=at,
    )
    if handler is not None:
        handler(payment=payment, transfer=transfer, money=money, at=at)
    elif payment.user_id is not None:
        # Whoever owes us after a claw-back repays with what comes in.
        owing.collect(
            user_id=payment.user_id,
            currency=Currency(money.currency),
            environment=payment.environment,
            at=at,
        )


def book_to_suspense(attempt: Attempt, transfer: Transfer, money: Money, *, at: datetime) -> None:
    """Book money that came and cannot be given to anyone yet; inside the caller's transaction.

    Once per hash: the ledger refuses a second booking of the same source and purpose quietly. The
    caller has made sure that the receiver is a verified one.
    """
    transfer.booked_receiver = attempt.receiver
    post(
        Entry(
            source=entry_source(transfer),
            purpose="suspense",
            lines=(
                debit(bakong_ref(attempt.receiver, transfer.environment), money),
                credit(suspense_ref(transfer.environment), money),
            ),
            memo=f"held for review, {attempt.md5}",
        ),
        at=at,
    )

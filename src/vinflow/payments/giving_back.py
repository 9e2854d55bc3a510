"""Where the money of a transfer stands now, and how much of it may still go back; the host is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Sum

from vinflow.money import Currency, Money
from vinflow.payments import conf
from vinflow.payments.errors import RefundRefused
from vinflow.payments.models import ClawBack, Fate, Leg, Payment, Refund, Transfer
from vinflow.payments.refund_states import COUNTED
from vinflow.wallet.entries import AccountKind, AccountRef
from vinflow.wallet.models import JournalLine

__all__ = ["Origin", "given_transfers", "left_of", "origin_of", "tell_host"]

GIVEN = (Fate.CREDITED, Fate.EXTRA)


@dataclass(frozen=True, slots=True)
class Origin:
    """A transfer that was given to its payer, and the account it was given to."""

    transfer: Transfer
    account: AccountRef
    leg: Leg


def given_transfers(payment: Payment) -> list[Transfer]:
    """Return the transfers that were given to the payer, the one that completed the payment first."""
    given = list(payment.transfers.filter(fate__in=GIVEN).order_by("pk"))
    return sorted(given, key=lambda transfer: transfer.fate != Fate.CREDITED)


def origin_of(payment: Payment, transfer: Transfer | None = None) -> Origin:
    """Return where a transfer's money was given to, by the books themselves.

    transfer: one of the payment's; by default the one that completed it. Raises RefundRefused
    (nothing_came) where nothing was given.
    """
    given = given_transfers(payment)
    if transfer is not None:
        given = [one for one in given if one.pk == transfer.pk]
    if not given:
        raise RefundRefused("no money was credited for this payment: nothing can go back", "nothing_came")
    line = (
        JournalLine.objects.filter(
            entry__source=f"transfer:{given[0].hash}",
            entry__purpose__in=("credit", "credit_extra"),
            side="C",
        )
        .select_related("account")
        .first()
    )
    if line is None:
        raise RefundRefused("the books have no credit of this transfer", "nothing_came")
    account = line.account.ref
    if account.kind is AccountKind.USER:
        leg = Leg.WALLET
    elif payment.user_id is not None or conf.funds_handler() is not None:
        leg = Leg.HOST
    else:
        leg = Leg.NOBODY
    return Origin(given[0], account, leg)


def left_of(transfer: Transfer) -> Money:
    """Return how much of a transfer may still go back: what came, less refunds and claw-backs.

    Open ones count. Read it under the payment's lock where something follows from it.
    """
    currency = Currency(transfer.currency)
    if transfer.fate not in GIVEN or transfer.amount_minor is None:
        return Money(0, currency)
    refunds = Refund.objects.filter(transfer=transfer, state__in=COUNTED)
    clawbacks = ClawBack.objects.filter(transfer=transfer, decision__in=["", ClawBack.Decision.BOOKED])
    gone = sum(rows.aggregate(total=Sum("amount_minor"))["total"] or 0 for rows in (refunds, clawbacks))
    return Money(transfer.amount_minor - gone, currency)


def tell_host(step: str, row: Refund | ClawBack, *, at: datetime) -> None:
    """Let the host move its own balance, inside this transaction; whatever it raises undoes everything.

    step: hold, capture, release or claw_back. Nothing happens for money that is in nobody's balance.
    """
    if row.leg != Leg.HOST:
        return
    handler = conf.refund_handler()
    if handler is None:
        raise RefundRefused(
            "the host keeps this balance, and VINFLOW_REFUND_HANDLER does not say how to take from it", "host"
        )
    refund, clawback = (row, None) if isinstance(row, Refund) else (None, row)
    handler(step=step, refund=refund, clawback=clawback, payment=row.payment, money=row.money, at=at)

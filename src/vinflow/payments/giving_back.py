"""Where money that came in stands now, and how much of it may still go back; the host is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet, Sum

from vinflow.money import Money
from vinflow.payments import conf
from vinflow.payments.errors import RefundRefused
from vinflow.payments.models import ClawBack, Fate, Leg, ManualDeposit, Method, Payment, Refund, Transfer
from vinflow.payments.refund_states import COUNTED
from vinflow.wallet.entries import AccountKind, AccountRef, user_ref
from vinflow.wallet.models import JournalLine

__all__ = ["Origin", "given_transfers", "left_of", "origin_of", "tell_host"]

GIVEN = (Fate.CREDITED, Fate.EXTRA)


@dataclass(frozen=True, slots=True)
class Origin:
    """Money that was given to its payer: what brought it, and the account it was given to.

    One of transfer and deposit. came: how much. name: under which the books know it. sender: the account it
    came from, "" where nobody knows. receiver: our account; for a deposit the way it came.
    """

    account: AccountRef
    leg: Leg
    came: Money
    name: str
    sender: str
    receiver: str
    transfer: Transfer | None = None
    deposit: ManualDeposit | None = None


def given_transfers(payment: Payment) -> list[Transfer]:
    """Return the transfers that were given to the payer, the one that completed the payment first."""
    given = list(payment.transfers.filter(fate__in=GIVEN).order_by("pk"))
    return sorted(given, key=lambda transfer: transfer.fate != Fate.CREDITED)


def origin_of(payment: Payment, transfer: Transfer | None = None) -> Origin:
    """Return where a transfer's or a deposit's money was given to, by the books themselves.

    transfer: one of the payment's; by default the one that completed it. Raises RefundRefused
    (nothing_came) where nothing was given.
    """
    if payment.method == Method.MANUAL:
        return _of_deposit(payment)
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
    came = given[0].money
    if came is None:
        raise RefundRefused("what came is no whole amount of ours", "nothing_came")
    return Origin(
        account=account,
        leg=leg,
        came=came,
        name=given[0].hash,
        sender=given[0].from_account,
        receiver=given[0].booked_receiver,
        transfer=given[0],
    )


def _of_deposit(payment: Payment) -> Origin:
    deposit = ManualDeposit.objects.filter(payment=payment, decision=ManualDeposit.Decision.CREDITED).first()
    if deposit is None:
        raise RefundRefused("no money was credited for this payment: nothing can go back", "nothing_came")
    # Nobody knows which account a bank transfer came from; over the counter it goes to the payer in person.
    at_the_counter = deposit.kind == ManualDeposit.Kind.CASH
    return Origin(
        account=user_ref(deposit.payer_id, deposit.environment),
        leg=Leg.WALLET,
        came=deposit.money,
        name=f"deposit:{deposit.pk}",
        sender=deposit.payer.get_username()[:100] if at_the_counter else "",
        receiver=deposit.kind,
        deposit=deposit,
    )


def left_of(origin: Origin) -> Money:
    """Return how much may still go back: what came, less refunds and claw-backs.

    Open ones count. Read it under the payment's lock where something follows from it.
    """
    if origin.deposit is not None:
        refunds = Refund.objects.filter(deposit=origin.deposit, state__in=COUNTED)
        return origin.came - Money(_sum(refunds), origin.came.currency)
    refunds = Refund.objects.filter(transfer=origin.transfer, state__in=COUNTED)
    clawbacks = ClawBack.objects.filter(transfer=origin.transfer, decision__in=["", ClawBack.Decision.BOOKED])
    return origin.came - Money(_sum(refunds) + _sum(clawbacks), origin.came.currency)


def _sum(rows: QuerySet[Any]) -> int:
    return int(rows.aggregate(total=Sum("amount_minor"))["total"] or 0)


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

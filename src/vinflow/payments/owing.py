"""What a payer owes after a claw-back, taken from the wallet whenever money is there again.

Called inside the transaction of every credit, and by the tidying for money that came otherwise.
Lock order: the wallet, then the claw-backs of its owner.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, transaction
from django.db.models import F, QuerySet, Sum

from vinflow.money import Currency, Money
from vinflow.payments.models import ClawBack, Repayment
from vinflow.wallet.accounts import freeze_wallet, lock_accounts, unfreeze_wallet
from vinflow.wallet.entries import AccountRef, Entry, Environment, credit, debit, receivable_ref, user_ref
from vinflow.wallet.posting import post
from vinflow.wallet.reading import by_hand

__all__ = ["collect", "collect_all", "owed_by", "repay", "settle_freeze", "source_of"]

OWES = (
    "SELECT 1 FROM payments_clawback WHERE owed_minor > repaid_minor"
    " AND user_id = %s AND currency = %s AND environment = %s LIMIT 1"
)
WHY_COLLECTED = "taken from the wallet when money was there"


def owing() -> QuerySet[ClawBack]:
    """Return the claw-backs of which something is owed."""
    return ClawBack.objects.filter(owed_minor__gt=F("repaid_minor"))


def owed_by(user: Any, currency: Currency, environment: str) -> Money:
    """Return what a payer owes in one currency."""
    rows = owing().filter(user=user, currency=currency.value, environment=environment)
    sums = rows.aggregate(owed=Sum("owed_minor"), repaid=Sum("repaid_minor"))
    return Money(int(sums["owed"] or 0) - int(sums["repaid"] or 0), currency)


def source_of(clawback: ClawBack) -> str:
    """Return the name under which the ledger knows a claw-back."""
    return f"clawback:{clawback.reference}"


def collect(*, user_id: Any, currency: Currency, environment: str, at: datetime) -> Money:
    """Take what a payer owes out of what is free in their wallet, oldest debt first; return what was taken.

    Inside the caller's transaction. Costs one question where nothing is owed. The wallet is free to
    spend again when the last of it is repaid.
    """
    taken = Money(0, currency)
    with by_hand(DEFAULT_DB_ALIAS) as cursor:  # part of every credit
        cursor.execute(OWES, [user_id, currency.value, environment])
        if cursor.fetchone() is None:
            return taken
    mine = owing().filter(user_id=user_id, currency=currency.value, environment=environment)
    wallet = user_ref(user_id, environment)
    account = lock_accounts([(wallet, currency)])[wallet, currency]
    free = account.available
    for clawback in mine.order_by("pk").select_for_update(of=("self",), no_key=True):
        promised = clawback.repayments.filter(decision="").aggregate(total=Sum("amount_minor"))["total"] or 0
        part = min(free, clawback.owed - Money(promised, currency))
        if part.minor <= 0:
            continue
        repayment = Repayment.objects.create(
            clawback=clawback,
            number=next_number(clawback),
            how=Repayment.How.WALLET,
            amount_minor=part.minor,
            why=WHY_COLLECTED,
            asked_at=at,
            decision=Repayment.Decision.BOOKED,
            decided_at=at,
        )
        repay(clawback, repayment, source=wallet, at=at)
        free, taken = free - part, taken + part
    settle_freeze(wallet, currency, user_id=user_id, at=at)
    return taken


def collect_all(*, at: datetime) -> int:
    """Collect from every payer who owes and has money free; return from how many something was taken."""
    keys = list(owing().values_list("user_id", "currency", "environment").distinct())
    taken = 0
    for user_id, currency, environment in keys:
        with transaction.atomic():
            part = collect(user_id=user_id, currency=Currency(currency), environment=environment, at=at)
        taken += part.minor > 0
    return taken


def repay(clawback: ClawBack, repayment: Repayment, *, source: AccountRef, at: datetime) -> None:
    """Post a repayment and count it; both rows are locked by the caller's transaction."""
    post(
        Entry(
            source=source_of(clawback),
            purpose=f"repaid:{repayment.number}",
            lines=(
                debit(source, repayment.money),
                credit(receivable_ref(clawback.user_id, clawback.environment), repayment.money),
            ),
            memo=f"claw-back {clawback.reference}: {repayment.how}",
        ),
        at=at,
    )
    clawback.repaid_minor += repayment.amount_minor
    ClawBack.objects.filter(pk=clawback.pk).update(repaid_minor=clawback.repaid_minor)


def next_number(clawback: ClawBack) -> int:
    """Return the number of a claw-back's next repayment; its row is locked."""
    return 1 + clawback.repayments.count()


def settle_freeze(wallet: AccountRef, currency: Currency, *, user_id: Any, at: datetime) -> None:
    """Freeze a wallet whose owner owes something, and free it when nothing is owed any more."""
    environment = Environment(wallet.environment).value
    if owing().filter(user_id=user_id, currency=currency.value, environment=environment).exists():
        freeze_wallet(wallet, currency, at=at)
    else:
        unfreeze_wallet(wallet, currency)

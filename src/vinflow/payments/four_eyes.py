"""May one person decide about this money alone? What one pair of eyes did within a day adds up.

One limit per currency (Settings -> Payment) for everything one person can do with a payer's money:
credits and returns at the review desk, refunds, and manual deposits. The excess needs a second person.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from vinflow.money import Money
from vinflow.payments import settings_store
from vinflow.payments.models import ManualDeposit, PaymentSettings, Refund, ReviewItem
from vinflow.payments.refund_states import COUNTED

__all__ = ["alone_may"]

DAY = timedelta(days=1)


def alone_may(money: Money, *, at: datetime, deciding: bool) -> bool:
    """Return whether one person may decide about so much now.

    deciding: inside the transaction that decides. The row of settings is locked until its commit, so
    that two decisions at the same moment cannot both pass below the limit; it comes after every row of a
    payment and before the wallets. Otherwise the answer is a hint for a page.
    """
    if deciding:
        PaymentSettings.objects.get_or_create(singleton=1)
        settings = PaymentSettings.objects.select_for_update(no_key=True).get(singleton=1)
    else:
        settings = settings_store.current()
    since = at - DAY
    decided = ReviewItem.objects.filter(
        decision__in=[ReviewItem.Decision.CREDITED, ReviewItem.Decision.RETURNED],
        proposed_by__isnull=True,  # proposed and decided by one and the same person
        decided_at__gt=since,
        transfer__currency=money.currency.value,
    ).values_list("transfer__amount_minor", flat=True)
    refunded = Refund.objects.filter(
        alone=True, currency=money.currency.value, asked_at__gt=since, state__in=COUNTED
    ).values_list("amount_minor", flat=True)
    brought_in = ManualDeposit.objects.filter(
        decision=ManualDeposit.Decision.CREDITED,
        needs_two=False,
        currency=money.currency.value,
        decided_at__gt=since,
    ).values_list("amount_minor", flat=True)
    alone = sum(
        int(minor or 0) for minor in decided.union(refunded, brought_in, all=True)
    )  # one question; a limit of one person keeps it short
    most = settings_store.cap(settings, "one_person_daily_max", money.currency)
    return Money(alone, money.currency) + money <= most

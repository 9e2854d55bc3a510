"""Half an hour without Bakong and two hundred open payments: nobody comes to a bad end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments import clock, conf, law
from vinflow.payments.models import Attempt, CallBudget, Exchange, Payment, PaymentSettings, ReviewItem
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox
from vinflow.wallet.models import Account

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

PAYMENTS, PAYERS, QUOTA = 200, 20, 1000


@pytest.mark.parametrize("md5_list", ["closed", "open"])
def test_an_outage_of_half_an_hour_harms_nobody_and_the_backlog_fits_the_budget(
    bank: Sandbox, django_user_model: Any, settings: Any, watch: Callable[[float], None], md5_list: str
) -> None:
    settings.KHQR_DAILY_CALLS = str(QUOTA)
    settings.VINFLOW_NEWCOMERS_SHARE = "1.0"
    PaymentSettings.objects.create(singleton=1, pending_max=100, opened_daily_max=1000)
    bank.switch(quota=QUOTA, md5_list=md5_list)
    payers = [django_user_model.objects.create_user(f"payer-{number}") for number in range(PAYERS)]
    payments = [
        open_payment(
            user=payers[number % PAYERS], money=Money(100, Currency.USD), key=f"k{number}", at=clock.now()
        )
        for number in range(PAYMENTS)
    ]
    bank.fault("*", "nginx", status=503)
    bank.advance(30)
    paid = payments[::2]
    for payment in paid:
        bank.pay(payment.attempts.get().qr_string)

    watch(1800)

    assert not Payment.objects.exclude(status="pending").exists()
    spent_in_outage = Exchange.objects.count()
    bank.clear_faults()
    watch(3600)

    assert Payment.objects.filter(status="completed").count() == len(paid)
    assert set(Payment.objects.filter(status="completed").values_list("pk", flat=True)) == {
        p.pk for p in paid
    }
    assert Payment.objects.filter(status="expired").count() == PAYMENTS - len(paid)
    assert not Payment.objects.filter(completed_late=True).exists()
    assert not ReviewItem.objects.exists()
    assert sum(account.balance.minor for account in Account.objects.filter(kind="user")) == 100 * len(paid)
    assert law.check(conf.environment()) == []
    used = max(row.used for row in CallBudget.objects.all())
    assert used == Exchange.objects.count() <= QUOTA
    assert spent_in_outage < QUOTA / 2
    assert not Attempt.objects.filter(last_check_done=False, next_check_at__isnull=False).exists()

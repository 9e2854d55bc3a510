"""What the tests of refunds and claw-backs share: a paid payment, staff, and a transfer sent at the bank."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments import checking, clock, conf, law, refunding
from vinflow.payments.models import Payment, PaymentSettings, Refund
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox
from vinflow.sandbox.bank import PAYER
from vinflow.wallet.queries import available, balances

__all__ = ["Shop", "pay_in", "shop"]


def pay_in(bank: Sandbox, user: Any, money: Money, *, key: str, payer: str = PAYER) -> Payment:
    """Return a payment that was opened and paid, completed."""
    payment = open_payment(user=user, money=money, key=key, at=clock.now())
    bank.pay(payment.attempts.get().qr_string, payer=payer)
    bank.advance(15)
    checking.check_payment(payment=payment, at=clock.now())
    payment.refresh_from_db()
    assert payment.status == "completed"
    return payment


@dataclass
class Shop:
    """A shop whose payer paid ten dollars, and three members of staff."""

    bank: Sandbox
    payer: Any
    dara: Any
    sophea: Any
    vanna: Any
    payment: Payment

    def cents(self, minor: int) -> Money:
        """An amount in dollars."""
        return Money(minor, Currency.USD)

    def ask(self, minor: int = 1000, *, by: Any = None, key: str = "k1", **more: Any) -> Refund:
        """Ask for a refund of the payment."""
        asked = {"payment": self.payment, "why": "sent twice", **more}
        return refunding.ask_refund(
            money=self.cents(minor), by=by or self.dara, key=key, at=clock.now(), **asked
        )

    def send(self, minor: int = 1000, *, to: str = PAYER, sender: str = "", **how: Any) -> str:
        """Send money at the bank, out of our account; return the hash of the transfer."""
        qr = self.bank.qr(self.cents(minor).plain, account=to)
        return self.bank.pay(qr, payer=sender or self.bank.account, again=True, **how).hash

    def done(self, refund: Refund) -> Refund:
        """Take a refund from where it stands to its end."""
        if refund.state == "asked":
            refund = refunding.approve(refund=refund, by=self.sophea, at=clock.now())
        refund = refunding.record_sent(
            refund=refund, named=self.send(refund.amount_minor), by=self.dara, at=clock.now()
        )
        return refunding.look_up(refund=refund, at=clock.now())

    @property
    def has(self) -> int:
        """Cents in the payer's wallet."""
        return balances(self.payer, conf.environment())[0].minor

    @property
    def free(self) -> int:
        """Cents the payer may spend."""
        return available(self.payer, conf.environment())[0].minor

    def lawful(self) -> bool:
        """Whether the law of money holds."""
        assert law.check(conf.environment()) == []
        return True


@pytest.fixture
def shop(bank: Sandbox, payer: Any, django_user_model: Any, later: Callable[[float], datetime]) -> Shop:
    """A shop with a paid payment of $10; one person alone may give back $5 in a day."""
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"usd_one_person_daily_max": 500})
    people = [
        django_user_model.objects.create_user(name, is_staff=True) for name in ("dara", "sophea", "vanna")
    ]
    payment = pay_in(bank, payer, Money(1000, Currency.USD), key="ten")
    return Shop(bank, payer, *people, payment)

"""A shop with staff in every role, and payments in every state, made by the real steps."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from vinflow.money import Currency, Money

NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)  # in Phnom Penh: both quota windows are far from their edges
ROLES = ("cashier", "accountant", "manager", "owner")


@dataclass
class Shop:
    """Payers, staff and payments; a state is reached by the code that reaches it in life."""

    at: datetime = NOON
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def payer(self, name: str = "sok-dara") -> Any:
        from django.contrib.auth import get_user_model

        users = get_user_model().objects
        return users.filter(username=name).first() or users.create_user(name, f"{name}@shop.example", "x")

    def staff(self, role: str, name: str = "") -> Any:
        """A member of staff in a role; "" for staff without any, "admin" for a superuser."""
        from django.contrib.auth import get_user_model
        from django.contrib.auth.models import Group

        user, made = get_user_model().objects.get_or_create(
            username=name or f"the-{role or 'nobody'}",
            defaults={"is_staff": True, "is_superuser": role == "admin"},
        )
        if made and role in ROLES:
            user.groups.add(Group.objects.get(name=role))
        return user

    def opened(self, user: Any = None, money: Money | None = None, *, ago_s: float = 5) -> Any:
        """A payment whose QR was shown ago_s seconds ago."""
        from vinflow.payments.opening import open_payment

        return open_payment(
            user=user or self.payer(),
            money=money or Money(1000, Currency.USD),
            key=f"test-{next(self.numbers)}",
            at=self.at - timedelta(seconds=ago_s),
        )

    def answer(self, payment: Any, outcome: Any, *, ago_s: float = 0) -> Any:
        """Bakong answers about the newest QR; returns the payment."""
        from vinflow.payments import answering, gateways

        answering.take_answer(
            payment.attempts.order_by("-number").first(),
            outcome,
            started_at=self.at - timedelta(seconds=ago_s),
            gateway=gateways.current(),
        )
        payment.refresh_from_db()
        return payment

    def found(self, payment: Any, money: Money | None = None, *, sent_ago_s: float = 1) -> Any:
        """What Bakong says of a transfer for the newest QR."""
        from vinflow.bakong import Found
        from vinflow.bakong.results import Transfer

        money = money or payment.money
        attempt = payment.attempts.order_by("-number").first()
        sent_at = self.at - timedelta(seconds=sent_ago_s)
        digest = hashlib.sha256(f"{attempt.md5}{next(self.numbers)}".encode()).hexdigest()
        raw = {"hash": digest, "fromAccountId": "dara_sok4321@aclb", "amount": money.plain}
        return Found(
            transfer=Transfer(
                hash=digest,
                amount=Decimal(money.plain),
                currency=str(money.currency),
                from_account="dara_sok4321@aclb",
                to_account=attempt.receiver,
                created_at=sent_at,
                acknowledged_at=sent_at,
                external_ref=f"100FT{next(self.numbers)}",
                raw=raw,
            ),
            raw=raw,
        )

    def paid(self, payment: Any, money: Money | None = None, **values: Any) -> Any:
        """The payment after money came for it."""
        return self.answer(payment, self.found(payment, money, **values))

    def at_state(self, state: str, user: Any = None, money: Money | None = None, *, ago_s: float = 0) -> Any:
        """A payment that the list shows under that badge."""
        from vinflow.bakong import Failed, NotFound
        from vinflow.payments.canceling import cancel_payment

        old = state in ("confirming", "late", "expired", "failed")
        payment = self.opened(user, money, ago_s=ago_s or (1800 if old else 20))
        match state:
            case "completed":
                self.paid(payment)
            case "late":
                self.answer(payment, NotFound(), ago_s=900)
                self.paid(payment, sent_ago_s=300)
            case "review":
                self.paid(payment, Money(payment.amount_minor + 500, Currency(payment.currency)))
            case "expired":
                self.answer(payment, NotFound(), ago_s=900)
            case "failed":
                self.answer(payment, Failed(), ago_s=900)
            case "canceled":
                cancel_payment(payment=payment, at=self.at)
        payment.refresh_from_db()
        return payment

    def exchange(self, payment: Any = None, **values: Any) -> Any:
        """A call to the gateway that was answered."""
        from vinflow.payments import budgeting, conf
        from vinflow.payments.models import Exchange

        given = {
            "operation": "check_transaction_by_md5",
            "token_id": budgeting.token_id(conf.api_key()),
            "pool": "auto",
            "environment": "sandbox",
            "stage": "done",
            "started_at": self.at,
            "milliseconds": 120,
            "http_status": 200,
            "outcome": "not_found",
            "code": 1,
            "payment": payment,
        }
        return Exchange.objects.create(**{**given, **values})

    def item(self, payment: Any) -> Any:
        """The review item of a payment."""
        from vinflow.payments.models import ReviewItem

        return ReviewItem.objects.get(payment=payment)


@pytest.fixture
def still() -> Iterator[datetime]:
    """The one clock of the site stands at noon."""
    from vinflow.payments import clock

    with clock.used(lambda: NOON):
        yield NOON


@pytest.fixture
def shop(db: None, still: datetime) -> Shop:
    """The shop, in a transaction that is undone."""
    return Shop()


@pytest.fixture
def signed_in(shop: Shop) -> Callable[..., Any]:
    """signed_in(role, name="") is Django's test client with a member of staff in it."""
    from django.test import Client

    def enter(role: str, name: str = "") -> Any:
        client = Client()
        client.force_login(shop.staff(role, name))
        return client

    return enter


@pytest.fixture
def manager(signed_in: Callable[..., Any]) -> Any:
    """A manager's client."""
    return signed_in("manager")


@pytest.fixture
def shop_class() -> type[Shop]:
    """The class itself, for tests that bring their own database."""
    return Shop


@pytest.fixture
def bank(transactional_db: None, settings: Any) -> Iterator[Any]:
    """A stand-in that listens on a free port; the site is configured for it and shares its clock."""
    from vinflow.payments import clock, gateways, learning
    from vinflow.sandbox import Clock, Sandbox, SandboxServer

    bank = Sandbox(clock=Clock(frozen_at_ms=clock.in_ms(NOON)))
    with SandboxServer(bank) as server:
        settings.KHQR_API_URL = server.url
        settings.KHQR_MERCHANT_ID = bank.account
        settings.KHQR_API_KEY = bank.token
        learning.forget_cached()
        with clock.used(bank.clock.now):
            yield bank
        gateways.close_all()


@pytest.fixture
def desk(bank: Any) -> Any:
    """A manager's client beside a real stand-in, outside any transaction."""
    from django.test import Client

    client = Client()
    client.force_login(Shop().staff("manager"))
    return client

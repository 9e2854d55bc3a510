"""A shop with payers, and payments in every state, made by the real steps; a browser to look at it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from vinflow.money import Currency, Money

STATES = (
    "pending",
    "confirming",
    "completed",
    "late",
    "review",
    "expired",
    "failed",
    "canceled",
    "delayed",
    "try_failed",
)
PASSWORD = "a long enough password"


@dataclass
class House:
    """Payers and payments; every state is reached by the code that reaches it in life."""

    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def payer(self, name: str = "sokha") -> Any:
        """A payer who may sign in with PASSWORD."""
        from django.contrib.auth import get_user_model

        users = get_user_model().objects
        return users.filter(username=name).first() or users.create_user(name, f"{name}@example.com", PASSWORD)

    def now(self) -> datetime:
        """The site's moment."""
        from vinflow.payments import clock

        return clock.now()

    def opened(self, user: Any, money: Money | None = None, *, ago_s: float = 5) -> Any:
        """A payment whose QR was shown ago_s seconds ago."""
        from vinflow.payments.opening import open_payment

        money = money or Money(1000, Currency.USD)
        at = self.now() - timedelta(seconds=ago_s)
        return open_payment(
            user=user, money=money, key=f"test-{next(self.numbers)}-{user and user.pk}", at=at
        )

    def found(self, payment: Any, *, money: Money | None = None, sent_ago_s: float = 1) -> Any:
        """What Bakong says of a transfer that pays the newest QR."""
        from vinflow.bakong import Found
        from vinflow.bakong.results import Transfer

        money = money or payment.money
        attempt = payment.attempts.order_by("-number").first()
        at = self.now() - timedelta(seconds=sent_ago_s)
        digest = hashlib.sha256(f"{attempt.md5}{next(self.numbers)}".encode()).hexdigest()
        raw = {"hash": digest, "amount": money.plain, "currency": str(money.currency)}
        transfer = Transfer(
            hash=digest,
            amount=Decimal(money.plain),
            currency=str(money.currency),
            from_account="dara_sok4321@aclb",
            to_account=attempt.receiver,
            created_at=at,
            acknowledged_at=at,
            external_ref="100FT3489021",
            raw=raw,
        )
        return Found(transfer=transfer, raw=raw)

    def answer(self, payment: Any, outcome: Any, *, ago_s: float = 0) -> None:
        """Bakong answers about the newest QR."""
        from vinflow.payments import answering, gateways

        attempt = payment.attempts.order_by("-number").first()
        answering.take_answer(
            attempt,
            outcome,
            started_at=self.now() - timedelta(seconds=ago_s),
            gateway=gateways.current(),
        )
        payment.refresh_from_db()

    def paid(self, payment: Any, **values: Any) -> Any:
        """The payment after its money came."""
        self.answer(payment, self.found(payment, **values))
        return payment

    def at_state(self, state: str, user: Any, money: Money | None = None) -> Any:
        """A payment whose page shows that state."""
        from vinflow.bakong import CannotTell, Failed, NotFound, Reason
        from vinflow.payments.canceling import cancel_payment

        old = state in ("confirming", "late", "expired", "failed")
        payment = self.opened(user, money, ago_s=1800 if old else 20)
        match state:
            case "completed":
                self.paid(payment)
            case "late":
                self.answer(payment, NotFound(), ago_s=900)
                self.paid(payment, sent_ago_s=300)
            case "review":
                self.paid(payment, money=Money(payment.amount_minor + 500, Currency(payment.currency)))
            case "expired":
                self.answer(payment, NotFound(), ago_s=900)
            case "failed":
                self.answer(payment, Failed(), ago_s=900)
            case "try_failed":
                self.answer(payment, Failed())
            case "delayed":
                self.answer(payment, CannotTell(Reason.BLOCKED, "a test"))
            case "canceled":
                cancel_payment(payment=payment, at=self.now())
                payment.refresh_from_db()
        return payment


@pytest.fixture
def house(db: None) -> House:
    """The shop, in a transaction that is undone."""
    return House()


@pytest.fixture
def payer(house: House) -> Any:
    """One payer."""
    return house.payer()


@pytest.fixture
def page(client: Any, payer: Any) -> Any:
    """Django's test client, signed in as the payer."""
    client.force_login(payer)
    return client


@pytest.fixture
def site(transactional_db: None, live_server: Any) -> str:
    """The site on a port, its database in a file that all threads see."""
    return str(live_server.url)


@pytest.fixture
def shop(site: str) -> House:
    """The shop behind the site."""
    return House()


PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
SMALL = {"viewport": {"width": 320, "height": 640}, "has_touch": True, "is_mobile": True}
DESK = {"viewport": {"width": 1280, "height": 800}}


@pytest.fixture
def visit(browser: Any, site: str, shop: House) -> Iterator[Any]:
    """visit(path, ...) opens a page as a signed-in payer; every request and script error is kept on it."""
    from django.conf import settings
    from django.test import Client

    contexts = []

    def open_page(
        path: str | None,
        *,
        user: Any = None,
        device: Any = PHONE,
        language: str = "en",
        script: str = "",
        **options: Any,
    ) -> Any:
        context = browser.new_context(
            **device, **{"locale": "en-US", "timezone_id": "America/New_York", **options}
        )
        contexts.append(context)
        context.set_default_timeout(30_000)
        cookies = [{"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": site}]
        if user is not None:
            client = Client()
            client.force_login(user)
            value = client.cookies[settings.SESSION_COOKIE_NAME].value
            cookies.append({"name": settings.SESSION_COOKIE_NAME, "value": value, "url": site})
        context.add_cookies(cookies)
        if script:
            context.add_init_script(script)
        page = context.new_page()
        page.asked, page.faults = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        if path is not None:
            page.goto(site + path)
        return page

    yield open_page
    for context in contexts:
        context.close()


@pytest.fixture
def house_class() -> type[House]:
    """The class itself, for tests that bring their own database."""
    return House

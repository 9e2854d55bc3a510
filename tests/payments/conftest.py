"""A fresh stand-in Bakong for each test, one clock for it and for the site, and a payer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from vinflow.money import Currency, Money
from vinflow.payments import clock, gateways, learning, watching
from vinflow.payments.models import Payment
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Clock, Sandbox, SandboxServer

# Noon in Phnom Penh: both quota windows are far from their edges.
NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)


@pytest.fixture
def bank(settings: Any) -> Iterator[Sandbox]:
    """A stand-in that listens on a free port; the site is configured for it and shares its clock."""
    bank = Sandbox(clock=Clock(frozen_at_ms=clock.in_ms(NOON)))
    with SandboxServer(bank) as server:
        settings.KHQR_API_URL = server.url
        settings.KHQR_MERCHANT_ID = bank.account
        settings.KHQR_API_KEY = bank.token
        settings.KHQR_ENVIRONMENT = "sandbox"
        settings.KHQR_PROTOCOL = "auto"
        learning.forget_cached()
        with clock.used(bank.clock.now):
            yield bank
        gateways.close_all()


@pytest.fixture
def hosted(bank: Sandbox, settings: Any) -> Sandbox:
    """The same, spoken to as the guide says: a merchant MD5 and its key."""
    settings.KHQR_MERCHANT_ID = bank.merchant_md5
    settings.KHQR_API_KEY = bank.hosted_token
    return bank


@pytest.fixture
def payer(db: None) -> Any:
    """A user who adds funds."""
    return get_user_model().objects.create_user("payer", "payer@shop.example", "a-password")


@pytest.fixture
def dollar() -> Money:
    """$1.00."""
    return Money(100, Currency.USD)


@pytest.fixture
def opened(bank: Sandbox, payer: Any, dollar: Money) -> Payment:
    """An open payment of one dollar."""
    return open_payment(user=payer, money=dollar, key="form-1", at=clock.now())


@pytest.fixture
def later(bank: Sandbox) -> Callable[[float], datetime]:
    """later(seconds) moves the one clock and returns the new moment."""

    def move(seconds: float) -> datetime:
        bank.advance(seconds)
        return clock.now()

    return move


@pytest.fixture
def watch(bank: Sandbox) -> Callable[[float], None]:
    """watch(seconds) lets a watcher work through virtual time, from one due look to the next."""

    def run(seconds: float) -> None:
        end = clock.now() + timedelta(seconds=seconds)
        while (left := (end - clock.now()).total_seconds()) > 0:
            due = watching.step().next_due_at
            bank.advance(left if due is None else min(left, max(1.0, (due - clock.now()).total_seconds())))
        watching.step()

    return run

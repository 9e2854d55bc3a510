"""Users, a clock and short ways to move money, for the tests of the ledger."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction

from vinflow.money import Currency, Money
from vinflow.wallet import laws
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, external_ref, user_ref
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.posting import post, spend

NOW = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
SANDBOX = "sandbox"
_numbers = itertools.count(1)


@pytest.fixture
def now() -> datetime:
    """The moment of every decision: noon in Phnom Penh."""
    return NOW


@pytest.fixture
def make_user(django_user_model: Any) -> Callable[[], Any]:
    """Makes a user with a name of its own."""
    return lambda: django_user_model.objects.create(username=f"payer{next(_numbers)}")


@pytest.fixture
def user(db: None, make_user: Callable[[], Any]) -> Any:
    """A user without money."""
    return make_user()


def entry_of(user: Any, minor: int, key: object, currency: Currency = Currency.USD) -> Entry:
    """A top-up: money came to the bank and belongs to the user."""
    money = Money(minor, currency)
    return Entry(
        f"payment:{key}",
        "credited",
        (debit(bakong_ref("shop@bank", SANDBOX), money), credit(user_ref(user.pk, SANDBOX), money)),
    )


@pytest.fixture
def top_up() -> Callable[..., JournalEntry]:
    """Credits a user's wallet in a transaction of its own."""

    def top_up(
        user: Any, minor: int, *, key: object = None, currency: Currency = Currency.USD, at: datetime = NOW
    ) -> JournalEntry:
        with transaction.atomic():
            return post(entry_of(user, minor, key or f"t{next(_numbers)}", currency), at=at)

    return top_up


@pytest.fixture
def spend_some() -> Callable[..., JournalEntry]:
    """Spends from a user's wallet in a transaction of its own."""

    def spend_some(user: Any, minor: int, *, key: object = None, at: datetime = NOW) -> JournalEntry:
        with transaction.atomic():
            return spend(
                wallet=user_ref(user.pk, SANDBOX),
                to=external_ref(SANDBOX),
                money=Money(minor, Currency.USD),
                source=f"order:{key or next(_numbers)}",
                purpose="paid",
                at=at,
            )

    return spend_some


@pytest.fixture(autouse=True)
def no_laws_of_other_rooms(monkeypatch: pytest.MonkeyPatch) -> None:
    """These tests move money that no payment knows of; what payments demand is tested over there."""
    monkeypatch.setattr(laws, "_laws", {})
    monkeypatch.setattr(laws, "_brakes", {})

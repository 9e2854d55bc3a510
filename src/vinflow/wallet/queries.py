"""Reads that span the ledger's rows. Nothing here writes."""

from __future__ import annotations

from typing import Any

from django.db import DEFAULT_DB_ALIAS

from vinflow.money import Currency, Money
from vinflow.wallet.entries import AccountKind
from vinflow.wallet.models import Account


def balances(user: Any, environment: str, *, using: str = DEFAULT_DB_ALIAS) -> list[Money]:
    """Return what a user's wallets hold, one Money for each currency, zero where nothing came yet."""
    rows = Account.objects.using(using).filter(
        kind=AccountKind.USER.value, key=str(user.pk), environment=environment
    )
    held = {row.currency: row.balance_minor or 0 for row in rows}
    return [Money(held.get(currency.value, 0), currency) for currency in Currency]

"""What several rows share: currencies, environments, states and the public reference."""

from __future__ import annotations

import secrets

from django.db import models

from vinflow.money import Currency
from vinflow.payments.states import Status

# Crockford's letters: no I, L, O or U to mistake, and all inside QR's alphanumeric mode.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
MONEY_MAX = 10**15  # minor units; far above any limit, far below a 64-bit integer


def new_reference() -> str:
    """Return a new public reference: TXN and 20 letters, 100 random bits, 23 characters.

    It is the bill number in the QR, which holds 25.
    """
    return "TXN" + "".join(secrets.choice(ALPHABET) for _ in range(20))


class Method(models.TextChoices):
    """How the money comes."""

    KHQR = "khqr", "KHQR"
    MANUAL = "manual", "Manual"


STATUSES = [(status.value, status.value) for status in Status]
CURRENCIES = [(currency.value, currency.value) for currency in Currency]
ENVIRONMENTS = [("production", "production"), ("sit", "sit"), ("sandbox", "sandbox")]

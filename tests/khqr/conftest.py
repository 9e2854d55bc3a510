"""What the codec's tests share: the vectors, and payloads as a shop has them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vinflow.khqr import Individual, Merchant, encode
from vinflow.money import Currency

VECTORS = Path(__file__).parent.parent / "vectors"
NOW_MS = 1735689600000


@pytest.fixture(scope="session")
def vectors():
    """Return a function that gives the vectors of a file: vectors("encode")."""

    def read(kind: str) -> list[dict[str, Any]]:
        return json.loads((VECTORS / f"{kind}.json").read_text(encoding="utf-8"))["vectors"]

    return read


@pytest.fixture
def now_ms() -> int:
    return NOW_MS


@pytest.fixture
def top_up() -> Merchant:
    """A payload as the site makes it: 25 characters of bill number, store and terminal."""
    return Merchant(
        "coffee.shop@abaa",
        "Coffee Shop",
        "Phnom Penh",
        merchant_id="123456",
        acquiring_bank="Dev Bank",
        currency=Currency.USD,
        amount="10.50",
        creation_timestamp=NOW_MS,
        expiration_timestamp=NOW_MS + 600_000,
        bill_number="TXN0123456789ABCDEF012345",
        store_label="VinFlow",
        terminal_label="Web",
    )


@pytest.fixture
def top_up_text(top_up: Merchant) -> str:
    return encode(top_up)


@pytest.fixture
def static_text() -> str:
    return encode(Individual("sok_dara@aclb", "Sok Dara"))

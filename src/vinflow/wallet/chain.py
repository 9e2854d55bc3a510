"""What the hashes of the ledger are made of. Plain Python: an auditor can run it without Django.

Three levels. An entry's digest covers why and when. A wallet line's hash covers its entry's digest,
its own facts and the hash of the wallet's line before it, so no line can be changed, dropped or put
in between without every later line of that wallet showing it. A block's hash covers all lines of a run
of entries, house accounts too, and the block before; its signature needs a key the database never sees.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

encode = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


class LineFacts(NamedTuple):
    """One line as it is hashed into a block."""

    number: int
    account_id: int
    side: str
    amount_minor: int
    currency: str
    seq: int | None
    balance_after: int | None
    hash: str


def digest(*facts: object) -> str:
    """Return SHA-256 (64 hex) of facts as a JSON list, which keeps their borders unmistakable."""
    return hashlib.sha256(encode(facts).encode()).hexdigest()


def entry_digest(
    *,
    entry_id: int,
    source: str,
    purpose: str,
    body_hash: str,
    environment: str,
    memo: str,
    posted_at: datetime,
    business_date: date,
    reverses_id: int | None,
) -> str:
    """Return the digest of an entry's own facts; its lines are covered by the hashes that use this."""
    return digest(
        entry_id,
        source,
        purpose,
        body_hash,
        environment,
        memo,
        posted_at.astimezone(UTC).isoformat(timespec="microseconds"),
        business_date.isoformat(),
        reverses_id,
    )


def line_hash(
    *,
    previous_hash: str,
    account_id: int,
    seq: int,
    side: str,
    amount_minor: int,
    currency: str,
    balance_after: int,
    entry: str,
) -> str:
    """Return the hash of a wallet's line. previous_hash is "" for the first; entry is its digest."""
    # No JSON here: none of these can hold the bar, and an audit does this for every line there is.
    text = f"{previous_hash}|{account_id}|{seq}|{side}|{amount_minor}|{currency}|{balance_after}|{entry}"
    return hashlib.sha256(text.encode()).hexdigest()


def sealed_digest(entry: str, lines: Iterable[LineFacts]) -> str:
    """Return the digest of an entry with all its lines, in the order of their numbers."""
    return digest(entry, list(lines))


class BlockHash:
    """Gathers the entries of a block; .hexdigest() is the block's hash at any moment."""

    def __init__(self, *, number: int, previous_hash: str) -> None:
        self._hash = hashlib.sha256(f"{number}|{previous_hash}".encode())
        self.count = 0

    def add(self, entry_id: int, sealed: str) -> None:
        """Take in the next entry, by its id and its `sealed_digest`."""
        self._hash.update(f"|{entry_id}|{sealed}".encode())
        self.count += 1

    def hexdigest(self) -> str:
        """Return the hash (64 hex) of what was taken in so far."""
        return self._hash.hexdigest()


def sign(text: str, key: bytes) -> str:
    """Return HMAC-SHA-256 (64 hex) of a text under the ledger's key."""
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()


def signed(text: str, signature: str, key: bytes) -> bool:
    """Whether this signature was made for this text with this key; takes the same time either way."""
    return hmac.compare_digest(sign(text, key), signature)

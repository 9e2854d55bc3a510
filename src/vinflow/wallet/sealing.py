"""Blocks behind the crediting path, and the head of the chain that is kept outside the database.

One sealer at a time chains the entries that can no longer change their order: on PostgreSQL it waits for
the transactions that were writing entries when it looked, as CREATE INDEX CONCURRENTLY does, and holds
nobody up meanwhile. A head is the last block, signed: kept elsewhere, it proves later that nothing before it
was rewritten, even by someone who owns the database and every trigger in it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Any

from django.db import DEFAULT_DB_ALIAS, IntegrityError, connections, transaction
from django.db.models import Sum

from vinflow.wallet import chain
from vinflow.wallet.conf import business_date, ledger_key
from vinflow.wallet.models import Block, JournalEntry, JournalLine

BLOCK_SIZE = 1_000
HEAD_VERSION = 1
ENTRY_FIELDS = (
    "id",
    "source",
    "purpose",
    "body_hash",
    "environment",
    "memo",
    "posted_at",
    "business_date",
    "reverses_id",
)


def seal_blocks(
    *, at: datetime, size: int = BLOCK_SIZE, wait_ms: int = 5_000, using: str = DEFAULT_DB_ALIAS
) -> int:
    """Return how many blocks were made of the entries that were not in one yet.

    at: the moment (aware) written on them. size: entries in a block at most. wait_ms: how long to wait for
    writers that began before; what is still open then is left for the next time.
    Any number may run at once: one makes a block, the others stop. Raises NotConfigured without a key.
    """
    key = ledger_key()
    boundary = decided_until(wait_ms=wait_ms, using=using)
    made = 0
    while True:
        try:
            with transaction.atomic(using=using):
                if not seal_next(boundary, size=size, at=at, key=key, using=using):
                    return made
        except IntegrityError:  # a rival made this block
            return made
        made += 1


def seal_next(boundary: int, *, size: int, at: datetime, key: bytes, using: str) -> bool:
    """Whether there was an entry left to seal up to the boundary (an entry id)."""
    last = Block.objects.using(using).order_by("-number").first()
    after = last.last_entry if last else 0
    ids = list(
        JournalEntry.objects.using(using)
        .filter(id__gt=after, id__lte=boundary)
        .order_by("id")
        .values_list("id", flat=True)[:size]
    )
    if not ids:
        return False
    number, previous = (last.number + 1, last.hash) if last else (1, "")
    block = chain.BlockHash(number=number, previous_hash=previous)
    for entry_id, sealed in sealed_entries(ids[0], ids[-1], using=using):
        block.add(entry_id, sealed)
    Block.objects.using(using).create(
        number=number,
        first_entry=ids[0],
        last_entry=ids[-1],
        entry_count=block.count,
        previous_hash=previous,
        hash=block.hexdigest(),
        signature=chain.sign(block.hexdigest(), key),
        sealed_at=at,
    )
    return True


def sealed_entries(first: int, last: int, *, using: str) -> Iterator[tuple[int, str]]:
    """Yield (entry id, digest with its lines) from one entry to another, in the order of their ids."""
    lines = (
        JournalLine.objects.using(using)
        .filter(entry_id__gte=first, entry_id__lte=last)
        .order_by("entry_id", "number")
        .values_list("entry_id", *chain.LineFacts._fields)
    )
    by_entry = {
        entry_id: [chain.LineFacts(*row[1:]) for row in rows]
        for entry_id, rows in groupby(lines, itemgetter(0))
    }
    entries = JournalEntry.objects.using(using).filter(id__gte=first, id__lte=last).order_by("id")
    for row in entries.values(*ENTRY_FIELDS):
        yield row["id"], chain.sealed_digest(digest_of_row(row), by_entry.get(row["id"], []))


def digest_of_row(row: dict[str, Any]) -> str:
    """Return the digest of an entry read as ENTRY_FIELDS."""
    facts = dict(row)
    return chain.entry_digest(entry_id=facts.pop("id"), **facts)


def decided_until(*, wait_ms: int, using: str) -> int:
    """Return an entry id up to which no transaction that is still open can add one."""
    connection = connections[using]
    highest = JournalEntry.objects.using(using).order_by("-id").values_list("id", flat=True).first() or 0
    if connection.vendor != "postgresql":
        return highest  # one writer at a time: ids are committed in their order
    # Whoever took an id up to `highest` took it in a statement that locks the table until its commit.
    writers = open_writers(using=using)
    deadline = time.monotonic() + wait_ms / 1000
    while writers & open_writers(using=using):
        if time.monotonic() > deadline:
            return 0
        time.sleep(0.02)
    return highest


def open_writers(*, using: str) -> set[str]:
    """Return the other transactions that have written to the table of entries and are not over."""
    with connections[using].cursor() as cursor:
        cursor.execute(
            "SELECT virtualtransaction FROM pg_locks WHERE locktype = 'relation' AND granted"
            " AND mode = 'RowExclusiveLock' AND pid <> pg_backend_pid()"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            " AND relation = 'wallet_journalentry'::regclass"
        )
        return {row[0] for row in cursor.fetchall()}


def make_head(*, at: datetime, using: str = DEFAULT_DB_ALIAS) -> dict[str, Any]:
    """Return the signed head of the chain as a JSON object; seal first, so that it covers everything.

    Keep it where the database's owner cannot write. Raises NotConfigured without a key.
    """
    key = ledger_key()
    last = Block.objects.using(using).order_by("-number").first()
    head: dict[str, Any] = {
        "version": HEAD_VERSION,
        "made_at": at.isoformat(),
        "business_date": business_date(at).isoformat(),
        "block": last.number if last else 0,
        "block_hash": last.hash if last else "",
        "last_entry": last.last_entry if last else 0,
        "entries": count_entries(last.number if last else 0, using=using),
    }
    return head | {"signature": chain.sign(canonical(head), key)}


def check_head(head: object, *, using: str = DEFAULT_DB_ALIAS) -> list[str]:
    """Return what speaks against the books still containing what this head covered, a sentence each."""
    if not isinstance(head, dict) or head.get("version") != HEAD_VERSION:
        return ["the head is not one of ours"]
    signature = head.get("signature")
    unsigned = {name: value for name, value in head.items() if name != "signature"}
    if not isinstance(signature, str) or not chain.signed(canonical(unsigned), signature, ledger_key()):
        return ["the head's signature was not made with our key"]
    if head["block"] == 0:
        return []
    block = Block.objects.using(using).filter(number=head["block"]).first()
    if block is None:
        return [f"block {head['block']} of the head of {head['business_date']} is gone"]
    problems = []
    if (block.hash, block.last_entry) != (head["block_hash"], head["last_entry"]):
        problems.append(f"block {block.number} is not the one of the head of {head['business_date']}")
    if count_entries(block.number, using=using) != head["entries"]:
        problems.append(f"the blocks up to {block.number} count other entries than {head['entries']}")
    return problems


def count_entries(number: int, *, using: str) -> int:
    """Return how many entries the blocks up to a number say they hold."""
    blocks = Block.objects.using(using).filter(number__lte=number)
    return int(blocks.aggregate(total=Sum("entry_count"))["total"] or 0)


def canonical(head: dict[str, Any]) -> str:
    """Return the text of a head that is signed."""
    return json.dumps(head, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

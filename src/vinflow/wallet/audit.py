"""The audit: everything the triggers promise, worked out again from the rows themselves.

It believes no trigger, no column and no earlier audit. Entries are read once, in order: seal, sums, body,
business day, every hash, every block. The links between a wallet's lines are compared by the database in one
window query. Both are linear in the lines. Nothing is written, and the whole of it sees one moment.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from vinflow.wallet import chain
from vinflow.wallet.audit_queries import (
    broken_links,
    dangling_rows,
    wrong_accounts,
    wrong_holds,
    wrong_reversals,
)
from vinflow.wallet.conf import business_date, ledger_key
from vinflow.wallet.entries import AccountKind, body_hash
from vinflow.wallet.errors import NotConfigured
from vinflow.wallet.findings import Findings, Tick
from vinflow.wallet.guards import verify_guards
from vinflow.wallet.laws import registered_laws
from vinflow.wallet.models import Account, Block, JournalEntry, JournalLine, Seal
from vinflow.wallet.sealing import ENTRY_FIELDS, check_head, digest_of_row

CHUNK = 2_000  # entries read at a time


@dataclass
class Report(Findings):
    """What an audit found. The books are right when `problem_count` is 0."""

    notes: list[str] = field(default_factory=list)
    entries: int = 0
    lines: int = 0
    accounts: int = 0
    blocks: int = 0
    unsealed: int = 0
    milliseconds: int = 0


class AccountFacts(NamedTuple):
    """What an audit remembers of each account."""

    id: int
    kind: str
    key: str
    environment: str
    currency: str
    owner_id: object


def audit(
    *,
    head: object = None,
    tick: Tick = lambda done, total: None,
    using: str = DEFAULT_DB_ALIAS,
) -> Report:
    """Return what is wrong with the books, worked out from every line.

    head: a head exported earlier, which the chain must still contain. tick: told about the progress.
    Without VINFLOW_LEDGER_KEY signatures cannot be checked; the report's notes say so.
    """
    report = Report()
    started = time.monotonic()
    connection = connections[using]
    with one_moment(connection):
        report.take(verify_guards(connection))
        report.take(dangling_rows(connection))
        report.take(broken_links(connection))
        report.take(wrong_accounts(connection))
        report.take(wrong_holds(connection))
        report.take(wrong_reversals(connection))
        report.take(wrong_entries(report, tick, using=using))
        if head is not None:
            report.take(check_head(head, using=using))
        for name, law in registered_laws().items():
            report.take(f"law broken, {name}: {problem}" for problem in law(using))
    report.milliseconds = round((time.monotonic() - started) * 1000)
    return report


@contextmanager
def one_moment(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """Let a block see the database as of one moment, without holding up anyone who writes."""
    if connection.in_atomic_block:  # the caller's transaction decides what is seen
        yield
    elif connection.vendor == "postgresql":
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            yield
    else:
        # An IMMEDIATE transaction would keep writers out until the audit is done; a DEFERRED one reads.
        connection.ensure_connection()
        mode = getattr(connection, "transaction_mode", None)
        setattr(connection, "transaction_mode", "DEFERRED")  # noqa: B010 (an attribute of SQLite's alone)
        try:
            with transaction.atomic(using=connection.alias):
                yield
        finally:
            setattr(connection, "transaction_mode", mode)  # noqa: B010


def wrong_entries(report: Report, tick: Tick, *, using: str) -> Iterator[str]:
    """Yield what is wrong with each entry, its lines and the blocks over them; counts go to the report."""
    accounts = {
        row[0]: AccountFacts(*row)
        for row in Account.objects.using(using).values_list(*AccountFacts._fields).iterator()
    }
    report.accounts = len(accounts)
    for account in accounts.values():
        if account.kind == AccountKind.USER and account.key != str(account.owner_id):
            yield f"account {account.id} is the wallet of {account.key} and owned by {account.owner_id}"
    total = JournalLine.objects.using(using).count()
    walk = BlockWalk(Block.objects.using(using).order_by("number").iterator(), report)
    after = 0
    while chunk := read_chunk(after, using=using):
        for entry, seal_count, lines in chunk:
            report.entries += 1
            report.lines += len(lines)
            try:
                own_digest = digest_of_row(entry)
                yield from wrong_entry(entry, own_digest, seal_count, lines, accounts)
                sealed = chain.sealed_digest(own_digest, [line.facts for line in lines])
            except (AttributeError, KeyError, TypeError, ValueError) as wrong:
                yield f"entry {entry['id']} cannot be read: {type(wrong).__name__}: {wrong}"
                sealed = ""
            yield from walk.take(entry["id"], sealed)
        after = chunk[-1][0]["id"]
        tick(report.lines, total)
    yield from walk.finish()


class AuditLine(NamedTuple):
    """One line as an audit reads it."""

    facts: chain.LineFacts
    previous_hash: str


ChunkRow = tuple[dict[str, Any], int | None, list[AuditLine]]


def read_chunk(after: int, *, using: str) -> list[ChunkRow]:
    """Return the next entries after an id, each with its seal's count and its lines by number."""
    entries = list(
        JournalEntry.objects.using(using).filter(id__gt=after).order_by("id").values(*ENTRY_FIELDS)[:CHUNK]
    )
    if not entries:
        return []
    first, last = entries[0]["id"], entries[-1]["id"]
    seals = dict(
        Seal.objects.using(using).filter(id__gte=first, id__lte=last).values_list("id", "line_count")
    )
    rows = (
        JournalLine.objects.using(using)
        .filter(entry_id__gte=first, entry_id__lte=last)
        .order_by("entry_id", "number")
        .values_list("entry_id", "previous_hash", *chain.LineFacts._fields)
    )
    lines = {
        entry_id: [AuditLine(chain.LineFacts(*row[2:]), row[1]) for row in group]
        for entry_id, group in groupby(rows, itemgetter(0))
    }
    return [(entry, seals.get(entry["id"]), lines.get(entry["id"], [])) for entry in entries]


def wrong_entry(
    entry: dict[str, Any],
    own_digest: str,
    seal_count: int | None,
    lines: list[AuditLine],
    accounts: dict[int, AccountFacts],
) -> Iterator[str]:
    """Yield what is wrong inside one entry."""
    name = f"entry {entry['id']}"
    if seal_count is None:
        yield f"{name} has no seal"
    elif seal_count != len(lines):
        yield f"{name} has {len(lines)} lines, its seal says {seal_count}"
    if len(lines) < 2:
        yield f"{name} has fewer than two lines"
    sums: dict[str, int] = defaultdict(int)
    body = []
    for facts, previous_hash in lines:
        account = accounts[facts.account_id]
        if type(facts.amount_minor) is not int or facts.amount_minor <= 0 or facts.side not in ("D", "C"):
            yield f"{name}, line {facts.number}: {facts.side} {facts.amount_minor} is no amount"
        if (account.currency, account.environment) != (facts.currency, entry["environment"]):
            yield f"{name}, line {facts.number} has another currency or environment than its account"
        sums[facts.currency] += facts.amount_minor if facts.side == "D" else -facts.amount_minor
        body.append((account.kind, account.key, facts.side, facts.amount_minor, facts.currency))
        if facts.seq is not None and facts.balance_after is not None:
            expected = chain.line_hash(
                previous_hash=previous_hash,
                account_id=facts.account_id,
                seq=facts.seq,
                side=facts.side,
                amount_minor=facts.amount_minor,
                currency=facts.currency,
                balance_after=facts.balance_after,
                entry=own_digest,
            )
            if facts.hash != expected:
                yield f"{name}, line {facts.number}: its hash is not that of what it says"
    for currency, difference in sums.items():
        if difference:
            yield f"{name}: debit and credit differ by {difference} minor units of {currency}"
    if body_hash(entry["environment"], body) != entry["body_hash"]:
        yield f"{name}: its lines are not those it was posted with"
    if business_date(entry["posted_at"]) != entry["business_date"]:
        yield f"{name}: {entry['business_date']} is not the business day of {entry['posted_at'].isoformat()}"


class BlockWalk:
    """Walks the blocks beside the entries and compares each block with what lies in it now."""

    def __init__(self, blocks: Iterator[Block], report: Report) -> None:
        self._blocks = blocks
        self._report = report
        self._previous: Block | None = None
        self._block: Block | None = None
        self._hash: chain.BlockHash | None = None
        try:
            self._key: bytes | None = ledger_key()
        except NotConfigured:
            self._key = None
            report.notes.append("VINFLOW_LEDGER_KEY is not set: signatures of blocks were not checked")
        self._advance()

    def _advance(self) -> None:
        self._block = next(self._blocks, None)
        if self._block is not None:
            self._report.blocks += 1
            previous = self._previous.hash if self._previous else ""
            self._hash = chain.BlockHash(number=self._block.number, previous_hash=previous)

    def take(self, entry_id: int, sealed: str) -> Iterator[str]:
        """Yield what the next entry, in the order of ids, shows to be wrong with the blocks."""
        while self._block is not None and entry_id > self._block.last_entry:
            yield from self._close()
        if self._block is None or self._hash is None:
            self._report.unsealed += 1
        elif entry_id < self._block.first_entry:
            yield f"entry {entry_id} slipped in between two blocks"
        else:
            self._hash.add(entry_id, sealed)

    def finish(self) -> Iterator[str]:
        """Yield what is wrong with the blocks that are left when there are no more entries."""
        while self._block is not None:
            yield from self._close()

    def _close(self) -> Iterator[str]:
        block, computed = self._block, self._hash
        if block is None or computed is None:
            return
        previous = self._previous
        if block.number != (previous.number + 1 if previous else 1):
            yield f"block {block.number} does not follow block {previous.number if previous else 0}"
        if block.previous_hash != (previous.hash if previous else ""):
            yield f"block {block.number} does not continue the block before it"
        if block.entry_count != computed.count:
            yield f"block {block.number} was sealed with {block.entry_count} entries, not {computed.count}"
        if block.hash != computed.hexdigest():
            yield f"block {block.number}: its entries are not those it was sealed with"
        if self._key is not None and not chain.signed(block.hash, block.signature, self._key):
            yield f"block {block.number} was not signed with our key"
        self._previous = block
        self._advance()

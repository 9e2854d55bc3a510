"""post(), spend() and reverse(): the only writers of the journal.

One posting is at most six statements: lock the wallets, look for the same key, read the house
accounts, write the entry, its lines, its seal. The wallet's balance is moved by the trigger on its
line, never from here. Everything is judged before the first row is written, so that a caller who catches
a refusal has a clean transaction.
"""

from __future__ import annotations

from datetime import datetime
from typing import cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.utils import timezone

from vinflow.money import Money
from vinflow.wallet import chain
from vinflow.wallet.accounts import AccountKey, lock_accounts, require_transaction
from vinflow.wallet.conf import business_date
from vinflow.wallet.entries import AccountRef, Entry, Line, Side, credit, debit
from vinflow.wallet.errors import (
    AccountClosed,
    AlreadyReversed,
    EntryDiffers,
    InsufficientFunds,
    NotReversible,
    WalletFrozen,
)
from vinflow.wallet.laws import refuse_while_stopped
from vinflow.wallet.models import Account, JournalEntry, JournalLine
from vinflow.wallet.reading import Columns, by_hand

INSERT_ENTRY = """
INSERT INTO wallet_journalentry (id, seal_id, reverses_id, source, purpose, body_hash, environment, memo,
                                 posted_at, business_date)
SELECT n, n, CAST(%s AS bigint), %s, %s, %s, %s, %s, %s, %s FROM ({next_id}) AS following
{on_conflict} RETURNING id
"""
NEXT_ID = {
    "postgresql": "SELECT nextval(pg_get_serial_sequence('wallet_journalentry', 'id')) AS n",
    # Safe because the transaction is IMMEDIATE: there is one writer, and no row is ever deleted.
    "sqlite": "SELECT COALESCE(MAX(id), 0) + 1 AS n FROM wallet_journalentry",
}
ON_CONFLICT = {"postgresql": "ON CONFLICT DO NOTHING", "sqlite": ""}

JOURNAL_ENTRY = Columns(JournalEntry)
FIND_ENTRY = (
    f"SELECT {JOURNAL_ENTRY.of('e')} FROM wallet_journalentry e WHERE e.source = %s AND e.purpose = %s"  # noqa: S608
)
INSERT_LINES = """
INSERT INTO wallet_journalline (entry_id, number, account_id, side, amount_minor, currency, seq,
                                balance_after, previous_hash, hash)
VALUES """
ONE_LINE = "(%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"
INSERT_SEAL = "INSERT INTO wallet_seal (id, line_count) VALUES (%s, %s)"


def post(entry: Entry, *, at: datetime, using: str = DEFAULT_DB_ALIAS) -> JournalEntry:
    """Return the entry as it stands in the journal: written now, or found from an earlier time.

    Safe to repeat by (source, purpose). at: the moment of the decision (aware); the business day
    follows from it. A debit never takes a wallet below what is held in it.
    Raises NotInTransaction, EntryDiffers, InsufficientFunds, AccountClosed; nothing is written then.
    """
    written, _ = write(entry, at=at, using=using)
    return written


def spend(
    *,
    wallet: AccountRef,
    to: AccountRef,
    money: Money,
    source: str,
    purpose: str,
    at: datetime,
    memo: str = "",
    using: str = DEFAULT_DB_ALIAS,
) -> JournalEntry:
    """Return the entry that took money out of a wallet, if that much was free in it.

    The one way to spend or to transfer out: `to` is `external_ref(...)`, or any other account.
    Repeatable as post() is. Raises WalletFrozen, SpendingStopped besides what post() raises.
    """
    refuse_while_stopped(using)
    entry = Entry(source, purpose, (debit(wallet, money), credit(to, money)), memo)
    written, _ = write(entry, at=at, using=using, spending=True)
    return written


def reverse(
    entry: JournalEntry,
    *,
    at: datetime,
    purpose: str = "",
    memo: str = "",
    using: str = DEFAULT_DB_ALIAS,
) -> JournalEntry:
    """Return the opposite entry, which undoes this one. An entry is reversed once.

    purpose: "<the entry's purpose>:reversed" unless given. A wallet that has spent the money since
    refuses: a claw-back then takes what is there and books the rest on `receivable_ref`.
    Raises AlreadyReversed, NotReversible (it is a reversal itself), and what post() raises.
    """
    require_transaction(using)
    if entry.reverses_id is not None:
        raise NotReversible(f"{entry} is a reversal itself")
    opposite = as_entry(entry, using=using).opposite(
        purpose=purpose or f"{entry.purpose}:reversed", memo=memo
    )
    written, is_new = write(opposite, at=at, using=using, reverses=entry)
    if not is_new:
        raise AlreadyReversed(f"{entry} was reversed by entry {written.pk}")
    return written


def as_entry(entry: JournalEntry, *, using: str = DEFAULT_DB_ALIAS) -> Entry:
    """Return what an entry of the journal says, as the plain Entry it was built from."""
    rows = JournalLine.objects.using(using).filter(entry=entry).select_related("account").order_by("number")
    lines = tuple(Line(row.account.ref, Side(row.side), row.money) for row in rows)
    return Entry(entry.source, entry.purpose, lines, entry.memo, entry.environment)


def find(source: str, purpose: str, *, using: str = DEFAULT_DB_ALIAS) -> JournalEntry | None:
    """Return the entry of this key, or None."""
    with by_hand(using) as cursor:
        cursor.execute(FIND_ENTRY, [source, purpose])
        row = cursor.fetchone()
    return None if row is None else JOURNAL_ENTRY.instance(row, using=using)


def write(
    entry: Entry,
    *,
    at: datetime,
    using: str,
    reverses: JournalEntry | None = None,
    spending: bool = False,
) -> tuple[JournalEntry, bool]:
    """Return (the entry in the journal, whether it was written now)."""
    require_transaction(using)
    if timezone.is_naive(at):
        raise ValueError("at is an aware moment")
    # The wallets are locked here: whoever repeats this very posting waits, and then finds it done.
    accounts = lock_accounts({(line.account, line.money.currency) for line in entry.lines}, using=using)
    # PostgreSQL tells of an earlier posting when ours is written, which saves a look each time; SQLite's
    # guard refuses such a row, so there we look first.
    if connections[using].vendor != "postgresql":
        existing = same_entry(entry, reverses, using=using)
        if existing is not None:
            return existing, False
    try:
        if spending:
            refuse_frozen(accounts.values())
        lines = plan_lines(entry, accounts)
    except (WalletFrozen, AccountClosed, InsufficientFunds):
        # A posting repeated after the money has gone on is still that posting, and no refusal.
        existing = same_entry(entry, reverses, using=using)
        if existing is None:
            raise
        return existing, False
    row = JournalEntry(
        reverses=reverses,
        source=entry.source,
        purpose=entry.purpose,
        body_hash=entry.body_hash(),
        environment=str(entry.environment),
        memo=entry.memo,
        posted_at=at,
        business_date=business_date(at),
    )
    if not insert_entry(row, using=using):
        # Only on PostgreSQL: posted before, a year or a moment ago.
        rival = same_entry(entry, reverses, using=using)
        if rival is None:
            raise AlreadyReversed(f"{reverses} was reversed under another purpose")
        return rival, False
    chain_lines(row, lines)
    insert_lines(lines, using=using)
    return row, True


def same_entry(entry: Entry, reverses: JournalEntry | None, *, using: str) -> JournalEntry | None:
    """Return the entry of this key if there is one. Raises EntryDiffers when it moved something else."""
    existing = find(entry.source, entry.purpose, using=using)
    if existing is None:
        if reverses is not None and JournalEntry.objects.using(using).filter(reverses=reverses).exists():
            raise AlreadyReversed(f"{reverses} was reversed under another purpose")
        return None
    if existing.body_hash != entry.body_hash() or existing.reverses_id != (reverses and reverses.pk):
        raise EntryDiffers(f"{existing} was posted before with other lines")
    return existing


def refuse_frozen(accounts: object) -> None:
    """Return nothing when all wallets may spend. Raises WalletFrozen."""
    for account in cast("list[Account]", accounts):
        if account.is_wallet and account.frozen_at is not None:
            raise WalletFrozen(f"{account.ref} may receive and not spend")


def plan_lines(entry: Entry, accounts: dict[AccountKey, Account]) -> list[JournalLine]:
    """Return unsaved lines with their numbers and balances. Raises AccountClosed, InsufficientFunds."""
    lines = []
    for number, line in enumerate(entry.lines, start=1):
        account = accounts[line.account, line.money.currency]
        if account.closed_at is not None:
            raise AccountClosed(f"{account.ref} is closed")
        row = JournalLine(
            number=number,
            account=account,
            side=line.side.value,
            amount_minor=line.money.minor,
            currency=line.money.currency.value,
        )
        if account.balance_minor is not None:
            if line.side is Side.DEBIT:
                if account.available < line.money:
                    raise InsufficientFunds(account.available, line.money)
                account.balance_minor -= line.money.minor
            else:
                account.balance_minor += line.money.minor
            account.last_seq += 1
            row.seq, row.balance_after = account.last_seq, account.balance_minor
        lines.append(row)
    return lines


def chain_lines(entry: JournalEntry, lines: list[JournalLine]) -> None:
    """Give each line its entry and each wallet line its hash; the accounts move along in memory."""
    entry_digest = digest_of(entry)
    for line in lines:
        line.entry = entry
        if line.seq is None or line.balance_after is None:
            continue
        line.previous_hash = line.account.last_hash
        line.hash = line.account.last_hash = chain.line_hash(
            previous_hash=line.previous_hash,
            account_id=line.account_id,
            seq=line.seq,
            side=line.side,
            amount_minor=line.amount_minor,
            currency=line.currency,
            balance_after=line.balance_after,
            entry=entry_digest,
        )


def digest_of(entry: JournalEntry) -> str:
    """Return the digest of an entry's own facts."""
    return chain.entry_digest(
        entry_id=entry.pk,
        source=entry.source,
        purpose=entry.purpose,
        body_hash=entry.body_hash,
        environment=entry.environment,
        memo=entry.memo,
        posted_at=entry.posted_at,
        business_date=entry.business_date,
        reverses_id=entry.reverses_id,
    )


def insert_entry(entry: JournalEntry, *, using: str) -> bool:
    """Whether the row was written, with its id filled in; False when its key or reversal exists.

    Raw, because the seal's number is the entry's own, and because a unique violation would break
    the caller's transaction where DO NOTHING leaves it whole.
    """
    connection = connections[using]
    sql = INSERT_ENTRY.format(next_id=NEXT_ID[connection.vendor], on_conflict=ON_CONFLICT[connection.vendor])
    with by_hand(using) as cursor:
        cursor.execute(
            sql,
            [
                entry.reverses_id,
                entry.source,
                entry.purpose,
                entry.body_hash,
                entry.environment,
                entry.memo,
                connection.ops.adapt_datetimefield_value(entry.posted_at),
                connection.ops.adapt_datefield_value(entry.business_date),
            ],
        )
        row = cursor.fetchone()
    if row is None:
        return False
    entry.pk = entry.seal_id = row[0]
    entry._state.adding = False
    entry._state.db = using
    return True


def insert_lines(lines: list[JournalLine], *, using: str) -> None:
    """Write the lines of one entry and then its seal, on which the database weighs debit and credit."""
    values: list[int | str | None] = []
    for line in lines:
        values += (line.entry_id, line.number, line.account_id, line.side, line.amount_minor, line.currency)
        values += (line.seq, line.balance_after, line.previous_hash, line.hash)
    with by_hand(using) as cursor:
        cursor.execute(INSERT_LINES + ", ".join([ONE_LINE] * len(lines)), values)
        cursor.execute(INSERT_SEAL, [lines[0].entry_id, len(lines)])


__all__ = ["as_entry", "find", "post", "reverse", "spend"]

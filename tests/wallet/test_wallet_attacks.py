"""Attacks in plain SQL, past all Python: each is refused by the database, or found by the audit.

The same list stands as a table in docs/books.md; a test here compares the two.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import override_settings

from vinflow.money import Currency, Money
from vinflow.wallet import chain
from vinflow.wallet.accounts import close_account
from vinflow.wallet.audit import audit
from vinflow.wallet.entries import external_ref, suspense_ref, user_ref
from vinflow.wallet.guards import install_guards
from vinflow.wallet.holds import capture, hold
from vinflow.wallet.models import Account, Block, Hold, JournalEntry, JournalLine
from vinflow.wallet.posting import as_entry, digest_of, reverse
from vinflow.wallet.sealing import make_head, seal_blocks
from vinflow.wallet.testing import remove_guards

pytestmark = [pytest.mark.both, pytest.mark.django_db(transaction=True)]
DOCS = Path(__file__).parents[2] / "docs" / "books.md"
FAKE_HASH = "f" * 64
NEW = 9_000_000


@dataclass
class Books:
    """What an attacker would read first: where everything is."""

    wallet: Account
    friend: Account
    bank: Account
    riel_bank: Account
    elsewhere: Account
    closed: Account
    entry: JournalEntry
    reversed: JournalEntry
    line: JournalLine
    open_hold: Hold
    captured_hold: Hold
    head: dict[str, Any]
    now: datetime


@pytest.fixture
def books(make_user, top_up, spend_some, now):
    """A shop with two wallets, a hold of each kind, a reversal, blocks over all of it, and a head."""
    user, friend = make_user(), make_user()
    entry, undone = top_up(user, 1000), top_up(user, 70)
    top_up(user, 300)
    top_up(friend, 500)
    top_up(friend, 4100, currency=Currency.KHR)
    spend_some(user, 40)
    with transaction.atomic():
        reverse(undone, at=now)
        wallet = user_ref(user.pk, "sandbox")
        held = [
            hold(wallet=wallet, money=Money(60, Currency.USD), source=f"refund:{n}", purpose="refund", at=now)
            for n in (1, 2)
        ]
        capture(held[1].pk, to=suspense_ref("sandbox"), at=now)
        close_account(external_ref("sandbox", "old"), Currency.USD, at=now)
        elsewhere = Account.objects.create(kind="external", environment="production", currency="USD")
    seal_blocks(at=now, size=3)
    assert audit().problems == []
    return Books(
        wallet=Account.objects.get(kind="user", key=str(user.pk)),
        friend=Account.objects.get(kind="user", key=str(friend.pk), currency="USD"),
        bank=Account.objects.get(kind="bakong", currency="USD"),
        riel_bank=Account.objects.get(kind="bakong", currency="KHR"),
        elsewhere=elsewhere,
        closed=Account.objects.get(kind="external", key="old"),
        entry=entry,
        reversed=undone,
        line=JournalLine.objects.get(entry=entry, account__kind="user"),
        open_hold=held[0],
        captured_hold=held[1],
        head=make_head(at=now),
        now=now,
    )


def new_entry(source: str = "attack", *, reverses: int | str = "NULL", number: int = NEW) -> str:
    return (
        "INSERT INTO wallet_journalentry (id, seal_id, source, purpose, body_hash, environment, memo,"
        f" posted_at, business_date, reverses_id) VALUES ({number}, {number}, '{source}', 'credited',"
        f" '{FAKE_HASH}', 'sandbox', '', '2026-11-24 05:00:00', '2026-11-24', {reverses})"
    )


def new_line(
    account: Account,
    side: str,
    amount: float,
    *,
    number: int = 1,
    entry: int = NEW,
    currency: str = "",
    seq: int | None = None,
    balance: float | None = None,
    verb: str = "INSERT",
    line_id: int | None = None,
) -> str:
    """A line as an attacker writes it: for a wallet it follows the line before it, unless told otherwise."""
    previous, own, seq_text, balance_text = "", "", "NULL", "NULL"
    if account.balance_minor is not None:
        moved = account.balance_minor + (amount if side == "C" else -amount)
        seq_text = str(account.last_seq + 1 if seq is None else seq)
        balance_text = str(moved if balance is None else balance)
        previous, own = account.last_hash, FAKE_HASH
    id_column, id_value = ("id, ", f"{line_id}, ") if line_id else ("", "")
    return (
        f"{verb} INTO wallet_journalline ({id_column}entry_id, number, account_id, side, amount_minor,"
        f" currency, seq, balance_after, previous_hash, hash) VALUES ({id_value}{entry}, {number},"
        f" {account.pk}, '{side}', {amount}, '{currency or account.currency}', {seq_text}, {balance_text},"
        f" '{previous}', '{own}')"
    )


def seal(lines: int = 2, *, entry: int = NEW) -> str:
    return f"INSERT INTO wallet_seal (id, line_count) VALUES ({entry}, {lines})"


def pair(b: Books, amount: float = 5, **line: Any) -> list[str]:
    return [new_line(b.bank, "D", amount), new_line(b.wallet, "C", amount, number=2, **line)]


Statements = Callable[[Books], list[str]]
SQLITE, POSTGRES, BOTH = ("sqlite",), ("postgresql",), ("sqlite", "postgresql")

# name: (databases, SQL). Every one of these must end in an error and leave the books as they were.
REFUSED: dict[str, tuple[tuple[str, ...], Statements]] = {
    "change a line's amount": (
        BOTH,
        lambda b: [f"UPDATE wallet_journalline SET amount_minor = 999999 WHERE id = {b.line.pk}"],
    ),
    "change an entry's key": (
        BOTH,
        lambda b: [f"UPDATE wallet_journalentry SET source = 'mine' WHERE id = {b.entry.pk}"],
    ),
    "move an entry to another day": (
        BOTH,
        lambda b: [f"UPDATE wallet_journalentry SET business_date = '2020-01-01' WHERE id = {b.entry.pk}"],
    ),
    "delete a line": (BOTH, lambda b: [f"DELETE FROM wallet_journalline WHERE id = {b.line.pk}"]),
    "delete an entry with all that hangs on it": (
        BOTH,
        lambda b: [
            f"DELETE FROM wallet_journalline WHERE entry_id = {b.entry.pk}",
            f"DELETE FROM wallet_journalentry WHERE id = {b.entry.pk}",
            f"DELETE FROM wallet_seal WHERE id = {b.entry.pk}",
        ],
    ),
    "break a seal": (BOTH, lambda b: [f"DELETE FROM wallet_seal WHERE id = {b.entry.pk}"]),
    "delete a wallet": (BOTH, lambda b: [f"DELETE FROM wallet_account WHERE id = {b.friend.pk}"]),
    "empty the journal": (BOTH, lambda b: ["DELETE FROM wallet_journalline"]),
    "truncate the journal": (
        POSTGRES,
        lambda b: ["TRUNCATE wallet_journalline, wallet_journalentry, wallet_seal CASCADE"],
    ),
    "truncate the wallets": (POSTGRES, lambda b: ["TRUNCATE wallet_account CASCADE"]),
    "replace a line under its id": (
        SQLITE,
        lambda b: [new_line(b.bank, "D", 1, entry=b.entry.pk, verb="INSERT OR REPLACE", line_id=b.line.pk)],
    ),
    "replace a line under its wallet's number": (
        SQLITE,
        lambda b: [
            new_line(b.wallet, "C", 900, entry=b.entry.pk, seq=1, balance=900, number=9, verb="REPLACE")
        ],
    ),
    "replace an entry under its key": (
        SQLITE,
        lambda b: [new_entry(b.entry.source).replace("INSERT", "INSERT OR REPLACE", 1)],
    ),
    "replace a wallet under its name": (
        SQLITE,
        lambda b: [
            "INSERT OR REPLACE INTO wallet_account (kind, key, environment, currency, owner_id,"
            " balance_minor, held_minor, last_seq, last_hash)"
            f" VALUES ('user', '{b.wallet.key}', 'sandbox', 'USD', {b.wallet.key}, 0, 0, 0, '')"
        ],
    ),
    "overwrite a line on conflict": (
        BOTH,
        lambda b: [
            new_line(b.bank, "D", 1, entry=b.entry.pk, line_id=b.line.pk, number=9)
            + " ON CONFLICT (id) DO UPDATE SET amount_minor = 999999"
        ],
    ),
    "post an unbalanced entry": (
        BOTH,
        lambda b: [new_entry(), new_line(b.bank, "D", 5), new_line(b.wallet, "C", 6, number=2), seal()],
    ),
    "post an unbalanced entry, conflicts ignored": (
        SQLITE,
        lambda b: [
            new_entry(),
            new_line(b.bank, "D", 5, verb="INSERT OR IGNORE"),
            new_line(b.wallet, "C", 6, number=2, verb="INSERT OR IGNORE"),
            seal().replace("INSERT", "INSERT OR IGNORE"),
        ],
    ),
    "spend what is held, conflicts ignored": (
        SQLITE,
        lambda b: [
            new_entry(),
            new_line(b.bank, "C", b.wallet.balance_minor - 59),
            new_line(b.wallet, "D", b.wallet.balance_minor - 59, number=2, verb="INSERT OR IGNORE"),
            seal(),
        ],
    ),
    "balance dollars with riel": (
        BOTH,
        lambda b: [new_entry(), new_line(b.riel_bank, "D", 5), new_line(b.wallet, "C", 5, number=2), seal()],
    ),
    "leave an entry unsealed": (BOTH, lambda b: [new_entry(), *pair(b)]),
    "seal an entry without lines": (BOTH, lambda b: [new_entry(), seal()]),
    "seal first, add lines after": (BOTH, lambda b: [new_entry(), seal(), *pair(b)]),
    "seal fewer lines than there are": (
        BOTH,
        lambda b: [new_entry(), *pair(b), new_line(b.bank, "D", 1, number=3), seal(2)],
    ),
    "seal without an entry": (BOTH, lambda b: [seal()]),
    "add a balanced pair to a sealed entry": (
        BOTH,
        lambda b: [
            new_line(b.bank, "D", 5, entry=b.entry.pk, number=3),
            new_line(b.wallet, "C", 5, entry=b.entry.pk, number=4),
        ],
    ),
    "write a line in another currency than its account": (
        BOTH,
        lambda b: [new_entry(), new_line(b.bank, "D", 5, currency="KHR"), *pair(b)[1:], seal()],
    ),
    "book play money on a real account": (
        BOTH,
        lambda b: [new_entry(), new_line(b.elsewhere, "D", 5), *pair(b)[1:], seal()],
    ),
    "write negative amounts": (
        BOTH,
        lambda b: [new_entry(), new_line(b.bank, "D", -5), new_line(b.wallet, "C", -5, number=2), seal()],
    ),
    "write an amount of nothing": (
        BOTH,
        lambda b: [new_entry(), new_line(b.bank, "D", 0), new_line(b.wallet, "C", 0, number=2), seal()],
    ),
    "write half a cent": (SQLITE, lambda b: [new_entry(), *pair(b, 1.5), seal()]),
    "take a wallet below zero": (
        BOTH,
        lambda b: [new_entry(), new_line(b.bank, "C", 501), new_line(b.friend, "D", 501, number=2), seal()],
    ),
    "take a wallet below zero with checks switched off": (
        SQLITE,
        lambda b: [new_entry(), new_line(b.bank, "C", 501), new_line(b.friend, "D", 501, number=2), seal()],
    ),
    "spend what is held": (
        BOTH,
        lambda b: [
            new_entry(),
            new_line(b.bank, "C", b.wallet.balance_minor - 59),
            new_line(b.wallet, "D", b.wallet.balance_minor - 59, number=2),
            seal(),
        ],
    ),
    "leave a gap in a wallet's numbers": (
        BOTH,
        lambda b: [new_entry(), *pair(b, seq=b.wallet.last_seq + 2), seal()],
    ),
    "use a wallet's number twice": (BOTH, lambda b: [new_entry(), *pair(b, seq=b.wallet.last_seq), seal()]),
    "write a balance that does not follow": (
        BOTH,
        lambda b: [new_entry(), *pair(b, balance=9_999_999), seal()],
    ),
    "set a balance by hand": (
        BOTH,
        lambda b: [f"UPDATE wallet_account SET balance_minor = 999999 WHERE id = {b.wallet.pk}"],
    ),
    "set a balance back to an earlier line": (
        BOTH,
        lambda b: [
            "UPDATE wallet_account SET balance_minor = 1000, last_seq = 1,"
            f" last_hash = '{b.line.hash}' WHERE id = {b.wallet.pk}"
        ],
    ),
    "free held money by hand": (
        BOTH,
        lambda b: [f"UPDATE wallet_account SET held_minor = 0 WHERE id = {b.wallet.pk}"],
    ),
    "give a wallet to another user": (
        BOTH,
        lambda b: [f"UPDATE wallet_account SET owner_id = {b.friend.owner_id} WHERE id = {b.wallet.pk}"],
    ),
    "turn riel into dollars": (
        BOTH,
        lambda b: ["UPDATE wallet_account SET currency = 'KHR' WHERE currency = 'USD'"],
    ),
    "open a wallet that is full": (
        BOTH,
        lambda b: [
            "INSERT INTO wallet_account (kind, key, environment, currency, owner_id, balance_minor,"
            " held_minor, last_seq, last_hash)"
            f" VALUES ('user', '{b.wallet.key}', 'sit', 'USD', {b.wallet.owner_id}, 500, 0, 0, '')"
        ],
    ),
    "book on a closed account": (
        BOTH,
        lambda b: [new_entry(), new_line(b.closed, "D", 5), *pair(b)[1:], seal()],
    ),
    "open a closed account again": (
        BOTH,
        lambda b: [f"UPDATE wallet_account SET closed_at = NULL WHERE id = {b.closed.pk}"],
    ),
    "credit the same key twice": (BOTH, lambda b: [new_entry(b.entry.source), *pair(b), seal()]),
    "reverse an entry a second time": (
        BOTH,
        lambda b: [
            new_entry(reverses=b.reversed.pk),
            new_line(b.bank, "C", 70),
            new_line(b.wallet, "D", 70, number=2),
            seal(),
        ],
    ),
    "reverse more than was booked": (
        BOTH,
        lambda b: [
            new_entry(reverses=b.entry.pk),
            new_line(b.bank, "C", 1001),
            new_line(b.wallet, "D", 1001, number=2),
            seal(),
        ],
    ),
    "capture a hold twice": (
        BOTH,
        lambda b: [f"UPDATE wallet_hold SET captured_minor = 1 WHERE id = {b.captured_hold.pk}"],
    ),
    "open a captured hold again": (
        BOTH,
        lambda b: [
            "UPDATE wallet_hold SET state = 'held', captured_minor = 0, closed_at = NULL"
            f" WHERE id = {b.captured_hold.pk}"
        ],
    ),
    "make a hold bigger": (
        BOTH,
        lambda b: [f"UPDATE wallet_hold SET amount_minor = 90 WHERE id = {b.open_hold.pk}"],
    ),
    "hold more than there is": (
        BOTH,
        lambda b: [
            "INSERT INTO wallet_hold (account_id, source, purpose, amount_minor, captured_minor, state,"
            f" held_at) VALUES ({b.friend.pk}, 'x', 'x', 501, 0, 'held', '2026-11-24 05:00:00')"
        ],
    ),
    "delete a hold": (BOTH, lambda b: [f"DELETE FROM wallet_hold WHERE id = {b.open_hold.pk}"]),
    "change a block": (BOTH, lambda b: [f"UPDATE wallet_block SET hash = '{FAKE_HASH}' WHERE number = 1"]),
    "delete the last block": (BOTH, lambda b: ["DELETE FROM wallet_block WHERE number = 2"]),
    "silence triggers as a replica": (
        POSTGRES,
        lambda b: [
            "SET LOCAL session_replication_role = replica",
            f"UPDATE wallet_account SET balance_minor = 999999 WHERE id = {b.wallet.pk}",
        ],
    ),
    "put a temporary table in the journal's place": (
        POSTGRES,
        lambda b: [
            "CREATE TEMP TABLE wallet_journalline (LIKE public.wallet_journalline) ON COMMIT DROP",
            new_entry(),
            *(
                "INSERT INTO pg_temp.wallet_journalline (id, entry_id, number, account_id, side,"
                " amount_minor, currency, previous_hash, hash)"
                f" VALUES ({n}, {NEW}, {n}, 1, '{side}', 5, 'USD', '', '')"
                for n, side in ((1, "D"), (2, "C"))
            ),
            seal(),
        ],
    ),
    "do it all in one statement": (
        POSTGRES,
        lambda b: [
            f"WITH e AS ({new_entry()} RETURNING id), s AS ({seal()} RETURNING id),"
            f" l AS ({new_line(b.bank, 'D', 5)} RETURNING id) {new_line(b.wallet, 'C', 6, number=2)}"
        ],
    ),
}


def here(vendors: tuple[str, ...]) -> bool:
    return connection.vendor in vendors


def test_the_database_refuses_every_attack(books, subtests):
    """All of them on the same books: none may leave a trace, so each finds what the first one found."""
    for name, (vendors, statements) in REFUSED.items():
        if not here(vendors):
            continue
        with subtests.test(name):
            # IntegrityError: refused for what it does, not for a slip in its SQL.
            with (
                without_checks("switched off" in name),
                pytest.raises(IntegrityError),
                transaction.atomic(),
            ):
                run(statements(books))
            assert JournalLine.objects.filter(entry_id=NEW).count() == 0
            report = audit(head=books.head)
            assert report.problems == []
            assert report.entries == 8


class without_checks:  # noqa: N801 (reads as a statement)
    """SQLite lets anyone switch CHECK constraints off."""

    def __init__(self, switched_off: bool) -> None:
        self.switched_off = switched_off

    def __enter__(self) -> None:
        if self.switched_off:
            run(["PRAGMA ignore_check_constraints = ON"])

    def __exit__(self, *_: object) -> None:
        if self.switched_off:
            run(["PRAGMA ignore_check_constraints = OFF"])


def run(statements: list[str]) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


def behind_the_guards(statements: list[str]) -> None:
    """What an owner of the database can do: take the guards down, write, put them up again."""
    remove_guards(connection)
    with transaction.atomic():
        run(statements)
    install_guards(connection)


def drop_a_trigger(b: Books) -> None:
    on = "" if connection.vendor == "sqlite" else " ON wallet_seal"
    name = "before_insert" if connection.vendor == "sqlite" else "insert"
    run([f"DROP TRIGGER wallet_guard_seal_{name}{on}"])


def swap_a_trigger(b: Books) -> None:
    if connection.vendor == "sqlite":
        name = "wallet_guard_journalline_before_update"
        run(
            [
                f"DROP TRIGGER {name}",
                f"CREATE TRIGGER {name} BEFORE UPDATE ON wallet_journalline BEGIN SELECT 1; END",
            ]
        )
    else:
        run(
            [
                "CREATE OR REPLACE FUNCTION wallet_guard_refuse() RETURNS trigger LANGUAGE plpgsql"
                " AS 'BEGIN RETURN NEW; END'"
            ]
        )


def add_a_trigger(b: Books) -> None:
    if connection.vendor == "sqlite":
        run(["CREATE TRIGGER tip AFTER INSERT ON wallet_seal BEGIN SELECT 1; END"])
    else:
        run(
            [
                "CREATE FUNCTION tip() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                "CREATE TRIGGER tip AFTER INSERT ON wallet_seal FOR EACH ROW EXECUTE FUNCTION tip()",
            ]
        )


def switch_a_trigger_off(b: Books) -> None:
    run(["ALTER TABLE wallet_journalline DISABLE TRIGGER wallet_guard_journalline_insert"])


def defer_a_key(b: Books) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f'"
            " AND conrelid = 'wallet_journalline'::regclass"
        )
        name = cursor.fetchone()[0]
    run([f'ALTER TABLE wallet_journalline ALTER CONSTRAINT "{name}" DEFERRABLE INITIALLY DEFERRED'])


def drop_a_constraint(b: Books) -> None:
    run(["ALTER TABLE wallet_journalline DROP CONSTRAINT wallet_line_seq_unique"])


def drop_a_foreign_key(b: Books) -> None:
    run(
        [
            "DO $$ BEGIN EXECUTE 'ALTER TABLE wallet_journalentry DROP CONSTRAINT ' || (SELECT conname FROM"
            " pg_constraint WHERE contype = 'f' AND confrelid = 'wallet_seal'::regclass); END $$"
        ]
    )


def insert_a_block(b: Books) -> None:
    run(
        [
            "INSERT INTO wallet_block (number, first_entry, last_entry, entry_count, previous_hash, hash,"
            f" signature, sealed_at) SELECT MAX(number) + 1, MAX(last_entry) + 1, {NEW}, 1, '',"
            f" '{FAKE_HASH}', '{FAKE_HASH}', '2026-11-24 05:00:00' FROM wallet_block"
        ]
    )


def mint(b: Books) -> None:
    with transaction.atomic():
        run([new_entry(), *pair(b), seal()])


def own_a_wallet_of_another(b: Books) -> None:
    run(
        [
            "INSERT INTO wallet_account (kind, key, environment, currency, owner_id, balance_minor,"
            " held_minor, last_seq, last_hash)"
            f" VALUES ('user', '{b.wallet.key}', 'sit', 'USD', {b.friend.owner_id}, 0, 0, 0, '')"
        ]
    )


def unsealed_without_foreign_keys(b: Books) -> None:
    run(["PRAGMA foreign_keys = OFF"])
    try:
        with transaction.atomic():
            run([new_entry(), *pair(b)])
    finally:
        run(["PRAGMA foreign_keys = ON"])


def rewrite(b: Books) -> None:
    """Halve a payment and make every hash after it right again: only the key is missing."""
    remove_guards(connection)
    with transaction.atomic():
        twins = JournalLine.objects.filter(entry=b.entry)
        twins.update(amount_minor=500)
        JournalEntry.objects.filter(pk=b.entry.pk).update(body_hash=posted_body(b.entry))
        previous, balance = "", 0
        for line in JournalLine.objects.filter(account=b.wallet).select_related("entry").order_by("seq"):
            balance += line.amount_minor if line.side == "C" else -line.amount_minor
            line.balance_after, line.previous_hash = balance, previous
            line.hash = previous = chain.line_hash(
                previous_hash=previous,
                account_id=line.account_id,
                seq=line.seq or 0,
                side=line.side,
                amount_minor=line.amount_minor,
                currency=line.currency,
                balance_after=balance,
                entry=digest_of(line.entry),
            )
            line.save()
        Account.objects.filter(pk=b.wallet.pk).update(balance_minor=balance, last_hash=previous)
    install_guards(connection)


def posted_body(entry: JournalEntry) -> str:
    return as_entry(entry).body_hash()


def rewrite_with_blocks(b: Books) -> None:
    """As rewrite(), and the blocks made anew, signed with a key of the attacker's own."""
    rewrite(b)
    remove_guards(connection)
    Block.objects.all().delete()
    with override_settings(VINFLOW_LEDGER_KEY="the attacker does not know the real key"):
        seal_blocks(at=b.now, size=3)
    install_guards(connection)


def resealed_by_an_insider(b: Books) -> None:
    """As rewrite(), and the blocks made anew with the real key: only a head kept elsewhere still knows."""
    rewrite(b)
    remove_guards(connection)
    Block.objects.all().delete()
    install_guards(connection)
    seal_blocks(at=b.now, size=3)


def drop_the_tail(b: Books) -> None:
    last = JournalLine.objects.filter(account=b.friend).order_by("-seq").first()
    assert last is not None
    behind_the_guards(
        [
            f"DELETE FROM wallet_journalline WHERE entry_id = {last.entry_id}",
            f"DELETE FROM wallet_journalentry WHERE id = {last.entry_id}",
            f"DELETE FROM wallet_seal WHERE id = {last.entry_id}",
            "UPDATE wallet_account SET balance_minor = 0, last_seq = 0, last_hash = ''"
            f" WHERE id = {b.friend.pk}",
        ]
    )


# name: (databases, what is done, words of the audit)
FOUND: dict[str, tuple[tuple[str, ...], Callable[[Books], None], str]] = {
    "drop a trigger": (BOTH, drop_a_trigger, "is missing"),
    "put a tame trigger in a guard's place": (BOTH, swap_a_trigger, "was changed"),
    "add a trigger of one's own": (BOTH, add_a_trigger, "is not ours"),
    "switch a trigger off": (POSTGRES, switch_a_trigger_off, "is switched off"),
    "drop a unique key": (POSTGRES, drop_a_constraint, "constraint wallet_line_seq_unique"),
    "drop the foreign key to the seal": (
        POSTGRES,
        drop_a_foreign_key,
        "wallet_journalentry.seal_id is missing",
    ),
    "write a whole balanced entry past Python": (BOTH, mint, "its hash is not that of what it says"),
    "insert a block of one's own": (BOTH, insert_a_block, "does not continue the block before it"),
    "open a wallet in another user's name": (BOTH, own_a_wallet_of_another, "and owned by"),
    "defer a line's foreign key": (POSTGRES, defer_a_key, "checked too late"),
    "commit an unsealed entry with foreign keys off": (SQLITE, unsealed_without_foreign_keys, "has no seal"),
    "change an amount behind the guards": (
        BOTH,
        lambda b: behind_the_guards(
            [f"UPDATE wallet_journalline SET amount_minor = 999 WHERE entry_id = {b.entry.pk}"]
        ),
        "its hash is not that of what it says",
    ),
    "change a house account's line behind the guards": (
        BOTH,
        lambda b: behind_the_guards(
            [
                "UPDATE wallet_journalline SET amount_minor = 999"
                f" WHERE entry_id = {b.entry.pk} AND seq IS NULL"
            ]
        ),
        "debit and credit differ by -1",
    ),
    "set a balance behind the guards": (
        BOTH,
        lambda b: behind_the_guards(
            [f"UPDATE wallet_account SET balance_minor = 9999 WHERE id = {b.wallet.pk}"]
        ),
        "its balance column is not that of its last line",
    ),
    "free held money behind the guards": (
        BOTH,
        lambda b: behind_the_guards([f"UPDATE wallet_account SET held_minor = 0 WHERE id = {b.wallet.pk}"]),
        "what is held is not the sum of its open holds",
    ),
    "move an entry to another day behind the guards": (
        BOTH,
        lambda b: behind_the_guards(
            [f"UPDATE wallet_journalentry SET business_date = '2020-01-01' WHERE id = {b.entry.pk}"]
        ),
        "is not the business day of",
    ),
    "drop the last entry of a wallet behind the guards": (
        BOTH,
        drop_the_tail,
        "was sealed with 3 entries, not 2",
    ),
    "rewrite a wallet's history with right hashes": (
        BOTH,
        rewrite,
        "its entries are not those it was sealed with",
    ),
    "rewrite the blocks too, with another key": (BOTH, rewrite_with_blocks, "was not signed with our key"),
    "rewrite the blocks too, with the real key": (
        BOTH,
        resealed_by_an_insider,
        "is not the one of the head of",
    ),
}


@pytest.mark.parametrize("name", [name for name, (vendors, *_) in FOUND.items() if here(vendors)])
def test_the_audit_finds_who_would(name, books):
    _, attack, words = FOUND[name]
    try:
        attack(books)

        problems = audit(head=books.head).problems
    finally:
        if connection.vendor == "postgresql":
            run(["DROP FUNCTION IF EXISTS tip() CASCADE"])
            put_keys_back()
        elif name == "add a trigger of one's own":
            run(["DROP TRIGGER tip"])
        install_guards(connection)

    assert any(words in problem for problem in problems), problems


def put_keys_back() -> None:
    """A key that is gone stays gone until a migration: here the test is one."""
    with connection.cursor() as cursor:
        lines = connection.introspection.get_constraints(cursor, "wallet_journalline")
        entries = connection.introspection.get_constraints(cursor, "wallet_journalentry")
    seq = next(one for one in JournalLine._meta.constraints if one.name == "wallet_line_seq_unique")
    seal_field = JournalEntry._meta.get_field("seal")
    with connection.schema_editor() as editor:
        if seq.name not in lines:
            editor.add_constraint(JournalLine, seq)
        if not any(one["foreign_key"] and one["columns"] == ["seal_id"] for one in entries.values()):
            editor.execute(editor._create_fk_sql(JournalEntry, seal_field, "_fk_%(to_table)s_%(to_column)s"))


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_there_are_more_than_twenty_attacks_for_each_database(vendor):
    assert sum(vendor in vendors for vendors, _ in REFUSED.values()) > 20


def test_the_table_in_the_documentation_lists_exactly_these_attacks():
    ledger, _mark, _payments = DOCS.read_text(encoding="utf-8").partition("### On payments")
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$", ledger, re.MULTILINE)
    short = {BOTH: "both", SQLITE: "SQLite", POSTGRES: "PostgreSQL"}

    listed = {
        (name.strip(), where.strip(), end.strip())
        for name, where, end in rows
        if "refused" in end or "found" in end
    }
    expected = {(name, short[vendors], "refused") for name, (vendors, _) in REFUSED.items()}
    expected |= {(name, short[vendors], "found") for name, (vendors, *_) in FOUND.items()}
    assert listed == expected

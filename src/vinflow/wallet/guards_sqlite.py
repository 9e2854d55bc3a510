"""The guards in SQLite's words: triggers that RAISE(ABORT), compared by their own text.

SQLite keeps the text of CREATE TRIGGER as it was given, so a changed guard shows in sqlite_master.
REPLACE deletes the old row without firing its DELETE trigger (recursive_triggers is off), hence the
refusals of an existing key on INSERT. typeof() is asked because a column of integers takes 1.5.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.db.backends.base.base import BaseDatabaseWrapper

PREFIX = "wallet_guard_"
APPEND_ONLY = ("wallet_block", "wallet_journalentry", "wallet_journalline", "wallet_seal")
NEVER_DELETED = (*APPEND_ONLY, "wallet_account", "wallet_hold")

# (table, what, when, [(message, condition under which it is refused)], [statements that follow])
EXISTING = {
    "wallet_account": [
        "id = NEW.id",
        "kind = NEW.kind AND key = NEW.key AND environment = NEW.environment AND currency = NEW.currency",
    ],
    "wallet_block": ["number = NEW.number", "first_entry = NEW.first_entry", "last_entry = NEW.last_entry"],
    "wallet_hold": ["id = NEW.id", "source = NEW.source AND purpose = NEW.purpose"],
    "wallet_journalentry": [
        "id = NEW.id",
        "seal_id = NEW.seal_id",
        "source = NEW.source AND purpose = NEW.purpose",
        "reverses_id = NEW.reverses_id",
    ],
    "wallet_journalline": [
        "id = NEW.id",
        "entry_id = NEW.entry_id AND number = NEW.number",
        "account_id = NEW.account_id AND seq = NEW.seq",
    ],
    "wallet_seal": ["id = NEW.id"],
}

LINE_CHECKS = [
    (
        "a sealed entry takes no further line",
        "EXISTS (SELECT 1 FROM wallet_seal WHERE id = NEW.entry_id)",
    ),
    (
        "an amount is whole and positive",
        "typeof(NEW.amount_minor) <> 'integer' OR NEW.amount_minor <= 0 OR NEW.side NOT IN ('D', 'C')",
    ),
    (
        "a line has the currency and environment of its account",
        "NOT EXISTS (SELECT 1 FROM wallet_account a, wallet_journalentry e WHERE a.id = NEW.account_id"
        " AND e.id = NEW.entry_id AND a.currency = NEW.currency AND a.environment = e.environment)",
    ),
    (
        "the account is closed",
        "(SELECT closed_at FROM wallet_account WHERE id = NEW.account_id) IS NOT NULL",
    ),
    (
        "a house account has no balance column",
        "(SELECT balance_minor FROM wallet_account WHERE id = NEW.account_id) IS NULL"
        " AND NOT (NEW.seq IS NULL AND NEW.balance_after IS NULL AND NEW.hash = ''"
        " AND NEW.previous_hash = '')",
    ),
    (
        "a wallet line follows the line before it",
        "EXISTS (SELECT 1 FROM wallet_account a WHERE a.id = NEW.account_id AND a.balance_minor IS NOT NULL"
        " AND (NEW.seq IS NOT a.last_seq + 1 OR NEW.previous_hash IS NOT a.last_hash"
        " OR length(NEW.hash) <> 64 OR NEW.balance_after IS NOT a.balance_minor"
        " + CASE NEW.side WHEN 'C' THEN NEW.amount_minor ELSE -NEW.amount_minor END))",
    ),
    (
        "a wallet never falls below what is held in it",
        "EXISTS (SELECT 1 FROM wallet_account a WHERE a.id = NEW.account_id AND a.balance_minor IS NOT NULL"
        " AND NEW.side = 'D' AND NEW.balance_after < a.held_minor)",
    ),
]

SEAL_CHECKS = [
    (
        "a seal belongs to its own entry",
        "NOT EXISTS (SELECT 1 FROM wallet_journalentry WHERE id = NEW.id AND seal_id = NEW.id)",
    ),
    (
        "a seal counts the lines of its entry, two or more",
        "NEW.line_count < 2"
        " OR NEW.line_count <> (SELECT COUNT(*) FROM wallet_journalline WHERE entry_id = NEW.id)",
    ),
    (
        "debits equal credits in each currency",
        "EXISTS (SELECT 1 FROM wallet_journalline WHERE entry_id = NEW.id GROUP BY currency"
        " HAVING SUM(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) <> 0)",
    ),
    (
        "a reversal mirrors an entry that is none itself",
        "EXISTS (SELECT 1 FROM wallet_journalentry e JOIN wallet_journalentry r ON r.id = e.reverses_id"
        " WHERE e.id = NEW.id AND (r.reverses_id IS NOT NULL OR EXISTS ("
        "SELECT 1 FROM wallet_journalline WHERE entry_id IN (e.id, r.id) GROUP BY account_id"
        " HAVING SUM(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) <> 0)))",
    ),
]

ACCOUNT_NEW_CHECKS = [
    (
        "an account begins empty",
        "COALESCE(NEW.balance_minor, 0) <> 0 OR NEW.held_minor <> 0 OR NEW.last_seq <> 0"
        " OR NEW.last_hash <> ''",
    ),
]

ACCOUNT_CHECKS = [
    (
        "an account keeps its name",
        "NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.key <> OLD.key"
        " OR NEW.environment <> OLD.environment OR NEW.currency <> OLD.currency"
        " OR NEW.owner_id IS NOT OLD.owner_id",
    ),
    (
        "a balance moves by the wallet's next line and in no other way",
        "(NEW.balance_minor IS NOT OLD.balance_minor OR NEW.last_seq <> OLD.last_seq"
        " OR NEW.last_hash <> OLD.last_hash)"
        " AND NOT (NEW.last_seq = OLD.last_seq + 1 AND EXISTS ("
        "SELECT 1 FROM wallet_journalline l WHERE l.account_id = NEW.id AND l.seq = NEW.last_seq"
        " AND l.balance_after = NEW.balance_minor AND l.hash = NEW.last_hash))",
    ),
    (
        "what is held is the sum of the open holds",
        "NEW.held_minor IS NOT OLD.held_minor AND NEW.held_minor <> (SELECT COALESCE(SUM(amount_minor), 0)"
        " FROM wallet_hold WHERE account_id = NEW.id AND state = 'held')",
    ),
    (
        "an account is closed once, and empty",
        "NEW.closed_at IS NOT OLD.closed_at AND (OLD.closed_at IS NOT NULL OR NEW.balance_minor <> 0)",
    ),
]

HOLD_NEW_CHECKS = [
    (
        "a hold is a whole positive amount, open at first",
        "typeof(NEW.amount_minor) <> 'integer' OR NEW.amount_minor <= 0 OR NEW.state <> 'held'",
    ),
    (
        "only money that is free in an open wallet can be held",
        "NOT EXISTS (SELECT 1 FROM wallet_account a WHERE a.id = NEW.account_id AND a.closed_at IS NULL"
        " AND a.balance_minor - a.held_minor >= NEW.amount_minor)",
    ),
]

HOLD_CHECKS = [
    (
        "a hold is captured or released once, and keeps everything else",
        "OLD.state <> 'held' OR NEW.state NOT IN ('captured', 'released') OR NEW.id <> OLD.id"
        " OR NEW.account_id <> OLD.account_id OR NEW.source <> OLD.source OR NEW.purpose <> OLD.purpose"
        " OR NEW.amount_minor <> OLD.amount_minor OR NEW.held_at <> OLD.held_at"
        " OR typeof(NEW.captured_minor) <> 'integer'",
    ),
]

MOVE_BALANCE = """UPDATE wallet_account
    SET balance_minor = NEW.balance_after, last_seq = NEW.seq, last_hash = NEW.hash
    WHERE id = NEW.account_id AND NEW.seq IS NOT NULL;"""
HOLD_MONEY = """UPDATE wallet_account SET held_minor = held_minor + NEW.amount_minor
    WHERE id = NEW.account_id AND balance_minor - held_minor >= NEW.amount_minor;"""
FREE_MONEY = """UPDATE wallet_account SET held_minor = held_minor - OLD.amount_minor
    WHERE id = OLD.account_id;"""


def triggers() -> dict[str, str]:
    """Return the text of every guard by its name."""
    return dict(all_triggers())


def all_triggers() -> Iterator[tuple[str, str]]:
    """Yield (name, CREATE TRIGGER text)."""
    for table in APPEND_ONLY:
        yield refusal(table, "UPDATE", [("the journal is append-only", "1")])
    for table in NEVER_DELETED:
        yield refusal(table, "DELETE", [("the books are never deleted from", "1")])
    checks = {
        "wallet_journalline": LINE_CHECKS,
        "wallet_seal": SEAL_CHECKS,
        "wallet_account": ACCOUNT_NEW_CHECKS,
        "wallet_hold": HOLD_NEW_CHECKS,
    }
    for table, keys in EXISTING.items():
        existing = [
            ("this row exists already", f"EXISTS (SELECT 1 FROM {table} WHERE {key})")  # noqa: S608 (ours)
            for key in keys
        ]
        yield refusal(table, "INSERT", existing + checks.get(table, []))
    yield refusal("wallet_account", "UPDATE", ACCOUNT_CHECKS)
    yield refusal("wallet_hold", "UPDATE", HOLD_CHECKS)
    yield consequence("wallet_journalline", "INSERT", MOVE_BALANCE)
    yield consequence("wallet_hold", "INSERT", HOLD_MONEY)
    yield consequence("wallet_hold", "UPDATE", FREE_MONEY)


def refusal(table: str, event: str, checks: list[tuple[str, str]]) -> tuple[str, str]:
    """Return a BEFORE trigger that refuses the event under any of these conditions."""
    name = f"{PREFIX}{table.removeprefix('wallet_')}_before_{event.lower()}"
    body = "\n".join(
        f"  SELECT RAISE(ABORT, '{message.replace(chr(39), chr(39) * 2)}') WHERE {condition};"
        for message, condition in checks
    )
    return name, f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW BEGIN\n{body}\nEND"


def consequence(table: str, event: str, statement: str) -> tuple[str, str]:
    """Return an AFTER trigger that does what follows from the event."""
    name = f"{PREFIX}{table.removeprefix('wallet_')}_after_{event.lower()}"
    return name, f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW BEGIN\n  {statement}\nEND"


def installed(connection: BaseDatabaseWrapper) -> dict[str, str]:
    """Return the text of every trigger that stands on a table of the wallet, by its name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            " AND substr(tbl_name, 1, 7) = 'wallet_'"
        )
        return dict(cursor.fetchall())


def install(connection: BaseDatabaseWrapper) -> None:
    """Create the guards that are missing, replace those that differ, drop foreign ones of our prefix."""
    wanted, present = triggers(), installed(connection)
    with connection.cursor() as cursor:
        for name, text in present.items():
            if name.startswith(PREFIX) and wanted.get(name) != text:
                cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(name)}")
        for name, text in wanted.items():
            if present.get(name) != text:
                cursor.execute(text)


def remove(connection: BaseDatabaseWrapper) -> None:
    """Drop every trigger of ours. For a migration of these tables, and for tests that empty them."""
    with connection.cursor() as cursor:
        for name in installed(connection):
            if name.startswith(PREFIX):
                cursor.execute(f"DROP TRIGGER {connection.ops.quote_name(name)}")


def verify(connection: BaseDatabaseWrapper) -> list[str]:
    """Return a sentence for each guard that is missing, changed or not ours."""
    wanted, present = triggers(), installed(connection)
    problems = [f"trigger {name} is missing" for name in wanted if name not in present]
    problems += [
        f"trigger {name} was changed" for name in wanted if present.get(name, wanted[name]) != wanted[name]
    ]
    problems += [
        f"trigger {name} on a table of the wallet is not ours" for name in present if name not in wanted
    ]
    return problems

"""The guards in PostgreSQL's words: functions, triggers that fire ALWAYS, and keys checked at once.

Every function sets its own search_path, so that a temporary table of the same name cannot stand in for
the journal. The two that move a balance run as their owner: the application's role needs no UPDATE on
any balance column. ALWAYS, because session_replication_role would silence an ordinary trigger.

Checks sit in AFTER triggers, which see the rows of one statement one after the other: two lines on one
wallet may come in one INSERT. Django makes foreign keys deferred; a line's are made immediate here, or a
rival could add a line to an entry that is not committed yet.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper

PREFIX = "wallet_guard_"
APPEND_ONLY = ("wallet_block", "wallet_journalentry", "wallet_journalline", "wallet_seal")
NEVER_DELETED = (*APPEND_ONLY, "wallet_account", "wallet_hold")

REFUSE = """
BEGIN
  RAISE EXCEPTION 'the books are append-only: % on %', TG_OP, TG_TABLE_NAME USING ERRCODE = '23000';
END
"""

LINE = """
DECLARE
  acc wallet_account;
  env text;
BEGIN
  IF EXISTS (SELECT 1 FROM wallet_seal WHERE id = NEW.entry_id) THEN
    RAISE EXCEPTION 'a sealed entry takes no further line' USING ERRCODE = '23000';
  END IF;
  SELECT * INTO STRICT acc FROM wallet_account WHERE id = NEW.account_id;
  SELECT environment INTO STRICT env FROM wallet_journalentry WHERE id = NEW.entry_id;
  IF acc.currency <> NEW.currency OR acc.environment <> env THEN
    RAISE EXCEPTION 'a line has the currency and environment of its account' USING ERRCODE = '23000';
  END IF;
  IF acc.closed_at IS NOT NULL THEN
    RAISE EXCEPTION 'the account is closed' USING ERRCODE = '23000';
  END IF;
  IF acc.balance_minor IS NULL THEN
    IF NEW.seq IS NOT NULL OR NEW.balance_after IS NOT NULL OR NEW.hash <> '' OR NEW.previous_hash <> '' THEN
      RAISE EXCEPTION 'a house account has no balance column' USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
  END IF;
  IF NEW.seq IS DISTINCT FROM acc.last_seq + 1 OR NEW.previous_hash <> acc.last_hash
     OR length(NEW.hash) <> 64 OR NEW.balance_after IS DISTINCT FROM acc.balance_minor
        + (CASE NEW.side WHEN 'C' THEN NEW.amount_minor ELSE -NEW.amount_minor END) THEN
    RAISE EXCEPTION 'a wallet line follows the line before it' USING ERRCODE = '23000';
  END IF;
  UPDATE wallet_account
    SET balance_minor = NEW.balance_after, last_seq = NEW.seq, last_hash = NEW.hash
    WHERE id = NEW.account_id AND last_seq = NEW.seq - 1;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a wallet line follows the line before it' USING ERRCODE = '23000';
  END IF;
  RETURN NULL;
END
"""

# Runs on the entry at commit. Whether it balances was weighed when the seal came, and since then no line
# can have been added, changed or removed: this asks only that the seal did come.
SEALED = """
BEGIN
  IF NOT EXISTS (SELECT 1 FROM wallet_seal WHERE id = NEW.id) THEN
    RAISE EXCEPTION 'an entry is committed with its seal' USING ERRCODE = '23000';
  END IF;
  RETURN NULL;
END
"""

# Runs on the seal: one that came too early counts too few lines, and after it no line is taken.
BALANCED = """
DECLARE
  counted bigint;
  uneven bigint;
  undone bigint;
BEGIN
  SELECT reverses_id INTO undone FROM wallet_journalentry WHERE id = NEW.id AND seal_id = NEW.id;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'a seal belongs to its own entry' USING ERRCODE = '23000';
  END IF;
  SELECT COALESCE(SUM(n), 0), COUNT(*) FILTER (WHERE difference <> 0) INTO counted, uneven FROM (
    SELECT COUNT(*) AS n, SUM(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) AS difference
    FROM wallet_journalline WHERE entry_id = NEW.id GROUP BY currency) AS by_currency;
  IF counted < 2 OR counted <> NEW.line_count THEN
    RAISE EXCEPTION 'a seal counts the lines of its entry, two or more' USING ERRCODE = '23000';
  END IF;
  IF uneven > 0 THEN
    RAISE EXCEPTION 'debits equal credits in each currency' USING ERRCODE = '23000';
  END IF;
  IF undone IS NOT NULL AND (
    EXISTS (SELECT 1 FROM wallet_journalentry WHERE id = undone AND reverses_id IS NOT NULL)
    OR EXISTS (SELECT 1 FROM wallet_journalline WHERE entry_id IN (NEW.id, undone) GROUP BY account_id
               HAVING SUM(CASE side WHEN 'D' THEN amount_minor ELSE -amount_minor END) <> 0)
  ) THEN
    RAISE EXCEPTION 'a reversal mirrors an entry that is none itself' USING ERRCODE = '23000';
  END IF;
  RETURN NULL;
END
"""

ACCOUNT = """
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF COALESCE(NEW.balance_minor, 0) <> 0 OR NEW.held_minor <> 0 OR NEW.last_seq <> 0
       OR NEW.last_hash <> '' THEN
      RAISE EXCEPTION 'an account begins empty' USING ERRCODE = '23000';
    END IF;
    RETURN NEW;
  END IF;
  IF (NEW.id, NEW.kind, NEW.key, NEW.environment, NEW.currency, NEW.owner_id)
     IS DISTINCT FROM (OLD.id, OLD.kind, OLD.key, OLD.environment, OLD.currency, OLD.owner_id) THEN
    RAISE EXCEPTION 'an account keeps its name' USING ERRCODE = '23000';
  END IF;
  IF (NEW.balance_minor, NEW.last_seq, NEW.last_hash)
     IS DISTINCT FROM (OLD.balance_minor, OLD.last_seq, OLD.last_hash)
     AND NOT (NEW.last_seq = OLD.last_seq + 1 AND EXISTS (
       SELECT 1 FROM wallet_journalline l WHERE l.account_id = NEW.id AND l.seq = NEW.last_seq
         AND l.balance_after = NEW.balance_minor AND l.hash = NEW.last_hash)) THEN
    RAISE EXCEPTION 'a balance moves by the wallet''s next line and in no other way'
      USING ERRCODE = '23000';
  END IF;
  IF NEW.held_minor <> OLD.held_minor AND NEW.held_minor <> (
       SELECT COALESCE(SUM(amount_minor), 0) FROM wallet_hold
       WHERE account_id = NEW.id AND state = 'held') THEN
    RAISE EXCEPTION 'what is held is the sum of the open holds' USING ERRCODE = '23000';
  END IF;
  IF NEW.closed_at IS DISTINCT FROM OLD.closed_at
     AND (OLD.closed_at IS NOT NULL OR NEW.balance_minor <> 0) THEN
    RAISE EXCEPTION 'an account is closed once, and empty' USING ERRCODE = '23000';
  END IF;
  RETURN NEW;
END
"""

HOLD = """
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 'held' THEN
      RAISE EXCEPTION 'a hold is open at first' USING ERRCODE = '23000';
    END IF;
    UPDATE wallet_account SET held_minor = held_minor + NEW.amount_minor
      WHERE id = NEW.account_id AND closed_at IS NULL AND balance_minor - held_minor >= NEW.amount_minor;
    IF NOT FOUND THEN
      RAISE EXCEPTION 'only money that is free in an open wallet can be held' USING ERRCODE = '23000';
    END IF;
    RETURN NULL;
  END IF;
  IF OLD.state <> 'held' OR NEW.state NOT IN ('captured', 'released')
     OR (NEW.id, NEW.account_id, NEW.source, NEW.purpose, NEW.amount_minor, NEW.held_at)
        IS DISTINCT FROM (OLD.id, OLD.account_id, OLD.source, OLD.purpose, OLD.amount_minor, OLD.held_at)
  THEN
    RAISE EXCEPTION 'a hold is captured or released once, and keeps everything else'
      USING ERRCODE = '23000';
  END IF;
  UPDATE wallet_account SET held_minor = held_minor - OLD.amount_minor WHERE id = OLD.account_id;
  RETURN NULL;
END
"""

# name: (body, runs as its owner)
FUNCTIONS = {
    f"{PREFIX}refuse": (REFUSE, False),
    f"{PREFIX}line": (LINE, True),
    f"{PREFIX}balanced": (BALANCED, False),
    f"{PREFIX}sealed": (SEALED, False),
    f"{PREFIX}account": (ACCOUNT, False),
    f"{PREFIX}hold": (HOLD, True),
}

ROW, BEFORE, INSERT, DELETE, UPDATE, TRUNCATE = 1, 2, 4, 8, 16, 32  # bits of pg_trigger.tgtype


class Trigger(NamedTuple):
    """One trigger: what CREATE TRIGGER says and what pg_trigger should show afterwards."""

    name: str
    table: str
    clause: str
    function: str
    type_bits: int
    is_constraint: bool = False


def triggers() -> list[Trigger]:
    """Return every trigger there should be."""
    found = []
    for table in NEVER_DELETED:
        short = table.removeprefix("wallet_")
        events = "UPDATE OR DELETE" if table in APPEND_ONLY else "DELETE"
        bits = ROW | BEFORE | DELETE | (UPDATE if table in APPEND_ONLY else 0)
        found += [
            Trigger(f"{PREFIX}{short}_rows", table, f"BEFORE {events}", "refuse", bits),
            Trigger(f"{PREFIX}{short}_truncate", table, "BEFORE TRUNCATE", "refuse", BEFORE | TRUNCATE),
        ]
    found += [
        Trigger(f"{PREFIX}journalline_insert", "wallet_journalline", "AFTER INSERT", "line", ROW | INSERT),
        Trigger(f"{PREFIX}seal_insert", "wallet_seal", "AFTER INSERT", "balanced", ROW | INSERT),
        Trigger(
            f"{PREFIX}journalentry_commit",
            "wallet_journalentry",
            "AFTER INSERT",
            "sealed",
            ROW | INSERT,
            True,
        ),
        Trigger(
            f"{PREFIX}account_change",
            "wallet_account",
            "BEFORE INSERT OR UPDATE",
            "account",
            ROW | BEFORE | INSERT | UPDATE,
        ),
        Trigger(
            f"{PREFIX}hold_change", "wallet_hold", "AFTER INSERT OR UPDATE", "hold", ROW | INSERT | UPDATE
        ),
    ]
    return found


def install(connection: BaseDatabaseWrapper) -> None:
    """Create or replace all guards in one transaction; nothing is touched when all stand as they should."""
    if not verify(connection):
        return
    wanted = triggers()
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SELECT quote_ident(current_schema())")
        schema = cursor.fetchone()[0]
        for name, (body, as_owner) in FUNCTIONS.items():
            security = "DEFINER" if as_owner else "INVOKER"
            cursor.execute(
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SECURITY {security}"
                f" SET search_path = {schema}, pg_temp AS $guard${body}$guard$"
            )
            cursor.execute(f"REVOKE ALL ON FUNCTION {name}() FROM PUBLIC")
        for name, table in foreign(connection):
            cursor.execute(f'DROP TRIGGER "{name}" ON {table}')
        for trigger in wanted:
            cursor.execute(f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}")
            kind = "CONSTRAINT TRIGGER" if trigger.is_constraint else "TRIGGER"
            deferral = "DEFERRABLE INITIALLY DEFERRED" if trigger.is_constraint else ""
            each = "ROW" if trigger.type_bits & ROW else "STATEMENT"
            cursor.execute(
                f"CREATE {kind} {trigger.name} {trigger.clause} ON {trigger.table} {deferral}"
                f" FOR EACH {each} EXECUTE FUNCTION {PREFIX}{trigger.function}()"
            )
            cursor.execute(f"ALTER TABLE {trigger.table} ENABLE ALWAYS TRIGGER {trigger.name}")
        for name in deferred_line_keys(connection):
            cursor.execute(f'ALTER TABLE wallet_journalline ALTER CONSTRAINT "{name}" NOT DEFERRABLE')


def verify(connection: BaseDatabaseWrapper) -> list[str]:
    """Return a sentence for each guard that is missing, changed, switched off or not ours."""
    problems = []
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT p.proname, p.prosrc, p.prosecdef, p.proconfig[1], quote_ident(current_schema())"
            " FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace"
            " AND starts_with(p.proname, %s)",
            [PREFIX],
        )
        functions = {row[0]: row[1:] for row in cursor.fetchall()}
        cursor.execute(
            "SELECT t.tgname, c.relname, p.proname, t.tgtype, t.tgenabled,"
            " t.tgdeferrable AND t.tginitdeferred, t.tgqual IS NULL AND t.tgattr = '' AND t.tgnargs = 0"
            " FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
            " AND starts_with(c.relname, 'wallet_')"
        )
        present = {(row[0], row[1]): row[2:] for row in cursor.fetchall()}
    for name, (body, as_owner) in FUNCTIONS.items():
        if name not in functions:
            problems.append(f"function {name} is missing")
            continue
        source, is_definer, config, schema = functions[name]
        if source != body or is_definer != as_owner or config != f"search_path={schema}, pg_temp":
            problems.append(f"function {name} was changed")
    for trigger in triggers():
        key = (trigger.name, trigger.table)
        if key not in present:
            problems.append(f"trigger {trigger.name} on {trigger.table} is missing")
            continue
        function, bits, enabled, deferred, is_plain = present.pop(key)
        expected = (f"{PREFIX}{trigger.function}", trigger.type_bits, trigger.is_constraint, True)
        if enabled != "A":
            problems.append(f"trigger {trigger.name} on {trigger.table} is switched off")
        elif (function, bits, deferred, is_plain) != expected:
            problems.append(f"trigger {trigger.name} on {trigger.table} was changed")
    problems += [f"trigger {name} on {table} is not ours" for name, table in present]
    problems += [
        f"foreign key {name} of wallet_journalline is checked too late or not at all"
        for name in deferred_line_keys(connection)
    ]
    return problems


def foreign(connection: BaseDatabaseWrapper) -> list[tuple[str, str]]:
    """Return (name, table) of triggers with our prefix that are none of ours (an older version's)."""
    ours = {(trigger.name, trigger.table) for trigger in triggers()}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace"
            " AND starts_with(t.tgname, %s)",
            [PREFIX],
        )
        return [(name, table) for name, table in cursor.fetchall() if (name, table) not in ours]


def deferred_line_keys(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of a line's foreign keys that are not checked at once."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND (condeferrable OR NOT convalidated)"
            " AND conrelid = 'wallet_journalline'::regclass ORDER BY conname"
        )
        return [row[0] for row in cursor.fetchall()]

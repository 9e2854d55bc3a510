"""What the database itself refuses in the rows of payments, on SQLite and on PostgreSQL.

A constraint can say what a row may be; only a trigger can say what it may become. The lists below
are the whole law; both dialects are made from them. Triggers are installed after every migration
(Django's table rebuild on SQLite drops them) and looked for at start-up (checks.py).
"""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

from vinflow.payments.guard_rules import Guard, frozen, kept
from vinflow.payments.guards_deposits import DEPOSITS, DEPOSITS_REPLACEABLE
from vinflow.payments.guards_money_back import MONEY_BACK, MONEY_BACK_REPLACEABLE
from vinflow.payments.guards_receivers import RECEIVERS, RECEIVERS_REPLACEABLE

__all__ = [
    "GUARDS",
    "drop_guards",
    "install_after_migrate",
    "install_guards",
    "make_way",
    "missing_guards",
    "standing_triggers",
]


GUARDS: tuple[Guard, ...] = (
    kept("payments_payment", "a payment is never deleted"),
    frozen(
        "payments_payment",
        "amount, currency, payer, method, environment and names of a payment never change",
        "transaction_id",
        "user_id",
        "amount_minor",
        "currency",
        "method",
        "environment",
        "principal",
        "idempotency_key",
        "body_digest",
    ),
    Guard(
        "payments_payment_final",
        "payments_payment",
        "UPDATE",
        "OLD.status = 'completed' AND NEW.status <> 'completed'",
        "a completed payment stays completed",
    ),
    Guard(
        "payments_payment_reopened",
        "payments_payment",
        "UPDATE",
        "OLD.status = 'canceled' AND NEW.status NOT IN ('canceled', 'completed')",
        "a canceled payment can only be completed by money",
    ),
    Guard(
        "payments_payment_evidence",
        "payments_payment",
        "UPDATE",
        "OLD.status <> 'completed' AND NEW.status = 'completed' AND NEW.method = 'khqr'",
        "a KHQR payment is completed by a credited transfer only",
        and_lacks="SELECT 1 FROM payments_transfer t WHERE t.payment_id = NEW.id AND t.fate = 'credited'",
    ),
    kept("payments_attempt", "an attempt is never deleted: its QR may still be paid"),
    frozen(
        "payments_attempt",
        "the QR of an attempt, its receiver and its times never change",
        "payment_id",
        "number",
        "protocol",
        "qr_string",
        "md5",
        "handle",
        "receiver",
        "environment",
        "created_at",
        "expires_at",
    ),
    Guard(
        "payments_attempt_watched",
        "payments_attempt",
        "UPDATE",
        "NEW.watch_until < OLD.watch_until",
        "the watch of a QR is never cut short",
    ),
    kept("payments_transfer", "a transfer is never deleted"),
    frozen(
        "payments_transfer",
        "what Bakong reported never changes",
        "hash",
        "payment_id",
        "attempt_id",
        "environment",
        "raw",
        "tracking_status",
        "amount_text",
        "amount_minor",
        "currency",
        "from_account",
        "to_account",
        "sent_at",
        "asked_at",
    ),
    Guard(
        "payments_transfer_final",
        "payments_transfer",
        "UPDATE",
        "OLD.fate IN ('credited', 'extra', 'returned', 'written_off') AND NEW.fate <> OLD.fate",
        "a decided transfer stays decided",
    ),
    Guard(
        "payments_transfer_inbox",
        "payments_transfer",
        "UPDATE",
        "OLD.processed_at IS NOT NULL AND NEW.processed_at IS NULL",
        "a processed transfer does not return to the inbox",
    ),
    kept("payments_reviewitem", "a review item is never deleted"),
    Guard(
        "payments_reviewitem_final",
        "payments_reviewitem",
        "UPDATE",
        "OLD.decision <> '' AND (NEW.decision <> OLD.decision OR NEW.why <> OLD.why"
        " OR NEW.decided_by_id IS DISTINCT FROM OLD.decided_by_id"
        " OR NEW.bank_reference IS DISTINCT FROM OLD.bank_reference)",
        "a decision at the review desk stays as it was made",
    ),
    Guard(
        "payments_reviewitem_overtaken",
        "payments_reviewitem",
        "UPDATE",
        "NEW.decision = 'overtaken' AND OLD.decision = '' AND NOT EXISTS (SELECT 1 FROM payments_transfer t"
        " JOIN payments_payment p ON p.id = t.payment_id WHERE p.id = NEW.payment_id"
        " AND t.fate IN ('credited', 'extra')"
        " AND NEW.subject = 'claim:' || t.hash || ':' || p.transaction_id)",
        "a claim is overtaken when its own QR has brought the transfer",
    ),
    kept("payments_settingschange", "the trail of settings is never deleted"),
    Guard(
        "payments_settingschange_fixed",
        "payments_settingschange",
        "UPDATE",
        "1=1",
        "the trail of settings never changes",
    ),
    kept("payments_difference", "a difference that was seen is never deleted"),
    frozen(
        "payments_difference",
        "what was seen never changes; it is explained, once",
        "name",
        "environment",
        "kind",
        "subject",
        "expected",
        "seen",
        "found_at",
    ),
    Guard(
        "payments_difference_final",
        "payments_difference",
        "UPDATE",
        "OLD.explained_at IS NOT NULL AND (NEW.explained_at IS DISTINCT FROM OLD.explained_at"
        " OR NEW.why <> OLD.why OR NEW.explained_by_id IS DISTINCT FROM OLD.explained_by_id)",
        "an explanation stays as it was given",
    ),
    kept("payments_closingbalance", "a closing balance is never deleted: enter it again to correct it"),
    Guard(
        "payments_closingbalance_fixed",
        "payments_closingbalance",
        "UPDATE",
        "1=1",
        "a closing balance never changes: enter it again to correct it",
    ),
    kept("payments_statementline", "a line of a statement is never deleted"),
    frozen(
        "payments_statementline",
        "what a line of a statement says never changes",
        "statement_id",
        "environment",
        "receiver",
        "key",
        "occurrence",
        "at",
        "currency",
        "amount_minor",
        "reference",
        "hash",
    ),
    Guard(
        "payments_statementline_booked",
        "payments_statementline",
        "UPDATE",
        "(OLD.booked_at IS NOT NULL AND NEW.booked_at IS DISTINCT FROM OLD.booked_at)"
        " OR (OLD.fate IN ('matched', 'linked', 'written_off', 'out') AND NEW.fate <> OLD.fate)"
        " OR (OLD.transfer_id IS NOT NULL AND NEW.transfer_id IS DISTINCT FROM OLD.transfer_id)",
        "a line that was booked or decided stays so",
    ),
    *MONEY_BACK,
    *DEPOSITS,
    *RECEIVERS,
)

# INSERT OR REPLACE deletes the old row without firing delete triggers (tried on SQLite 3.40), so an
# insert that meets an existing row is refused before it can replace anything. A key is columns that
# are the same, or a condition of its own.
REPLACEABLE: tuple[tuple[str, tuple[tuple[str, ...] | str, ...]], ...] = (
    (
        "payments_payment",
        (("id",), ("transaction_id",), ("principal", "environment", "idempotency_key")),
    ),
    ("payments_attempt", (("id",), ("md5",), ("handle",), ("payment_id", "number"))),
    ("payments_transfer", (("id",), ("hash",))),
    (
        "payments_reviewitem",
        (("id",), ("subject",), ("transfer_id",), ("returned_hash",), ("bank_reference",)),
    ),
    ("payments_settingschange", (("id",),)),
    ("payments_difference", (("id",), ("environment", "name"))),
    ("payments_closingbalance", (("id",),)),
    (
        "payments_statementline",
        (("id",), ("environment", "key", "occurrence"), ("transfer_id",), ("item_id",)),
    ),
    *MONEY_BACK_REPLACEABLE,
    *DEPOSITS_REPLACEABLE,
    *RECEIVERS_REPLACEABLE,
)


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _statements(vendor: str) -> list[tuple[str, str, str]]:
    """Return (name, table, SQL that creates it) for each trigger of a dialect.

    S608: what is put together are our own constants above, never a value.
    """
    made: list[tuple[str, str, str]] = []
    if vendor == "sqlite":
        for guard in GUARDS:
            when = guard.when.replace("IS DISTINCT FROM", "IS NOT")
            if guard.and_lacks:
                when = f"({when}) AND NOT EXISTS ({guard.and_lacks})"
            made.append(
                (
                    guard.name,
                    guard.table,
                    f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} "
                    f"FOR EACH ROW WHEN {when} "
                    f"BEGIN SELECT RAISE(ABORT, {_quoted(guard.says)}); END",
                )
            )
        for table, keys in REPLACEABLE:
            same = " OR ".join(
                f"({key})"
                if isinstance(key, str)
                else "(" + " AND ".join(f"{column} = NEW.{column}" for column in key) + ")"
                for key in keys
            )
            made.append(
                (
                    f"{table}_replace",
                    table,
                    f"CREATE TRIGGER {table}_replace BEFORE INSERT ON {table} FOR EACH ROW "  # noqa: S608
                    f"WHEN EXISTS (SELECT 1 FROM {table} WHERE {same}) "
                    "BEGIN SELECT RAISE(ABORT, 'UNIQUE constraint failed: a row with this name exists'); END",
                )
            )
        return made
    for guard in GUARDS:
        row = "OLD" if guard.event == "DELETE" else "NEW"
        # A condition that looks only at the row is weighed by the trigger itself; the function, which costs,
        # is entered where other rows must be looked at.
        wait, when, inside = "", guard.when, "true"
        if guard.and_lacks:
            inside = f"NOT EXISTS ({guard.and_lacks})"
        elif "SELECT" in guard.when:
            when, inside = "true", guard.when
        if guard.locks is not None:
            table, column = guard.locks
            wait = f"PERFORM 1 FROM {table} WHERE id = NEW.{column} FOR NO KEY UPDATE; "
        made.append(
            (
                guard.name,
                guard.table,
                f"CREATE OR REPLACE FUNCTION {guard.name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ "
                f"BEGIN {wait}IF {inside} THEN "
                f"RAISE EXCEPTION {_quoted(guard.says)} USING ERRCODE = 'check_violation'; "
                f"END IF; RETURN {row}; END $guard$; "
                f"CREATE TRIGGER {guard.name} BEFORE {guard.event} ON {guard.table} "
                f"FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION {guard.name}()",
            )
        )
    for table in sorted({guard.table for guard in GUARDS if guard.event == "DELETE"}):
        name = f"{table}_truncate"
        made.append(
            (
                name,
                table,
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ "
                f"BEGIN RAISE EXCEPTION 'rows of {table} are never deleted' "
                "USING ERRCODE = 'check_violation'; END $guard$; "
                f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} "
                f"FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
            )
        )
    return made


def drop_guards(connection: BaseDatabaseWrapper) -> None:
    """Remove every trigger. Only test code and install_guards may call it."""
    with connection.cursor() as cursor:
        for name, table, _sql in _statements(connection.vendor):
            on = "" if connection.vendor == "sqlite" else f" ON {table}"
            cursor.execute(f"DROP TRIGGER IF EXISTS {name}{on}")


def install_guards(connection: BaseDatabaseWrapper) -> None:
    """Install every trigger anew; safe to repeat."""
    drop_guards(connection)
    with connection.cursor() as cursor:
        for _name, _table, sql in _statements(connection.vendor):
            cursor.execute(sql)


def standing_triggers(connection: BaseDatabaseWrapper) -> set[str]:
    """Return the names of the triggers that are there and not switched off."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")
        else:
            cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled <> 'D'")
        return {row[0] for row in cursor.fetchall()}


def missing_guards(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that should be there and are not (or are switched off)."""
    there = standing_triggers(connection)
    return [name for name, _table, _sql in _statements(connection.vendor) if name not in there]


def make_way(*, using: str, plan: Any = (), **_kwargs: Any) -> None:
    """Take the triggers down on SQLite before a migration of rows they name; connected to pre_migrate.

    SQLite changes a column by building the table anew, and refuses the renaming while any trigger
    names the table that is gone. They stand again when the migration is through.
    """
    connection = connections[using]
    touched = any(migration.app_label in ("payments", "wallet") for migration, _backwards in plan)
    if connection.vendor == "sqlite" and touched:
        drop_guards(connection)


def install_after_migrate(*, using: str, **_kwargs: Any) -> None:
    """Reinstall the triggers once all tables of payments exist; connected to post_migrate."""
    connection = connections[using]
    tables = set(connection.introspection.table_names())
    if {guard.table for guard in GUARDS} <= tables:
        install_guards(connection)

"""Payments and calls counted by day, so that the figures of a year cost what those of a week do.

Every payment that ends and every call that is answered adds a row beside itself, by trigger and in the same
commit; `merge` adds those rows up, one for each day and kind. The sum over the table is therefore right at
every moment, whoever wrote and however late: what comes after the day is over corrects that day. What is
under way (pending payments, calls without an answer) is never counted here; pages read it from its own rows.

`rebuild` counts everything anew from the rows. It may be repeated, and run while others write: both sides
are read as of one moment, and a row added after that moment stays beside the new sums.

Calls are kept by their milliseconds, which is a great many rows for a machine that asks for the sum of all
time every quarter of a minute: each merge leaves that sum besides, by steps (CallTotal). `calls_by_step`
adds what has come since.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Case, Count, F, IntegerField, Sum, Value, When

from vinflow.backoffice.days import day_of
from vinflow.backoffice.models import CallTally, CallTotal
from vinflow.payments.guards import standing_triggers
from vinflow.payments.models import Exchange
from vinflow.wallet.audit import one_moment

__all__ = [
    "ENDLESS",
    "LONG_AGO",
    "STEPS_MS",
    "StepSum",
    "after_migrate",
    "calls_by_step",
    "differences",
    "make_way",
    "merge",
    "missing_triggers",
    "rebuild",
    "tidy",
]

log = logging.getLogger(__name__)

PAYMENTS, CALLS, TOTALS = "backoffice_paymenttally", "backoffice_calltally", "backoffice_calltotal"
HANDLED = "backoffice_handled"
PAYMENT_KEY = "moment, day, environment, currency, status, late"
CALL_KEY = "day, environment, operation, stage, outcome, reason, milliseconds"
CALLS_KEPT = timedelta(days=45)  # the longest range a page shows, and half of it again
LONG_AGO = date(2000, 1, 1)  # one day for all calls that no page shows by day any more
VERIFIED_BACK = timedelta(days=2)
STEPS_MS = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 15_000, 30_000)
ENDLESS = 2**31 - 1  # the step of what took longer than the last of them


def _day(vendor: str, moment: str) -> str:
    """Return the SQL of the business day of a moment: Phnom Penh has been seven hours ahead since 1920."""
    if vendor == "postgresql":
        return f"({moment} AT TIME ZONE 'UTC' + INTERVAL '7 hours')::date"
    # To the whole second: SQLite rounds the rest to milliseconds, at times into the next day.
    return f"date(substr({moment}, 1, 19), '+7 hours')"


def _payment(vendor: str, row: str, sign: str, moment: str, source: str, when: str) -> str:
    """Return the statement that counts one payment, once more or once less."""
    at = {"opened": "created_at", "paid": "completed_at"}[moment]
    return (
        f"INSERT INTO {PAYMENTS} ({PAYMENT_KEY}, payments, minor, merged) "
        f"SELECT '{moment}', {_day(vendor, f'{row}.{at}')}, {row}.environment, {row}.currency, {row}.status, "
        f"{row}.completed_late, {sign}1, {sign}{row}.amount_minor, false{source} WHERE {when}"
    )


def _call(vendor: str, row: str, sign: str, when: str) -> str:
    return (
        f"INSERT INTO {CALLS} ({CALL_KEY}, calls, merged) "
        f"SELECT {_day(vendor, f'{row}.started_at')}, {row}.environment, {row}.operation, {row}.stage, "
        f"{row}.outcome, {row}.reason, COALESCE({row}.milliseconds, -1), {sign}1, false WHERE {when}"
    )


def _handled(items: str, when: str) -> str:
    """Return the statement that notes payments as handled by hand. items: where decided items are read."""
    return (
        f"INSERT INTO {HANDLED} (payment_id, environment, created_at) "  # noqa: S608 (names of ours)
        f"SELECT DISTINCT p.id, p.environment, p.created_at FROM payments_payment p{items} WHERE {when} "
        "ON CONFLICT (payment_id) DO NOTHING"
    )


def _bodies(vendor: str) -> dict[tuple[str, str], list[str]]:
    """Return what each trigger does, by (table, event)."""
    payment_new = [
        _payment(vendor, "NEW", "", "opened", "", "NEW.status <> 'pending'"),
        _payment(vendor, "NEW", "", "paid", "", "NEW.completed_at IS NOT NULL"),
    ]
    payment_old = [
        _payment(vendor, "OLD", "-", "opened", "", "OLD.status <> 'pending'"),
        _payment(vendor, "OLD", "-", "paid", "", "OLD.completed_at IS NOT NULL"),
    ]
    call_new = [_call(vendor, "NEW", "", "NEW.stage <> 'started'")]
    call_old = [_call(vendor, "OLD", "-", "OLD.stage <> 'started'")]
    decided = [_handled("", "p.id = NEW.payment_id AND NEW.decision <> ''")]
    return {
        ("payments_reviewitem", "INSERT"): decided,
        ("payments_reviewitem", "UPDATE OF decision, payment_id"): decided,
        ("payments_payment", "INSERT"): payment_new,
        ("payments_payment", "UPDATE OF status, completed_late, completed_at"): payment_old + payment_new,
        ("payments_exchange", "INSERT"): call_new,
        ("payments_exchange", "UPDATE OF stage, outcome, reason, milliseconds"): call_old + call_new,
    }


def _triggers(vendor: str) -> Iterator[tuple[str, str, str]]:
    """Yield (name, table, SQL) of each trigger."""
    for (table, event), body in _bodies(vendor).items():
        name = f"tally_{table}_{event.split()[0].lower()}"
        text = "; ".join(body)
        if vendor == "postgresql":
            yield (
                name,
                table,
                f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $tally$ "
                f"BEGIN {text}; RETURN NULL; END $tally$; DROP TRIGGER IF EXISTS {name} ON {table}; "
                f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
            )
        else:
            yield (
                name,
                table,
                f"CREATE TRIGGER {name} AFTER {event} ON {table} FOR EACH ROW BEGIN {text}; END",
            )


def make_way(*, using: str, plan: Any = (), **_rest: Any) -> None:
    """Take the triggers down on SQLite before a migration of what they name; connected to pre_migrate.

    SQLite changes a column by building the table anew, and refuses while a trigger elsewhere names the one
    that is gone. after_migrate puts them back and counts anew.
    """
    connection = connections[using]
    named = {"payments", "backoffice"}
    if connection.vendor == "sqlite" and any(migration.app_label in named for migration, _ in plan):
        with connection.cursor() as cursor:
            for name, _table, _sql in _triggers(connection.vendor):
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")


def missing_triggers(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the names of triggers that should count and are not there (or are switched off)."""
    there = standing_triggers(connection)
    return [name for name, _table, _sql in _triggers(connection.vendor) if name not in there]


def after_migrate(*, using: str, **_rest: Any) -> None:
    """Install what counts where it is missing, and count what happened without it; on post_migrate.

    SQLite drops the triggers of a table that a migration rebuilds; a new shop has none yet.
    """
    connection = connections[using]
    ours = {PAYMENTS, CALLS, TOTALS, HANDLED}
    if not ours | {table for table, _event in _bodies("")} <= set(connection.introspection.table_names()):
        return
    missing = missing_triggers(connection)
    if not missing:
        if not CallTotal.objects.using(using).exists():  # a shop from before there were totals
            with _alone(connection) as cursor:
                _total(cursor)
        return
    with transaction.atomic(using=using), connection.cursor() as cursor:
        for name, _table, sql in _triggers(connection.vendor):
            if name in missing:
                cursor.execute(sql)
    rebuild(using=using)


@contextmanager
def _alone(connection: BaseDatabaseWrapper) -> Iterator[Any]:
    """A transaction that sees one moment and shares the tallies' upkeep with nobody; writers go on."""
    if connection.in_atomic_block or connection.vendor != "postgresql":
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            yield cursor
        return
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        # Keeps a second merge out and no INSERT; taken before anything is read, so the moment is after it.
        cursor.execute(f"LOCK TABLE {PAYMENTS}, {CALLS} IN SHARE UPDATE EXCLUSIVE MODE")
        yield cursor


def _add(table: str, key: str, sums: tuple[str, ...], where: str, *, day: str = "day") -> str:
    """Return the statement that adds rows up into merged ones; day: SQL of another day to add them to."""
    added = ", ".join(f"SUM({name})" for name in sums)
    grown = ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in sums)
    group = key if day == "day" else key.removeprefix("day, ")
    return (
        f"INSERT INTO {table} ({key}, {', '.join(sums)}, merged) "  # noqa: S608 (names of ours)
        f"SELECT {key.replace('day', day, 1)}, {added}, true FROM {table} WHERE {where} GROUP BY {group} "
        f"ON CONFLICT ({key}) WHERE merged DO UPDATE SET {grown}"
    )


def merge(*, at: datetime, using: str = DEFAULT_DB_ALIAS) -> None:
    """Add up what has come since the last time; sums stay what they were. Safe to repeat."""
    connection = connections[using]
    before = (day_of(at) - CALLS_KEPT).isoformat()
    with _alone(connection) as cursor:
        cursor.execute(_add(PAYMENTS, PAYMENT_KEY, ("payments", "minor"), "NOT merged"))
        cursor.execute(f"DELETE FROM {PAYMENTS} WHERE NOT merged OR payments = 0")  # noqa: S608
        cursor.execute(_add(CALLS, CALL_KEY, ("calls",), "NOT merged"))
        cursor.execute(f"DELETE FROM {CALLS} WHERE NOT merged OR calls = 0")  # noqa: S608
        # No page shows these by day any more: one row for each word and each number of milliseconds.
        long_ago = f"CAST('{LONG_AGO}' AS date)" if connection.vendor == "postgresql" else f"'{LONG_AGO}'"
        old = f"day < '{before}' AND day <> '{LONG_AGO}'"
        cursor.execute(_add(CALLS, CALL_KEY, ("calls",), old, day=long_ago))
        cursor.execute(f"DELETE FROM {CALLS} WHERE {old}")  # noqa: S608
        _total(cursor)


def _total(cursor: Any) -> None:
    """Make the totals of all calls anew from the merged tallies; what is not merged is read beside them."""
    steps = " ".join(f"WHEN milliseconds <= {limit} THEN {limit}" for limit in STEPS_MS)
    step = f"CASE WHEN milliseconds < 0 THEN -1 {steps} ELSE {ENDLESS} END"
    word = "CASE WHEN outcome = '' THEN stage ELSE outcome END"
    cursor.execute(f"DELETE FROM {TOTALS}")  # noqa: S608
    cursor.execute(
        f"INSERT INTO {TOTALS} (environment, operation, outcome, reason, step, calls, milliseconds) "  # noqa: S608
        f"SELECT environment, operation, {word}, reason, {step}, SUM(calls), "
        "SUM(CASE WHEN milliseconds < 0 THEN 0 ELSE milliseconds * calls END) "
        f"FROM {CALLS} WHERE merged GROUP BY environment, operation, {word}, reason, {step}"
    )


class StepSum(NamedTuple):
    """Calls of one word that took no longer than one step, and longer than the one before."""

    operation: str
    outcome: str
    reason: str
    step: int
    calls: int
    milliseconds: int


def calls_by_step(environment: str) -> list[StepSum]:
    """Return every call ever made in an environment, summed by words and steps; one query, of one moment.

    A call under way has the outcome "started" and, as one that was lost, the step -1.
    """
    key = ("operation", "word", "reason", "step")
    word = Case(When(outcome="", then=F("stage")), default=F("outcome"))
    step = Case(
        When(milliseconds__lt=0, then=Value(-1)),
        *(When(milliseconds__lte=limit, then=Value(limit)) for limit in STEPS_MS),
        default=Value(ENDLESS),
        output_field=IntegerField(),
    )
    took = Case(When(milliseconds__lt=0, then=Value(0)), default=F("milliseconds") * F("calls"))
    total = CallTotal.objects.filter(environment=environment).annotate(
        word=F("outcome"), n=F("calls"), took=F("milliseconds")
    )
    fresh = (
        CallTally.objects.filter(environment=environment, merged=False)
        .annotate(word=word, step=step)
        .values(*key)
        .annotate(n=Sum("calls"), took=Sum(took))
    )
    under_way = (
        Exchange.objects.filter(environment=environment, stage=Exchange.Stage.STARTED)
        .annotate(word=F("stage"), step=Value(-1))
        .values(*key)
        .annotate(n=Count("pk"), took=Value(0))
    )
    parts = [rows.order_by().values_list(*key, "n", "took") for rows in (total, fresh, under_way)]
    return [
        StepSum(operation, said, reason, until, int(n), int(ms))
        for operation, said, reason, until, n, ms in parts[0].union(*parts[1:], all=True)
    ]


def _counted(vendor: str, bounds: str = "") -> Iterator[tuple[str, str]]:
    """Yield (table, SELECT) of what the rows themselves say, by the key of each tally.

    bounds: a condition on the moment, written with the word MOMENT.
    """
    for moment, at, ended in (
        ("opened", "created_at", "status <> 'pending'"),
        ("paid", "completed_at", "completed_at IS NOT NULL"),
    ):
        within = bounds.replace("MOMENT", at)
        yield (
            PAYMENTS,
            f"SELECT '{moment}', {_day(vendor, at)}, environment, currency, status, completed_late, "  # noqa: S608
            f"COUNT(*), SUM(amount_minor) FROM payments_payment WHERE {ended}{within} "
            f"GROUP BY {_day(vendor, at)}, environment, currency, status, completed_late",
        )
    yield (
        CALLS,
        f"SELECT {_day(vendor, 'started_at')}, environment, operation, stage, outcome, reason, "  # noqa: S608
        f"COALESCE(milliseconds, -1), COUNT(*) FROM payments_exchange WHERE stage <> 'started'"
        f"{bounds.replace('MOMENT', 'started_at')} GROUP BY {_day(vendor, 'started_at')}, environment, "
        "operation, stage, outcome, reason, COALESCE(milliseconds, -1)",
    )


def rebuild(*, using: str = DEFAULT_DB_ALIAS) -> None:
    """Count everything anew from the rows, in place of whatever the tallies held. Safe to repeat.

    What a person decided is final, so of the payments handled by hand only those missing are noted.
    """
    connection = connections[using]
    with connection.cursor() as cursor:
        cursor.execute(_handled(" JOIN payments_reviewitem i ON i.payment_id = p.id", "i.decision <> ''"))
    with _alone(connection) as cursor:
        cursor.execute(f"DELETE FROM {PAYMENTS}")  # noqa: S608
        cursor.execute(f"DELETE FROM {CALLS}")  # noqa: S608
        for table, select in _counted(connection.vendor):
            names = f"{PAYMENT_KEY}, payments, minor" if table == PAYMENTS else f"{CALL_KEY}, calls"
            cursor.execute(
                f"INSERT INTO {table} ({names}, merged) "  # noqa: S608 (names of ours)
                f"SELECT counted.*, true FROM ({select}) AS counted"
            )
        _total(cursor)


def differences(day: date, *, using: str = DEFAULT_DB_ALIAS) -> int:
    """Return how many sums of one business day differ between the tallies and the rows; 0 is as it should be.

    Reads that day alone. For calls the day must still be kept by day.
    """
    connection = connections[using]
    start = datetime.combine(day, datetime.min.time()) - timedelta(hours=7)
    end = start + timedelta(days=1)
    zone = "+00" if connection.vendor == "postgresql" else ""
    bounds = f" AND MOMENT >= '{start}{zone}' AND MOMENT < '{end}{zone}'"
    wrong = 0
    with one_moment(connection), connection.cursor() as cursor:
        found: dict[str, set[tuple[Any, ...]]] = {PAYMENTS: set(), CALLS: set()}
        for table, select in _counted(connection.vendor, bounds):
            cursor.execute(select)
            found[table] |= {_plain(row) for row in cursor.fetchall()}
        for table, key, sums in (
            (PAYMENTS, PAYMENT_KEY, "SUM(payments), SUM(minor)"),
            (CALLS, CALL_KEY, "SUM(calls)"),
        ):
            count = sums.partition(",")[0]
            cursor.execute(
                f"SELECT {key}, {sums} FROM {table} WHERE day = '{day}' "  # noqa: S608 (a date of ours)
                f"GROUP BY {key} HAVING {count} <> 0"
            )
            wrong += len({_plain(row) for row in cursor.fetchall()} ^ found[table])
    return wrong


def _plain(row: tuple[Any, ...]) -> tuple[str, ...]:
    """Return a row as texts: the two databases differ in how they hand over dates, truth and sums."""
    return tuple(str(int(cell)) if isinstance(cell, bool) else str(cell) for cell in row)


def tidy(at: datetime) -> None:
    """Merge, and look whether the day before yesterday still adds up; count anew where it does not."""
    merge(at=at)
    day = day_of(at) - VERIFIED_BACK
    if wrong := differences(day):
        log.critical("the figures of %s differ from the rows in %s sums: counted anew", day, wrong)
        rebuild()

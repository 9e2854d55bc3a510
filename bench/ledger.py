"""The ledger's speed: statements and time of a posting, audits of two sizes, balances on long wallets.

    python -m bench.ledger                       SQLite in a scratch file; 10^5 and 10^6 lines
    python -m bench.ledger --url postgresql://root@127.0.0.1/postgres
    python -m bench.ledger --small 10000 --large 100000 --json

The lines are real postings' rows, hashes and all, only written in bulk: post() itself is timed apart. What
counts are the ratios within one run: an audit of ten times the lines at most 11 times as long, a balance and
a first page on a long wallet at most 1.5 times those on a short one. Each figure is the median of its
rounds, the sizes taken in turn, with the least and the most.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
CHUNK = 5_000
AUDIT_RATIO_MAX, PAGE_RATIO_MAX, STATEMENTS_MAX = 11.0, 1.5, 6


def database(url: str, folder: Path, name: str) -> dict[str, Any]:
    """Return Django's settings of a database that this run makes and drops."""
    if not url:
        return {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / f"{name}.unused"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
            "TEST": {"NAME": str(folder / f"{name}.sqlite3")},
        }
    parts = urlsplit(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": parts.hostname or "",
        "PORT": parts.port or "",
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "NAME": parts.path.lstrip("/") or "postgres",
        "TEST": {"NAME": name},
    }


def configure(url: str, folder: Path) -> None:
    """Set Django up with the wallet alone, on two databases: one for each size."""
    import django
    from django.conf import settings

    databases = {
        "default": database(url, folder, "vinflow_bench_ledger_small"),
        "large": database(url, folder, "vinflow_bench_ledger_large"),
    }
    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        DATABASES=databases,
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "vinflow.wallet.apps.WalletConfig",
        ],
        VINFLOW_LEDGER_KEY="a key for a benchmark, of no other use",
    )
    django.setup()


def fill(lines: int, wallets: int, *, first_user: int, using: str) -> None:
    """Write so many lines (two an entry) on so many wallets in bulk, as post() would have written them."""
    from django.contrib.auth import get_user_model
    from django.db import connections, transaction

    from vinflow.money import Currency
    from vinflow.wallet.accounts import lock_accounts
    from vinflow.wallet.entries import bakong_ref, user_ref
    from vinflow.wallet.models import Account, JournalEntry
    from vinflow.wallet.testing import suspended_guards

    user_model = get_user_model()
    user_model.objects.using(using).bulk_create(
        [user_model(pk=first_user + n, username=f"bench{first_user + n}") for n in range(wallets)]
    )
    refs = [user_ref(first_user + n, "sandbox") for n in range(wallets)]
    keys = [(ref, Currency.USD) for ref in (bakong_ref("shop@bank", "sandbox"), *refs)]
    accounts: dict[Any, Any] = {}
    with transaction.atomic(using=using):
        for start in range(0, len(keys), 200):
            accounts |= lock_accounts(keys[start : start + 200], using=using)
    last = JournalEntry.objects.using(using).order_by("-pk").values_list("pk", flat=True).first() or 0
    with suspended_guards(connections[using]):  # one by one they would take most of the run; the audit judges
        for start in range(0, lines // 2, CHUNK):
            numbers = range(start, min(start + CHUNK, lines // 2))
            with transaction.atomic(using=using):
                write_entries(numbers, refs, accounts, last=last, using=using)
        moved = [account for account in accounts.values() if account.is_wallet]
        fields = ["balance_minor", "last_seq", "last_hash"]
        Account.objects.using(using).bulk_update(moved, fields, batch_size=200)
    if lines:
        advance_sequence(last + lines // 2, using=using)


def write_entries(
    numbers: range, refs: list[Any], accounts: dict[Any, Any], *, last: int, using: str
) -> None:
    """Write the entries of these numbers, one top-up of a wallet each, in turn."""
    from vinflow.money import Currency, Money
    from vinflow.wallet.entries import Entry, bakong_ref, credit, debit
    from vinflow.wallet.models import JournalEntry, JournalLine, Seal
    from vinflow.wallet.posting import chain_lines, plan_lines

    bank = bakong_ref("shop@bank", "sandbox")
    entries, rows, seals = [], [], []
    for number in numbers:
        money = Money(100 + number % 900, Currency.USD)
        wallet = refs[number % len(refs)]
        entry = Entry(
            f"payment:{refs[0].key}:{number}", "credited", (debit(bank, money), credit(wallet, money))
        )
        pk = last + 1 + number
        row = JournalEntry(
            pk=pk,
            seal_id=pk,
            source=entry.source,
            purpose=entry.purpose,
            body_hash=entry.body_hash(),
            environment="sandbox",
            posted_at=AT,
            business_date=(AT + timedelta(hours=7)).date(),
        )
        planned = plan_lines(entry, accounts)
        chain_lines(row, planned)
        entries.append(row)
        rows += planned
        seals.append(Seal(pk=pk, line_count=2))
    insert(JournalEntry, entries, using=using)
    insert(JournalLine, rows, using=using)
    insert(Seal, seals, using=using)


def insert(model: Any, made: list[Any], *, using: str) -> None:
    """Write rows by one prepared statement: bulk_create() spends most of a filling on composing its SQL."""
    from django.db import connections

    if not made:
        return
    connection = connections[using]
    # An automatic key is None in all of them; what is None in some (a house account's line) is written.
    fields = [
        field
        for field in model._meta.concrete_fields
        if any(getattr(one, field.attname) is not None for one in made)
    ]
    names = ", ".join(connection.ops.quote_name(field.column) for field in fields)
    holes = ", ".join(["%s"] * len(fields))
    rows = [
        [field.get_db_prep_save(getattr(one, field.attname), connection=connection) for field in fields]
        for one in made
    ]
    with connection.cursor() as cursor:
        cursor.executemany(f"INSERT INTO {model._meta.db_table} ({names}) VALUES ({holes})", rows)


def advance_sequence(entry_id: int, *, using: str) -> None:
    """Let PostgreSQL go on counting after the ids that were written by hand."""
    from django.db import connections

    connection = connections[using]
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT setval(pg_get_serial_sequence('wallet_journalentry', 'id'), %s)", [entry_id]
            )
            cursor.execute("ANALYZE")


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds it took."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spread(seconds: list[float]) -> dict[str, float]:
    """Return median, least and most in milliseconds."""
    return {
        "median_ms": round(statistics.median(seconds) * 1000, 3),
        "least_ms": round(min(seconds) * 1000, 3),
        "most_ms": round(max(seconds) * 1000, 3),
    }


def measure_posting(rounds: int) -> Iterator[tuple[str, Any]]:
    """Yield statements of one posting and the time of postings one after the other."""
    from django.contrib.auth import get_user_model
    from django.db import connection, transaction
    from django.test.utils import CaptureQueriesContext

    from vinflow.money import Currency, Money
    from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, user_ref
    from vinflow.wallet.posting import post

    user = get_user_model().objects.create(username="poster")
    bank, wallet, money = (
        bakong_ref("shop@bank", "sandbox"),
        user_ref(user.pk, "sandbox"),
        Money(5, Currency.USD),
    )

    def one(number: int) -> None:
        with transaction.atomic():
            post(Entry(f"posting:{number}", "credited", (debit(bank, money), credit(wallet, money))), at=AT)

    one(-1)
    with transaction.atomic(), CaptureQueriesContext(connection) as counted:
        post(Entry("posting:counted", "credited", (debit(bank, money), credit(wallet, money))), at=AT)
    yield "statements", len(counted)
    yield "posting", spread([timed(lambda n=n: one(n)) for n in range(rounds)])


def measure_pages(short_user: int, long_user: int, rounds: int) -> dict[str, Any]:
    """Return what a balance and a first page cost on a short and on a long wallet, taken in turn."""
    from django.contrib.auth import get_user_model

    from vinflow.money import Currency
    from vinflow.wallet import queries

    users = {name: get_user_model()(pk=pk) for name, pk in (("short", short_user), ("long", long_user))}
    works: dict[str, Callable[[Any], object]] = {
        "balance": lambda user: queries.balances(user, "sandbox"),
        # Ten rows of either: what is compared is the wallet's length, not the page's.
        "page": lambda user: queries.statement(user, Currency.USD, "sandbox", limit=10),
    }
    figures: dict[str, Any] = {}
    for name, work in works.items():
        taken: dict[str, list[float]] = {"short": [], "long": []}
        for user in users.values():
            work(user)
        for _ in range(rounds):
            for length, user in users.items():
                taken[length].append(timed(lambda user=user, work=work: work(user)))
        figures[name] = {length: spread(seconds) for length, seconds in taken.items()}
        figures[name]["ratio"] = round(
            statistics.median(taken["long"]) / statistics.median(taken["short"]), 2
        )
    return figures


def run(small: int, large: int, rounds: int) -> dict[str, Any]:
    """Return all figures; the audits of the two sizes are taken in turn."""
    from vinflow.wallet.audit import audit
    from vinflow.wallet.sealing import seal_blocks

    sizes = {"default": small, "large": large}
    figures: dict[str, Any] = {"audit": {}}
    for using, lines in sizes.items():
        filled = timed(lambda using=using, lines=lines: fill(lines, 1_000, first_user=10_000, using=using))
        sealed = timed(lambda using=using: seal_blocks(at=AT, using=using))
        figures["audit"][str(lines)] = {"fill_s": round(filled, 1), "seal_s": round(sealed, 1)}
    taken: dict[str, list[float]] = {using: [] for using in sizes}
    for _ in range(rounds):
        for using, lines in sizes.items():
            started = time.perf_counter()
            report = audit(using=using)
            taken[using].append(time.perf_counter() - started)
            if not report.is_clean or (report.lines, report.unsealed) != (lines, 0):
                raise SystemExit(f"the audit of {lines} lines is wrong: {report}")
    for using, lines in sizes.items():
        figures["audit"][str(lines)] |= spread(taken[using])
    # Each round's own ratio, for a machine that is busier now than a minute ago.
    ratios = [long / short * small * 10 / large for short, long in zip(*taken.values(), strict=True)]
    figures["audit_ratio_for_ten_times_the_lines"] = {
        "median": round(statistics.median(ratios), 2),
        "least": round(min(ratios), 2),
        "most": round(max(ratios), 2),
    }
    figures |= dict(measure_posting(300))
    fill(20, 1, first_user=1_000, using="default")
    fill(min(small, 100_000) * 2, 1, first_user=2_000, using="default")
    figures["wallet"] = measure_pages(1_000, 2_000, 200)
    return figures


def misses(figures: dict[str, Any]) -> list[str]:
    """Return what is slower than it may be."""
    found = []
    if figures["statements"] > STATEMENTS_MAX:
        found.append(f"a posting takes {figures['statements']} statements")
    ratio = figures["audit_ratio_for_ten_times_the_lines"]["median"]
    if ratio > AUDIT_RATIO_MAX:
        found.append(f"ten times the lines take {ratio} times as long")
    found += [
        f"a {name} on a long wallet takes {figures['wallet'][name]['ratio']} times as long"
        for name in ("balance", "page")
        if figures["wallet"][name]["ratio"] > PAGE_RATIO_MAX
    ]
    return found


def main() -> int:
    """Print the figures; 1 when a limit is passed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="", help="a PostgreSQL server where a database may be made")
    parser.add_argument("--small", type=int, default=100_000, help="lines of the smaller audit")
    parser.add_argument("--large", type=int, default=1_000_000, help="lines of the larger audit")
    parser.add_argument("--rounds", type=int, default=3, help="audits of each size")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vinflow-bench-") as folder:
        configure(options.url, Path(folder))
        from django.db import connection
        from django.test.utils import setup_databases, teardown_databases

        databases = setup_databases(verbosity=0, interactive=False)
        try:
            figures = run(options.small, options.large, options.rounds)
            figures["database"] = f"{connection.vendor} {server_version(connection)}"
        finally:
            teardown_databases(databases, verbosity=0)
    figures["python"] = platform.python_version()
    figures["cores"] = os.cpu_count()
    print(json.dumps(figures, indent=2))
    for miss in (found := misses(figures)):
        print(f"too slow: {miss}", file=sys.stderr)
    return 1 if found else 0


def server_version(connection: Any) -> str:
    """Return the version of the database."""
    sql = "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version"
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return str(cursor.fetchone()[0])


if __name__ == "__main__":
    sys.exit(main())

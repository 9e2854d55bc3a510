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


def configure(url: str, folder: Path) -> None:
    """Set Django up with the wallet alone, on a database of its own that is made and dropped here."""
    import django
    from django.conf import settings

    if url:
        parts = urlsplit(url)
        database: dict[str, Any] = {
            "ENGINE": "django.db.backends.postgresql",
            "HOST": parts.hostname or "",
            "PORT": parts.port or "",
            "USER": parts.username or "",
            "PASSWORD": parts.password or "",
            "NAME": parts.path.lstrip("/") or "postgres",
            "TEST": {"NAME": "vinflow_bench_ledger"},
        }
    else:
        database = {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": str(folder / "ledger.sqlite3"),
            "OPTIONS": {
                "transaction_mode": "IMMEDIATE",
                "timeout": 20,
                "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL",
            },
            "TEST": {"NAME": str(folder / "bench.sqlite3")},
        }
    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        DATABASES={"default": database},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "vinflow.wallet.apps.WalletConfig",
        ],
        VINFLOW_LEDGER_KEY="a key for a benchmark, of no other use",
    )
    django.setup()


def fill(lines: int, wallets: int, *, first_user: int) -> None:
    """Write so many lines (two an entry) on so many wallets in bulk, as post() would have written them."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    from vinflow.money import Currency, Money
    from vinflow.wallet.accounts import lock_accounts
    from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, user_ref
    from vinflow.wallet.models import JournalEntry, JournalLine, Seal
    from vinflow.wallet.posting import chain_lines, plan_lines

    user_model = get_user_model()
    user_model.objects.bulk_create(
        [user_model(pk=first_user + n, username=f"bench{first_user + n}") for n in range(wallets)]
    )
    bank = bakong_ref("shop@bank", "sandbox")
    refs = [user_ref(first_user + n, "sandbox") for n in range(wallets)]
    with transaction.atomic():
        accounts: dict[Any, Any] = {}
        for start in range(0, wallets, 200):
            accounts |= lock_accounts([(ref, Currency.USD) for ref in refs[start : start + 200]])
        accounts |= lock_accounts([(bank, Currency.USD)])
    last = JournalEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    # PostgreSQL walks every version of a row that the running transaction left behind: few at a time.
    chunk = max(200, min(CHUNK, wallets * 10))
    for start in range(0, lines // 2, chunk):
        entries, rows, seals = [], [], []
        for number in range(start, min(start + chunk, lines // 2)):
            money = Money(100 + number % 900, Currency.USD)
            entry = Entry(
                f"payment:{first_user}:{number}",
                "credited",
                (debit(bank, money), credit(refs[number % wallets], money)),
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
        with transaction.atomic():
            JournalEntry.objects.bulk_create(entries)
            JournalLine.objects.bulk_create(rows)
            Seal.objects.bulk_create(seals)
    if lines:
        advance_sequence(last + lines // 2)


def advance_sequence(entry_id: int) -> None:
    """Let PostgreSQL go on counting after the ids that were written by hand."""
    from django.db import connection

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
    """Return all figures. The books grow from the small to the large size; audits are timed at both."""
    from django.db import connection

    from vinflow.wallet.audit import audit
    from vinflow.wallet.sealing import seal_blocks

    figures: dict[str, Any] = dict(measure_posting(300))
    fill(20, 1, first_user=1_000)
    fill(min(small, 100_000) * 2, 1, first_user=2_000)  # one wallet of that many lines of its own
    figures["wallet"] = measure_pages(1_000, 2_000, 200)

    sizes: dict[str, Any] = {}
    clear(connection)
    done = 0
    for size in (small, large):
        filled = timed(lambda size=size, done=done: fill(size - done, 1_000, first_user=10_000 + done))
        sealed = timed(lambda: seal_blocks(at=AT))
        done = size
        taken = []
        for _ in range(rounds):
            started = time.perf_counter()
            report = audit()
            taken.append(time.perf_counter() - started)
            if not report.is_clean or report.lines != size:
                raise SystemExit(f"the audit of {size} lines is wrong: {report.problems[:3]}, {report.lines}")
        sizes[str(size)] = spread(taken) | {"fill_s": round(filled, 1), "seal_s": round(sealed, 1)}
        sizes[str(size)]["seconds"] = taken
    figures["audit"] = sizes
    ratio = statistics.median(sizes[str(large)].pop("seconds")) / statistics.median(
        sizes[str(small)].pop("seconds")
    )
    figures["audit_ratio"] = round(ratio, 2)
    figures["audit_ratio_per_line"] = round(ratio / (large / small), 2)
    return figures


def clear(connection: Any) -> None:
    """Empty the books between two parts of the run."""
    from django.core.management import call_command

    from vinflow.wallet.testing import allow_flush

    allow_flush()
    call_command("flush", interactive=False, verbosity=0)


def misses(figures: dict[str, Any]) -> list[str]:
    """Return what is slower than it may be."""
    found = []
    if figures["statements"] > STATEMENTS_MAX:
        found.append(f"a posting takes {figures['statements']} statements")
    if figures["audit_ratio_per_line"] > AUDIT_RATIO_MAX / 10:
        found.append(f"ten times the lines take {figures['audit_ratio_per_line'] * 10:.1f} times as long")
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

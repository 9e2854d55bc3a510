"""Settlement on PostgreSQL, beside pgbench in the same run: `python -m bench.settlement [--json]`.

Credits a second with four workers against `pgbench -N` with four clients, as it comes (statements as
text) and with `-M prepared`, which is the harder rival: our credits are prepared too; statements of one
credit; claiming due attempts among a million rows and among ten thousand; statements and buffers of a
credit as the tables grow. Needs PostgreSQL's own programs; starts its scratch cluster itself unless
TEST_DATABASE_URL is given. Figures are medians of interleaved rounds with their spread.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import platform
import secrets
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

os.environ["TEST_DATABASE"] = "postgres"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django
from scripts.postgres import find_initdb, scratch_cluster

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
WORKERS = 4


def prepare() -> str:
    """Create a database of this bench's own; return its address."""
    django.setup()
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    name = "vinflow_bench_settlement"
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    call_command("migrate", verbosity=0)
    return name


def people(count: int) -> list[int]:
    """Make payers; return their keys."""
    from django.contrib.auth import get_user_model

    users = get_user_model()
    users.objects.bulk_create(users(username=f"payer{secrets.token_hex(6)}") for _ in range(count))
    return list(users.objects.order_by("-pk").values_list("pk", flat=True)[:count])


def paid_payments(count: int, users: list[int], *, stored: bool) -> list[int]:
    """Insert pending payments with their QRs, and with a stored Found each; return the transfers' keys."""
    from vinflow.payments.models import Attempt, Payment, Transfer

    made: list[int] = []
    for start in range(0, count, 5000):
        size = min(5000, count - start)
        payments = Payment.objects.bulk_create(
            Payment(
                user_id=users[n % len(users)],
                amount_minor=100,
                currency="USD",
                environment="sandbox",
                principal=f"user:{users[n % len(users)]}",
                idempotency_key=secrets.token_hex(8),
                body_digest="",
                created_at=AT,
            )
            for n in range(size)
        )
        attempts = Attempt.objects.bulk_create(
            Attempt(
                payment=payment,
                protocol="open-api",
                qr_string="x" * 200,
                md5=(md5 := secrets.token_hex(16)),
                handle=md5,
                receiver="vinflow_test@devb",
                merchant_name="VinFlow",
                environment="sandbox",
                created_at=AT,
                expires_at=AT + timedelta(minutes=10),
                last_check_at=AT + timedelta(minutes=12),
                watch_until=AT + timedelta(days=1),
                next_check_at=None if stored else AT + timedelta(days=2),
            )
            for payment in payments
        )
        if stored:
            rows = Transfer.objects.bulk_create(
                Transfer(
                    hash=secrets.token_hex(32),
                    attempt=attempt,
                    payment=attempt.payment,
                    environment="sandbox",
                    amount_text="1.0",
                    amount_minor=100,
                    currency="USD",
                    to_account="vinflow_test@devb",
                    sent_at=AT + timedelta(minutes=1),
                    raw={},
                    asked_at=AT + timedelta(minutes=2),
                    stored_at=AT + timedelta(minutes=2),
                )
                for attempt in attempts
            )
            made += [row.pk for row in rows]
    return made


def credit_all(job: tuple[str, list[int]]) -> float:
    """Credit transfers one by one in this process; return the seconds it took."""
    name, keys = job
    django.setup()
    from django.conf import settings
    from django.db import connection

    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    connection.close()
    from vinflow.payments.crediting import credit_transfer

    credit_transfer(transfer_id=keys[0], late=False, at=AT)  # connections and caches are warm after this one
    began = time.perf_counter()
    for key in keys[1:]:
        credit_transfer(transfer_id=key, late=False, at=AT)
    return time.perf_counter() - began


def credits_a_second(name: str, users: list[int], count: int) -> float:
    """Return credits a second of four processes working side by side."""
    from django.db import connection

    keys = paid_payments(count, users, stored=True)
    connection.close()
    shares = [(name, keys[n::WORKERS]) for n in range(WORKERS)]
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        took = max(pool.map(credit_all, shares))
    return count / took


def pgbench(name: str, seconds: int, *, prepared: bool = False, create: bool = False) -> float:
    """Return transactions a second of `pgbench -N` with four clients."""
    url = urlsplit(os.environ["TEST_DATABASE_URL"])
    where = ["-h", url.hostname or "127.0.0.1", "-p", str(url.port or 5432), "-U", url.username or "postgres"]
    program = str(find_initdb().with_name("pgbench"))
    if create:
        subprocess.run([program, *where, "-i", "-q", "-s", "20", name], check=True, capture_output=True)
    done = subprocess.run(
        [
            *(program, *where, "-N", "-M", "prepared" if prepared else "simple"),
            *("-c", "4", "-j", "2", "-T", str(seconds), name),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    line = next(line for line in done.stdout.splitlines() if line.startswith("tps"))
    return float(line.split("=")[1].split()[0])


def statements(users: list[int]) -> int:
    """Return how many statements one credit takes, from BEGIN to COMMIT excluded."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from vinflow.payments.crediting import credit_transfer

    first, second = paid_payments(2, users, stored=True)
    credit_transfer(transfer_id=first, late=False, at=AT)
    with CaptureQueriesContext(connection) as seen:
        credit_transfer(transfer_id=second, late=False, at=AT)
    return sum(not query["sql"].startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")) for query in seen)


def buffers_of_a_credit(users: list[int]) -> int:
    """Return blocks read or hit by one credit, by PostgreSQL's own counters for the database."""
    from django.db import connection

    from vinflow.payments.crediting import credit_transfer

    def blocks() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_stat_force_next_flush()")
            cursor.execute(
                "SELECT sum(heap_blks_read + heap_blks_hit + coalesce(idx_blks_read, 0)"
                " + coalesce(idx_blks_hit, 0)) FROM pg_statio_user_tables"
            )
            return int(cursor.fetchone()[0])

    keys = paid_payments(51, users, stored=True)
    credit_transfer(transfer_id=keys[0], late=False, at=AT)
    before = blocks()
    for key in keys[1:]:
        credit_transfer(transfer_id=key, late=False, at=AT)
    return round((blocks() - before) / 50)


def claim_ms(rounds: int) -> float:
    """Return the median milliseconds of claiming 50 due attempts."""
    from vinflow.payments import gateways
    from vinflow.payments.leasing import claim
    from vinflow.payments.models import Attempt

    gateway = gateways.current()
    due = list(Attempt.objects.filter(next_check_at__isnull=False).values_list("pk", flat=True)[:200])
    took = []
    for _ in range(rounds):
        Attempt.objects.filter(pk__in=due).update(next_check_at=AT, leased_until=None)
        began = time.perf_counter()
        assert len(claim(at=AT, limit=50, gateway=gateway)) == 50
        took.append((time.perf_counter() - began) * 1000)
    return statistics.median(took)


def vacuum() -> None:
    """Let the planner know the tables."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def spread(values: list[float]) -> dict[str, float]:
    """Return median, least and most."""
    return {
        "median": round(statistics.median(values), 3),
        "least": round(min(values), 3),
        "most": round(max(values), 3),
    }


def main() -> None:
    """Run the bench and print its table or its JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--credits", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--large", type=int, default=1_000_000)
    options = parser.parse_args()
    with ExitStack() as ending:
        if not os.environ.get("TEST_DATABASE_URL"):
            os.environ["TEST_DATABASE_URL"] = ending.enter_context(scratch_cluster(durable=True))
        figures = measure(options)
        from django.db import connection

        connection.close()
    if options.json:
        print(json.dumps(figures))
    else:
        for key, value in figures.items():
            print(f"{key:28} {value}")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return every figure, the rounds of both sides interleaved."""
    name = prepare()
    users = people(400)
    pgbench(name, 1, create=True)
    figures: dict[str, Any] = {"python": platform.python_version(), "workers": WORKERS}
    ours, theirs, prepared = [], [], []
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        theirs.append(pgbench(name, options.seconds))
        ours.append(credits_a_second(name, users, options.credits))
        prepared.append(pgbench(name, options.seconds, prepared=True))
    figures["credits_a_second"] = spread(ours)
    figures["pgbench_tps"] = spread(theirs)
    figures["pgbench_prepared_tps"] = spread(prepared)
    figures["credits_over_pgbench"] = spread([a / b for a, b in zip(ours, theirs, strict=True)])
    figures["credits_over_prepared"] = spread([a / b for a, b in zip(ours, prepared, strict=True)])
    figures["statements_of_a_credit"] = {"small": statements(users)}
    paid_payments(10_000, users, stored=False)
    vacuum()
    figures["buffers_of_a_credit"] = {"small": buffers_of_a_credit(users)}
    small = claim_ms(15)
    print(f"filling {options.large:,} attempts", file=sys.stderr)
    paid_payments(options.large, users, stored=False)
    vacuum()
    large = claim_ms(15)
    figures["claim_50_ms"] = {
        "among_10_000": round(small, 2),
        "among_large": round(large, 2),
        "ratio": round(large / small, 2),
    }
    figures["statements_of_a_credit"]["large"] = statements(users)
    figures["buffers_of_a_credit"]["large"] = buffers_of_a_credit(users)
    figures["large"] = options.large
    return figures


if __name__ == "__main__":
    main()

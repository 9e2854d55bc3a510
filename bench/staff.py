"""The staff's pages among a million payments, beside ten thousand: `python -m bench.staff [--json]`.

Two databases on one PostgreSQL: a shop of 2,740 payments a day after four days, and the same shop after a
year. Every page and filter is asked for in turn, small and large by turns; told are the medians of the whole
answer, their ratio, and the queries of each. Starts its scratch cluster itself unless TEST_DATABASE_URL is
given; there `--load` fills the databases and stops, and `--keep` measures those an earlier run has filled.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

os.environ["TEST_DATABASE"] = "postgres"
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"

import django
from scripts.postgres import scratch_cluster

AT = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
EVERY_S = 31.536  # a million payments in 365 days

# Payment n was opened n * EVERY_S ago; whole numbers of n decide what became of it, the same at both sizes.
USERS = """
INSERT INTO auth_user (username, email, password, first_name, last_name, is_staff, is_superuser, is_active,
                       date_joined)
SELECT 'payer' || n, 'p' || md5(n::text) || '@mail.example', '!', '', '', false, false, true, %(at)s
FROM generate_series(1, %(users)s) n
"""
PAYMENTS = """
INSERT INTO payments_payment (id, transaction_id, user_id, amount_minor, currency, method, status,
    environment,
    purpose, reference, metadata, return_url, principal, idempotency_key, body_digest, gateway_payment_id,
    gateway_response, created_at, completed_at, completed_late, ended_at, canceled_at, app_opened_at, seen_at,
    version)
SELECT n, 'TXN' || upper(substr(md5(n::text), 1, 20)), u.first + n %% %(users)s,
    CASE WHEN n %% 3 = 0 THEN 100 * (1 + n %% 9000) ELSE 1 + n %% 90000 END,
    CASE WHEN n %% 3 = 0 THEN 'KHR' ELSE 'USD' END,
    CASE WHEN n %% 500 = 7 THEN 'manual' ELSE 'khqr' END, s.status, 'sandbox',
    'topup', '', '{}', '', 'user:' || n, 'k' || n, '', '', '{}', o.opened,
    CASE WHEN s.status = 'completed' THEN o.opened + interval '90 seconds' END,
    s.status = 'completed' AND n %% 89 = 5,
    CASE WHEN s.status <> 'pending' THEN o.opened + interval '90 seconds' END, NULL, NULL, NULL, 1
FROM generate_series(1, %(payments)s) n
CROSS JOIN LATERAL (SELECT %(at)s::timestamptz - n * %(every)s * interval '1 second' AS opened) o
CROSS JOIN LATERAL (SELECT CASE WHEN n <= 24 THEN 'pending' WHEN n %% 20 < 3 THEN 'expired'
    WHEN n %% 100 = 4 THEN 'failed' WHEN n %% 25 = 8 THEN 'canceled' ELSE 'completed' END AS status) s
CROSS JOIN (SELECT min(id) AS first FROM auth_user) u
"""
ATTEMPTS = """
INSERT INTO payments_attempt (id, payment_id, number, protocol, qr_string, md5, handle, receiver,
    merchant_name,
    environment, deeplink, created_at, expires_at, last_check_at, watch_until, next_check_at, lease_id,
    set_aside, checks, unanswered, claims, signals, last_outcome, last_reason, last_real_word,
    last_check_done,
    tail_done)
SELECT id, id, 1, 'open-api', %(qr)s, md5('a' || id), md5('a' || id), 'vinflow_test@devb', 'VinFlow',
    'sandbox',
    '', created_at, created_at + interval '10 minutes', created_at + interval '12 minutes',
    created_at + interval '1 day', NULL, '', false, 2, 0, 0, '[]', '', '', '', false, false
FROM payments_payment
"""
TRANSFERS = """
INSERT INTO payments_transfer (id, hash, attempt_id, payment_id, environment, amount_text, amount_minor,
    currency, from_account, to_account, sent_at, tracking_status, external_ref, instruction_ref, bill_number,
    raw, asked_at, stored_at, processed_at, booked_receiver, fate, reasons, tries)
SELECT id, md5('h' || id) || md5('i' || id), id, id, 'sandbox', '1', amount_minor, currency, 'someone@aclb',
    'vinflow_test@devb', created_at + interval '60 seconds', '', '100FT' || id, '', '', '{}'::jsonb,
    completed_at,
    completed_at, completed_at, 'vinflow_test@devb', 'credited', '[]'::jsonb, 0
FROM payments_payment WHERE status = 'completed'
UNION ALL
SELECT %(payments)s + id, md5('x' || id) || md5('y' || id), id, id, 'sandbox', '1', 77, currency,
    'someone@aclb', 'vinflow_test@devb', created_at, '', '', '', '', '{}'::jsonb, created_at,
    created_at, created_at,
    'vinflow_test@devb', 'extra', '[]'::jsonb, 0
FROM payments_payment WHERE id %% 300 = 9
"""
REVIEWS = """
INSERT INTO payments_reviewitem (subject, transfer_id, attempt_id, payment_id, reasons, evidence, opened_at,
    decision, proposed, proposal, decided_by_id, decided_at, why)
SELECT 'transfer:' || t.hash, t.id, t.attempt_id, t.payment_id, '["amount_differs"]', '{}', t.stored_at,
    CASE WHEN t.payment_id < 6000 THEN '' ELSE 'credited' END, '', '{}',
    CASE WHEN t.payment_id < 6000 THEN NULL ELSE (SELECT min(id) FROM auth_user) END,
    CASE WHEN t.payment_id < 6000 THEN NULL ELSE t.stored_at END,
    CASE WHEN t.payment_id < 6000 THEN '' ELSE 'explained' END
FROM payments_transfer t WHERE t.fate = 'extra'
"""
EXCHANGES = """
INSERT INTO payments_exchange (operation, payment_id, token_id, pool, principal, environment, stage,
    started_at,
    finished_at, milliseconds, http_status, outcome, reason, code, request, answer)
SELECT 'check_transaction_by_md5', CASE WHEN n <= %(payments)s THEN n END, 'token', 'auto', '',
    'sandbox', 'done',
    %(at)s::timestamptz - n * %(every)s / 1.5 * interval '1 second', NULL,
    40 + (n::bigint * 7919 %% 331) + CASE WHEN n %% 50 = 0 THEN n %% 4000 ELSE 0 END, 200,
    CASE WHEN n %% 2 = 0 THEN 'found' ELSE 'not_found' END, '', 0, '{}', NULL
FROM generate_series(1, (%(payments)s * 1.5)::int) n
"""


def fill(name: str, payments: int) -> None:
    """Make a database of this bench's own with so many payments."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from vinflow.backoffice import tallies
    from vinflow.payments import watching

    connection.close()
    with connection._nodb_cursor() as cursor:  # type: ignore[attr-defined]
        cursor.execute(f"DROP DATABASE IF EXISTS {name}")
        cursor.execute(f"CREATE DATABASE {name}")
    settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    call_command("migrate", verbosity=0)
    values = {"at": AT, "payments": payments, "users": payments // 20, "every": EVERY_S, "qr": "x" * 200}
    with connection.cursor() as cursor:
        # Rows as life leaves them, without living: the guards would ask each one how it came about.
        cursor.execute("SET session_replication_role = replica")
        for statement in (USERS, PAYMENTS, ATTEMPTS, TRANSFERS, REVIEWS, EXCHANGES):
            cursor.execute(statement, values)
        cursor.execute("SET session_replication_role = DEFAULT")
    tallies.rebuild()
    tallies.merge(at=AT)
    watching.pulse("bench", at=AT)  # a shop that runs has somebody who looks
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def addresses(payments: int) -> dict[str, str]:
    """Return the pages, by what a person would call them."""
    listed = "/admin/transactions/"
    reference = "TXN" + hashlib.md5(b"77").hexdigest()[:20].upper()
    pages = {
        "overview today": "/admin/",
        "overview 7 days": "/admin/?range=7",
        "overview 30 days": "/admin/?range=30",
        "metrics": "/metrics",
        "list": listed,
        "list, page 300": f"{listed}?page=300",
        "list by status": f"{listed}?sort=status",
        "list, oldest first": f"{listed}?sort=created",
        "payment": f"{listed}{reference}/",
        "review desk": "/admin/review/",
        "settings": "/admin/settings/payments/",
    }
    pages |= {
        f"status {state}": f"{listed}?status={state}"
        for state in ("pending", "confirming", "completed", "late", "review", "expired", "failed", "canceled")
    }
    pages |= {
        "currency": f"{listed}?currency=KHR",
        "method": f"{listed}?method=manual",
        "today": f"{listed}?range=today",
        "7 days": f"{listed}?range=7",
        "30 days": f"{listed}?range=30",
        "paid in 7 days": f"{listed}?range=7&date=paid",
        "amount from": f"{listed}?least=850",
        "amount, narrow": f"{listed}?least=850&most=850&currency=USD",
        "late": f"{listed}?late=1",
        "needs review": f"{listed}?review=1",
        "handled by hand": f"{listed}?manual=1",
        "reference": f"{listed}?q={reference[:14]}",
        "payer's name": f"{listed}?q=payer{payments // 20 - 3}",
        "part of an address": f"{listed}?q={hashlib.md5(b'77').hexdigest()[4:12]}",
        "nobody's name": f"{listed}?q=zzzqqq",
    }
    return pages


def open_database(name: str) -> Any:
    """Turn to one of the two databases; return a manager's client there."""
    from django.conf import settings
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.db import connection
    from django.test import Client

    if connection.settings_dict["NAME"] != name:
        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
    user, made = get_user_model().objects.get_or_create(
        username="the-manager", defaults={"is_staff": True, "email": "m@shop.example"}
    )
    if made:
        user.groups.add(Group.objects.get(name="manager"))
    client = Client(headers={"host": "localhost"})
    client.force_login(user)
    return client


def asked(client: Any, address: str, rounds: int) -> tuple[list[float], int]:
    """Return (milliseconds of each answer, queries of one); the first answer warms up and is not counted."""
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as seen:
        answer = client.get(address)
    queries = len(seen)  # the next request clears the log
    assert answer.status_code == 200, (address, answer.status_code)
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        client.get(address)
        took.append((time.perf_counter() - began) * 1000)
    return took, queries


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return every figure."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import connection

    from vinflow.payments import clock

    django.setup()
    sizes = {"vinflow_bench_staff_small": 10_000, "vinflow_bench_staff_large": options.large}
    if not options.keep:
        for name, payments in sizes.items():
            began = time.perf_counter()
            fill(name, payments)
            print(f"{payments:,} payments in {time.perf_counter() - began:.0f} s", file=sys.stderr)
    for name in sizes if options.keep else ():
        connection.close()
        settings.DATABASES["default"]["NAME"] = connection.settings_dict["NAME"] = name
        call_command("migrate", verbosity=0)
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    if options.load:
        return {}
    found: dict[str, dict[str, list[float]]] = {}
    queries: dict[str, int] = {}
    with clock.used(lambda: AT):
        for _ in range(options.rounds):
            for name, payments in sizes.items():
                client = open_database(name)
                for page, address in addresses(payments).items():
                    took, count = asked(client, address, 5)
                    found.setdefault(page, {}).setdefault(name, []).extend(took)
                    queries[page] = max(count, queries.get(page, 0))
    small, large = sizes
    pages = {}
    for page, by_size in found.items():
        low, high = (statistics.median(by_size[name]) for name in (small, large))
        pages[page] = {
            "ms_10_000": round(low, 1),
            "ms_large": round(high, 1),
            "ratio": round(high / low, 2),
            "queries": queries[page],
        }
    worst = max(pages, key=lambda page: pages[page]["ratio"])
    return {
        "python": platform.python_version(),
        "large": options.large,
        "worst_ratio": pages[worst]["ratio"],
        "worst_page": worst,
        "most_queries": max(queries.values()),
        "pages": pages,
    }


def main() -> None:
    """Run the bench and print its table or its JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--large", type=int, default=1_000_000)
    parser.add_argument(
        "--load", action="store_true", help="fill the databases of TEST_DATABASE_URL and stop"
    )
    parser.add_argument("--keep", action="store_true", help="measure what --load has filled")
    options = parser.parse_args()
    if (options.load or options.keep) and not os.environ.get("TEST_DATABASE_URL"):
        parser.error("--load and --keep need a server that stays: give TEST_DATABASE_URL")
    with ExitStack() as ending:
        if not os.environ.get("TEST_DATABASE_URL"):
            os.environ["TEST_DATABASE_URL"] = ending.enter_context(scratch_cluster(durable=True))
        figures = measure(options)
        from django.db import connection

        connection.close()
    if options.json or not figures:
        print(json.dumps(figures))
        return
    for page, row in figures.pop("pages").items():
        print(
            f"{page:22} {row['ms_10_000']:8} ms {row['ms_large']:8} ms  x{row['ratio']:<5} "
            f"{row['queries']} queries"
        )
    for key, value in figures.items():
        print(f"{key:22} {value}")


if __name__ == "__main__":
    main()

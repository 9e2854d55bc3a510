"""How long `verify` takes at two sizes: it must be linear in the rows.

    python -m bench.verify                            SQLite in a scratch file; 10^5 and 10^6 journal lines
    python -m bench.verify --small 10000 --large 100000 --rounds 3

Each transfer has its payment, its QR and its entry of two lines, as the steps would have left them, written
in bulk. What counts is the ratio within one run: ten times the lines at most 11 times as long. The sizes are
taken in turn; each figure is the median, with the least and the most.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.ledger import AT, advance_sequence, database, insert, server_version, spread

CHUNK = 2_000
RATIO_MAX = 11.0
WALLETS = 1_000
RECEIVER = "shop@bank"


def configure(url: str, folder: Path, name: str) -> None:
    """Set Django up with payments and the wallet on one database."""
    import django
    from django.conf import settings

    settings.configure(
        SECRET_KEY="bench",
        USE_TZ=True,
        DATABASES={"default": database(url, folder, name)},
        INSTALLED_APPS=[
            "django.contrib.contenttypes",
            "django.contrib.auth",
            "vinflow.wallet.apps.WalletConfig",
            "vinflow.payments.apps.PaymentsConfig",
        ],
        SILENCED_SYSTEM_CHECKS=["payments.E001"],
        KHQR_API_URL="http://127.0.0.1:9",
        KHQR_API_KEY="a-token",
        KHQR_MERCHANT_ID=RECEIVER,
        KHQR_ENVIRONMENT="sandbox",
        VINFLOW_LEDGER_KEY="a key for a benchmark, of no other use",
    )
    django.setup()


def fill(first: int, last: int, accounts: dict[Any, Any], refs: list[Any]) -> None:
    """Write the payments of these numbers, each paid by one transfer and credited."""
    from vinflow.money import Currency, Money
    from vinflow.payments.models import Attempt, Payment, Transfer
    from vinflow.wallet.entries import Entry, bakong_ref, credit, debit
    from vinflow.wallet.models import JournalEntry, JournalLine, Seal
    from vinflow.wallet.posting import chain_lines, plan_lines

    rows: dict[Any, list[Any]] = {
        model: [] for model in (Payment, Attempt, Transfer, JournalEntry, JournalLine, Seal)
    }
    bank = bakong_ref(RECEIVER, "sandbox")
    for number in range(first, last):
        pk, money = number + 1, Money(100 + number % 900, Currency.USD)
        name = hashlib.sha256(str(number).encode()).hexdigest()
        ref = refs[number % len(refs)]
        whose = {"environment": "sandbox", "currency": "USD"}
        rows[Payment].append(
            Payment(
                pk=pk, user_id=int(ref.key), amount_minor=money.minor, status="completed", completed_at=AT,
                created_at=AT, principal=ref.key, idempotency_key=str(number), body_digest="x", **whose
            )
        )  # fmt: skip
        ends = AT + timedelta(minutes=10)
        rows[Attempt].append(
            Attempt(
                pk=pk, payment_id=pk, protocol="open-api", qr_string="", md5=name[:32], handle=name[:32],
                receiver=RECEIVER, merchant_name="Shop", environment="sandbox", created_at=AT,
                expires_at=ends, last_check_at=ends, watch_until=ends + timedelta(days=1),
            )
        )  # fmt: skip
        raw = {"hash": name, "amount": money.plain, "currency": "USD", "toAccountId": RECEIVER}
        rows[Transfer].append(
            Transfer(
                pk=pk, hash=name, attempt_id=pk, payment_id=pk, amount_text=money.plain,
                amount_minor=money.minor, to_account=RECEIVER, sent_at=AT, raw=raw, asked_at=AT, stored_at=AT,
                processed_at=AT, booked_receiver=RECEIVER, fate="credited", **whose,
            )
        )  # fmt: skip
        entry = Entry(f"transfer:{name}", "credit", (debit(bank, money), credit(ref, money)))
        row = JournalEntry(
            pk=pk, seal_id=pk, source=entry.source, purpose="credit", body_hash=entry.body_hash(),
            environment="sandbox", posted_at=AT, business_date=(AT + timedelta(hours=7)).date(),
        )  # fmt: skip
        planned = plan_lines(entry, accounts)
        chain_lines(row, planned)
        rows[JournalEntry].append(row)
        rows[JournalLine] += planned
        rows[Seal].append(Seal(pk=pk, line_count=2))
    for model, made in rows.items():
        insert(model, made, using="default")


def grow(before: int, transfers: int, accounts: dict[Any, Any], refs: list[Any]) -> None:
    """Bring the shop from one number of transfers to another."""
    from django.db import connection, transaction

    from vinflow.payments.testing import allow_flush
    from vinflow.wallet.models import Account
    from vinflow.wallet.testing import suspended_guards

    with suspended_guards(connection), allow_flush():  # the guards stand aside; verify judges
        for first in range(before, transfers, CHUNK):
            with transaction.atomic():
                fill(first, min(first + CHUNK, transfers), accounts, refs)
        moved = [account for account in accounts.values() if account.is_wallet]
        fields = ["balance_minor", "last_seq", "last_hash"]
        Account.objects.bulk_update(moved, fields, batch_size=200)
    advance_sequence(transfers, using="default")


def measure(lines: int, rounds: int) -> list[float]:
    """Return how many seconds each verification took. Raises SystemExit when it finds anything."""
    from vinflow.payments.verifying import verify

    taken = []
    for _ in range(rounds):
        started = time.perf_counter()
        report = verify()
        taken.append(time.perf_counter() - started)
        if not report.is_clean or report.transfers * 2 != lines:
            raise SystemExit(f"verify of {lines} lines is wrong: {report}")
    return taken


def run(small: int, large: int, rounds: int) -> dict[str, Any]:
    """Return the figures of both sizes: the shop is grown from one to the other."""
    from django.contrib.auth import get_user_model
    from django.db import transaction

    from vinflow.money import Currency
    from vinflow.wallet.accounts import lock_accounts
    from vinflow.wallet.entries import bakong_ref, user_ref

    user_model = get_user_model()
    user_model.objects.bulk_create([user_model(pk=1_000 + n, username=f"bench{n}") for n in range(WALLETS)])
    refs = [user_ref(1_000 + n, "sandbox") for n in range(WALLETS)]
    keys = [(ref, Currency.USD) for ref in (bakong_ref(RECEIVER, "sandbox"), *refs)]
    accounts: dict[Any, Any] = {}
    with transaction.atomic():
        for start in range(0, len(keys), 200):
            accounts |= lock_accounts(keys[start : start + 200], using="default")
    figures: dict[str, Any] = {}
    medians = []
    before = 0
    for lines in (small, large):
        grow(before, lines // 2, accounts, refs)
        before = lines // 2
        taken = measure(lines, rounds)
        figures[str(lines)] = spread(taken)
        medians.append(statistics.median(taken))
    figures["ratio_for_ten_times_the_lines"] = round(medians[1] / medians[0] * small * 10 / large, 2)
    return figures


def main() -> int:
    """Print the figures; 1 when ten times the lines take more than 11 times as long."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--url", default="", help="a PostgreSQL server where a database may be made")
    parser.add_argument("--small", type=int, default=100_000, help="journal lines of the smaller shop")
    parser.add_argument("--large", type=int, default=1_000_000, help="journal lines of the larger shop")
    parser.add_argument("--rounds", type=int, default=3, help="verifications of each size")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vinflow-bench-") as folder:
        configure(options.url, Path(folder), "vinflow_bench_verify")
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
    ratio = figures["ratio_for_ten_times_the_lines"]
    if ratio > RATIO_MAX:
        print(f"too slow: ten times the lines take {ratio} times as long", file=sys.stderr)
    return int(ratio > RATIO_MAX)


if __name__ == "__main__":
    sys.exit(main())

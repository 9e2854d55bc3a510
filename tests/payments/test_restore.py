"""A dump taken under load, restored and caught up: what came after it is credited once, nothing is lost."""

from __future__ import annotations

import io
import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from scripts.postgres import find_initdb

from vinflow.money import Currency, Money
from vinflow.payments import clock, law, watching
from vinflow.payments.catching_up import catch_up
from vinflow.payments.models import Payment, PaymentSettings, StatementLine, Transfer
from vinflow.payments.opening import open_payment
from vinflow.payments.statements.importing import import_statement
from vinflow.payments.verifying import verify
from vinflow.sandbox import Sandbox
from vinflow.wallet.audit import audit
from vinflow.wallet.entries import bakong_ref, suspense_ref
from vinflow.wallet.queries import account_balance, balances

from .test_statement_import import MAP, file_of, of_bank

USD = Currency.USD
RESTORED = "vinflow_test_restored"


def lots(number: int) -> Payment:
    user, _made = get_user_model().objects.get_or_create(username=f"buyer-{number % 5}")
    return open_payment(user=user, money=Money(100 + number, USD), key=f"n{number}", at=clock.now())


@pytest.fixture
def unlimited(bank: Sandbox, settings: Any) -> None:
    settings.KHQR_DAILY_CALLS = "none"
    PaymentSettings.objects.update_or_create(
        singleton=1, defaults={"opened_daily_max": 10**6, "pending_max": 10**6}
    )


@pytest.mark.django_db(transaction=True)
@pytest.mark.both
def test_what_was_paid_since_is_asked_for_once_and_credited_once(
    bank: Sandbox, unlimited: None, later: Callable[[float], datetime]
) -> None:
    """The same without a dump: the watcher was down for two days."""
    payments = [lots(number) for number in range(6)]
    since = clock.now()
    for payment in payments[:4]:
        bank.pay(payment.attempts.get().qr_string)
    later(2 * 86_400)  # past every watch

    done = catch_up(since=since, at=clock.now())
    again = catch_up(since=since, at=clock.now())

    assert (done.asked, done.found, done.left, done.stopped) == (6, 4, 0, "")
    assert (again.asked, again.found) == (0, 0)
    assert Payment.objects.filter(status="completed").count() == 4
    assert law.check("sandbox") == []
    bank.fault("*", "nginx", status=502)
    out = io.StringIO()
    call_command("catch_up", "--since", since.isoformat(), stdout=out)
    assert "0 QRs asked about" in out.getvalue()
    assert "follow from the evidence" in out.getvalue()


@pytest.mark.django_db(transaction=True)
@pytest.mark.both
def test_an_outage_in_the_middle_leaves_the_rest_for_later(
    bank: Sandbox, unlimited: None, later: Callable[[float], datetime]
) -> None:
    payments = [lots(number) for number in range(3)]
    since = clock.now()
    later(60)
    bank.pay(payments[2].attempts.get().qr_string)
    bank.fault("*", "nginx", status=502)
    stopped = catch_up(since=since, at=clock.now())
    assert (stopped.asked, stopped.stopped) == (0, "upstream")

    bank.clear_faults()
    done = catch_up(since=since, at=later(3600))

    assert done.found == 1


def tool(name: str, *arguments: str, database: str) -> None:
    """Run one of PostgreSQL's own programs against the tests' server."""
    parts = urlsplit(os.environ["TEST_DATABASE_URL"])
    environment = {
        **os.environ,
        "PGHOST": parts.hostname or "",
        "PGPORT": str(parts.port or 5432),
        "PGUSER": parts.username or "",
        "PGPASSWORD": parts.password or "",
        "PGDATABASE": database,
    }
    program = find_initdb().with_name(name)
    done = subprocess.run([program, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def restored(tmp_path: Path) -> Iterator[Callable[[Path], None]]:
    """restored(dump) puts a dump into a database of its own and lets the site work on that one."""
    name = str(connection.settings_dict["NAME"])

    def use(dump: Path) -> None:
        tool("createdb", RESTORED, database=name)
        tool("pg_restore", "--no-owner", "--exit-on-error", "-d", RESTORED, str(dump), database=name)
        connection.close()
        connection.settings_dict["NAME"] = RESTORED

    yield use
    connection.close()
    connection.settings_dict["NAME"] = name
    tool("dropdb", "--if-exists", RESTORED, database=name)


@pytest.mark.django_db(transaction=True)
@pytest.mark.postgres
def test_a_dump_under_load_is_restored_and_the_gap_is_credited_once(
    bank: Sandbox, unlimited: None, tmp_path: Path, restored: Callable[[Path], None]
) -> None:
    name, dump = str(connection.settings_dict["NAME"]), tmp_path / "site.dump"
    waiting = [lots(1000 + number) for number in range(8)]  # their payers take their time
    since = clock.now()
    begun, enough, faults = threading.Event(), threading.Event(), []

    def shop() -> None:
        """Payments are opened, paid and credited, before the dump, meanwhile and after it."""
        after = 0
        try:
            for number in range(2000):
                payment = lots(number)
                bank.pay(payment.attempts.get().qr_string)
                bank.advance(75)
                watching.step()
                if number == 5:
                    begun.set()
                after += enough.is_set()
                if after > 2:  # opened, paid and credited since the dump, however quick the dump was
                    return
        except Exception as fault:
            faults.append(fault)
        finally:
            begun.set()
            connection.close()

    load = threading.Thread(target=shop)
    load.start()
    begun.wait(60)
    tool("pg_dump", "--format=custom", f"--file={dump}", database=name)
    for payment in waiting[:6]:
        bank.pay(payment.attempts.get().qr_string, late=True)  # after the dump: it does not know
    enough.set()
    load.join(60)
    watching.step()
    assert faults == []
    lost = Payment.objects.count()
    came = sum(Money.from_decimal(one.amount, USD).minor for one in bank.transfers)

    restored(dump)

    kept = Payment.objects.count()
    assert 8 < kept < lost
    assert audit().problems == []
    first = catch_up(since=since, at=clock.now())
    assert first.found >= 6
    assert first.left == 0
    again = catch_up(since=since, at=clock.now())
    assert (again.asked, again.found) == (0, 0)
    reached = {one.pk for one in waiting[:6]}
    assert Payment.objects.filter(pk__in=reached, status="completed").count() == 6
    # QRs shown after the dump are gone: the bank's statement knows their money.
    content = file_of(*of_bank(bank))
    import_statement(content, MAP, receiver=bank.account, filename="gap.csv", by=None, at=clock.now())
    import_statement(content, MAP, receiver=bank.account, filename="gap.csv", by=None, at=clock.now())
    alone = StatementLine.objects.filter(fate="suspense").count()
    assert alone == len(bank.transfers) - Transfer.objects.count() > 0
    assert account_balance(bakong_ref(bank.account, "sandbox"), USD) == Money(came, USD)
    wallets = [balances(user, "sandbox")[0] for user in get_user_model().objects.all()]
    in_suspense = account_balance(suspense_ref("sandbox"), USD)
    assert sum(one.minor for one in wallets) + in_suspense.minor == came
    assert law.check("sandbox") == []
    assert verify().problems == []
    assert audit().problems == []

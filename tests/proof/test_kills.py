"""Workers killed and a database stopped, hard, while money is on its way: nothing lost, nothing twice.

Every statement of a worker between its claim and its last commit is once the last thing it does; watchers
under load are killed at random moments; the database is stopped as if its machine lost power. Afterwards
every transfer is credited once, within the lease that the dead had taken.
"""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connection, connections
from scripts.postgres import stoppable_cluster
from tests.proof.figures import hand_over
from tests.proof.kills import Nursery, gone, other_database, url_of

from vinflow.money import Currency, Money
from vinflow.payments import clock, conf, gateways, law, leasing, quota, watching
from vinflow.payments.models import Attempt, CallBudget, Exchange, Payment, PaymentSettings, Transfer
from vinflow.payments.opening import open_payment
from vinflow.sandbox import Sandbox, SandboxServer
from vinflow.wallet.audit import audit
from vinflow.wallet.models import JournalEntry
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgres]

ONE = Money(100, Currency.USD)
PROVE = bool(os.environ.get("PROVE"))
SEED = int(os.environ.get("SEED", "7"))
KILLS = 100 if PROVE else 5
STOPS = 10 if PROVE else 1
AT_WORK, SHOWN = 2, 4  # watchers side by side, QRs due at the same moment
LEASE_S = 60  # what leasing.lease_time() says with the default time-out
PATIENCE_S = 120.0  # of the test, for a machine that is busy; no figure depends on it


def books() -> list[str]:
    """Return what is wrong with the books and the count of calls, a sentence each."""
    wrong = [f"{breach.rule}: {breach.what}" for breach in law.check(conf.environment())]
    for row in CallBudget.objects.all():
        # A call within five minutes after a reset counts in the window before it as well.
        edge = row.ends_at + quota.EDGE
        made = Exchange.objects.filter(started_at__gte=row.starts_at, started_at__lt=edge).count()
        if row.used != made:
            wrong.append(f"{row}: {made} exchanges")
    return wrong


def until(true: Callable[[], bool], what: str) -> None:
    """Wait until something is true. Raises AssertionError when it never comes."""
    pause, deadline = _Pause(), time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{what} never came"
        pause()


class _Pause:
    """Asks again a little later each time: what is waited for happens in another process."""

    def __init__(self) -> None:
        self.seconds = 0.002

    def __call__(self) -> None:
        time.sleep(self.seconds)
        self.seconds = min(0.05, self.seconds * 1.5)


def test_a_worker_may_die_before_any_statement_and_the_money_is_there_once(
    bank: Sandbox, django_user_model: Any, settings: Any, tmp_path: Path
) -> None:
    settings.KHQR_DAILY_CALLS = "100000"
    bank.switch(quota=100_000)
    PaymentSettings.objects.create(singleton=1, usd_auto_hourly_max=10**9)
    started, deaths, found_at = time.monotonic(), Counter[str](), Counter[str]()
    with Nursery(bank, settings.KHQR_API_URL, folder=tmp_path) as nursery:
        for number in range(500):
            payer = django_user_model.objects.create(username=f"payer{number}")
            payment = open_payment(user=payer, money=ONE, key="k", at=clock.now())
            bank.advance(540)
            receipt = bank.pay(payment.attempts.get().qr_string)
            bank.advance(190)
            died_at = clock.now()

            told = nursery.ask(do="step", now=died_at.isoformat(), die_at=number)
            until(gone, "the end of the dead worker's connection")

            assert not told["failed"]
            assert books() == [], told
            known = Transfer.objects.filter(hash=receipt.hash).first()
            if known is None:
                bank.advance(leasing.lease_time().total_seconds())
            watching.step()  # the next worker: at once where the answer was stored, else after the lease

            payment.refresh_from_db()
            recovered = clock.now() - died_at
            assert (payment.status, balances(payer, "sandbox")[0]) == ("completed", ONE), told
            assert JournalEntry.objects.filter(source=f"transfer:{receipt.hash}").count() == 1
            assert recovered <= leasing.lease_time() + timedelta(seconds=5)
            assert books() == [], told
            if not told["died"]:
                break
            deaths[told["last"]] += 1
            found_at["needs no call" if known else "asked again"] += 1
    total = sum(deaths.values())

    assert audit().problems == []
    assert total > 30
    assert {
        "commit",
        "INSERT payments_exchange",
        "INSERT payments_transfer",
        "UPDATE payments_payment",
    } <= set(deaths)
    assert min(found_at["needs no call"], found_at["asked again"]) > 5
    if PROVE:
        hand_over(
            "boundaries",
            title="A worker that dies before each of its statements",
            head=["dies just before", "deaths", "lost", "doubled"],
            rows=[[name, count, 0, 0] for name, count in sorted(deaths.items())] + [["all", total, 0, 0]],
            seed=0,
            count=total,
            duration_s=time.monotonic() - started,
            text=f"{found_at['needs no call']} times the answer was stored and the next worker needed no "
            f"call; {found_at['asked again']} times it asked again, when the lease of {LEASE_S} s was over. "
            "Nothing here is random.",
            database=version(),
        )


class Load:
    """Payers on a running clock: some QRs at a time, paid and due together, so that workers have work."""

    def __init__(self, bank: Sandbox, nursery: Nursery, chance: random.Random) -> None:
        self.bank, self.nursery, self.chance = bank, nursery, chance
        self.payments: list[Payment] = []
        self.ahead_s = 0

    def advance(self, seconds: int) -> None:
        """Move the one clock: the stand-in's, which is ours, and the workers'."""
        self.ahead_s += seconds
        self.bank.advance(seconds)
        self.nursery.clock_file.write_text(str(self.ahead_s))

    def arrive(self) -> list[int]:
        """Show and pay some QRs, and let their time run out, so that all are due at once."""
        users = get_user_model().objects
        fresh = []
        for number in range(len(self.payments), len(self.payments) + SHOWN):
            payer = users.create(username=f"payer{number}")
            payment = open_payment(user=payer, money=ONE, key="k", at=clock.now())
            self.bank.pay(payment.attempts.get().qr_string)
            fresh.append(payment)
        self.payments += fresh
        self.advance(725)
        return [payment.pk for payment in fresh]

    def under_way(self, ids: list[int]) -> str:
        """Return what the watchers are doing with these at this moment."""
        own = Transfer.objects.filter(payment__in=ids)
        if own.filter(processed_at__isnull=True).exists():
            return "an answer stored, not decided"
        if Exchange.objects.filter(stage="started", payment__in=ids).exists():
            return "a call under way"
        leased = Attempt.objects.filter(payment__in=ids, leased_until__gt=clock.now()).exists()
        return "a lease, no call" if leased else "nothing of these"

    def begun(self, ids: list[int]) -> None:
        """Return once a watcher has taken up one of these."""
        own = Attempt.objects.filter(payment__in=ids)
        until(
            lambda: own.exclude(lease_id="").exists() or self.under_way(ids) != "nothing of these",
            "the watchers' work",
        )

    def credited(self, ids: list[int]) -> bool:
        """Return whether all of these are paid."""
        return Payment.objects.filter(pk__in=ids, status="completed").count() == len(ids)

    def wrong(self) -> list[str]:
        """Return what is wrong with the books, the bank's list and the wallets in the end."""
        sent = {transfer.hash for transfer in self.bank.transfers}
        wrong = books() + audit().problems
        if sent != set(Transfer.objects.filter(fate="credited").values_list("hash", flat=True)):
            wrong.append("what the bank sent and what was credited differ")
        if JournalEntry.objects.count() != len(sent):
            wrong.append(f"{JournalEntry.objects.count()} entries for {len(sent)} transfers")
        poor = [p for p in self.payments if balances(p.user, "sandbox")[0] != ONE]
        return wrong + [f"{payment.user} does not hold a dollar" for payment in poor]


@pytest.fixture
def running_bank(settings: Any) -> Iterator[tuple[Sandbox, str]]:
    """A stand-in whose clock runs, a little slow with its answers; the site is configured for it."""
    bank = Sandbox()
    with SandboxServer(bank) as server:
        settings.KHQR_API_URL, settings.KHQR_API_KEY = server.url, bank.token
        settings.KHQR_MERCHANT_ID, settings.KHQR_ENVIRONMENT = bank.account, "sandbox"
        settings.KHQR_DAILY_CALLS = "none"
        bank.switch(quota=1_000_000)
        bank.fault("*", "slow", delay_s=0.03)
        with clock.used(bank.clock.now):
            yield bank, server.url
        gateways.close_all()


def lease_left(load: Load, since: float) -> int:
    """Return how much of a lease taken at that moment is left, in whole seconds."""
    return max(0, int(leasing.lease_time().total_seconds() - (time.monotonic() - since)))


def test_watchers_killed_at_random_moments_lose_nothing(
    running_bank: tuple[Sandbox, str], tmp_path: Path
) -> None:
    bank, url = running_bank
    chance, started = random.Random(SEED), time.monotonic()
    PaymentSettings.objects.create(singleton=1, usd_auto_hourly_max=10**9)
    caught, recoveries, kills = Counter[str](), list[float](), 0
    with Nursery(bank, url, folder=tmp_path) as nursery:
        load = Load(bank, nursery, chance)
        for number in range(AT_WORK):
            nursery.watch(f"watcher-{number}")
        while kills < KILLS:
            ids = load.arrive()
            load.begun(ids)
            # A random moment of their work: it is the point of this test, and nothing hangs on its length.
            time.sleep(chance.uniform(0.0, 0.3))
            for place in range(min(AT_WORK, KILLS - kills)):
                before = load.under_way(ids)
                nursery.kill(nursery.workers[0])
                caught[before] += 1
                kills += 1
                nursery.watch(f"watcher-{kills}-{place}")
            last, died_at = time.monotonic(), clock.now()
            left = Attempt.objects.filter(payment__in=ids, leased_until__gt=died_at + leasing.lease_time())
            assert not left.exists(), "a lease reaches further than a lease is long"
            load.advance(lease_left(load, last) + 1)
            until(lambda: load.credited(ids), "the credit of all that was paid")  # noqa: B023
            recoveries.append((clock.now() - died_at).total_seconds())

        wrong = load.wrong()
    assert wrong == []
    assert kills == KILLS
    assert len(load.payments) >= KILLS * SHOWN // AT_WORK
    assert sum(count for what, count in caught.items() if what != "nothing of these") >= KILLS // 10
    if PROVE:
        longest, middle = max(recoveries), sorted(recoveries)[len(recoveries) // 2]
        hand_over(
            "kills",
            title="Watchers killed (SIGKILL) at random moments under load",
            head=["what was under way at the kill", "kills"],
            rows=[*sorted(caught.items()), ["all", kills]],
            seed=SEED,
            count=kills,
            duration_s=time.monotonic() - started,
            text=f"{len(load.payments)} payments, each credited once. From the last kill of a round until "
            f"all of its payments were credited: longest {longest:.1f} s, median {middle:.1f} s of the "
            f"site's clock; the lease is {LEASE_S} s.",
            violations=len(wrong),
            database=version(),
        )


@contextmanager
def own_server() -> Iterator[Any]:
    """A durable server of our own with a copy of the test database; this thread works on it."""
    here = dict(connections["default"].settings_dict)
    with stoppable_cluster(durable=True) as cluster:
        connections["default"].close()
        dumped = subprocess.run(
            [cluster.program("pg_dump"), "--no-owner", "--dbname", url_of(here)],
            capture_output=True,
            check=True,
        ).stdout
        subprocess.run(
            [cluster.program("psql"), "--quiet", "--set", "ON_ERROR_STOP=1", "--dbname", cluster.url],
            input=dumped,
            stdout=subprocess.DEVNULL,
            check=True,
        )
        with other_database(cluster.url):
            yield cluster


def test_a_database_stopped_hard_under_load_loses_nothing(
    running_bank: tuple[Sandbox, str], tmp_path: Path
) -> None:
    bank, url = running_bank
    chance, started = random.Random(SEED), time.monotonic()
    caught, recoveries = Counter[str](), list[float]()
    with own_server() as cluster, Nursery(bank, url, folder=tmp_path, database_url=cluster.url) as nursery:
        PaymentSettings.objects.create(singleton=1, usd_auto_hourly_max=10**9)
        load = Load(bank, nursery, chance)
        for number in range(AT_WORK):
            nursery.watch(f"watcher-{number}")
        for _ in range(STOPS):
            ids = load.arrive()
            load.begun(ids)
            time.sleep(chance.uniform(0.0, 0.2))  # a random moment of their work, as above
            caught[load.under_way(ids)] += 1
            last, died_at = time.monotonic(), clock.now()
            cluster.stop(hard=True)
            connection.close()
            cluster.start()
            load.advance(lease_left(load, last) + 1)
            until(lambda: load.credited(ids), "the credit of all that was paid")  # noqa: B023
            recoveries.append((clock.now() - died_at).total_seconds())
        wrong = load.wrong()
        assert len(nursery.workers) == AT_WORK  # the same ones all the time: they wait and go on
        for pid in list(nursery.workers):
            nursery.kill(pid)
        figures = [*sorted(caught.items()), ("all", STOPS)]
        if PROVE:
            hand_over(
                "stops",
                title="The database stopped hard and started again under load",
                head=["what was under way at the stop", "stops"],
                rows=figures,
                seed=SEED,
                count=STOPS,
                duration_s=time.monotonic() - started,
                text=f"{len(load.payments)} payments, each credited once, by the same watchers throughout. "
                f"From the stop until all were credited: longest {max(recoveries):.1f} s of the site's "
                f"clock, the restart and a lease of {LEASE_S} s in it.",
                violations=len(wrong),
                database=version(),
            )
    assert wrong == []


def version() -> str:
    """Return the server's own name and number."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW server_version")
        return f"PostgreSQL {cursor.fetchone()[0].split()[0]}"

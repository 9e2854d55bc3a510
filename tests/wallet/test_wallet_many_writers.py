"""Many writers on one wallet: never negative, exact to the cent, reversed and captured once.

PROVE=1 runs the full 20,000 operations and 500 pairs; an ordinary run does a part of them.
"""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models import Min

from vinflow.money import Currency, Money
from vinflow.wallet import queries
from vinflow.wallet.audit import audit
from vinflow.wallet.entries import Entry, bakong_ref, credit, debit, external_ref, user_ref
from vinflow.wallet.errors import AlreadyReversed, HoldClosed, InsufficientFunds
from vinflow.wallet.holds import capture, hold, release
from vinflow.wallet.models import Account, JournalEntry, JournalLine
from vinflow.wallet.posting import post, reverse, spend
from vinflow.wallet.sealing import seal_blocks

pytestmark = [pytest.mark.postgres, pytest.mark.django_db(transaction=True)]
THREADS = 32
OPERATIONS = 20_000 if os.environ.get("PROVE") else 960
PAIRS = 500 if os.environ.get("PROVE") else 50
USD = Currency.USD


def in_threads(work: Callable[[int], Any], count: int) -> list[Any]:
    """Run work(0) .. work(count - 1) at the same time, each with its own connection."""
    start = threading.Barrier(count)

    def one(number: int) -> Any:
        try:
            start.wait()
            return work(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_thirty_two_threads_on_one_wallet_never_lose_a_cent(make_user, now):
    user = make_user()
    wallet, bank, shop = user_ref(user.pk, "sandbox"), bakong_ref("b@b", "sandbox"), external_ref("sandbox")

    def work(number: int) -> tuple[int, int, int]:
        chance = random.Random(number)
        came, went, refused = 0, 0, 0
        for step in range(OPERATIONS // THREADS):
            money, key = Money(chance.randint(1, 500), USD), f"op:{number}:{step}"
            with transaction.atomic():
                if chance.random() < 0.45:
                    post(Entry(key, "credited", (debit(bank, money), credit(wallet, money))), at=now)
                    came += money.minor
                    continue
                try:
                    spend(wallet=wallet, to=shop, money=money, source=key, purpose="paid", at=now)
                    went += money.minor
                except InsufficientFunds:
                    refused += 1
        return came, went, refused

    sealer = threading.Thread(target=keep_sealing, args=(stop := threading.Event(), now))
    sealer.start()
    done = in_threads(work, THREADS)
    stop.set()
    sealer.join()

    came, went, refused = (sum(column) for column in zip(*done, strict=True))
    assert refused > 0, "the wallet was never empty: the test proves nothing"
    account = Account.objects.get(kind="user")
    assert account.balance_minor == came - went
    assert JournalLine.objects.filter(account=account).aggregate(least=Min("balance_after"))["least"] >= 0
    assert JournalEntry.objects.count() == account.last_seq == OPERATIONS // THREADS * THREADS - refused
    seal_blocks(at=now)
    report = audit()
    assert report.problems == []
    assert report.unsealed == 0


def keep_sealing(stop: threading.Event, now: Any) -> None:
    """Seal blocks beside the writers: no entry may slip in behind one."""
    try:
        while not stop.is_set():
            seal_blocks(at=now, size=50)
            stop.wait(0.2)
    finally:
        connection.close()


def test_a_reversal_done_twice_at_once_is_accepted_once(make_user, top_up, now):
    user = make_user()
    entries = [top_up(user, 100, key=f"r{number}") for number in range(PAIRS)]

    def work(number: int) -> int:
        accepted = 0
        for entry in entries:
            try:
                with transaction.atomic():
                    # Each under a purpose of its own: only the unique link to the entry can tell them apart.
                    reverse(entry, at=now, purpose=f"reversed by {number}")
                accepted += 1
            except AlreadyReversed:
                pass
        return accepted

    accepted = in_threads(work, 2)

    assert sum(accepted) == PAIRS
    assert queries.balances(user, "sandbox")[0].minor == 0
    assert JournalEntry.objects.filter(reverses__isnull=False).count() == PAIRS


def test_a_hold_captured_and_released_at_once_ends_once(make_user, top_up, now):
    user = make_user()
    top_up(user, PAIRS * 10)
    wallet, shop = user_ref(user.pk, "sandbox"), external_ref("sandbox")
    with transaction.atomic():
        holds = [
            hold(wallet=wallet, money=Money(10, USD), source=f"refund:{n}", purpose="refund", at=now)
            for n in range(PAIRS)
        ]

    def work(number: int) -> int:
        ended = 0
        for one in holds:
            try:
                with transaction.atomic():
                    if number == 0:
                        release(one.pk, at=now)
                    else:
                        capture(one.pk, to=shop, at=now)
                ended += 1
            except HoldClosed:
                pass
        return ended

    ended = in_threads(work, 3)

    assert sum(ended) == PAIRS
    account = Account.objects.get(kind="user")
    assert account.held_minor == 0
    assert account.balance_minor == PAIRS * 10 - 10 * sum(ended[1:])
    assert audit().problems == []


def test_rivals_with_one_key_write_one_entry(make_user, now):
    user = make_user()
    wallet, bank = user_ref(user.pk, "sandbox"), bakong_ref("b@b", "sandbox")

    def work(number: int) -> list[int]:
        found = []
        for key in range(50):
            lines = (debit(bank, Money(7, USD)), credit(wallet, Money(7, USD)))
            with transaction.atomic():
                found.append(post(Entry(f"payment:{key}", "credited", lines), at=now).pk)
        return found

    found = in_threads(work, 8)

    assert all(one == found[0] for one in found)
    assert queries.balances(user, "sandbox")[0].minor == 350


def test_rivals_on_house_accounts_alone_write_one_entry_too(now):
    """No wallet, so no lock: the unique key decides."""
    bank, out = bakong_ref("b@b", "sandbox"), external_ref("sandbox")

    def work(number: int) -> list[int]:
        found = []
        for key in range(50):
            lines = (debit(bank, Money(7, USD)), credit(out, Money(7, USD)))
            with transaction.atomic():
                found.append(post(Entry(f"transfer:{key}", "suspense", lines), at=now).pk)
        return found

    found = in_threads(work, 8)

    assert all(one == found[0] for one in found)
    assert queries.account_balance(bank, USD) == Money(350, USD)


def test_two_wallets_paying_each_other_do_not_lock_up(make_user, top_up, now):
    users = [make_user(), make_user()]
    for user in users:
        top_up(user, 10_000)
    refs = [user_ref(user.pk, "sandbox") for user in users]

    def work(number: int) -> None:
        giver, taker = refs[number % 2], refs[(number + 1) % 2]
        for step in range(50):
            with transaction.atomic():
                spend(
                    wallet=giver,
                    to=taker,
                    money=Money(3, USD),
                    source=f"g:{number}:{step}",
                    purpose="gift",
                    at=now,
                )

    in_threads(work, 8)

    assert [queries.balances(user, "sandbox")[0].minor for user in users] == [10_000, 10_000]


def test_a_block_waits_for_the_entry_that_is_not_committed_yet(make_user, top_up, now):
    """An entry with a lower id that commits late must not slip in behind a sealed block."""
    user = make_user()
    holder_ready, go_on = threading.Event(), threading.Event()
    money = Money(5, USD)

    def slow() -> None:
        lines = (
            debit(bakong_ref("slow@b", "sandbox"), money),
            credit(external_ref("sandbox", "slow"), money),
        )
        try:
            with transaction.atomic():
                post(Entry("slow", "credited", lines), at=now)
                holder_ready.set()
                go_on.wait(10)
        finally:
            connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    holder_ready.wait(10)
    top_up(user, 100)  # a higher id, committed first

    assert seal_blocks(at=now, wait_ms=200) == 0
    go_on.set()
    thread.join()
    assert seal_blocks(at=now) == 1
    assert audit().problems == []

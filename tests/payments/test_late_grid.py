"""The grid of late money: when it was paid, when Bakong shows it, whose clock is off, which QR was used.

216 cells. Whatever the cell, the money is in the wallet once or lies in review, nothing is lost, the
books add up, and "late" is said exactly where the transfer was sent more than a minute after expiry.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments import clock, conf, law, watching
from vinflow.payments.models import Payment, PaymentSettings, ReviewItem, Transfer
from vinflow.payments.opening import open_payment, renew_qr
from vinflow.sandbox import Sandbox
from vinflow.wallet.queries import balances

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

PAID_S = (-10, 5, 50, 600, 6 * 3600, 23 * 3600)  # seconds after the QR's expiry
SHOWN_LATER_S = (0, 60, 300, 600)
BANK_AHEAD_S = (-60, 0, 60)
WHICH = ("first", "second", "both")
CELLS = list(product(PAID_S, SHOWN_LATER_S, BANK_AHEAD_S, WHICH))


def sampled() -> list[tuple[int, int, int, str]]:
    """Return every third cell, so that each value meets each other value; all of them in `make prove`."""
    if os.environ.get("PROVE"):
        return CELLS
    axes = (PAID_S, SHOWN_LATER_S, BANK_AHEAD_S, WHICH)
    places = [[axis.index(value) for axis, value in zip(axes, cell, strict=True)] for cell in CELLS]  # type: ignore[arg-type]
    return [cell for cell, place in zip(CELLS, places, strict=True) if sum(place) % 3 == 0]


def test_the_grid_is_as_large_as_it_says_and_the_sample_meets_every_pair() -> None:
    sample = sampled()

    assert len(CELLS) == 216
    assert len(sample) >= 72
    for one, other in combinations(range(4), 2):
        assert {(cell[one], cell[other]) for cell in sample} == {(cell[one], cell[other]) for cell in CELLS}


@pytest.mark.parametrize(("paid_s", "shown_later_s", "ahead_s", "which"), sampled())
def test_late_money_is_credited_once_whatever_the_cell(
    bank: Sandbox,
    payer: Any,
    watch: Callable[[float], None],
    paid_s: int,
    shown_later_s: int,
    ahead_s: int,
    which: str,
) -> None:
    PaymentSettings.objects.create(singleton=1)
    with clock.used(lambda: bank.clock.now() - timedelta(seconds=ahead_s)):
        payment = open_payment(user=payer, money=Money(100, Currency.USD), key="k", at=clock.now())
        first = paid = payment.attempts.get()
        if which != "first":
            watch(601)
            paid = renew_qr(payment=payment, at=clock.now())
        if which == "both":
            paid = first
        watch(max(1.0, (paid.expires_at - clock.now()).total_seconds() + paid_s))
        sent = [bank.pay(paid.qr_string, late=True, delay_s=shown_later_s)]
        if which == "both":
            newest = payment.attempts.order_by("-number").first()
            assert newest is not None
            sent.append(bank.pay(newest.qr_string, late=True))

        watch(50 * 3600)

        payment.refresh_from_db()
        assert payment.status == "completed"
        assert balances(payer, conf.environment())[0] == Money(100, Currency.USD)
        credited = Transfer.objects.get(fate="credited")
        sent_at = datetime.fromtimestamp(
            next(one.created_ms for one in sent if one.hash == credited.hash) / 1000, UTC
        )
        assert payment.completed_late == (sent_at > credited.attempt.expires_at + timedelta(seconds=60))
        assert {transfer.hash for transfer in Transfer.objects.all()} == {one.hash for one in sent}
        assert [item.reasons for item in ReviewItem.objects.all()] == [["already_paid"]] * (len(sent) - 1)
        assert law.check(conf.environment()) == []
        assert Payment.objects.count() == 1
        assert watching.step().next_due_at is None

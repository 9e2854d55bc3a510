"""Entries that balance and still say what no row bears out: each rule of the law finds its own."""

from __future__ import annotations

import pytest
from django.db import transaction

from vinflow.money import Currency, Money
from vinflow.payments import clock, conf, law
from vinflow.wallet.entries import (
    AccountRef,
    Entry,
    bakong_ref,
    credit,
    debit,
    external_ref,
    receivable_ref,
    suspense_ref,
    unclaimed_ref,
)
from vinflow.wallet.posting import post

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]

HERE = "sandbox"
OUTSIDE, BANK = external_ref(HERE), bakong_ref("shop@devb", HERE)


@pytest.mark.parametrize("money", [Money(150, Currency.USD), Money(4000, Currency.KHR)], ids=str)
@pytest.mark.parametrize(
    ("source", "purpose", "to", "of", "rules"),
    [
        ("odd:1", "odd", receivable_ref(7, HERE), OUTSIDE, {"owed"}),
        ("odd:1", "odd", OUTSIDE, suspense_ref(HERE), {"suspense", "law"}),
        ("statement:1", "odd", BANK, OUTSIDE, {"statements"}),
        ("transfer:1", "suspense", BANK, OUTSIDE, {"received", "law"}),
        ("transfer:1", "return", OUTSIDE, BANK, {"returns", "law"}),
        ("transfer:1", "unclaimed", OUTSIDE, unclaimed_ref(HERE), {"written off", "law"}),
        ("clawback:1", "claw_back", OUTSIDE, BANK, {"claw-backs", "law"}),
        ("refund:1", "refund:captured", OUTSIDE, BANK, {"refunds", "law"}),
        ("odd:1", "odd", OUTSIDE, external_ref(HERE, "topup"), set()),
    ],
)
def test_an_entry_that_no_row_bears_out_breaks_its_rule(
    source: str, purpose: str, to: AccountRef, of: AccountRef, rules: set[str], money: Money
) -> None:
    with transaction.atomic():
        post(Entry(source, purpose, (debit(to, money), credit(of, money))), at=clock.now())

    assert {breach.rule for breach in law.check(conf.environment())} == rules

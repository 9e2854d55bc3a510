"""The payer: what a bank app refuses, and the odd ways in which money can arrive."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.sandbox import Clock, Sandbox
from vinflow.sandbox.bank import PHONE_ACCOUNT
from vinflow.sandbox.errors import (
    AlreadyPaid,
    AmountNeeded,
    Damaged,
    Expired,
    NotEnoughMoney,
    NotKhqr,
    PayRefused,
    UnknownReceiver,
)


def check(ask: Any, qr: str) -> Any:
    return ask("check_transaction_by_md5", {"md5": hashlib.md5(qr.encode()).hexdigest()}).json()


def test_the_scheme_of_the_guide_is_not_part_of_the_qr(bank: Sandbox) -> None:
    qr = bank.qr("1.00")

    assert bank.pay(f"khqr://{qr}").md5 == hashlib.md5(qr.encode()).hexdigest()


def test_a_transfer_is_invisible_until_it_is_acknowledged(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr, delay_s=90)

    bank.advance(89.999)
    hidden = check(ask, qr)
    bank.advance(0.001)
    shown = check(ask, qr)

    assert hidden["errorCode"] == 1
    assert shown["data"]["acknowledgedDateMs"] - shown["data"]["createdDateMs"] == 90_000


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"amount": "1.01"}, "amount", 1.01),
        ({"amount": Decimal("0.1") + Decimal("0.2")}, "amount", 0.3),
        ({"currency": "KHR", "amount": 4100}, "currency", "KHR"),
        ({"amount": Money(4100, Currency.KHR)}, "currency", "KHR"),
        ({"amount": Money(4100, Currency.USD)}, "amount", 41),
        ({"receiver": "bridge_account@devb"}, "toAccountId", "bridge_account@devb"),
        ({"payer": "aclb_wallet@aclb"}, "fromAccountId", "aclb_wallet@aclb"),
        ({"external_ref": None}, "externalRef", None),
        ({"tracking_status": "FAILED_AT_ACH"}, "trackingStatus", "FAILED_AT_ACH"),
        ({"description": "ចំណាំ"}, "description", "ចំណាំ"),
        ({"overrides": {"amount": "1.00"}}, "amount", "1.00"),
    ],
)
def test_money_can_arrive_otherwise_than_the_qr_says(
    ask: Any, bank: Sandbox, options: dict[str, Any], field: str, value: Any
) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr, **options)

    assert check(ask, qr)["data"][field] == value


def test_a_field_can_be_left_out(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr, drop=("toAccountId", "createdDateMs"))

    assert {"toAccountId", "createdDateMs"}.isdisjoint(check(ask, qr)["data"])


def test_the_last_moment_is_in_time_and_the_next_is_not(bank: Sandbox) -> None:
    early, late = bank.qr("1.00", life_s=60), bank.qr("2.00", life_s=60)

    bank.advance(60)
    bank.pay(early)
    bank.advance(0.001)
    with pytest.raises(Expired):
        bank.pay(late)

    assert len(bank.transfers) == 1


def test_a_payer_can_be_told_to_pay_late_and_it_shows(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00", life_s=60)
    bank.advance(3600)
    bank.pay(qr, late=True)
    end_ms = bank.read_qr(qr, expired_too=True).expiration_timestamp or 0

    assert check(ask, qr)["data"]["createdDateMs"] > end_ms + 60_000


def test_paying_late_before_the_end_reports_a_time_after_it_at_once(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00", life_s=600)
    bank.pay(qr, late=True)
    end_ms = bank.read_qr(qr).expiration_timestamp or 0

    data = check(ask, qr)["data"]
    assert data["createdDateMs"] > end_ms + 60_000
    assert data["acknowledgedDateMs"] >= data["createdDateMs"]


def test_paid_is_paid_unless_told_to_pay_again(bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr, delay_s=3600)

    with pytest.raises(AlreadyPaid):
        bank.pay(qr)
    bank.pay(qr, again=True)

    assert len(bank.transfers) == 2


def test_a_failed_attempt_may_be_followed_by_a_payment(bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    bank.pay(qr, fail=True)

    assert not bank.pay(qr).failed


def test_a_static_qr_needs_an_amount(bank: Sandbox) -> None:
    qr = bank.qr(None)

    with pytest.raises(AmountNeeded):
        bank.pay(qr)
    assert bank.pay(qr, amount="3.00").static


@pytest.mark.parametrize("amount", ["0", "-1", "abc", "NaN", "Infinity", "1e20", ""])
def test_nonsense_is_no_amount(bank: Sandbox, amount: str) -> None:
    with pytest.raises(AmountNeeded):
        bank.pay(bank.qr(None), amount=amount)


def test_what_is_no_khqr_is_refused(bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    refused: list[tuple[str, type[PayRefused]]] = [
        ("", NotKhqr),
        ("https://shop.example", NotKhqr),
        (qr[:-8], NotKhqr),
        (qr * 9, NotKhqr),
        ("\ud800" + qr, NotKhqr),
        (qr.replace("VinFlow", "VinFlaw"), Damaged),
        (qr[:-4] + ("0000" if qr[-4:] != "0000" else "1111"), Damaged),
    ]

    for text, kind in refused:
        with pytest.raises(kind):
            bank.pay(text)
    assert bank.transfers == ()


def test_an_account_nobody_created_cannot_receive(bank: Sandbox) -> None:
    qr = bank.qr("1.00", account="stranger@devb")

    with pytest.raises(UnknownReceiver):
        bank.pay(qr)
    bank.switch(any_receiver=True)

    assert bank.pay(qr).to_account == "stranger@devb"


def test_a_balance_covers_or_nothing_moves(bank: Sandbox) -> None:
    bank.pay(bank.qr("499.99"), payer=PHONE_ACCOUNT, debit=True)
    with pytest.raises(NotEnoughMoney):
        bank.pay(bank.qr("0.02"), payer=PHONE_ACCOUNT, debit=True)
    bank.pay(bank.qr("0.01"), payer=PHONE_ACCOUNT, debit=True)
    with pytest.raises(NotEnoughMoney):
        bank.pay(bank.qr("1000001", Currency.KHR), payer=PHONE_ACCOUNT, debit=True, twice=True)

    account = bank.find_account(PHONE_ACCOUNT)
    assert account is not None
    assert account.balances == {"USD": 0, "KHR": 2_000_000}
    assert len(bank.transfers) == 2


def test_the_same_seed_clock_and_calls_give_the_same_run() -> None:
    def run(seed: int) -> list[Any]:
        bank = Sandbox(seed, clock=Clock(frozen_at_ms=1_764_565_200_000))
        qr = bank.qr("1.00")
        link = bank.add_link(qr)
        return [bank.token, bank.pay(qr, twice=True), bank.transfers, link, bank.renew(bank.email)]

    assert run(7) == run(7)
    assert all(one != two for one, two in zip(run(7), run(8), strict=True))


def test_a_reset_forgets_payments_and_never_repeats_a_hash(ask: Any, bank: Sandbox) -> None:
    qr = bank.qr("1.00")
    first = bank.pay(qr)
    bank.switch(quota=1)
    bank.fault()
    bank.reset()

    assert check(ask, qr)["errorCode"] == 1
    assert bank.switches.quota == 100
    assert bank.pay(qr).hash != first.hash

"""What the 48 vectors do not name: the hosted dialect, TLS, expired tokens on a list, diagnosis, secrets."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote

import pytest

from vinflow.bakong import (
    AccountState,
    CannotTell,
    Exchange,
    Failed,
    Found,
    HostedQr,
    Link,
    NotFound,
    Reason,
    StaticQr,
    TokenInfo,
)
from vinflow.khqr import md5 as md5_of
from vinflow.money import Currency, Money

Open = Callable[..., Any]
Shop = Callable[..., Any]
NOT_PAID = ["not_found_404", "null_404", "null_200", "not_found_200", "pending_200"]
DOLLARS = Money(1050, Currency.USD)


def created(client: Any, money: Money = DOLLARS) -> HostedQr:
    """A QR of the gateway."""
    qr = client.create(money, "Add funds", "TXN123456789")
    assert isinstance(qr, HostedQr), qr
    return qr


@pytest.mark.parametrize("not_paid", NOT_PAID)
@pytest.mark.parametrize("money", [DOLLARS, Money(41000, Currency.KHR)])
def test_the_guides_whole_way_from_a_qr_to_a_payment(
    open_bank: Open, shop: Shop, not_paid: str, money: Money
) -> None:
    bank = open_bank(hosted_not_paid=not_paid)
    client = shop(bank, hosted=True)

    qr = created(client, money)
    before = client.check(qr.hash)
    paid = bank.sandbox.pay(qr.qr_string)
    after = client.check(qr.hash)

    assert isinstance(before, NotFound)
    assert isinstance(after, Found)
    assert after.transfer.hash == qr.hash
    assert Money.from_decimal(after.transfer.amount, Currency(after.transfer.currency)) == money
    assert after.transfer.created_at == datetime.fromtimestamp(paid.created_ms // 1000, UTC)
    assert after.raw["bill_number"] == "TXN123456789"
    assert not qr.qr_string.startswith("khqr://")
    assert unquote(qr.deeplink or "") == f"bakong://qr?qr=khqr://{qr.qr_string}"
    assert bank.sandbox.transfers[0].md5 == md5_of(qr.qr_string)


@pytest.mark.parametrize("not_paid", NOT_PAID)
def test_a_hash_that_the_gateway_never_gave_is_not_found(open_bank: Open, shop: Shop, not_paid: str) -> None:
    assert isinstance(shop(open_bank(hosted_not_paid=not_paid), hosted=True).check("0" * 64), NotFound)


def test_a_failed_attempt_at_the_gateway_is_failed(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    client = shop(bank, hosted=True)
    qr = created(client)
    bank.sandbox.pay(qr.qr_string, fail=True)

    assert isinstance(client.check(qr.hash), Failed)


def test_another_amount_at_the_gateway_is_found_as_it_is(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    client = shop(bank, hosted=True)
    qr = created(client)
    bank.sandbox.pay(qr.qr_string, amount="10.49")

    assert client.check(qr.hash).transfer.amount == Decimal("10.49")


@pytest.mark.parametrize(
    "overrides",
    [{"status": "pending"}, {"paid": False}, {"paid": "yes"}, {"hash": "0" * 64}, {"amount": None}],
)
def test_a_contradictory_answer_of_the_gateway_tells_nothing(
    open_bank: Open, shop: Shop, overrides: dict[str, Any]
) -> None:
    bank = open_bank()
    client = shop(bank, hosted=True)
    qr = created(client)
    bank.sandbox.pay(qr.qr_string, overrides=overrides)

    assert client.check(qr.hash).reason is Reason.MALFORMED


@pytest.mark.parametrize("status", [401, 200])
def test_a_refused_token_is_auth_in_both_calls_of_the_gateway(
    open_bank: Open, shop: Shop, status: int
) -> None:
    bank = open_bank(unauthorized_status=status)
    client = shop(bank, hosted=True, token="wrong-token-wrong-token")

    assert client.create(DOLLARS, "Add funds", "B").reason is Reason.AUTH
    assert client.check("0" * 64).reason is Reason.AUTH


@pytest.mark.parametrize(
    ("style", "reason"),
    [
        ("nginx", Reason.BLOCKED),
        ("quota", Reason.QUOTA),
        ("throttled", Reason.THROTTLED),
        ("empty", Reason.MALFORMED),
        ("login_page", Reason.MALFORMED),
        ("garbage", Reason.MALFORMED),
        ("array", Reason.MALFORMED),
        ("redirect", Reason.REDIRECT),
        ("reset", Reason.NETWORK),
        ("too_large", Reason.TOO_LARGE),
    ],
)
def test_the_gateways_troubles_are_bakongs_troubles(
    open_bank: Open, shop: Shop, style: str, reason: Reason
) -> None:
    bank = open_bank()
    bank.sandbox.fault("*", style)
    client = shop(bank, hosted=True)

    assert client.create(DOLLARS, "Add funds", "B").reason is reason
    assert client.check("0" * 64).reason is reason


def test_a_404_page_of_a_wrong_address_is_not_unpaid(open_bank: Open, shop: Shop) -> None:
    client = shop(open_bank(), hosted=True, prefix="/v9")

    assert client.check("0" * 64).reason is Reason.CONFIG
    assert client.create(DOLLARS, "Add funds", "B").reason is Reason.CONFIG


def test_an_expired_token_on_the_list_is_renewed_and_not_called_closed(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(md5_list="open", expired_token_403=True)
    now_s = bank.sandbox.clock.now_ms() / 1000
    closed: dict[str, Any] = {}
    old = bank.sandbox.expired_token(email=bank.sandbox.email)
    client = shop(
        bank, token=old, email=bank.sandbox.email, clock=lambda: now_s - 30 * 86_400, closed_lists=closed
    )

    outcomes = client.check_md5_many(["0" * 32, "1" * 32])

    assert all(isinstance(outcome, NotFound) for outcome in outcomes.values())
    assert bank.names() == ["check_transaction_by_md5_list", "renew_token", "check_transaction_by_md5_list"]
    assert closed == {}


def test_a_token_of_another_environment_is_refused(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()

    outcome = shop(bank, token=bank.sandbox.issue_token(environment="production")).check_md5("0" * 32)

    assert outcome.reason is Reason.AUTH


def test_over_tls_with_an_authority_of_its_own(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(tls=True, short_link="own")
    text, md5 = bank.qr()
    bank.sandbox.pay(text)

    trusting = shop(bank, ca_file=str(bank.server.ca_path))
    doubting = shop(bank)

    assert isinstance(trusting.check_md5(md5), Found)
    assert isinstance(trusting.deeplink(text), Link)
    assert doubting.check_md5(md5).reason is Reason.NETWORK


def test_fifty_at_once_are_one_call_of_the_day(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(md5_list="open")
    texts = [bank.qr("1.00", bill_number=f"B{n}") for n in range(50)]
    for text, _ in texts[::2]:
        bank.sandbox.pay(text)

    outcomes = shop(bank).check_md5_many([md5 for _, md5 in texts])

    assert [type(outcome) for outcome in outcomes.values()] == [Found, NotFound] * 25
    assert bank.sandbox.used() == 1


def test_a_static_qr_in_a_list_is_told_apart(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(md5_list="open")
    text, md5 = bank.qr(None)
    bank.sandbox.pay(text, amount="1.00")

    assert isinstance(shop(bank).check_md5_many([md5, "0" * 32])[md5], StaticQr)


def test_a_token_is_renewed_by_hand(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    client = shop(bank, email=bank.sandbox.email)

    info = client.renew()

    assert isinstance(info, TokenInfo)
    assert bank.names() == ["renew_token", "check_transaction_by_md5"]


@pytest.mark.parametrize("md5_list", ["closed", "open"])
@pytest.mark.parametrize("everywhere", [False, True])
def test_a_healthy_bakong_is_diagnosed_for_three_calls(
    open_bank: Open, shop: Shop, md5_list: str, everywhere: bool
) -> None:
    bank = open_bank(md5_list=md5_list, token_everywhere=everywhere)

    found = shop(bank).diagnose(bank.sandbox.account)

    assert found.reachable
    assert not found.refused
    assert found.token_accepted
    assert 89 < found.token_days_left <= 90
    assert abs(found.clock_behind_s) < 3
    assert found.account is AccountState.EXISTS
    assert found.hash_list_open
    assert found.md5_list_open is (md5_list == "open")
    assert found.quota_gone is False
    assert bank.sandbox.used() <= found.metered_calls <= 3


@pytest.mark.parametrize("page", ["nginx", "cloudfront"])
def test_a_refused_machine_is_diagnosed_for_nothing(open_bank: Open, shop: Shop, page: str) -> None:
    bank = open_bank(geo_block=page)

    found = shop(bank).diagnose(bank.sandbox.account)

    assert found.refused
    assert not found.reachable
    assert found.metered_calls == 0
    assert len(bank.calls()) == 1


@pytest.mark.parametrize("status", [401, 200])
def test_a_wrong_token_is_diagnosed_and_the_account_too(open_bank: Open, shop: Shop, status: int) -> None:
    bank = open_bank(unauthorized_status=status)

    found = shop(bank, token="wrong-token-wrong-token").diagnose("nobody@devb")

    assert found.token_accepted is False
    assert found.account is AccountState.UNKNOWN
    assert found.md5_list_open is None
    assert found.metered_calls <= 3


def test_a_spent_day_is_diagnosed(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    bank.sandbox.set_used(100)

    found = shop(bank).diagnose(bank.sandbox.account)

    assert found.quota_gone
    assert found.token_accepted


def test_a_clock_that_is_wrong_is_diagnosed(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    now_s = bank.sandbox.clock.now_ms() / 1000

    found = shop(bank, clock=lambda: now_s - 600).diagnose()

    assert 595 < found.clock_behind_s < 605


def test_a_gateway_is_diagnosed_for_one_call(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()

    right = shop(bank, hosted=True).diagnose()
    wrong = shop(bank, hosted=True, token="wrong-token-wrong-token").diagnose()

    assert right.token_accepted
    assert right.metered_calls == 1
    assert wrong.token_accepted is False


def test_nothing_that_is_kept_holds_a_secret(
    open_bank: Open, shop: Shop, told: list[Exchange], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(0)
    bank = open_bank()
    old, email = bank.sandbox.expired_token(email=bank.sandbox.email), bank.sandbox.email
    client = shop(bank, token=old, email=email, on_exchange=told.append)
    text, md5 = bank.qr()
    bank.sandbox.pay(text)
    kept = [client.check_md5(md5), client.renew(), client.diagnose("dave@devb"), client.client]
    new = client.client._keyring.token.value

    everything = json.dumps([[repr(exchange), str(exchange.request), exchange.answer] for exchange in told])
    everything += repr(kept) + caplog.text
    everything += "".join(repr(record.__dict__) for record in caplog.records)

    assert any(exchange.operation == "renew_token" and exchange.answer for exchange in told)
    assert new != old
    for secret in (old, new, email, old.split(".")[2], new.split(".")[2]):
        assert secret not in everything


def test_a_check_is_not_repeated_by_the_client_whatever_comes(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    client = shop(bank, timeout_s=0.3)
    for number, style in enumerate(["nginx", "reset", "empty", "quota", "throttled", "code", "cut"], start=1):
        bank.sandbox.fault(
            "check_transaction_by_md5", style, times=1, status=503 if style == "nginx" else None
        )

        outcome = client.check_md5("0" * 32)

        assert isinstance(outcome, CannotTell | NotFound)
        assert len(bank.calls()) == number

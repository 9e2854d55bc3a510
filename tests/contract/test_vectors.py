"""The 48 shared vectors: what stands on the wire, and what the client makes of it.

Each runs blocking and async, under the defaults of the stand-in and under every switch that changes what it
is about. Crediting, expiry and the gate of the quota are the business of payments and are tested there; here
stands what the client answers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from vinflow.bakong import (
    AccountState,
    CannotTell,
    Exchange,
    Failed,
    Found,
    Link,
    NotFound,
    Reason,
    SourceInfo,
    StaticQr,
    TooMany,
    TrackingStatus,
)
from vinflow.money import Currency, Money

Open = Callable[..., Any]
Shop = Callable[..., Any]


def under(*groups: dict[str, tuple[Any, ...]]) -> Any:
    """Run a test under the defaults, and under each other setting of the named switches, one at a time."""
    settings: list[dict[str, Any]] = [{}]
    for name, values in itertools.chain.from_iterable(group.items() for group in groups):
        settings += [{name: value} for value in values]
    ids = ["-".join(f"{k}={v}" for k, v in setting.items()) or "default" for setting in settings]
    return pytest.mark.parametrize("switches", settings, ids=ids)


RENDERED: dict[str, tuple[Any, ...]] = {
    "amounts": ("point_zero", "string"),
    "milliseconds": ("float",),
    "optional_fields": ("absent", "filled", "minimal"),
    "error_code_on_success": (False,),
    "extra_keys": (True,),
    "key_order": ("reversed",),
}
REFUSED: dict[str, tuple[Any, ...]] = {"unauthorized_status": (200,)}
RENEWED: dict[str, tuple[Any, ...]] = REFUSED | {"renewal_revokes": (True,), "quota_counts_renewal": (True,)}
LISTED: dict[str, tuple[Any, ...]] = {"list_shape": ("transaction", "inline")}
METERED: dict[str, tuple[Any, ...]] = {
    "quota_reset": ("utc",),
    "quota_counts_refused": (True,),
    "quota_counts_renewal": (True,),
    "quota_counts_deeplink": (False,),
    "quota_counts_account": (False,),
}
FAILED: dict[str, tuple[Any, ...]] = {"failed_attempt": ("code_1",)}


def reason(outcome: object) -> Reason:
    """The reason of what must be a CannotTell."""
    assert isinstance(outcome, CannotTell), outcome
    return outcome.reason


@under(RENDERED)
def test_v01_nothing_paid_is_not_found(
    open_bank: Open, shop: Shop, told: list[Exchange], switches: Any
) -> None:
    bank = open_bank(**switches)
    _, md5 = bank.qr()

    outcome = shop(bank, on_exchange=told.append).check_md5(md5)

    assert isinstance(outcome, NotFound)
    assert (told[0].http_status, told[0].code) == (200, None)
    assert outcome.answered_at is not None
    assert abs(outcome.answered_at - bank.sandbox.clock.now()) < timedelta(seconds=5)


@under(RENDERED, {"quota": (None,)})
def test_v02_a_matching_payment_is_found(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    paid = bank.sandbox.pay(text)

    outcome = shop(bank).check_md5(md5)

    assert isinstance(outcome, Found)
    transfer = outcome.transfer
    assert transfer.hash == paid.hash
    assert transfer.amount == Decimal("10.50")
    assert type(transfer.amount) is Decimal
    assert transfer.currency == "USD"
    assert transfer.to_account == bank.sandbox.account
    assert transfer.from_account == paid.from_account
    if switches.get("optional_fields") != "minimal":
        assert transfer.created_at == datetime.fromtimestamp(paid.created_ms / 1000, UTC)
        assert transfer.acknowledged_at is not None


@under({"error_code_on_success": (False,), "key_order": ("reversed",)})
def test_v03_the_least_an_answer_may_hold_is_found(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**({"optional_fields": "minimal", "error_code_on_success": False} | switches))
    text, md5 = bank.qr()
    bank.sandbox.pay(text, drop=("description",))

    outcome = shop(bank).check_md5(md5)

    assert isinstance(outcome, Found)
    assert outcome.transfer.created_at is None
    assert outcome.transfer.external_ref is None


@under(RENDERED)
@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        pytest.param({"amount": "10.51"}, "amount", Decimal("10.51"), id="v04-amount"),
        pytest.param({"currency": "KHR"}, "currency", "KHR", id="v05-currency"),
        pytest.param(
            {"receiver": "bridge_account@devb"}, "to_account", "bridge_account@devb", id="v06-receiver"
        ),
    ],
)
def test_v04_to_v06_a_payment_that_differs_is_found_as_it_is(
    open_bank: Open, shop: Shop, switches: Any, options: dict[str, Any], field: str, value: object
) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    bank.sandbox.pay(text, **options)

    outcome = shop(bank).check_md5(md5)

    assert isinstance(outcome, Found)
    assert getattr(outcome.transfer, field) == value


@under(FAILED)
def test_v07_v08_a_failed_attempt_is_failed_under_either_code(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    bank.sandbox.pay(text, fail=True)

    assert isinstance(shop(bank).check_md5(md5), Failed)


@under(FAILED, RENDERED)
def test_v09_a_failed_attempt_may_be_followed_by_a_payment(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    client = shop(bank)
    bank.sandbox.pay(text, fail=True)
    first = client.check_md5(md5)
    bank.sandbox.pay(text)

    assert isinstance(first, Failed)
    assert isinstance(client.check_md5(md5), Found)


@under({"static_qr": ("code_2", "found")})
def test_v10_a_static_qr_is_told_in_one_of_three_ways(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(md5_list="open", **switches)
    text, md5 = bank.qr(None)
    bank.sandbox.pay(text, amount="3.00")
    client = shop(bank)

    single = client.check_md5(md5)
    listed = client.check_md5_many([md5, "0" * 32])

    expected = {"code_2": StaticQr, "found": Found}.get(switches.get("static_qr"), NotFound)
    assert isinstance(single, expected)
    assert isinstance(listed[md5], StaticQr)


@under(REFUSED)
def test_v11_without_a_good_token_there_is_no_answer(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    _, md5 = bank.qr()

    outcome = shop(bank, token="no-token-of-this-bank").check_md5(md5)

    assert reason(outcome) is Reason.AUTH
    assert outcome.code == 6
    assert bank.names() == ["check_transaction_by_md5"]


@under(RENEWED)
def test_v12_v15_an_expired_token_is_renewed_once_and_the_call_repeated_once(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    bank.sandbox.pay(text)
    old = bank.sandbox.expired_token(email=bank.sandbox.email)
    now_s = bank.sandbox.clock.now_ms() / 1000
    # A slow clock of ours: the token looks good to us, and Bakong refuses it.
    client = shop(bank, token=old, email=bank.sandbox.email, clock=lambda: now_s - 30 * 86_400)

    outcomes = [client.check_md5(md5) for _ in range(3)]

    assert all(isinstance(outcome, Found) for outcome in outcomes)
    assert bank.names() == [
        "check_transaction_by_md5",
        "renew_token",
        "check_transaction_by_md5",
        "check_transaction_by_md5",
        "check_transaction_by_md5",
    ]


@under(RENEWED)
def test_v12_a_token_that_we_know_to_be_over_is_renewed_before_it_is_refused(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    bank.sandbox.pay(text)
    client = shop(bank, token=bank.sandbox.expired_token(email=bank.sandbox.email), email=bank.sandbox.email)

    assert isinstance(client.check_md5(md5), Found)
    assert bank.names() == ["renew_token", "check_transaction_by_md5"]


@under(REFUSED)
def test_v14_an_unknown_email_renews_nothing(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    client = shop(bank, token=bank.sandbox.expired_token(), email="nobody@shop.example")

    outcome = client.check_md5("0" * 32)

    assert reason(outcome) is Reason.AUTH
    assert bank.names().count("renew_token") == 1


@under(METERED)
def test_v16_v17_the_call_after_the_last_is_quota_until_the_day_is_over(
    open_bank: Open, shop: Shop, told: list[Exchange], switches: Any
) -> None:
    bank = open_bank(quota=3, **switches)
    client = shop(bank, on_exchange=told.append)

    within = [client.check_md5("0" * 32) for _ in range(3)]
    beyond = client.check_md5("0" * 32)
    bank.sandbox.advance(86_400)
    afterwards = client.check_md5("0" * 32)

    assert all(isinstance(outcome, NotFound) for outcome in within)
    assert reason(beyond) is Reason.QUOTA
    assert beyond.code == 17
    assert told[3].http_status == 200
    assert isinstance(afterwards, NotFound)


def test_v16_a_hundred_calls_are_answered_and_the_next_is_not(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    bank.sandbox.set_used(99)
    client = shop(bank)

    assert isinstance(client.check_md5("0" * 32), NotFound)
    assert reason(client.check_md5("0" * 32)) is Reason.QUOTA


@pytest.mark.parametrize("page", ["nginx", "cloudfront"])
def test_v18_a_machine_that_is_refused_renews_nothing(open_bank: Open, shop: Shop, page: str) -> None:
    bank = open_bank(geo_block=page)
    client = shop(bank, email=bank.sandbox.email)

    outcomes = [
        client.check_md5("0" * 32),
        client.check_hash("0" * 64),
        client.check_external_ref("100FT1"),
        client.account_exists("dave@devb"),
        client.deeplink("000201"),
        *client.check_md5_many(["0" * 32, "1" * 32]).values(),
        *client.check_hash_many(["0" * 64]).values(),
    ]

    assert {reason(outcome) for outcome in outcomes} == {Reason.BLOCKED}
    assert "renew_token" not in bank.names()


def test_v18_a_client_says_who_it_is(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(user_agent_filter=True)

    assert isinstance(shop(bank).check_md5("0" * 32), NotFound)
    assert bank.calls()[0].user_agent.startswith("vinflow")


def three(bank: Any) -> list[str]:
    """A paid QR, an unpaid one and a static one."""
    text, paid = bank.qr("1.00")
    _, unpaid = bank.qr("2.00")
    static_text, static = bank.qr(None)
    bank.sandbox.pay(text)
    bank.sandbox.pay(static_text, amount="3.00")
    return [paid, unpaid, static]


def test_v19_a_closed_list_becomes_single_calls_and_is_not_tried_again(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(md5_list="closed")
    md5s = three(bank)
    client = shop(bank)

    first, second = client.check_md5_many(md5s), client.check_md5_many(md5s[:2])

    assert [type(first[md5]) for md5 in md5s] == [Found, NotFound, NotFound]
    assert isinstance(second[md5s[0]], Found)
    assert bank.names() == ["check_transaction_by_md5_list"] + ["check_transaction_by_md5"] * 5


def test_v19_a_list_that_opens_again_is_found_open_a_week_later(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(md5_list="closed")
    md5s = three(bank)
    client = shop(bank)
    client.check_md5_many(md5s)
    bank.sandbox.switch(md5_list="open")
    bank.sandbox.advance(7 * 86_400)

    outcomes = client.check_md5_many(md5s)

    assert isinstance(outcomes[md5s[2]], StaticQr)
    assert bank.names()[-1] == "check_transaction_by_md5_list"


@under(LISTED, RENDERED, {"quota_list_each": (True,), "list_keys": (False,)})
def test_v20_a_list_gives_three_outcomes_in_any_shape(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(md5_list="open", **switches)
    md5s = three(bank)

    outcomes = shop(bank).check_md5_many(md5s)

    assert [type(outcomes[md5]) for md5 in md5s] == [Found, NotFound, StaticQr]
    assert outcomes[md5s[0]].transfer.amount == 1
    assert bank.names() == ["check_transaction_by_md5_list"]


@under(LISTED)
def test_v21_what_a_short_list_leaves_out_is_unknown(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(md5_list="open", list_short=True, **switches)
    md5s = three(bank)

    outcomes = shop(bank).check_md5_many(md5s)

    assert [type(outcomes[md5]) for md5 in md5s] == [Found, NotFound, CannotTell]


@under({"list_shape": ("transaction", "inline")})
def test_v22_a_short_list_without_keys_tells_nothing(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(md5_list="open", list_short=True, list_keys=False, **switches)
    md5s = three(bank)

    outcomes = shop(bank).check_md5_many(md5s)

    assert {reason(outcome) for outcome in outcomes.values()} == {Reason.MALFORMED}


@under(LISTED)
@pytest.mark.parametrize(
    ("style", "why"),
    [
        pytest.param("EMPTY_SUCCESS", Reason.MALFORMED, id="v23-success-without-transaction"),
        pytest.param("SERVICE_FAILED", Reason.UPSTREAM, id="v24-service-failed"),
    ],
)
def test_v23_v24_a_spoilt_item_is_unknown_and_only_that_item(
    open_bank: Open, shop: Shop, switches: Any, style: str, why: Reason
) -> None:
    bank = open_bank(md5_list="open", **switches)
    md5s = three(bank)
    bank.sandbox.item_fault(md5s[0], style)

    outcomes = shop(bank).check_md5_many(md5s)

    assert reason(outcomes[md5s[0]]) is why
    assert isinstance(outcomes[md5s[1]], NotFound)


@pytest.mark.parametrize("method", ["check_md5_many", "check_hash_many"])
def test_v25_fifty_one_never_leave(open_bank: Open, shop: Shop, method: str) -> None:
    bank = open_bank(md5_list="open")
    length = 32 if "md5" in method else 64

    with pytest.raises(TooMany):
        getattr(shop(bank), method)([f"{n:0{length}x}" for n in range(51)])

    assert bank.names() == []


@under(LISTED, RENDERED, {"quota_list_each": (True,), "list_keys": (False,)})
def test_v26_a_hash_list_finds_the_one_and_not_the_other(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    text, _ = bank.qr()
    paid = bank.sandbox.pay(text)
    unknown = "0" * 64

    outcomes = shop(bank).check_hash_many([paid.hash.upper(), unknown])

    assert outcomes[paid.hash.upper()].transfer.hash == paid.hash
    assert isinstance(outcomes[unknown], NotFound)


@under(RENDERED)
@pytest.mark.parametrize(("amount", "currency"), [("10.50", Currency.USD), ("41000", Currency.KHR)])
def test_v27_a_short_hash_needs_the_right_amount(
    open_bank: Open, shop: Shop, switches: Any, amount: str, currency: Currency
) -> None:
    bank = open_bank(**switches)
    text, _ = bank.qr(amount, currency=currency)
    paid = bank.sandbox.pay(text)
    client = shop(bank)
    right = Money.from_decimal(Decimal(amount), currency)

    found = client.check_short_hash(paid.short_hash, right)
    other_amount = client.check_short_hash(paid.short_hash, right + Money(1, currency))
    other_currency = Currency.KHR if currency is Currency.USD else Currency.USD

    assert found.transfer.hash == paid.hash
    assert isinstance(other_amount, NotFound)
    assert isinstance(client.check_short_hash(paid.short_hash, Money(4100, other_currency)), NotFound)


@under(RENDERED)
def test_v28_a_reference_is_the_payers_banks_and_not_the_bill_number(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    text, _ = bank.qr(bill_number="TXN123456789")
    paid = bank.sandbox.pay(text, instruction_ref="IR1")
    client = shop(bank)

    assert client.check_external_ref(paid.external_ref).transfer.hash == paid.hash
    assert isinstance(client.check_external_ref("TXN123456789"), NotFound)
    assert client.check_instruction_ref("IR1").transfer.hash == paid.hash
    assert isinstance(client.check_instruction_ref("IR2"), NotFound)


@under({"token_everywhere": (True,), "quota_counts_account": (False,)})
def test_v29_an_account_exists_or_not_or_is_malformed(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    client = shop(bank)
    # What the client would not even ask: so that code 12 is seen, Bakong itself must find it malformed.
    bank.sandbox.fault("check_bakong_account", "code", code=12, skip=2, times=1)

    states = [client.account_exists(name).state for name in ("dave@devb", "nobody@devb", "odd@devb")]

    assert states == [AccountState.EXISTS, AccountState.UNKNOWN, AccountState.INVALID]


@under({"token_everywhere": (True,), "short_link": ("own",), "quota_counts_deeplink": (False,)})
def test_v30_every_deeplink_is_another(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    text, _ = bank.qr()
    client = shop(bank)
    source = SourceInfo("Shop", "https://shop.example/icon.png", "https://shop.example/return/OPAQUE")

    links = [client.deeplink(text), client.deeplink(text, source)]

    assert all(isinstance(link, Link) for link in links)
    assert links[0].url != links[1].url


def test_v31_no_deeplink_is_a_reason_and_nothing_worse(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    client = shop(bank)
    bank.sandbox.fault("generate_deeplink_by_qr", "code", code=4, times=1)
    bank.sandbox.fault("generate_deeplink_by_qr", "code", code=5, times=1)

    provider, fields = client.deeplink("000201"), client.deeplink("000201")

    assert (reason(provider), provider.code) == (Reason.UPSTREAM, 4)
    assert (reason(fields), fields.code) == (Reason.BAD_REQUEST, 5)


def test_v32_a_429_says_how_long_to_wait(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    client = shop(bank)
    bank.sandbox.fault("check_transaction_by_md5", "throttled", retry_after_s=30, times=1)
    bank.sandbox.fault("check_transaction_by_md5", "throttled", times=1)

    told, silent = client.check_md5("0" * 32), client.check_md5("0" * 32)

    assert (reason(told), told.retry_after_s) == (Reason.THROTTLED, 30.0)
    assert (reason(silent), silent.retry_after_s) == (Reason.THROTTLED, 60.0)
    assert len(bank.calls()) == 2


def test_v33_an_outage_is_no_answer_and_the_payment_is_found_later(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    text, md5 = bank.qr()
    bank.sandbox.pay(text)
    client = shop(bank)
    bank.sandbox.fault("check_transaction_by_md5", "nginx", status=503, times=2)

    outcomes = [client.check_md5(md5) for _ in range(3)]

    assert [reason(outcome) for outcome in outcomes[:2]] == [Reason.UPSTREAM] * 2
    assert isinstance(outcomes[2], Found)
    assert len(bank.calls()) == 3  # none of them was repeated by the client itself


@pytest.mark.parametrize("style", ["hang", "hang_after"])
def test_v34_a_time_out_is_no_answer_and_was_charged(
    open_bank: Open, shop: Shop, told: list[Exchange], style: str
) -> None:
    bank = open_bank()
    charged: list[Any] = []
    bank.sandbox.fault("check_transaction_by_md5", style, times=1)

    outcome = shop(
        bank, timeout_s=0.3, budget=lambda call: charged.append(call) or True, on_exchange=told.append
    ).check_md5("0" * 32)

    assert reason(outcome) is Reason.TIMEOUT
    assert len(charged) == 1
    assert (told[0].http_status, told[0].reason) == (None, "timeout")


@pytest.mark.parametrize("paid", [False, True])
@pytest.mark.parametrize("style", ["empty", "login_page", "truncated", "code_as_text", "array", "garbage"])
def test_v35_what_is_not_the_documented_json_is_no_answer(
    open_bank: Open, shop: Shop, style: str, paid: bool
) -> None:
    bank = open_bank()
    text, md5 = bank.qr()
    if paid:
        bank.sandbox.pay(text)
    bank.sandbox.fault("check_transaction_by_md5", style, times=1)

    assert reason(shop(bank).check_md5(md5)) is Reason.MALFORMED


@pytest.mark.parametrize(
    ("style", "why"),
    [
        ("reset", Reason.NETWORK),
        ("reset_after", Reason.NETWORK),
        ("cut", Reason.NETWORK),
        ("noise", Reason.NETWORK),
        ("too_large", Reason.TOO_LARGE),
    ],
)
def test_v35_what_breaks_on_the_way_is_no_answer(
    open_bank: Open, shop: Shop, style: str, why: Reason
) -> None:
    bank = open_bank()
    text, md5 = bank.qr()
    bank.sandbox.pay(text)
    client = shop(bank)
    bank.sandbox.fault("check_transaction_by_md5", style, times=1)

    broken, whole = client.check_md5(md5), client.check_md5(md5)

    assert reason(broken) is why
    assert isinstance(whole, Found)


def test_v35_a_drip_ends_with_the_whole_time_and_not_with_the_last_byte(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    bank.sandbox.fault("check_transaction_by_md5", "drip", times=1)
    client = shop(bank, timeout_s=0.2)
    client.client._total_s = 0.6  # instead of 5.4 s: connecting has 5 of them

    begun = datetime.now(UTC)
    outcome = client.check_md5("0" * 32)

    assert reason(outcome) is Reason.TIMEOUT
    assert datetime.now(UTC) - begun < timedelta(seconds=3)


def test_v36_success_with_nothing_is_no_answer(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    bank.sandbox.fault("check_transaction_by_md5", "data_null", times=1)

    outcome = shop(bank).check_md5("0" * 32)

    assert reason(outcome) is Reason.MALFORMED
    assert outcome.code is None


@under(RENDERED)
def test_v37_a_payment_is_not_found_until_it_is_visible_and_says_when_it_was_sent(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    bank.sandbox.clock.freeze()
    text, md5 = bank.qr(life_s=120)
    client = shop(bank)
    bank.sandbox.advance(115)
    paid = bank.sandbox.pay(text, delay_s=95)

    before = client.check_md5(md5)
    bank.sandbox.advance(95)
    after = client.check_md5(md5)

    assert isinstance(before, NotFound)
    assert isinstance(after, Found)
    if switches.get("optional_fields") != "minimal":
        assert after.transfer.created_at == datetime.fromtimestamp(paid.created_ms / 1000, UTC)
        assert after.transfer.acknowledged_at - after.transfer.created_at == timedelta(seconds=95)


def test_v38_a_payment_after_its_end_is_found_with_its_late_time(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    text, md5 = bank.qr(life_s=60)
    end = bank.sandbox.clock.now() + timedelta(seconds=60)
    bank.sandbox.advance(180)
    bank.sandbox.pay(text, late=True)

    outcome = shop(bank).check_md5(md5)

    assert outcome.transfer.created_at > end


def test_v39_an_outage_says_nothing_and_not_found_comes_with_its_own_time(
    open_bank: Open, shop: Shop
) -> None:
    bank = open_bank()
    _, md5 = bank.qr()
    client = shop(bank)
    bank.sandbox.fault("*", "nginx", status=502)

    during = [client.check_md5(md5) for _ in range(3)]
    bank.sandbox.clear_faults()
    bank.sandbox.advance(6 * 3600)
    after = client.check_md5(md5)

    assert {reason(outcome) for outcome in during} == {Reason.UPSTREAM}
    assert isinstance(after, NotFound)
    assert abs(after.answered_at - bank.sandbox.clock.now()) < timedelta(seconds=5)


def test_v40_one_hash_for_two_md5s_is_shown_as_it_is(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    (one, md5_one), (two, md5_two) = bank.qr("1.00"), bank.qr("1.00", bill_number="B")
    paid = bank.sandbox.pay(one)
    bank.sandbox.pay(two, hash=paid.hash)
    client = shop(bank)

    assert client.check_md5(md5_one).transfer.hash == client.check_md5(md5_two).transfer.hash == paid.hash


@under({"paid_twice": ("last",)})
def test_v41_a_check_is_one_call_and_a_qr_paid_twice_shows_one_transfer(
    open_bank: Open, shop: Shop, switches: Any
) -> None:
    bank = open_bank(**switches)
    text, md5 = bank.qr()
    bank.sandbox.pay(text, twice=True)
    hashes = [transfer.hash for transfer in bank.sandbox.transfers]

    outcome = shop(bank).check_md5(md5)

    assert outcome.transfer.hash == hashes[-1 if switches else 0]
    assert len(bank.calls()) == 1


def test_v42_an_older_qr_stays_searchable_beside_the_newer(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    (old, md5_old), (_, md5_new) = bank.qr(bill_number="FIRST"), bank.qr(bill_number="SECOND")
    bank.sandbox.pay(old)
    client = shop(bank)

    assert isinstance(client.check_md5(md5_old), Found)
    assert isinstance(client.check_md5(md5_new), NotFound)


@pytest.mark.parametrize("milliseconds", ["integer", "float"])
@pytest.mark.parametrize("amounts", ["shortest", "point_zero", "string"])
def test_v43_an_amount_is_the_same_however_it_is_written(
    open_bank: Open, shop: Shop, amounts: str, milliseconds: str
) -> None:
    bank = open_bank(amounts=amounts, milliseconds=milliseconds)
    text, md5 = bank.qr("9800", currency=Currency.KHR)
    bank.sandbox.pay(text)

    transfer = shop(bank).check_md5(md5).transfer

    assert Money.from_decimal(transfer.amount, Currency.KHR) == Money(9800, Currency.KHR)
    assert transfer.created_at is not None


@under({"amounts": ("point_zero", "string")})
def test_v44_amounts_are_decimals_and_add_up(open_bank: Open, shop: Shop, switches: Any) -> None:
    bank = open_bank(**switches)
    client = shop(bank)
    found = []
    for amount in ("0.10", "0.20", "0.30"):
        text, md5 = bank.qr(amount)
        bank.sandbox.pay(text)
        found.append(client.check_md5(md5).transfer.amount)

    assert found[0] + found[1] == found[2]
    assert {type(amount) for amount in found} == {Decimal}


def test_v45_an_unknown_code_is_no_answer_and_is_kept(open_bank: Open, shop: Shop) -> None:
    bank = open_bank()
    bank.sandbox.fault("check_transaction_by_md5", "code", code=42, message="Something new", times=1)

    outcome = shop(bank).check_md5("0" * 32)

    assert (reason(outcome), outcome.code) == (Reason.UNKNOWN_CODE, 42)
    assert "Something new" in outcome.detail


@under(RENDERED)
@pytest.mark.parametrize("status", list(TrackingStatus))
def test_v46_a_tracking_status_is_passed_on(
    open_bank: Open, shop: Shop, switches: Any, status: TrackingStatus
) -> None:
    bank = open_bank(**switches)
    text, _ = bank.qr()
    paid = bank.sandbox.pay(text, tracking_status=status.value)

    assert shop(bank).check_hash(paid.hash).transfer.tracking_status is status


def test_v47_unknown_keys_change_nothing(open_bank: Open, shop: Shop) -> None:
    bank = open_bank(extra_keys=True)
    text, md5 = bank.qr()
    bank.sandbox.pay(text, overrides={"somethingElse": [1, {"a": None}]})

    assert isinstance(shop(bank).check_md5(md5), Found)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_v48_a_redirect_is_not_followed_and_the_token_stays_here(
    open_bank: Open, shop: Shop, status: int
) -> None:
    bank, elsewhere = open_bank(), open_bank()
    bank.sandbox.fault(
        "check_transaction_by_md5", "redirect", status=status, location=f"{elsewhere.url}/v1/x"
    )

    outcome = shop(bank).check_md5("0" * 32)

    assert reason(outcome) is Reason.REDIRECT
    assert elsewhere.calls() == []

"""What leaves for Bakong: the bodies of the ten calls, and what is refused before anything leaves."""

from __future__ import annotations

from typing import Any

import pytest

from vinflow.bakong import (
    AccountState,
    AsyncClient,
    BakongError,
    CannotTell,
    Client,
    Found,
    Link,
    MemoryTokenStore,
    NotConfigured,
    NotFound,
    Reason,
    SourceInfo,
    TooMany,
    WrongArgument,
)
from vinflow.money import Currency, Money

from .conftest import HASH, NOT_FOUND, Desk, Make, answer, envelope, jwt, transaction

MD5 = "0dbe08d3829a8b6b59844e51aa38a4e2"
FOUND = envelope(0, None, "ok", transaction())
DOLLAR = Money(100, Currency.USD)

QUESTIONS = [
    ("check_md5", (MD5.upper(),), "check_transaction_by_md5", b'{"md5":"%s"}' % MD5.encode()),
    ("check_hash", (HASH.upper(),), "check_transaction_by_hash", b'{"hash":"%s"}' % HASH.encode()),
    (
        "check_short_hash",
        ("5B1F0C0E", Money(1050, Currency.USD)),
        "check_transaction_by_short_hash",
        b'{"hash":"5b1f0c0e","amount":10.50,"currency":"USD"}',
    ),
    (
        "check_short_hash",
        ("5b1f0c0e", Money(9800, Currency.KHR)),
        "check_transaction_by_short_hash",
        b'{"hash":"5b1f0c0e","amount":9800,"currency":"KHR"}',
    ),
    (
        "check_external_ref",
        ("100FT36931627892",),
        "check_transaction_by_external_ref",
        b'{"externalRef":"100FT36931627892"}',
    ),
    (
        "check_instruction_ref",
        ("REF1",),
        "check_transaction_by_instruction_ref",
        b'{"instructionRef":"REF1"}',
    ),
]


@pytest.mark.parametrize(("method", "arguments", "path", "body"), QUESTIONS)
def test_every_look_up_asks_as_the_document_says(
    make: Make, method: str, arguments: tuple[Any, ...], path: str, body: bytes
) -> None:
    desk = Desk(FOUND)

    outcome = getattr(make(desk), method)(*arguments)

    assert isinstance(outcome, Found)
    request = desk.asked[0]
    assert request.method == "POST"
    assert str(request.url) == f"https://bakong.test/v1/{path}"
    assert request.content == body
    assert request.headers["content-type"] == "application/json"
    assert request.headers["accept"] == "application/json"
    assert request.headers["authorization"].startswith("Bearer eyJ")
    assert request.headers["host"] == "bakong.test"
    assert "vinflow" in request.headers["user-agent"]


def test_a_batch_is_the_bare_array(make: Make) -> None:
    desk = Desk(envelope(0, None, "", []))
    client = make(desk)

    client.check_md5_many([MD5.upper(), "b" * 32])
    client.check_hash_many([HASH])

    assert desk.body(0) == [MD5, "b" * 32]
    assert desk.body(1) == [HASH]
    assert desk.paths == ["check_transaction_by_md5_list", "check_transaction_by_hash_list"]


@pytest.mark.parametrize(
    ("body", "state", "exists"),
    [
        (envelope(0, None, "Account ID exists"), AccountState.EXISTS, True),
        (envelope(0, None, "Account ID exists", {"fullName": "Sok"}), AccountState.EXISTS, True),
        (envelope(1, 11, "Account ID not found"), AccountState.UNKNOWN, False),
        (envelope(1, 12, "Account ID is invalid"), AccountState.INVALID, False),
    ],
)
def test_an_account_exists_or_not_or_is_none(
    make: Make, body: dict[str, Any], state: AccountState, exists: bool
) -> None:
    desk = Desk(body)

    account = make(desk).account_exists("dave@devb")

    assert account.state is state
    assert bool(account) is exists
    assert desk.body() == {"accountId": "dave@devb"}


def test_an_account_answer_that_cannot_be_read_is_no_account(make: Make) -> None:
    told = make(Desk(NOT_FOUND)).account_exists("dave@devb")

    assert told.reason is Reason.UNKNOWN_CODE


def test_a_deeplink_is_asked_for_with_all_of_a_source_or_none(make: Make) -> None:
    link = {"shortLink": "https://bakong.page.link/dGZAr1McBs1UaNmH9"}
    desk = Desk(envelope(0, None, "Getting deep link successfully", link))
    client = make(desk)
    source = SourceInfo("Shop", "https://shop.example/icon.png", "https://shop.example/return/OPAQUE")

    plain, named = client.deeplink("000201..."), client.deeplink("000201...", source)

    assert isinstance(plain, Link)
    assert named.url == "https://bakong.page.link/dGZAr1McBs1UaNmH9"
    assert desk.body(0) == {"qr": "000201..."}
    assert desk.body(1)["sourceInfo"] == {
        "appIconUrl": "https://shop.example/icon.png",
        "appName": "Shop",
        "appDeepLinkCallback": "https://shop.example/return/OPAQUE",
    }


@pytest.mark.parametrize(
    "link",
    [
        "http://bakong.page.link/x",
        "javascript:alert(1)",
        "bakong://qr?qr=x",
        "https://",
        'https://x.example/" onclick="x',
        "https://x.example/a b",
        "https://x.example/\n",
        "",
        None,
        5,
    ],
)
def test_a_link_that_is_not_https_is_no_link(make: Make, link: object) -> None:
    told = make(Desk(envelope(0, None, "", {"shortLink": link}))).deeplink("000201")

    assert told.reason is Reason.MALFORMED


@pytest.mark.parametrize(
    ("base_url", "link", "taken"),
    [
        ("http://127.0.0.1:8123", "http://127.0.0.1:8123/d/abc", True),
        ("http://127.0.0.1:8123", "http://127.0.0.1:81234/d/abc", False),
        ("http://127.0.0.1:8123", "http://elsewhere.example/d/abc", False),
        ("https://bakong.test", "http://bakong.test/d/abc", False),
    ],
)
def test_only_a_plain_stand_in_may_link_to_itself_in_plain_http(
    make: Make, base_url: str, link: str, taken: bool
) -> None:
    desk = Desk(envelope(0, None, "", {"shortLink": link}))

    assert isinstance(make(desk, base_url=base_url).deeplink("000201"), Link) is taken


@pytest.mark.parametrize(("code", "reason"), [(4, Reason.UPSTREAM), (5, Reason.BAD_REQUEST)])
def test_no_deeplink_is_an_answer_and_not_an_exception(make: Make, code: int, reason: Reason) -> None:
    told = make(Desk(envelope(1, code, "no"))).deeplink("000201")

    assert (told.reason, told.code) == (reason, code)


FAULTY = [
    ("check_md5", ("",)),
    ("check_md5", (MD5[:-1],)),
    ("check_md5", (MD5 + "0",)),
    ("check_md5", (MD5 + "\n",)),
    ("check_md5", ("g" * 32,)),
    ("check_md5", (None,)),
    ("check_md5", (MD5.encode(),)),
    ("check_hash", (MD5,)),
    ("check_hash", (HASH[:8],)),
    ("check_short_hash", (HASH, DOLLAR)),
    ("check_short_hash", ("5b1f0c0e", Money(0, Currency.USD))),
    ("check_short_hash", ("5b1f0c0e", Money(-5, Currency.USD))),
    ("check_short_hash", ("5b1f0c0e", 1.0)),
    ("check_external_ref", ("",)),
    ("check_external_ref", ("  ",)),
    ("check_external_ref", ("x" * 256,)),
    ("check_external_ref", ("a\r\nb",)),
    ("check_instruction_ref", ("\x00",)),
    ("check_md5_many", ([],)),
    ("check_md5_many", (MD5,)),
    ("check_md5_many", ([MD5, "no"],)),
    ("check_md5_many", ([MD5, None],)),
    ("check_hash_many", ([],)),
    ("check_hash_many", ([MD5],)),
    ("account_exists", ("dave",)),
    ("account_exists", ("dave@",)),
    ("account_exists", ("@devb",)),
    ("account_exists", ("da@ve@devb",)),
    ("account_exists", ("da ve@devb",)),
    ("account_exists", ("x" * 30 + "@devb",)),
    ("deeplink", ("",)),
    ("deeplink", (None,)),
    ("deeplink", ("x" * 5000,)),
    ("diagnose", ("dave",)),
]


@pytest.mark.parametrize(("method", "arguments"), FAULTY)
def test_a_question_that_makes_no_sense_never_leaves(
    make: Make, method: str, arguments: tuple[Any, ...]
) -> None:
    desk = Desk(FOUND)
    client = make(desk)

    with pytest.raises(WrongArgument) as fault:
        getattr(client, method)(*arguments)

    assert isinstance(fault.value, BakongError)
    assert isinstance(fault.value, ValueError)
    assert fault.value.argument
    assert desk.asked == []


@pytest.mark.parametrize(("method", "length"), [("check_md5_many", 32), ("check_hash_many", 64)])
def test_fifty_one_in_one_question_are_refused_here(make: Make, method: str, length: int) -> None:
    desk = Desk(FOUND)
    client = make(desk)

    with pytest.raises(TooMany) as fault:
        getattr(client, method)([f"{n:0{length}x}" for n in range(51)])

    assert (fault.value.count, fault.value.count_max) == (51, 50)
    assert desk.asked == []


def test_fifty_in_one_question_are_one_call(make: Make) -> None:
    desk = Desk(envelope(0, None, "", []))
    values = [f"{n:032x}" for n in range(50)]

    outcomes = make(desk).check_md5_many(values)

    assert list(outcomes) == values
    assert len(desk.asked) == 1


def test_a_question_asked_twice_in_a_batch_is_sent_once_and_answered_as_given(make: Make) -> None:
    items = [{"md5": MD5, "status": "NOT_FOUND"}, {"md5": "b" * 32, "status": "NOT_FOUND"}]
    desk = Desk(envelope(0, None, "", items))

    outcomes = make(desk).check_md5_many([MD5, MD5.upper(), "b" * 32])

    assert desk.body() == [MD5, "b" * 32]
    assert set(outcomes) == {MD5, MD5.upper(), "b" * 32}
    assert all(isinstance(outcome, NotFound) for outcome in outcomes.values())


@pytest.mark.parametrize("field", ["app_name", "app_icon_url", "callback"])
def test_a_source_lacks_nothing(field: str) -> None:
    whole = {"app_name": "Shop", "app_icon_url": "https://x.example/i.png", "callback": "shop://back"}

    with pytest.raises(WrongArgument):
        SourceInfo(**(whole | {field: " "}))


@pytest.mark.parametrize("client", [Client, AsyncClient])
@pytest.mark.parametrize(
    ("options", "setting"),
    [
        ({"base_url": ""}, "base_url"),
        ({"base_url": None}, "base_url"),
        ({"base_url": "bakong.example"}, "base_url"),
        ({"base_url": "ftp://bakong.example"}, "base_url"),
        ({"base_url": "https://"}, "base_url"),
        ({"base_url": "https://me:secret@bakong.example"}, "base_url"),
        ({"base_url": "https://bakong.example/?a=b"}, "base_url"),
        ({"base_url": "https://bakong.example:nine"}, "base_url"),
        ({"token": ""}, "token"),
        ({"token": "a b"}, "token"),
        ({"token": "a\r\nX-Evil: 1"}, "token"),
        ({"token": "ថូខឹន"}, "token"),
        ({"token": "x" * 5000}, "token"),
        ({"timeout_s": 0}, "timeout_s"),
        ({"timeout_s": -1}, "timeout_s"),
        ({"timeout_s": 10_000}, "timeout_s"),
        ({"user_agent": ""}, "user_agent"),
        ({"user_agent": "a\nb"}, "user_agent"),
        ({"prefix": "v1"}, "prefix"),
        ({"proxy": "nonsense"}, "proxy"),
        ({"ca_file": "/nowhere/at/all.pem"}, "ca_file"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_named(client: Any, options: dict[str, Any], setting: str) -> None:
    with pytest.raises(NotConfigured) as fault:
        client(**({"base_url": "https://bakong.example", "token": "t"} | options))

    assert fault.value.setting == setting


@pytest.mark.parametrize("email", ["", "dev", "x" * 22 + "@shop.com", "de v@shop.com", "a@b\r\nX: 1"])
def test_an_email_that_bakong_would_not_take_is_refused_without_being_repeated(email: str) -> None:
    with pytest.raises(WrongArgument) as fault:
        Client("https://bakong.example", "t", email=email)

    assert fault.value.argument == "email"
    assert not email or email not in str(fault.value)


def test_a_token_and_a_store_of_tokens_are_one_too_many() -> None:
    with pytest.raises(WrongArgument):
        Client("https://bakong.example", "t", tokens=MemoryTokenStore("t"))


def test_without_token_and_email_a_look_up_is_refused_here(make: Make) -> None:
    desk = Desk(FOUND)
    client = make(desk, token=None)

    with pytest.raises(NotConfigured) as fault:
        client.check_md5(MD5)

    assert fault.value.setting == "token"
    assert desk.asked == []


def test_what_bakong_answers_without_a_token_is_asked_without_one(make: Make) -> None:
    desk = Desk(envelope(0, None, "Account ID exists"))

    assert make(desk, token=None).account_exists("dave@devb")
    assert desk.tokens() == [None]


def test_an_email_alone_does_not_make_an_account_check_wait_for_a_token(make: Make) -> None:
    desk = Desk(envelope(0, None, "Account ID exists"))

    assert make(desk, token=None, email="dev@shop.example").account_exists("dave@devb")
    assert desk.paths == ["check_bakong_account"]


def test_renewing_without_an_email_is_a_mistake(make: Make) -> None:
    with pytest.raises(NotConfigured) as fault:
        make(Desk(FOUND)).renew()

    assert fault.value.setting == "email"


def test_the_word_bearer_before_a_pasted_token_is_dropped(make: Make) -> None:
    token = jwt(4_000_000_000)
    desk = Desk(NOT_FOUND)

    make(desk, token=f" Bearer {token}\n").check_md5(MD5)

    assert desk.tokens() == [token]


@pytest.mark.parametrize(
    ("base_url", "prefix", "address"),
    [
        ("https://bakong.test/", "/v1", "https://bakong.test/v1/check_transaction_by_md5"),
        ("https://bakong.test/api", "/v2/", "https://bakong.test/api/v2/check_transaction_by_md5"),
        ("http://127.0.0.1:8123", "", "http://127.0.0.1:8123/check_transaction_by_md5"),
    ],
)
def test_address_and_prefix_are_settings(make: Make, base_url: str, prefix: str, address: str) -> None:
    desk = Desk(NOT_FOUND)

    make(desk, base_url=base_url, prefix=prefix).check_md5(MD5)

    assert str(desk.asked[0].url) == address


def test_a_redirect_is_not_followed(make: Make) -> None:
    desk = Desk(answer(b"", 302, Location="https://elsewhere.example/"))

    outcome = make(desk).check_md5(MD5)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is Reason.REDIRECT
    assert len(desk.asked) == 1

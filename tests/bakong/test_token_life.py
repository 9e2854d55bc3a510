"""A token's life: planned, renewed once by one, proved before it is kept, never renewed for a 403."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest

from vinflow.bakong import (
    AsyncClient,
    CannotTell,
    Client,
    MemoryTokenStore,
    NotFound,
    Reason,
    Token,
    TokenInfo,
)

from .conftest import NGINX_403, NOT_FOUND, QUOTA, UNAUTHORIZED, Desk, Make, answer, envelope, jwt

MD5 = "0dbe08d3829a8b6b59844e51aa38a4e2"
EMAIL = "dev@shop.example"
NOW_S = 1_800_000_000.0
DAY_S = 86_400


class Bank:
    """Answers a look-up for good tokens only, and gives out one token after the other."""

    def __init__(self, good: set[str], *gives: str, refusal: httpx2.Response | None = None) -> None:
        self.good = good
        self.gives = list(gives)
        self.refusal = refusal
        self.renewals = 0
        self.asked: list[tuple[str, str | None]] = []
        self.lock = threading.Lock()

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path.rsplit("/", 1)[-1]
        token = (request.headers.get("authorization") or "").removeprefix("Bearer ") or None
        with self.lock:
            self.asked.append((path, token))
            if path == "renew_token":
                self.renewals += 1
                if not self.gives:
                    return answer(envelope(1, 10, "Not registered yet"))
                given = self.gives.pop(0)
                return answer(envelope(0, None, "Token has been issued", {"token": given}))
            if token in self.good:
                return answer(NOT_FOUND)
            return self.refusal if self.refusal is not None else answer(UNAUTHORIZED, 401)

    @property
    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]


OLD = jwt(NOW_S + 30 * DAY_S, salt="old")
NEW = jwt(NOW_S + 90 * DAY_S, salt="new")
NEWER = jwt(NOW_S + 91 * DAY_S, salt="newer")


def shop(make: Make, bank: Any, token: str | None = OLD, **options: Any) -> Any:
    """A client with an e-mail and a clock that stands still."""
    store = MemoryTokenStore(token)
    return make(bank, tokens=store, email=EMAIL, clock=lambda: NOW_S, **options), store


@pytest.mark.parametrize(
    "refusal", [answer(UNAUTHORIZED, 401), answer(UNAUTHORIZED, 200), answer(b"<html>", 401)]
)
def test_a_refused_token_is_renewed_once_and_the_call_is_repeated_once(
    make: Make, refusal: httpx2.Response
) -> None:
    bank = Bank({NEW}, NEW, NEWER, refusal=refusal)
    client, store = shop(make, bank)

    outcome = client.check_md5(MD5)

    assert isinstance(outcome, NotFound)
    assert bank.asked == [
        ("check_transaction_by_md5", OLD),
        ("renew_token", None),
        ("check_transaction_by_md5", NEW),
    ]
    assert store.current() == Token.parse(NEW)


def test_the_new_token_is_used_from_then_on(make: Make) -> None:
    bank = Bank({NEW}, NEW)
    client, _ = shop(make, bank)

    for _ in range(3):
        client.check_md5(MD5)

    assert [token for _, token in bank.asked] == [OLD, None, NEW, NEW, NEW]


def test_without_an_email_a_refused_token_is_only_reported(make: Make) -> None:
    bank = Bank(set(), NEW)

    outcome = make(bank, token=OLD).check_md5(MD5)

    assert isinstance(outcome, CannotTell)
    assert outcome.reason is Reason.AUTH
    assert bank.renewals == 0


def test_an_unknown_email_is_reported_and_not_tried_at_every_call(make: Make) -> None:
    bank = Bank(set())
    client, store = shop(make, bank)

    outcomes = [client.check_md5(MD5) for _ in range(4)]

    assert {outcome.reason for outcome in outcomes} == {Reason.AUTH}
    assert "not registered" in outcomes[0].detail.lower()
    assert bank.renewals == 1
    assert store.current() == Token.parse(OLD)


def test_after_a_pause_a_failed_renewal_is_tried_again(make: Make) -> None:
    moment = [NOW_S]
    bank = Bank({NEW})
    client = make(bank, tokens=MemoryTokenStore(OLD), email=EMAIL, clock=lambda: moment[0])
    client.check_md5(MD5)
    bank.gives = [NEW]

    assert client.check_md5(MD5).reason is Reason.AUTH
    moment[0] += 301

    assert isinstance(client.check_md5(MD5), NotFound)


@pytest.mark.parametrize("body", [NGINX_403, UNAUTHORIZED])
def test_a_403_never_renews(make: Make, body: Any) -> None:
    bank = Bank(set(), NEW, refusal=answer(body, 403))
    client, store = shop(make, bank)

    outcome = client.check_md5(MD5)

    assert outcome.reason in (Reason.BLOCKED, Reason.AUTH)
    assert bank.renewals == 0
    assert store.current() == Token.parse(OLD)


@pytest.mark.parametrize(
    "given",
    [
        OLD,
        jwt(NOW_S + 30 * DAY_S - 1, salt="a second sooner"),
        jwt(NOW_S + 5 * DAY_S, salt="sooner"),
        "opaque-text",
        "",
        "a b",
        "x.y.z",
    ],
)
def test_a_new_token_that_is_none_or_ends_no_later_is_not_taken(make: Make, given: str) -> None:
    bank = Bank(set(), given)
    client, store = shop(make, bank)

    outcome = client.check_md5(MD5)

    assert outcome.reason is Reason.AUTH
    assert bank.paths == ["check_transaction_by_md5", "renew_token"]
    assert store.current() == Token.parse(OLD)


def test_a_new_token_that_is_refused_never_replaces_the_old(make: Make) -> None:
    bank = Bank(set(), NEW)
    client, store = shop(make, bank)

    outcome = client.check_md5(MD5)

    assert outcome.reason is Reason.AUTH
    assert bank.paths == ["check_transaction_by_md5", "renew_token", "check_transaction_by_md5"]
    assert store.current() == Token.parse(OLD)


def test_a_new_token_is_kept_only_when_an_answer_has_shown_it_at_work(make: Make) -> None:
    outage = [answer(b"<h1>503</h1>", 503)]
    bank = Bank({NEW}, NEW)

    def through_an_outage(request: httpx2.Request) -> httpx2.Response:
        given = bank(request)
        if request.headers.get("authorization") == f"Bearer {NEW}" and outage:
            return outage.pop()
        return given

    client, store = shop(make, through_an_outage)

    first = client.check_md5(MD5)
    between = store.current()
    second = client.check_md5(MD5)

    assert first.reason is Reason.UPSTREAM
    assert between == Token.parse(OLD)
    assert isinstance(second, NotFound)
    assert store.current() == Token.parse(NEW)
    assert bank.renewals == 1


def test_a_spent_quota_shows_a_new_token_at_work(make: Make) -> None:
    desk = Desk(answer(UNAUTHORIZED, 401), envelope(0, None, "", {"token": NEW}), QUOTA, QUOTA)
    client, store = shop(make, desk)

    assert client.check_md5(MD5).reason is Reason.QUOTA
    assert store.current() == Token.parse(NEW)


def test_an_account_look_up_proves_no_token(make: Make) -> None:
    soon = jwt(NOW_S + 3 * DAY_S)
    desk = Desk(envelope(0, None, "", {"token": NEW}), envelope(0, None, "Account ID exists"), NOT_FOUND)
    client, store = shop(make, desk, soon)

    assert client.account_exists("dave@devb")
    assert store.current() == Token.parse(soon)
    client.check_md5(MD5)

    assert store.current() == Token.parse(NEW)
    assert desk.tokens() == [None, NEW, NEW]


def test_a_token_with_a_week_left_is_renewed_before_it_is_needed(make: Make) -> None:
    soon = jwt(NOW_S + 7 * DAY_S - 1)
    bank = Bank({soon, NEW}, NEW)
    client, store = shop(make, bank, soon)

    assert isinstance(client.check_md5(MD5), NotFound)

    assert bank.paths == ["renew_token", "check_transaction_by_md5"]
    assert store.current() == Token.parse(NEW)


def test_a_token_with_more_than_a_week_left_is_left_alone(make: Make) -> None:
    later = jwt(NOW_S + 7 * DAY_S + 60)
    bank = Bank({later}, NEW)
    client, _ = shop(make, bank, later)

    client.check_md5(MD5)

    assert bank.renewals == 0


def test_a_renewal_ahead_of_time_that_fails_costs_the_payment_nothing(make: Make) -> None:
    soon = jwt(NOW_S + 3 * DAY_S)
    bank = Bank({soon})
    client, _ = shop(make, bank, soon)

    outcomes = [client.check_md5(MD5) for _ in range(3)]

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert bank.renewals == 1


def test_the_first_token_may_come_by_email(make: Make) -> None:
    bank = Bank({NEW}, NEW)
    client, store = shop(make, bank, None)

    assert isinstance(client.check_md5(MD5), NotFound)
    assert store.current() == Token.parse(NEW)


def test_a_clock_that_is_months_ahead_does_not_renew_at_every_call(make: Make) -> None:
    tokens = [jwt(NOW_S - 50 * DAY_S + n, salt=str(n)) for n in range(9)]
    bank = Bank(set(tokens), *tokens[1:])
    client, _ = shop(make, bank, tokens[0])

    for _ in range(5):
        client.check_md5(MD5)

    assert bank.renewals == 1


def test_renew_gives_what_may_be_told_and_proves_it_first(make: Make) -> None:
    bank = Bank({OLD, NEW}, NEW)
    client, store = shop(make, bank)

    info = client.renew()

    assert isinstance(info, TokenInfo)
    assert info.id == "00112233445566aa"
    assert info.expires_at is not None
    assert info.expires_at.timestamp() == NOW_S + 90 * DAY_S
    assert bank.asked == [("renew_token", None), ("check_transaction_by_md5", NEW)]
    assert store.current() == Token.parse(NEW)


def test_renew_by_hand_waits_for_no_pause(make: Make) -> None:
    bank = Bank(set())
    client, _ = shop(make, bank)
    client.check_md5(MD5)
    bank.good, bank.gives = {NEW}, [NEW]

    assert isinstance(client.renew(), TokenInfo)


def test_renew_says_why_it_could_not(make: Make) -> None:
    client, _ = shop(make, Bank({OLD}))

    told = client.renew()

    assert (told.reason, told.code) == (Reason.AUTH, 10)


def test_a_token_that_somebody_else_renewed_is_used_without_a_renewal(make: Make) -> None:
    bank = Bank({NEW}, NEWER)
    client, store = shop(make, bank)
    bank.good.add(OLD)
    client.check_md5(MD5)
    bank.good.remove(OLD)
    store.replace(store.current(), Token.parse(NEW))

    assert isinstance(client.check_md5(MD5), NotFound)
    assert bank.renewals == 0


def test_an_expired_token_behind_a_403_of_the_md5_list_is_renewed_and_not_called_closed(make: Make) -> None:
    """Our clock is slow: it is the Date of the answer that says the token has ended."""
    token = jwt(1_795_489_200.0 - 60, salt="ended a minute before that Date")  # 2026-11-24 03:00:00
    items = [{"md5": c * 32, "status": "NOT_FOUND"} for c in "ab"]
    new = jwt(1_795_489_200.0 + 90 * DAY_S)
    desk = Desk(answer(NGINX_403, 403), envelope(0, None, "", {"token": new}), envelope(0, None, "", items))
    closed: dict[str, Any] = {}
    client = make(
        desk,
        tokens=MemoryTokenStore(token),
        email=EMAIL,
        clock=lambda: 1_795_489_200.0 - 30 * DAY_S,
        closed_lists=closed,
    )

    outcomes = client.check_md5_many(["a" * 32, "b" * 32])

    assert all(isinstance(outcome, NotFound) for outcome in outcomes.values())
    assert desk.paths == ["check_transaction_by_md5_list", "renew_token", "check_transaction_by_md5_list"]
    assert closed == {}


def test_ten_threads_that_meet_a_dead_token_renew_it_once() -> None:
    bank = Bank({NEW}, NEW, NEWER)
    together = threading.Barrier(10)

    def meet(request: httpx2.Request) -> httpx2.Response:
        given = bank(request)
        if request.headers.get("authorization") == f"Bearer {OLD}":
            together.wait(5)  # all ten are refused before any may renew
        return given

    with (
        Client(
            "https://bakong.test", OLD, EMAIL, transport=httpx2.MockTransport(meet), clock=lambda: NOW_S
        ) as client,
        ThreadPoolExecutor(10) as threads,
    ):
        outcomes = list(threads.map(lambda _: client.check_md5(MD5), range(10)))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert bank.renewals == 1


def test_ten_threads_whose_email_is_unknown_ask_for_one_renewal() -> None:
    bank = Bank(set())
    together = threading.Barrier(10)

    def meet(request: httpx2.Request) -> httpx2.Response:
        given = bank(request)
        if not request.url.path.endswith("renew_token"):
            together.wait(5)
        return given

    transport = httpx2.MockTransport(meet)
    client = Client("https://bakong.test", OLD, EMAIL, transport=transport, clock=lambda: NOW_S)
    with client, ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(lambda _: client.check_md5(MD5), range(10)))

    assert {(outcome.reason, outcome.code) for outcome in outcomes} == {(Reason.AUTH, 6)}
    assert all("not registered" in outcome.detail for outcome in outcomes)
    assert bank.renewals == 1


def test_a_new_token_that_is_not_proved_yet_is_tried_by_whoever_waited_for_it() -> None:
    """Ten are refused at once; the one that renews meets an outage. Nobody renews again."""
    bank = Bank({NEW}, NEW, NEWER)
    together = threading.Barrier(10)
    outage = [answer(b"<h1>503</h1>", 503)]

    def meet(request: httpx2.Request) -> httpx2.Response:
        given = bank(request)
        if request.headers.get("authorization") == f"Bearer {OLD}":
            together.wait(5)
        if request.headers.get("authorization") == f"Bearer {NEW}" and outage:
            return outage.pop()
        return given

    store = MemoryTokenStore(OLD)
    options: dict[str, Any] = {"transport": httpx2.MockTransport(meet), "clock": lambda: NOW_S}
    client = Client("https://bakong.test", email=EMAIL, tokens=store, **options)
    with client, ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(lambda _: client.check_md5(MD5), range(10)))

    assert sorted(outcome.name for outcome in outcomes) == ["cannot_tell"] + ["not_found"] * 9
    assert bank.renewals == 1
    assert store.current() == Token.parse(NEW)


def test_ten_clients_in_ten_threads_with_one_store_renew_it_once() -> None:
    bank = Bank({NEW}, NEW, NEWER)
    store = MemoryTokenStore(OLD)
    together = threading.Barrier(10)

    def one(_: int) -> object:
        client = Client(
            "https://bakong.test",
            tokens=store,
            email=EMAIL,
            transport=httpx2.MockTransport(bank),
            clock=lambda: NOW_S,
        )
        together.wait(5)
        return client.check_md5(MD5)

    with ThreadPoolExecutor(10) as threads:
        outcomes = list(threads.map(one, range(10)))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert bank.renewals == 1


async def test_ten_tasks_that_meet_a_dead_token_renew_it_once() -> None:
    bank = Bank({NEW}, NEW, NEWER)

    async def meet(request: httpx2.Request) -> httpx2.Response:
        given = bank(request)
        await asyncio.sleep(0.02)
        return given

    transport = httpx2.MockTransport(meet)
    async with AsyncClient(
        "https://bakong.test", OLD, EMAIL, transport=transport, clock=lambda: NOW_S
    ) as client:
        outcomes = await asyncio.gather(*(client.check_md5(MD5) for _ in range(10)))

    assert all(isinstance(outcome, NotFound) for outcome in outcomes)
    assert bank.renewals == 1
    assert [token for _, token in bank.asked].count(OLD) == 10


async def test_a_task_that_is_cancelled_during_a_renewal_leaves_the_lock() -> None:
    store = MemoryTokenStore(OLD)
    stuck = asyncio.Event()
    bank = Bank({NEW}, NEW, NEWER)
    first = [True]

    async def meet(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("renew_token") and first:
            first.clear()
            stuck.set()
            await asyncio.sleep(60)
        return bank(request)

    transport = httpx2.MockTransport(meet)
    async with AsyncClient(
        "https://bakong.test", tokens=store, email=EMAIL, transport=transport, clock=lambda: NOW_S
    ) as client:
        task = asyncio.create_task(client.check_md5(MD5))
        await stuck.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

        assert isinstance(await client.check_md5(MD5), NotFound)

    with store.renewing(1) as held:
        assert held


async def test_a_task_that_is_cancelled_while_it_waits_for_the_lock_does_not_keep_it() -> None:
    store = MemoryTokenStore(OLD)
    bank = Bank({NEW}, NEW)
    transport = httpx2.MockTransport(bank)
    async with AsyncClient(
        "https://bakong.test", tokens=store, email=EMAIL, transport=transport, clock=lambda: NOW_S
    ) as client:
        with store.renewing(0) as held:
            assert held
            task = asyncio.create_task(client.check_md5(MD5))
            await asyncio.sleep(0.1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

        outcome = await asyncio.wait_for(client.check_md5(MD5), 5)

    assert isinstance(outcome, NotFound)
    with store.renewing(1) as held:
        assert held


def test_a_renewal_that_breaks_leaves_the_lock(make: Make) -> None:
    store = MemoryTokenStore(OLD)

    def hook(exchange: Any) -> None:
        if exchange.operation == "renew_token":
            raise RuntimeError("the hook breaks")

    client = make(Bank({NEW}, NEW), tokens=store, email=EMAIL, clock=lambda: NOW_S, on_exchange=hook)

    with pytest.raises(RuntimeError):
        client.check_md5(MD5)

    with store.renewing(1) as held:
        assert held


def test_a_lock_that_is_not_freed_in_time_is_reported(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    from vinflow.bakong import keyring

    monkeypatch.setattr(keyring, "WAIT_S", 0.1)
    bank = Bank({NEW}, NEW)
    client, store = shop(make, bank)

    with store.renewing(0):
        outcome = client.check_md5(MD5)

    assert outcome.reason is Reason.AUTH
    assert "somebody else" in outcome.detail
    assert bank.renewals == 0

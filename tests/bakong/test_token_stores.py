"""Tokens, and the stores that hold them for threads and processes."""

from __future__ import annotations

import json
import multiprocessing
import stat
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from vinflow.bakong import FileTokenStore, MemoryTokenStore, NotConfigured, Token, TokenStore

from .conftest import jwt

OLD = jwt(1_800_000_000, salt="old")
NEW = jwt(1_807_776_000, salt="new")


def test_a_token_says_when_it_ends_and_never_what_it_is() -> None:
    token = Token.parse(OLD)

    assert token.id == "00112233445566aa"
    assert token.expires_at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert token.issued_at == datetime.fromtimestamp(1_800_000_000 - 7_776_000, UTC)
    assert token.seconds_left(1_800_000_010.0) == -10
    assert OLD not in repr(token)
    assert OLD not in repr(token.info)
    assert OLD not in repr(MemoryTokenStore(OLD))


def test_a_token_that_is_no_jwt_is_taken_and_recognised_by_a_digest() -> None:
    token = Token.parse("a-gateways-own-kind-of-token")

    assert token.id.startswith("opaque-")
    assert token.expires_at is None
    assert token.seconds_left(0.0) is None
    assert token.id != Token.parse("another-token").id


@pytest.mark.parametrize("exp", [None, "soon", -1, 0, 1e30, True, [], {}, float("1e18")])
def test_an_absurd_end_is_no_end(exp: Any) -> None:
    import base64

    payload = (
        base64.urlsafe_b64encode(json.dumps({"exp": exp, "iat": exp, "data": exp}).encode())
        .decode()
        .rstrip("=")
    )

    assert Token.parse(f"h.{payload}.s").expires_at is None


@pytest.mark.parametrize("payload", ["", "!!!", "AAAA", "W10", "bnVsbA", "e30" * 3000])
def test_what_is_no_payload_says_nothing(payload: str) -> None:
    if len(payload) > 4096:
        with pytest.raises(NotConfigured):
            Token.parse(f"h.{payload}.s")
    else:
        assert Token.parse(f"h.{payload}.s").expires_at is None


@pytest.fixture(params=["memory", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    """Both stores keep the same promises."""
    return MemoryTokenStore(OLD) if request.param == "memory" else FileTokenStore(tmp_path / "token", OLD)


def test_a_store_replaces_only_what_is_still_there(store: TokenStore) -> None:
    old, new = Token.parse(OLD), Token.parse(NEW)

    assert store.current() == old
    assert store.replace(old, new)
    assert store.current() == new
    assert not store.replace(old, Token.parse(jwt(1_900_000_000)))
    assert store.current() == new


def test_a_store_lets_one_renew_at_a_time_and_waits_no_longer_than_told(store: TokenStore) -> None:
    with store.renewing(0) as first:
        begun = time.monotonic()
        with store.renewing(0) as second:
            assert not second
        with store.renewing(0.15) as third:
            assert not third
        waited = time.monotonic() - begun
        assert first

    with store.renewing(0) as again:
        assert again
    assert waited > 0.14


def test_a_store_wakes_who_waits(store: TokenStore) -> None:
    inside = threading.Event()
    order: list[str] = []

    def first() -> None:
        with store.renewing(1):
            inside.set()
            time.sleep(0.1)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(5)
    with store.renewing(5) as held:
        order.append("second")
    thread.join()

    assert held
    assert order == ["first", "second"]


def test_a_store_frees_the_lock_when_its_holder_breaks(store: TokenStore) -> None:
    with pytest.raises(RuntimeError), store.renewing(0):
        raise RuntimeError

    with store.renewing(0) as held:
        assert held


def test_a_token_file_is_for_its_owner_only(tmp_path: Path) -> None:
    store = FileTokenStore(tmp_path / "token", OLD)
    store.replace(store.current(), Token.parse(NEW))

    assert stat.S_IMODE((tmp_path / "token").stat().st_mode) == 0o600
    with store.renewing(0):
        assert stat.S_IMODE((tmp_path / "token.lock").stat().st_mode) == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["token", "token.lock"]


def test_a_renewed_token_outlives_the_process(tmp_path: Path) -> None:
    first = FileTokenStore(tmp_path / "token", OLD)
    first.replace(first.current(), Token.parse(NEW))

    assert FileTokenStore(tmp_path / "token", OLD).current() == Token.parse(NEW)
    assert FileTokenStore(tmp_path / "token").current() == Token.parse(NEW)


def test_a_renewed_token_replaces_even_a_setting_that_does_not_say_when_it_ends(tmp_path: Path) -> None:
    first = FileTokenStore(tmp_path / "token", "an-opaque-token-of-a-gateway")
    first.replace(first.current(), Token.parse(NEW))

    assert FileTokenStore(tmp_path / "token", "an-opaque-token-of-a-gateway").current() == Token.parse(NEW)


def test_a_newer_setting_beats_an_older_file(tmp_path: Path) -> None:
    first = FileTokenStore(tmp_path / "token", OLD)
    first.replace(first.current(), Token.parse(NEW))
    newest = jwt(1_900_000_000)

    assert FileTokenStore(tmp_path / "token", newest).current() == Token.parse(newest)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"token": 5}', b'{"token": ""}', b"\xff", b'"x"']
)
def test_a_spoilt_file_leaves_the_setting_in_force(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)

    assert FileTokenStore(tmp_path / "token", OLD).current() == Token.parse(OLD)


def hold(path: str, inside: Any, leave: Any) -> None:
    """Hold the lock of a file store, in another process."""
    with FileTokenStore(path).renewing(5):
        inside.set()
        leave.wait(10)


def test_a_file_store_locks_other_processes_out_and_a_killed_one_holds_nothing(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    inside, leave = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(str(tmp_path / "token"), inside, leave))
    other.start()
    assert inside.wait(20)
    store = FileTokenStore(tmp_path / "token")

    with store.renewing(0.1) as while_held:
        pass
    other.kill()
    other.join()
    with store.renewing(5) as after:
        pass

    assert not while_held
    assert after

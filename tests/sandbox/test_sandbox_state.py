"""State in a file outlives the process; state in memory does not; both behave the same."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

from vinflow.sandbox import Clock, Sandbox
from vinflow.sandbox.answers import Request
from vinflow.sandbox.site import Site

CHECK = "check_transaction_by_md5"


def call(bank: Sandbox, name: str, body: bytes, token: str | None = None) -> bytes:
    headers = {"authorization": f"Bearer {token or bank.token}"}
    return Site(bank).answer(Request("POST", f"/v1/{name}", headers, body)).body


def test_everything_is_there_again_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "bakong.sqlite3"
    first = Sandbox(3, path)
    qr = first.qr("1.00")
    transfer = first.pay(qr, overrides={"description": "x", "amount": Decimal("1.0"), "n": [Decimal("0.10")]})
    link = first.add_link(qr, callback="https://shop.example/back")
    first.switch(quota=7, md5_list="open")
    first.fault(CHECK, "nginx", status=503, times=4)
    first.advance(1000)
    first.add_account("new@devb", name="New", balances={"USD": 5})
    first.revoke_token(first.hosted_token)
    call(first, CHECK, b"{}")  # eats one of the fault's four
    call(first, "check_transaction_by_hash", b'{"hash":"a"}')
    token, hosted, now_ms = first.token, first.hosted_token, first.clock.now_ms()
    first.close()

    again = Sandbox(99, path)  # another seed: the file's own key still reads the old token

    assert again.transfers == (transfer,)
    assert again.links[link.id] == link
    assert (again.switches.quota, again.switches.md5_list) == (7, "open")
    assert [fault.times for fault in again.faults] == [3]
    assert again.clock.now_ms() >= now_ms
    assert (again.find_account("new@devb") or again.accounts["x"]).balances == {"USD": 5}
    assert again.used(token) == 1
    assert again.read_token(token) is not None
    assert again.read_token(hosted) is None
    assert [record.call for record in again.calls()] == [CHECK, "check_transaction_by_hash"]
    assert call(
        again, "check_transaction_by_hash", b'{"hash":"%s"}' % transfer.hash.encode(), token
    ).startswith(b'{"responseCode":0')
    again.close()


def test_a_hash_is_never_drawn_twice_from_one_file(tmp_path: Path) -> None:
    path = tmp_path / "bakong.sqlite3"
    hashes = []
    for _ in range(3):
        bank = Sandbox(3, path)
        hashes.append(bank.pay(bank.qr("1.00"), again=True).hash)
        bank.close()

    assert len(set(hashes)) == 3


def test_memory_and_file_answer_alike(tmp_path: Path) -> None:
    def run(database: str | Path) -> list[bytes]:
        bank = Sandbox(4, database, Clock(frozen_at_ms=1_764_565_200_000))
        qr = bank.qr("1.00")
        transfer = bank.pay(qr, twice=True)
        answers = [
            call(bank, CHECK, b'{"md5":"%s"}' % transfer.md5.encode()),
            call(bank, "generate_deeplink_by_qr", b'{"qr":"x"}'),
            call(bank, "renew_token", b'{"email":"%s"}' % bank.email.encode()),
        ]
        bank.close()
        return answers

    assert run(":memory:") == run(tmp_path / "bakong.sqlite3")


def test_a_shared_key_lets_a_restarted_stand_in_take_the_earlier_token() -> None:
    first, second = Sandbox(1, secret="kept"), Sandbox(2, secret="kept")

    assert second.read_token(first.token) is not None
    assert second.read_token(first.hosted_token) is not None
    assert Sandbox(1).read_token(Sandbox(2).token) is None


def test_the_file_holds_no_token(tmp_path: Path) -> None:
    path = tmp_path / "bakong.sqlite3"
    bank = Sandbox(3, path)
    call(bank, CHECK, b"{}")
    token = bank.token
    bank.close()

    dump = "\n".join(sqlite3.connect(path).iterdump())
    assert token not in dump


def test_the_log_keeps_the_newest_lines() -> None:
    bank = Sandbox()
    for _ in range(10_050):
        bank.note(
            call="x",
            method="POST",
            path="/",
            status=200,
            code=None,
            key=None,
            token_id=None,
            authorized=False,
            metered=0,
            fault=None,
            manner="whole",
            user_agent="",
            milliseconds=0.0,
        )

    assert (len(bank.calls()), bank.calls()[-1].seq) == (10_000, 10_050)

"""The stand-in as a program: what it prints, how it stops, what it refuses to do."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2
import pytest

from vinflow.sandbox.control import Control

PROGRAM = [sys.executable, "-m", "vinflow.sandbox"]


@contextmanager
def running(*options: str, cwd: Path, **env: str) -> Iterator[tuple[subprocess.Popen[str], dict[str, str]]]:
    """Start the program and give what it printed, by name."""
    process = subprocess.Popen(
        [*PROGRAM, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=os.environ | env,
    )
    try:
        assert process.stdout
        printed: dict[str, str] = {}
        last = "Trust" if "--tls" in options else "Control" if "--control" in options else "Phone"
        while last not in printed:
            line = process.stdout.readline()
            if not line:
                pytest.fail(process.stderr.read() if process.stderr else "it ended")
            if found := re.fullmatch(r"([A-Z][\w\- ]+): +(\S+).*\n", line):
                printed[found[1]] = found[2]
        yield process, printed
    finally:
        process.kill()
        process.communicate()


def check(printed: dict[str, str], token: str = "") -> httpx2.Response:
    headers = {"authorization": f"Bearer {token or printed['Token']}"}
    return httpx2.post(
        f"{printed['Address']}/v1/check_transaction_by_md5", json={"md5": "a"}, headers=headers, timeout=10
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_prints_what_a_shop_needs_and_stops_when_asked(tmp_path: Path, number: signal.Signals) -> None:
    with running(cwd=tmp_path) as (process, printed):
        assert set(printed) >= {
            "Address",
            "Account",
            "E-mail",
            "Token",
            "Merchant id",
            "Merchant token",
            "Phone",
        }
        assert check(printed).json()["errorCode"] == 1
        assert httpx2.get(printed["Phone"]).status_code == 200
        assert httpx2.get(printed["Address"] + "/_control/state").status_code == 404
        process.send_signal(number)
        assert process.wait(10) == 0
        assert process.stderr
        assert process.stderr.read() == ""


def test_it_stops_while_a_caller_is_kept_waiting(tmp_path: Path) -> None:
    with running("--control", cwd=tmp_path) as (process, printed):
        Control(printed["Address"]).fault(style="hang")
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{printed['Address']}/v1/renew_token", json={}, timeout=0.2)
        process.terminate()
        assert process.wait(10) == 0


def test_a_database_survives_a_kill(tmp_path: Path) -> None:
    with running("--control", "--database", "bakong.sqlite3", cwd=tmp_path) as (process, printed):
        control = Control(printed["Address"])
        transfer = control.pay(control.qr("5.00"))
        token = printed["Token"]
        process.kill()
    with running("--control", "--database", "bakong.sqlite3", cwd=tmp_path) as (_, printed):
        assert [row["hash"] for row in Control(printed["Address"]).transfers()] == [transfer["hash"]]
        assert check(printed, token).status_code == 200


def test_a_moved_clock_is_kept_unless_it_is_told_to_begin_now(tmp_path: Path) -> None:
    def minutes_ahead(printed: dict[str, str]) -> int:
        told = parsedate_to_datetime(httpx2.get(printed["Address"] + "/phone").headers["date"])
        return round((told - datetime.now(UTC)).total_seconds() / 60)

    options = ("--control", "--database", "bakong.sqlite3")
    with running(*options, cwd=tmp_path) as (_, printed):
        Control(printed["Address"]).advance(900)
    with running(*options, cwd=tmp_path) as (_, printed):
        assert minutes_ahead(printed) == 15
    with running(*options, "--clock-now", cwd=tmp_path) as (_, printed):
        assert minutes_ahead(printed) == 0


def test_a_key_in_the_environment_keeps_earlier_tokens_good(tmp_path: Path) -> None:
    with running(cwd=tmp_path, SANDBOX_SECRET="kept") as (_, first):
        pass
    with running(cwd=tmp_path, SANDBOX_SECRET="kept") as (_, second):
        assert check(second, first["Token"]).status_code == 200
    with running(cwd=tmp_path) as (_, third):
        assert check(third, first["Token"]).status_code == 401


def test_options_reach_the_stand_in(tmp_path: Path) -> None:
    options = (
        "--control",
        "--account",
        "myshop@aclb",
        "--account",
        "other@aclb",
        "--name",
        "My Shop",
        "--own-links",
        "--switch",
        "quota=none",
        "--switch",
        "md5_list=open",
        "--switch",
        "list-keys=false",
    )
    with running(*options, cwd=tmp_path) as (_, printed):
        state = Control(printed["Address"]).state()

    assert printed["Account"] == state["account"] == "myshop@aclb"
    assert {"myshop@aclb", "other@aclb"} <= {row["id"] for row in state["accounts"]}
    switches = state["switches"]
    assert (switches["quota"], switches["md5_list"], switches["list_keys"]) == (None, "open", False)
    assert switches["short_link"] == "own"


def test_a_seed_repeats_and_no_seed_does_not(tmp_path: Path) -> None:
    def hash_of(*options: str) -> str:
        with running("--control", *options, cwd=tmp_path) as (_, printed):
            control = Control(printed["Address"])
            return str(control.pay(control.qr())["hash"])

    assert hash_of("--seed", "7") == hash_of("--seed", "7")
    assert hash_of() != hash_of()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--switch", "colour=red"], "no switch is called 'colour'"),
        (["--switch", "md5_list=ajar"], "md5_list is one of"),
        (["--host", "0.0.0.0", "--control"], "the control interface needs a secret"),
        (["--host", "192.0.2.1"], "cannot listen on 192.0.2.1"),
        (["--port", "99999"], "port"),
        (["--database", "nowhere/bakong.sqlite3"], "cannot use nowhere/bakong.sqlite3 as database"),
        (["--database", sys.executable], "as database"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(tmp_path: Path, options: list[str], words: str) -> None:
    ended = subprocess.run([*PROGRAM, *options], capture_output=True, text=True, cwd=tmp_path, timeout=30)

    assert ended.returncode != 0
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with running(cwd=tmp_path) as (_, printed):
        port = printed["Address"].rsplit(":", 1)[1]
        ended = subprocess.run([*PROGRAM, "--port", port], capture_output=True, text=True, timeout=30)

    assert ended.returncode != 0
    assert "in use" in ended.stderr

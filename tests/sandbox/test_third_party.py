"""Two clients nobody here wrote, unmodified, over HTTPS: only address and trusted authority differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vinflow.sandbox import Sandbox, SandboxServer

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / "var" / "thirdparty"
DRIVERS = Path(__file__).parent / "thirdparty"


@pytest.fixture(scope="module", autouse=True)
def installed() -> None:
    """A run without the packages fails and says what to do; it does not skip."""
    if not (INSTALLED / "stamp").exists():
        pytest.fail("the third-party clients are not installed: run make setup (scripts/third_party.sh)")


@pytest.fixture
def bank() -> Sandbox:
    return Sandbox()  # the machine's time: both packages read it for themselves


@pytest.fixture
def server(bank: Sandbox, tmp_path: Path) -> Iterator[SandboxServer]:
    with SandboxServer(bank, tls=True, tls_folder=tmp_path) as running:
        yield running


def drive(command: list[str], **env: str) -> Any:
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=os.environ | env)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


def python_client(server: SandboxServer, *what: str, trust: bool = True) -> Any:
    bank = server.sandbox
    return drive(
        [sys.executable, "-I", str(DRIVERS / "drive.py"), str(INSTALLED / "python"), server.url, bank.token,
         bank.account, *what],
        **({"SSL_CERT_FILE": str(server.ca_path)} if trust else {}),
    )  # fmt: skip


def node_client(server: SandboxServer, *, trust: bool = True) -> Any:
    return drive(
        ["node", str(DRIVERS / "drive.js"), str(INSTALLED / "node" / "node_modules"), server.url,
         server.sandbox.account, "nobody@devb"],
        **({"NODE_EXTRA_CA_CERTS": str(server.ca_path)} if trust else {}),
    )  # fmt: skip


def test_the_python_package_creates_pays_and_checks(server: SandboxServer, bank: Sandbox) -> None:
    made = python_client(server, "create")
    unpaid = python_client(server, "check", made["md5"])
    transfer = bank.pay(made["qr"])
    paid = python_client(server, "check", made["md5"], "0" * 32)
    bank.switch(md5_list="open")
    bulk = python_client(server, "check", made["md5"], "0" * 32)

    assert re.fullmatch(r"https://bakongsit\.page\.link/[A-Za-z0-9]{17}", made["link"])
    assert made["md5"] == transfer.md5
    assert (unpaid["status"], unpaid["payment"]) == ("UNPAID", None)
    assert paid["status"] == "PAID"
    assert (paid["payment"]["hash"], paid["payment"]["amount"]) == (transfer.hash, 1.5)
    assert "Cambodia" in paid["refused"]  # the closed list looks to it like the geo block
    assert bulk["bulk"] == [made["md5"]]
    assert {record.user_agent.split("/")[0] for record in bank.calls()} == {"bakong-khqr"}


def test_the_python_package_meets_quota_and_a_dead_token(server: SandboxServer, bank: Sandbox) -> None:
    made = python_client(server, "create")
    bank.switch(quota=0)
    spent = python_client(server, "check", made["md5"])
    bank.switch(quota=100)
    bank.revoke_token(bank.token)
    dead = python_client(server, "check", made["md5"])

    # It reads both as unpaid: the very mistake that the stand-in exists to show.
    assert (spent["status"], dead["status"]) == ("UNPAID", "UNPAID")
    assert [record.code for record in bank.calls("check_transaction_by_md5")] == [17, 17, 6, 6]


def test_the_node_package_makes_a_deeplink_and_checks_accounts(server: SandboxServer, bank: Sandbox) -> None:
    answer = node_client(server)

    assert answer["deeplink"]["status"]["code"] == 0
    assert re.fullmatch(
        r"https://bakongsit\.page\.link/[A-Za-z0-9]{17}", answer["deeplink"]["data"]["shortLink"]
    )
    assert answer["known"]["data"]["bakongAccountExisted"] is True
    assert answer["unknown"]["data"]["bakongAccountExisted"] is False
    assert bank.pay(answer["qr"]).md5 == answer["md5"]
    assert [record.status for record in bank.calls()] == [200, 200, 200]


def test_both_refuse_a_stand_in_they_were_not_told_to_trust(server: SandboxServer, bank: Sandbox) -> None:
    with pytest.raises(AssertionError, match="CERTIFICATE_VERIFY_FAILED"):
        python_client(server, "create", trust=False)
    alone = node_client(server, trust=False)  # it gives its error back instead of raising it
    assert (alone["deeplink"]["data"], alone["known"]["data"]) == (None, None)
    assert bank.calls() == []

"""The fixture other projects use: fresh for each test, on a port or without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx2
import pytest

from vinflow.sandbox import Sandbox
from vinflow.sandbox.asgi import App

SUITE = """
import hashlib, json, ssl, urllib.request
import pytest

def ask(bakong, body, token=None, context=None):
    request = urllib.request.Request(
        bakong.url + "/v1/check_transaction_by_md5", json.dumps(body).encode(),
        {"Authorization": "Bearer " + (token or bakong.token)},
    )
    return json.load(urllib.request.urlopen(request, context=context))

def test_one(bakong):
    qr = bakong.qr("1.00")
    bakong.pay(qr)
    assert ask(bakong, {"md5": hashlib.md5(qr.encode()).hexdigest()})["responseCode"] == 0

def test_two_is_fresh(bakong):
    assert bakong.transfers == ()
    assert bakong.used() == 0

@pytest.mark.bakong(quota=0)
def test_switches(bakong):
    assert ask(bakong, {"md5": "a"})["errorCode"] == 17

@pytest.mark.bakong(quota=0)
class TestNearestWins:
    @pytest.mark.bakong(quota=5, seed=3, frozen_at_ms=1764565200000)
    def test_it(self, bakong):
        assert bakong.switches.quota == 5
        assert bakong.clock.now_ms() == 1764565200000
        assert bakong.seed == 3

@pytest.mark.bakong(tls=True)
def test_tls(bakong):
    assert bakong.url.startswith("https://")
    context = ssl.create_default_context(cafile=str(bakong.ca_path))
    assert ask(bakong, {"md5": "a"}, context=context)["errorCode"] == 1

@pytest.mark.bakong(control=True)
def test_control(bakong):
    assert json.load(urllib.request.urlopen(bakong.url + "/_control/state"))["account"] == bakong.account

def test_no_socket_unless_asked(bakong):
    assert bakong._server.port == 0
"""


def test_a_project_without_django_gets_its_bakong(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text(SUITE)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["vinflow.sandbox.pytest_plugin"]\n')

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--strict-markers", "-W", "error", "-p", "no:cacheprovider",
         "--rootdir", str(tmp_path), str(tmp_path)],
        capture_output=True, text=True, cwd=tmp_path, timeout=120,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
    )  # fmt: skip

    assert "7 passed" in ended.stdout, ended.stdout + ended.stderr


def test_the_stand_in_imports_no_django() -> None:
    code = (
        "import sys, vinflow.sandbox.command, vinflow.sandbox.pytest_plugin, vinflow.sandbox.tls;"
        "print([name for name in sys.modules if name.split('.')[0] in ('django', 'httpx2')"
        " or name.startswith('vinflow.bakong')])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert ended.stdout.strip() == "[]", ended.stderr


async def test_the_same_stand_in_answers_without_a_socket() -> None:
    bank = Sandbox()
    transport = httpx2.ASGITransport(app=App(bank, control=True))
    headers = {"authorization": f"Bearer {bank.token}"}
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://localhost", headers=headers
    ) as client:
        qr = (await client.post("/_control/qr", json={"amount": "1.00"})).json()["qr"]
        transfer = bank.pay(qr)
        found = await client.post("/v1/check_transaction_by_md5", json={"md5": transfer.md5})
        page = await client.get("/phone?lang=km")
        bank.fault(style="reset", times=1)
        with pytest.raises(ConnectionResetError):
            await client.post("/v1/renew_token", json={})
        bank.fault(style="slow", delay_s=0.05, times=1)
        slow = await client.post("/v1/renew_token", json={"email": bank.email})

    assert found.json()["data"]["hash"] == transfer.hash
    assert found.headers["date"].endswith("GMT")
    assert '<html lang="km">' in page.text
    assert slow.json()["responseCode"] == 0

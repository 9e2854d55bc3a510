"""`vinflow demo` as a newcomer meets it: it starts, keeps what it had, and leaves nothing behind."""

from __future__ import annotations

import json
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from vinflow.cli.pages import forms
from vinflow.cli.ports import free_port, is_taken


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_both_servers_and_a_second_run_finds_the_first_one_s_users(
    number: int, tmp_path: Path, start_demo: Callable[..., Any], stop_demo: Callable[..., int]
) -> None:
    first = start_demo(tmp_path)
    passwords = first.passwords
    assert httpx2.get(f"{first.site_url}/accounts/login/", trust_env=False).status_code == 200
    assert httpx2.get(f"{first.sandbox_url}/phone", trust_env=False).status_code == 200

    status = stop_demo(first, number)

    assert status == 0
    for url in (first.site_url, first.sandbox_url):
        assert not is_taken(int(url.rpartition(":")[2]))
    second = start_demo(tmp_path)
    assert second.passwords == passwords
    assert stop_demo(second) == 0


def test_the_secrets_of_the_demonstration_are_its_owner_s_alone(demo: Any) -> None:
    for name in ("demo.json", "demo.env"):
        assert stat.S_IMODE((demo.folder / name).stat().st_mode) == 0o600


def test_a_second_one_in_the_same_folder_is_refused_with_a_sentence(
    demo: Any, clean_environment: Callable[..., dict[str, str]]
) -> None:
    ports = {"VINFLOW_PORT": str(free_port()), "SANDBOX_PORT": str(free_port())}
    told = subprocess.run(
        [sys.executable, "-m", "vinflow.cli", "demo"],
        env=clean_environment(VINFLOW_HOME=str(demo.folder), COLUMNS="400", **ports),
        cwd=demo.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert told.returncode == 1
    assert f"Another demonstration (process {demo.process.pid}) runs in {demo.folder}" in told.stderr
    assert "VINFLOW_HOME" in told.stderr
    assert "Traceback" not in told.stderr
    assert httpx2.get(f"{demo.site_url}/accounts/login/", trust_env=False).status_code == 200


def test_the_doctor_finds_the_demonstrations_settings_in_order(
    demo: Any, clean_environment: Callable[..., dict[str, str]]
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "vinflow.cli", "doctor"],
        env=clean_environment(VINFLOW_ENV_FILE=str(demo.folder / "demo.env")),
        cwd=demo.folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert told.returncode == 0, told.stdout + told.stderr


def test_a_mail_of_the_demonstration_is_printed_into_the_sites_log(demo: Any) -> None:
    with httpx2.Client(base_url=demo.site_url, trust_env=False, follow_redirects=True) as page:
        address = "/accounts/password/reset/"
        [form] = [form for form in forms(page.get(address).text) if "email" in form.fields]
        page.post(address, data=form.filled(email="payer@example.com"))
    log = demo.folder / "site.log"

    assert "Subject:" in log.read_text("utf-8")


def test_the_panel_names_the_addresses_the_users_and_the_next_step(
    tmp_path: Path, clean_environment: Callable[..., dict[str, str]]
) -> None:
    site_port, sandbox_port = free_port(), free_port()
    environment = clean_environment(VINFLOW_HOME=str(tmp_path), VINFLOW_PORT=str(site_port), COLUMNS="120")
    environment["SANDBOX_PORT"] = str(sandbox_port)
    command = [sys.executable, "-u", "-m", "vinflow.cli", "demo"]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, cwd=tmp_path)
    assert process.stdout is not None
    lines: list[str] = []
    for line in process.stdout:
        lines.append(line)
        if "Ctrl-C" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=40)
    assert process.returncode == 0

    panel = "".join(lines)
    kept = json.loads((tmp_path / "demo.json").read_text())
    for words in (f"http://127.0.0.1:{site_port}", f"http://127.0.0.1:{sandbox_port}/phone", "Add funds"):
        assert words in panel
    assert kept["payer_password"] in panel
    assert kept["staff_password"] in panel


@pytest.mark.parametrize("variable", ["VINFLOW_PORT", "SANDBOX_PORT"])
def test_a_port_in_use_is_one_sentence(
    variable: str, tmp_path: Path, clean_environment: Callable[..., dict[str, str]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ports = {"VINFLOW_PORT": str(free_port()), "SANDBOX_PORT": str(free_port()), variable: str(port)}
        told = subprocess.run(
            [sys.executable, "-m", "vinflow.cli", "demo"],
            env=clean_environment(VINFLOW_HOME=str(tmp_path), **ports),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert told.returncode == 1
    assert (
        told.stderr
        == f"Error: Port {port} is in use: set {variable} to a free one, for example {port + 10}.\n"
    )


def test_an_env_file_is_read(tmp_path: Path, clean_environment: Callable[..., dict[str, str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        (tmp_path / ".env").write_text(f"VINFLOW_PORT={port}\n")
        told = subprocess.run(
            [sys.executable, "-m", "vinflow.cli", "demo"],
            env=clean_environment(VINFLOW_HOME=str(tmp_path)),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )

    assert f"Port {port} is in use" in told.stderr


def test_the_watcher_runs_as_a_process_of_its_own_beside_the_site(
    demo: Any, clean_environment: Callable[..., dict[str, str]]
) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "vinflow.cli", "watch", "--once"],
        env=clean_environment(VINFLOW_ENV_FILE=str(demo.folder / "demo.env")),
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert told.stdout == "asked 0, found 0, processed 0\n"

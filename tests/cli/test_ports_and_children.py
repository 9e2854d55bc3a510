"""Ports that are taken, and programs that are never left behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from vinflow.cli import ports
from vinflow.cli.children import Child

WAIT_S_MAX = 20.0


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WAIT_S_MAX
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def _is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # a zombie that nobody has reaped yet runs no more
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_in_use_is_said_in_one_sentence_with_the_variable(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server((address, 0)) as server:
        port = server.getsockname()[1]
        monkeypatch.setenv("VINFLOW_PORT", str(port))

        with pytest.raises(click.ClickException) as refused:
            ports.from_environment("VINFLOW_PORT", 8000)

    assert (
        refused.value.message
        == f"Port {port} is in use: set VINFLOW_PORT to a free one, for example {port + 10}."
    )


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1", "៨០០០", "80.5"])
def test_a_port_that_is_none_is_refused_by_its_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_PORT", text)

    with pytest.raises(click.ClickException, match="SANDBOX_PORT is"):
        ports.from_environment("SANDBOX_PORT", 9000)


def test_a_free_port_is_taken_from_the_environment_or_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    free, other = ports.free_port(), ports.free_port()
    monkeypatch.setenv("VINFLOW_PORT", str(free))

    assert ports.from_environment("VINFLOW_PORT", other) == free
    monkeypatch.setenv("VINFLOW_PORT", "")
    assert ports.from_environment("VINFLOW_PORT", other) == other


def _child(tmp_path: Path, program: str) -> Child:
    command = [sys.executable, "-u", "-c", program]
    return Child("the program", command, log=tmp_path / "log", environment=dict(os.environ))


def test_leaving_stops_the_program_and_what_it_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys, time\n"
        "inner = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        "print(inner.pid)\ntime.sleep(600)"
    )

    with _child(tmp_path, program) as child:
        assert _until(lambda: child.last_words().isdigit())
        inner = int(child.last_words())
        assert child.is_alive()
        assert not _is_gone(inner)

    assert not child.is_alive()
    assert _until(lambda: _is_gone(inner))


def test_a_program_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vinflow.cli.children.STOP_S_MAX", 0.3)
    program = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf')\ntime.sleep(600)"
    )

    with _child(tmp_path, program) as child:
        assert _until(lambda: child.last_words() == "deaf")

    assert not child.is_alive()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's word to the children is Linux's")
def test_a_program_dies_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import os, sys, time\nfrom pathlib import Path\nfrom vinflow.cli.children import Child\n"
            "inner = 'import os, time; print(os.getpid(), flush=True); time.sleep(600)'\n"
            "command = [sys.executable, '-c', inner]\n"
            f"Child('inner', command, log=Path({str(log)!r}), environment=dict(os.environ))\n"
            "time.sleep(600)",
        ]
    )
    assert _until(lambda: log.exists() and log.read_text().strip().isdigit())
    inner = int(log.read_text())

    parent.send_signal(signal.SIGKILL)
    parent.wait()

    assert _until(lambda: _is_gone(inner))

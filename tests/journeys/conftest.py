"""A whole demonstration in processes of its own, as somebody starts it; the tests only look and press."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from vinflow.cli.ports import free_port
from vinflow.sandbox.control import Control

START_S_MAX = 90.0
OURS = ("KHQR_", "VINFLOW_", "SANDBOX_", "DJANGO_", "DATABASE_URL", "SECRET_KEY", "TEST_", "LOG_LEVEL")


def clean_environment(**more: str) -> dict[str, str]:
    """The machine's environment without anything of the tests' own site in it."""
    return {name: value for name, value in os.environ.items() if not name.startswith(OURS)} | more


@dataclass(slots=True)
class RunningDemo:
    """`vinflow demo`, running."""

    process: subprocess.Popen[str]
    site_url: str
    sandbox_url: str
    folder: Path

    @property
    def passwords(self) -> dict[str, str]:
        """By user name."""
        kept = json.loads((self.folder / "demo.json").read_text())
        return {"payer": kept["payer_password"], "staff": kept["staff_password"]}

    @property
    def control(self) -> Control:
        """The stand-in's levers."""
        return Control(self.sandbox_url)

    def move_clocks(self, seconds: int) -> None:
        """Let time pass for the site and for the stand-in alike."""
        file = self.folder / "clock-offset"
        moved = int(file.read_text()) if file.exists() else 0
        file.write_text(str(moved + seconds))
        self.control.advance(seconds)

    def books(self, transaction: str | None = None) -> dict[str, Any]:
        """What `vinflow balance` says, as a fresh process."""
        command = [sys.executable, "-m", "vinflow.cli", "balance", "payer", "--json"]
        command += ["--transaction", transaction] if transaction else []
        environment = clean_environment(VINFLOW_ENV_FILE=str(self.folder / "demo.env"))
        told = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stderr
        found: dict[str, Any] = json.loads(told.stdout)
        return found


def start_demo(folder: Path, *options: str, **environment: str) -> RunningDemo:
    """Return a demonstration that has said it is ready. Fails with what it printed otherwise."""
    site_port, sandbox_port = free_port(), free_port()
    given = {"VINFLOW_PORT": str(site_port), "SANDBOX_PORT": str(sandbox_port), "VINFLOW_HOME": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "vinflow.cli", "demo", *options],
        cwd=folder,
        env=clean_environment(**given, **environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    printed = []
    deadline = time.monotonic() + START_S_MAX
    for line in process.stdout:
        printed.append(line)
        if "Ctrl-C" in line:
            return RunningDemo(
                process, f"http://127.0.0.1:{site_port}", f"http://127.0.0.1:{sandbox_port}", folder
            )
        if time.monotonic() > deadline:
            break
    process.kill()
    pytest.fail("the demonstration did not start:\n" + "".join(printed))


def stop_demo(demo: RunningDemo, number: int = signal.SIGINT) -> int:
    """Ask it to stop as a terminal would, and return its exit status."""
    demo.process.send_signal(number)
    try:
        demo.process.communicate(timeout=40)  # reads on meanwhile: a full pipe would hold it
        return demo.process.returncode
    except subprocess.TimeoutExpired:
        demo.process.kill()
        pytest.fail("the demonstration did not stop")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    """One demonstration for the tests of a file."""
    running = start_demo(tmp_path_factory.mktemp("demo"))
    yield running
    stop_demo(running)


@pytest.fixture(scope="session", name="clean_environment")
def clean_environment_fixture() -> Callable[..., dict[str, str]]:
    """The function of this name, for tests that start programs themselves."""
    return clean_environment


@pytest.fixture(scope="session", name="start_demo")
def start_demo_fixture() -> Callable[..., RunningDemo]:
    """The function of this name."""
    return start_demo


@pytest.fixture(scope="session", name="stop_demo")
def stop_demo_fixture() -> Callable[..., int]:
    """The function of this name."""
    return stop_demo

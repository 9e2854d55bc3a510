"""A stand-in Bakong, and processes of somebody else's site beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vinflow.cli.ports import free_port, wait_until_answers
from vinflow.sandbox import Sandbox, SandboxServer

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
OURS = ("KHQR_", "VINFLOW_", "SANDBOX_", "DJANGO_", "DATABASE_URL", "SECRET_KEY", "TEST_", "EMAIL_")


@dataclass
class Site:
    """One of the examples as its owner runs it: in its folder, by its own commands."""

    folder: Path
    home: Path
    bank: SandboxServer
    environment: dict[str, str]
    url: str = ""
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def clock_file(self) -> Path:
        """The file that moves the clock of the site."""
        return self.home / "clock-offset"

    def let_pass(self, seconds: int) -> None:
        """Let time pass for the site and for the bank alike."""
        moved = int(self.clock_file.read_text()) if self.clock_file.exists() else 0
        self.clock_file.write_text(str(moved + seconds))
        self.bank.sandbox.advance(seconds)

    def run(self, *command: str) -> str:
        """Run a command of the site to its end and return what it printed; fails when it fails."""
        ran = subprocess.run(
            [sys.executable, *command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def start(self, *command: str) -> subprocess.Popen[bytes]:
        """Start a command that stays; it is stopped with the site."""
        with (self.home / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=self.environment, stdout=log, stderr=log
            )
        self.running.append(process)
        return process

    def serve(self, *command: str) -> None:
        """Start the command that serves on {port} and wait for it."""
        port = free_port()
        process = self.start(*(part.format(port=port) for part in command))
        assert wait_until_answers(port, alive=lambda: process.poll() is None, wait_s_max=60), self.said()
        self.url = f"http://127.0.0.1:{port}"

    def said(self) -> str:
        """What the processes of the site printed."""
        return (self.home / "log").read_text("utf-8")

    def stop(self, process: subprocess.Popen[bytes] | None = None) -> None:
        """Stop one process, or all."""
        for each in [process] if process else self.running[:]:
            each.terminate()
            each.wait(20)
            self.running.remove(each)


@pytest.fixture(scope="module")
def bank() -> Iterator[SandboxServer]:
    """A Bakong as `vinflow sandbox` starts it."""
    with SandboxServer(Sandbox()) as server:
        yield server


@pytest.fixture(scope="module")
def example(bank: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Site]]:
    """example(name, **environment) is one of the examples, with nothing of ours in its environment."""
    sites = []

    def make(name: str, **more: str) -> Site:
        home = tmp_path_factory.mktemp(name)
        environment = {key: value for key, value in os.environ.items() if not key.startswith(OURS)}
        environment |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(home)} | more
        site = Site(EXAMPLES / name, home, bank, environment)
        sites.append(site)
        return site

    yield make
    for site in sites:
        site.stop()

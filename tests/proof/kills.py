"""Workers as real processes that can be killed, and a database that can be: see nursery.py."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.db import connection, connections

from vinflow.payments import conf
from vinflow.project.settings import database
from vinflow.sandbox import Sandbox

__all__ = ["APP", "Nursery", "gone", "other_database", "url_of"]

APP = "proof-worker"  # the name under which PostgreSQL knows the workers' connections
ROOT = Path(__file__).resolve().parents[2]


def url_of(settings: dict[str, Any]) -> str:
    """Return the address of a database that Django describes so."""
    if settings["ENGINE"].endswith("sqlite3"):
        return f"sqlite:///{settings['NAME']}"
    return f"postgres://{settings['USER']}@{settings['HOST']}:{settings['PORT']}/{settings['NAME']}"


class Nursery:
    """Forks workers that share our database and our stand-in. clock_file: whole seconds they are ahead."""

    def __init__(self, bank: Sandbox, url: str, *, folder: Path, database_url: str = "") -> None:
        self.clock_file = folder / "clock"
        self.clock_file.write_text("0")
        kept = ("PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "PYTHONPATH")
        environment = {name: os.environ[name] for name in kept if name in os.environ}
        environment |= {
            "DJANGO_SETTINGS_MODULE": "vinflow.project.settings",
            "DATABASE_URL": database_url or url_of(connections["default"].settings_dict),
            "PGAPPNAME": APP,
            "SECRET_KEY": "only-the-tests-use-this-key-" + "0123456789" * 3,
            "VINFLOW_ENV_FILE": "",
            "VINFLOW_HOME": str(folder),
            "VINFLOW_CLOCK_OFFSET_FILE": str(self.clock_file),
            "VINFLOW_WATCHER": "none",
            "VINFLOW_HTTPS": "off",
            "LOG_LEVEL": "error",
            "KHQR_API_URL": url,
            "KHQR_MERCHANT_ID": bank.account,
            "KHQR_API_KEY": bank.token,
            "KHQR_ENVIRONMENT": "sandbox",
            "KHQR_DAILY_CALLS": str(conf.daily_calls() or "none"),
        }
        self._errors = (folder / "nursery.log").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.proof.nursery"],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self.workers: list[int] = []
        assert "ready" in self._answer()

    def __enter__(self) -> Nursery:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in list(self.workers):
            self.kill(pid)
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(20)
        finally:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._errors.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError("the nursery is dead; its last words are in nursery.log")
        return dict(json.loads(line))

    def ask(self, **order: Any) -> dict[str, Any]:
        """Give one order and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def watch(self, name: str) -> int:
        """Start a watcher; return its process id."""
        pid = int(self.ask(do="watch", name=name)["pid"])
        self.workers.append(pid)
        return pid

    def kill(self, pid: int) -> None:
        """Kill a watcher, as nobody can be killed harder, and return when it is gone."""
        os.kill(pid, signal.SIGKILL)
        assert self.ask(do="buried", pid=pid)["signal"] == signal.SIGKILL, "it had ended by itself"
        self.workers.remove(pid)


def gone() -> bool:
    """Return whether PostgreSQL has noticed that every killed worker is dead: its locks are free then."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = %s AND datname = current_database()",
            [APP],
        )
        return cursor.fetchone() == (0,)


@contextmanager
def other_database(url: str) -> Iterator[None]:
    """Use another PostgreSQL server for everything this thread does inside the body."""
    own = connections["default"]
    own.close()
    before = {name: own.settings_dict[name] for name in ("NAME", "HOST", "PORT", "USER", "PASSWORD")}
    there = database(url)
    own.settings_dict.update({name: there[name] for name in before})
    try:
        yield
    finally:
        own.close()
        own.settings_dict.update(before)

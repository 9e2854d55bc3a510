"""A site that would go wrong does not start, and says why."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

GOOD = {
    "SECRET_KEY": "a-key-of-this-test-that-is-long-enough-for-anybody-who-looks-1",
    "VINFLOW_LEDGER_KEY": "another-key-of-this-test-0123456789",
    "VINFLOW_ENV_FILE": "",
    "KHQR_API_URL": "http://127.0.0.1:9",
    "KHQR_ENVIRONMENT": "sandbox",
    "KHQR_MERCHANT_ID": "shop@bank",
    "KHQR_API_KEY": "a-token",
}


def _run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **GOOD, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def _load(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return _run(folder, "-c", "import vinflow.project.wsgi", **environment)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a database that is up to date."""
    folder = tmp_path_factory.mktemp("site")
    made = _run(folder, "-m", "vinflow.cli", "manage", "migrate", "--verbosity", "0")
    assert made.returncode == 0, made.stderr
    return folder


def test_a_complete_site_starts(migrated: Path) -> None:
    loaded = _load(migrated)

    assert loaded.returncode == 0, loaded.stderr


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("KHQR_API_KEY", "", "KHQR_API_KEY"),
        ("KHQR_MERCHANT_ID", "no account", "KHQR_MERCHANT_ID"),
        ("KHQR_QR_LIFETIME_S", "10", "KHQR_QR_LIFETIME_S"),
        ("KHQR_DAILY_CALLS", "many", "KHQR_DAILY_CALLS"),
        ("KHQR_ENVIRONMENT", "", "play money would enter real wallets"),
        ("KHQR_API_URL", "http://api.example.com", "KHQR_API_URL is not https"),
        ("VINFLOW_FUNDS_HANDLER", "no.such.function", "VINFLOW_FUNDS_HANDLER"),
    ],
)
def test_an_absurd_setting_stops_the_start_with_its_name(
    migrated: Path, name: str, value: str, says: str
) -> None:
    loaded = _load(migrated, **{name: value})

    assert loaded.returncode == 1
    assert "ImproperlyConfigured" in loaded.stderr
    assert says in loaded.stderr.partition("ImproperlyConfigured")[2]


@pytest.mark.parametrize("table", ["wallet_journalline", "payments_transfer"])
def test_a_database_without_its_guards_stops_the_start(migrated: Path, tmp_path: Path, table: str) -> None:
    spoilt = tmp_path / "spoilt.sqlite3"
    with sqlite3.connect(migrated / "var" / "vinflow.sqlite3") as good, sqlite3.connect(spoilt) as copy:
        good.backup(copy)
        found = copy.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?", [table]
        )
        copy.execute(f"DROP TRIGGER {found.fetchall()[0][0]}")

    loaded = _load(tmp_path, DATABASE_URL=f"sqlite:///{spoilt}")

    assert loaded.returncode == 1
    assert "ImproperlyConfigured" in loaded.stderr


def test_a_database_that_was_never_migrated_stops_the_start(tmp_path: Path) -> None:
    loaded = _load(tmp_path)

    assert loaded.returncode == 1
    assert "The database is not up to date: run `vinflow manage migrate`." in loaded.stderr

"""A missing or absurd setting stops the start with a sentence that names it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import json
from vinflow.project import settings

print(json.dumps({name: str(value) for name, value in vars(settings).items() if name.isupper()}))
"""


def _load(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {
        "PATH": os.environ["PATH"],
        "SECRET_KEY": "a-key-of-this-test",
        "VINFLOW_ENV_FILE": "",
        **environment,
    }
    return subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=given, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("SECRET_KEY", "", "SECRET_KEY is empty: set it to 50 random characters"),
        ("DEBUG", "perhaps", "DEBUG is 'perhaps': say on or off"),
        ("VINFLOW_WATCHER", "sometimes", "VINFLOW_WATCHER is 'sometimes': it must be one of inline, none"),
        ("DATABASE_URL", "nonsense", "DATABASE_URL cannot be read"),
        ("LOG_LEVEL", "loud", "LOG_LEVEL is 'loud'"),
        ("VINFLOW_THEME", "pink", "VINFLOW_THEME is 'pink'"),
    ],
)
def test_a_bad_setting_is_named(tmp_path: Path, name: str, value: str, says: str) -> None:
    loaded = _load(tmp_path, **{name: value})

    assert loaded.returncode == 1
    assert says in loaded.stderr.splitlines()[-1]


def test_the_environment_wins_over_the_env_file(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("KHQR_MERCHANT_NAME=From the file\nKHQR_MERCHANT_CITY=Battambang\n")

    loaded = _load(tmp_path, VINFLOW_ENV_FILE=".env", KHQR_MERCHANT_NAME="From outside")

    settings = json.loads(loaded.stdout)
    assert settings["KHQR_MERCHANT_NAME"] == "From outside"
    assert settings["KHQR_MERCHANT_CITY"] == "Battambang"


def test_a_relative_database_file_becomes_absolute_and_its_folder_is_made(tmp_path: Path) -> None:
    loaded = _load(tmp_path, DATABASE_URL="sqlite:///deep/down/site.sqlite3")

    assert str(tmp_path / "deep" / "down" / "site.sqlite3") in json.loads(loaded.stdout)["DATABASES"]
    assert (tmp_path / "deep" / "down").is_dir()


def test_a_site_on_the_internet_speaks_https_only_by_default(tmp_path: Path) -> None:
    settings = json.loads(_load(tmp_path).stdout)

    assert settings["DEBUG"] == "False"
    for name in ("SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE"):
        assert settings[name] == "True"
    assert int(settings["SECURE_HSTS_SECONDS"]) >= 31_536_000


def test_a_proxy_is_believed_only_when_there_is_one(tmp_path: Path) -> None:
    assert "SECURE_PROXY_SSL_HEADER" not in json.loads(_load(tmp_path).stdout)
    assert "SECURE_PROXY_SSL_HEADER" in json.loads(_load(tmp_path, VINFLOW_BEHIND_PROXY="on").stdout)


def test_money_waits_its_turn_and_survives_a_power_cut_on_sqlite(tmp_path: Path) -> None:
    database = json.loads(_load(tmp_path).stdout)["DATABASES"]

    assert "'transaction_mode': 'IMMEDIATE'" in database
    assert "journal_mode=WAL" in database
    assert "synchronous=FULL" in database
    assert "'ATOMIC_REQUESTS': False" in database

"""Installed half way: each step that is missing is named in a sentence, with the line that mends it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection

from vinflow.payments import checks

CONTRIB = ["django.contrib.auth", "django.contrib.contenttypes"]


def said(
    settings_changes: dict[str, Any], settings: Any, *, databases: list[str] | None = None
) -> dict[str, str]:
    """What the checks say with these settings: sentence and remedy, by the check's name."""
    for name, value in settings_changes.items():
        setattr(settings, name, value)
    found = run_checks(databases=databases)
    return {
        message.id: f"{message.msg} {message.hint}" for message in found if message.id.startswith("payments")
    }


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize(
    ("changes", "check", "sentence", "line"),
    [
        ({"KHQR_API_KEY": ""}, "E001", "KHQR_API_KEY is not set", "KHQR_API_KEY=your_api_bearer_token"),
        ({"KHQR_MERCHANT_ID": ""}, "E001", "MERCHANT_ID is not set", "KHQR_MERCHANT_ID=your_account"),
        ({"KHQR_MERCHANT_ID": "tea house"}, "E001", "neither a Bakong account", "KHQR_MERCHANT_ID="),
        ({"KHQR_PROTOCOL": "soap"}, "E001", "must be auto, open-api or hosted", "KHQR_PROTOCOL=auto"),
        ({"KHQR_PROTOCOL": "hosted"}, "E001", "32 hex digits", "KHQR_PROTOCOL=auto"),
        ({"KHQR_PROTOCOL": "open-api", "KHQR_MERCHANT_ID": "a" * 32}, "E001", "no @ in it",
         "KHQR_PROTOCOL=auto"),
        ({"VINFLOW_FUNDS_HANDLER": "shop.nothing"}, "E001", "cannot be imported", "package.module"),
        ({"KHQR_API_URL": "http://bank.example", "KHQR_ENVIRONMENT": "production"}, "E002",
         "mint money", "https://api-bakong.nbc.gov.kh"),
        ({"KHQR_ENVIRONMENT": "", "DEBUG": False}, "E003", "play money would enter real wallets",
         "KHQR_ENVIRONMENT=sandbox"),
        ({"USE_TZ": False}, "E005", "USE_TZ is off", "USE_TZ = True"),
        ({"DATABASES": {"default": {"ATOMIC_REQUESTS": True}}}, "W002", "is refused the call",
         "non_atomic_requests"),
        ({"DATABASES": {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "a"}}}, "W003",
         "database is locked", '"transaction_mode": "IMMEDIATE"'),
    ],
)  # fmt: skip
def test_a_setting_that_is_missing_or_wrong_is_named_with_its_line(
    settings: Any, changes: dict[str, Any], check: str, sentence: str, line: str
) -> None:
    found = said(changes, settings)

    assert set(found) == {f"payments.{check}"}
    assert sentence in found[f"payments.{check}"]
    assert line in found[f"payments.{check}"]


def test_a_site_that_has_everything_hears_nothing(settings: Any) -> None:
    assert said({}, settings) == {}


@pytest.mark.filterwarnings("ignore:Overriding setting DATABASES")
@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs"])
def test_sqlite_on_a_network_drive_is_refused(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"/dev/sda1 / ext4 rw 0 0\nserver:/x {tmp_path}/far {kind} rw 0 0\n")
    monkeypatch.setattr(checks, "MOUNTS", mounts)
    row = {"ENGINE": "django.db.backends.sqlite3", "OPTIONS": {"transaction_mode": "IMMEDIATE"}}

    near = said({"DATABASES": {"default": row | {"NAME": tmp_path / "near" / "a.sqlite3"}}}, settings)
    far = said({"DATABASES": {"default": row | {"NAME": tmp_path / "far" / "a.sqlite3"}}}, settings)

    assert near == {}
    assert "network drive" in far["payments.E006"]
    assert kind in far["payments.E006"]
    assert "DATABASE_URL=postgres://" in far["payments.E006"]


def test_the_mount_that_is_nearest_to_the_file_decides() -> None:
    mounts = [
        "server:/ / nfs rw 0 0",
        "/dev/sdb1 /srv/data ext4 rw 0 0",
        "//nas/till /srv/data/the\\040till cifs rw 0 0",
        "broken line",
    ]

    assert checks.network_drive(Path("/srv/data/a.sqlite3"), mounts) is None
    assert checks.network_drive(Path("/srv/data/the till/a.sqlite3"), mounts) == "cifs"
    assert checks.network_drive(Path("/srv/database/a.sqlite3"), mounts) == "nfs"


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_a_migration_that_is_missing_is_named_and_the_watcher_does_not_begin(settings: Any) -> None:
    assert said({}, settings, databases=["default"]) == {}
    name = max(name for app, name in _applied() if app == "payments")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'payments' AND name = %s", [name])
    try:
        found = said({}, settings, databases=["default"])
        with pytest.raises(SystemCheckError, match=name):
            call_command("watch", "--once")
    finally:
        call_command("migrate", "payments", fake=True, verbosity=0)

    assert set(found) == {"payments.E007"}
    assert f"vinflow.payments has migrations that 'default' lacks: {name}" in found["payments.E007"]
    assert "python manage.py migrate payments" in found["payments.E007"]


def _applied() -> list[tuple[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT app, name FROM django_migrations")
        return list(cursor.fetchall())


@pytest.mark.both
@pytest.mark.django_db(transaction=True)
def test_missing_triggers_are_an_error_and_no_obstacle_to_their_cure(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks.guards, "missing_guards", lambda connection: ["payment_kept"])

    assert "python manage.py migrate" in said({}, settings, databases=["default"])["payments.E004"]
    with pytest.raises(SystemCheckError):
        call_command("check", databases=["default"])
    monkeypatch.setattr(sys, "argv", ["manage.py", "migrate"])
    call_command("check", databases=["default"])


def started(apps: list[str]) -> str:
    """What Django says when a site with these apps starts."""
    program = f"""
import django
from django.conf import settings
settings.configure(INSTALLED_APPS={CONTRIB + apps!r}, USE_TZ=True)
django.setup()
"""
    ran = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )
    return "" if ran.returncode == 0 else ran.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize(
    ("apps", "line"),
    [
        (["vinflow.payments"], "INSTALLED_APPS += ['vinflow.wallet']"),
        (["vinflow.storefront"], "INSTALLED_APPS += ['vinflow.payments', 'vinflow.wallet']"),
        (
            ["vinflow.wallet", "vinflow.payments", "vinflow.backoffice"],
            "INSTALLED_APPS += ['vinflow.storefront']",
        ),
    ],
)
def test_an_app_that_is_missing_is_named_with_the_line_to_add(apps: list[str], line: str) -> None:
    found = started(apps)

    assert found.startswith("django.core.exceptions.ImproperlyConfigured")
    assert line in found


def test_the_two_apps_alone_are_enough() -> None:
    assert started(["vinflow.wallet", "vinflow.payments"]) == ""

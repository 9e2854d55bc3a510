"""The root of the command: what it lists, and that one broken part never stops the others."""

from __future__ import annotations

import subprocess
import sys

import pytest
from click.testing import CliRunner

import vinflow
from vinflow import cli


def test_help_lists_every_command_and_imports_none_of_them() -> None:
    program = (
        "import sys\nfrom vinflow.cli import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit:\n    pass\n"
        "heavy = {'django', 'rich', 'httpx2', 'zxingcpp'}\nloaded = heavy & set(sys.modules)\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )

    shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert shown.returncode == 0, shown.stderr
    for name in cli.COMMANDS:
        assert f"\n  {name} " in shown.stdout


@pytest.mark.parametrize("name", [name for name in cli.COMMANDS if name != "manage"])
def test_every_command_says_what_it_does(name: str) -> None:
    told = CliRunner().invoke(cli.main, [name, "--help"])

    assert told.exit_code == 0, told.output
    assert told.output.startswith("Usage: ")


def test_manage_hands_its_words_to_django() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "vinflow.cli", "manage", "diffsettings", "--all"],
        env={"PATH": "", "DEBUG": "on", "VINFLOW_ENV_FILE": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 0, told.stderr
    assert "KHQR_API_URL" in told.stdout


def test_a_command_that_cannot_be_imported_says_so_and_leaves_the_others_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    broken = cli.COMMANDS["khqr"]._replace(module="vinflow.no_such_module")
    monkeypatch.setitem(cli.COMMANDS, "khqr", broken)

    told = CliRunner().invoke(cli.main, ["khqr", "--help"])
    other = CliRunner().invoke(cli.main, ["sandbox", "--help"])

    assert told.exit_code == 1
    assert "`vinflow khqr` cannot be loaded" in told.output
    assert "Traceback" not in told.output
    assert other.exit_code == 0


def test_the_version_is_the_package_s() -> None:
    assert CliRunner().invoke(cli.main, ["--version"]).output == f"vinflow, version {vinflow.__version__}\n"


def test_a_missing_secret_is_one_sentence_not_a_traceback() -> None:
    told = subprocess.run(
        [sys.executable, "-m", "vinflow.cli", "balance", "payer"],
        env={"PATH": "", "VINFLOW_ENV_FILE": ""},
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 1
    assert told.stderr.startswith("Error: SECRET_KEY is empty")
    assert told.stderr.count("\n") == 1

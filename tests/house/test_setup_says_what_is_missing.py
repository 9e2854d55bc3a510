"""`make setup` where something is missing: one sentence that names it, never a traceback."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def _setup(
    root: Path, before: str, profile: str = "dev", **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the script after some Python that makes this machine look like another."""
    program = (
        f"import os, runpy, sys\nsys.argv = ['setup.py', {profile!r}]\n{before}\n"
        f"runpy.run_path({str(root / 'scripts' / 'setup.py')!r}, run_name='__main__')"
    )
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )


def test_an_old_python_is_told_so(root: Path) -> None:
    told = _setup(root, "sys.version_info = (3, 9, 2)")

    assert told.returncode == 1
    assert told.stderr == (
        "setup: VinFlow needs Python 3.11 or newer, this is 3.9.2: try make PYTHON=python3.12\n"
    )


def test_a_wrong_profile_is_told_so(root: Path) -> None:
    told = _setup(root, "", profile="everything")

    assert (told.returncode, told.stderr) == (1, "setup: usage: setup.py runtime|dev\n")


def test_missing_programs_are_named_where_they_cannot_be_installed(root: Path, tmp_path: Path) -> None:
    program = (
        f"import os, sys\nsys.path.insert(0, {str(root)!r})\nos.geteuid = lambda: 1000\n"
        "from scripts import setup\nsetup.install_programs()"
    )

    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": str(tmp_path)},  # an empty folder: nothing is installed here
        capture_output=True,
        text=True,
        check=False,
    )

    assert told.returncode == 1
    assert told.stderr.startswith("setup: the tests need Chromium, a Khmer font")
    assert "(Debian: chromium fonts-khmeros fontconfig" in told.stderr
    assert told.stderr.count("\n") == 1


def test_a_python_without_ensurepip_names_the_package(root: Path) -> None:
    program = (
        f"import os, sys\nsys.path.insert(0, {str(root)!r})\nos.geteuid = lambda: 1000\n"
        "from scripts import setup\nsetup.install_venv_module()"
    )

    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert told.returncode == 1
    assert "install python3-venv" in told.stderr
    assert told.stderr.count("\n") == 1

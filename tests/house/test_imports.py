"""Which way imports point."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path


def test_every_import_contract_is_kept(root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]

    linted = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert re.search(rf"{len(contracts)} kept, 0 broken", linted.stdout), linted.stdout


def test_the_codec_the_client_and_the_stand_in_start_without_django() -> None:
    program = (
        "import sys, vinflow.money, vinflow.khqr, vinflow.bakong, vinflow.sandbox;"
        "sys.exit('django' in sys.modules)"
    )

    started = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert started.returncode == 0, started.stderr or "django was imported"

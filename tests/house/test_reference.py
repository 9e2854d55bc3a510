"""The reference pages are made from the code; a stale one is a fault."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from vinflow.cli import COMMANDS


def test_the_reference_is_what_the_code_says_now(root: Path) -> None:
    command = [sys.executable, "scripts/reference.py", "--check"]

    checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stderr


def test_every_setting_has_a_row_and_a_remark(root: Path) -> None:
    example = (root / ".env.example").read_text("utf-8")
    page = (root / "docs" / "reference" / "settings.md").read_text("utf-8")
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]

    named = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row[0])}

    assert named == set(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=", example, re.MULTILINE))
    assert [row[0] for row in rows if not row[2].strip(" |")] == []


def test_every_command_of_the_root_has_a_chapter(root: Path) -> None:
    page = (root / "docs" / "reference" / "commands.md").read_text("utf-8")

    chapters = re.findall(r"^## `vinflow (\w+)`", page, re.MULTILINE)

    assert set(chapters) == set(COMMANDS)


def test_a_stale_page_is_named(root: Path, tmp_path: Path) -> None:
    """The check itself can fail: a copy of the house with one more setting is stale."""
    for name in ("scripts/reference.py", "scripts/diagrams.py", ".env.example", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((root / name).read_text("utf-8"))
    (tmp_path / "src").symlink_to(root / "src")

    def reference(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "scripts/reference.py", *arguments]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert reference().returncode == 0
    assert reference("--check").returncode == 0
    with (tmp_path / ".env.example").open("a") as example:
        example.write("# Something new\n# VINFLOW_NEW=1\n")

    checked = reference("--check")

    assert checked.returncode == 1
    assert checked.stderr.splitlines() == [
        "docs/reference/settings.md is stale: run python scripts/reference.py"
    ]

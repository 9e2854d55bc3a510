"""What the documentation shows is run: a page that lies turns this red.

Python blocks of one page run in order, in one process of their own, in an empty folder. In console blocks the
lines `$ vinflow ...` are run, except the commands that serve until they are stopped, and what the page shows
under them must be what they print ("..." stands for anything). Three comments, which no reader sees:

    <!-- shown, not run -->          the block after it is only compiled
    <!-- runs inside a site -->      its Python runs in a new site: with a database, `user` and `now`
    <!-- runs first                  Python of the same program that would tell a reader nothing
    ... -->
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[2]
BLOCK = re.compile(
    r"(?P<shown><!-- shown, not run -->\s*)?^```(?P<language>python|console)\b[^\n]*\n(?P<text>.*?)^```"
    r"|^<!-- runs first\n(?P<hidden>.*?)^-->",
    re.DOTALL | re.MULTILINE,
)
INSIDE_A_SITE = """
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0, skip_checks=True)
from vinflow.payments import clock
now = clock.now()
user = get_user_model().objects.create_user("sokha")
"""
SERVES = ("demo", "sandbox", "watch")


class Block(NamedTuple):
    """One block of code on a page."""

    language: str
    text: str
    is_run: bool


def _pages() -> list[Path]:
    return [path for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))) if path.is_file()]


def _blocks(page: Path) -> list[Block]:
    return [
        Block(found["language"] or "python", found["text"] or found["hidden"], not found["shown"])
        for found in BLOCK.finditer(page.read_text("utf-8"))
    ]


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "VINFLOW_ENV_FILE": "", "DEBUG": "on"}
    environment |= {"DJANGO_SETTINGS_MODULE": "vinflow.project.settings", "LOG_LEVEL": "warning"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


WITH_PYTHON = [page for page in _pages() if any(block.language == "python" for block in _blocks(page))]
WITH_CONSOLE = [page for page in _pages() if any("$ vinflow" in block.text for block in _blocks(page))]


def test_the_readme_shows_code_that_runs() -> None:
    assert any(block.is_run and block.language == "python" for block in _blocks(ROOT / "README.md"))


@pytest.mark.parametrize("page", WITH_PYTHON, ids=_named)
def test_the_python_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    blocks = [block for block in _blocks(page) if block.language == "python"]
    for block in blocks:
        compile(block.text, _named(page), "exec")
    program = "\n".join(block.text for block in blocks if block.is_run)
    if "<!-- runs inside a site -->" in page.read_text("utf-8"):
        program = INSIDE_A_SITE + program

    ran = _run([sys.executable, "-W", "error", "-c", program], tmp_path)

    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("page", WITH_CONSOLE, ids=_named)
def test_the_commands_of_a_page_print_what_it_shows(page: Path, tmp_path: Path) -> None:
    for block in _blocks(page):
        if block.language != "console" or not block.is_run:
            continue
        for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
            line, _, shown = part.partition("\n")
            words = shlex.split(line)
            if words[0] != "vinflow" or words[1] in SERVES:
                continue
            ran = _run([sys.executable, "-m", "vinflow.cli", *words[1:]], tmp_path)
            assert ran.returncode == 0, f"{line}\n{ran.stderr}"
            pattern = r"[\s\S]*".join(re.escape(piece) for piece in shown.strip().split("..."))
            assert not shown.strip() or re.fullmatch(pattern, ran.stdout.strip()), f"{line}\n{ran.stdout}"

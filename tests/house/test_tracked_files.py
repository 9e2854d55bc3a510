"""What never stands in a tracked file: a path of a machine, a host of a package registry, a secret."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

# put together here, so that this file does not hold what it looks for
FOLDERS = ["/" + name + "/" for name in ("root", "home", "tmp", "work", "Users")]
REGISTRIES = [
    "pypi" + ".org",
    "python" + "hosted",
    "registry.npm" + "js",
    "deb." + "debian",
    "proxy." + "golang",
]
DRAWN = (".svg", ".po")  # long lines of coordinates, and source references


def _registry_of_this_machine() -> list[str]:
    asked = subprocess.run(
        [sys.executable, "-m", "pip", "config", "get", "global.index-url"],
        capture_output=True,
        text=True,
        check=False,
    )
    host = urlsplit(asked.stdout.strip()).hostname if asked.returncode == 0 else None
    return [host] if host else []


def test_no_path_of_a_machine_and_no_registry_is_named(tracked_texts: dict[str, str], root: Path) -> None:
    here = [f"{root}/", f"{Path.home()}/"] if len(root.parts) > 2 else []
    words = [*FOLDERS, *here, *REGISTRIES, *_registry_of_this_machine()]
    # not the middle of a longer path or address: https://example.com/home/ is nobody's folder
    pattern = re.compile("|".join(rf"(?<![\w.}}]){re.escape(word)}" for word in words))

    found = [
        f"{name}:{number}: {line.strip()[:120]}"
        for name, text in tracked_texts.items()
        if not name.endswith(DRAWN)
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]

    assert found == []


def test_requirements_have_hashes_and_no_addresses(root: Path) -> None:
    files = sorted((root / "requirements").glob("*.txt"))
    assert len(files) == 3

    for file in files:
        text = file.read_text()
        pinned = re.findall(r"^[a-z0-9][a-z0-9._-]*==\S+", text, re.MULTILINE)
        assert pinned
        assert text.count("--hash=sha256:") >= len(pinned)
        assert "://" not in text


def test_no_real_token_is_kept(tracked_texts: dict[str, str]) -> None:
    # A JSON Web Token is three base64 parts; the vectors hold short made-up ones only.
    token = re.compile(r"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{40,}")

    assert [name for name, text in tracked_texts.items() if token.search(text)] == []


def test_nothing_that_a_tool_made_by_itself_is_tracked(root: Path) -> None:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=True
    ).stdout.split("\0")

    made = [
        name
        for name in listed
        if re.search(r"\.py[co]$|__pycache__|node_modules/|\.sqlite3|\.egg-info", name)
    ]

    assert len(listed) > 100
    assert made == []

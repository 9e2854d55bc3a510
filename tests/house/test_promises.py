"""docs/promises.md names tests that are there and that drive a browser."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def test_every_promise_has_a_test_that_drives_a_browser(root: Path) -> None:
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", (root / "docs/promises.md").read_text("utf-8"))
    assert len(named) >= 50

    missing = []
    for file, test in named:
        path = root / "tests" / file
        text = path.read_text("utf-8") if path.is_file() else ""
        here = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
        if test not in here or not re.search(r"pytest\.mark\.browser", text):
            missing.append(f"{file}::{test}")
    assert missing == []
    assert len(named) == len(set(named))

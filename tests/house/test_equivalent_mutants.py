"""The list of mutants that no test need kill names lines that are there, and tests that are there."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

from scripts.mutate import MODULES


def test_each_explained_mutant_is_of_a_line_that_is_there(root: Path) -> None:
    listed = json.loads((root / "tests/proof/equivalent_mutants.json").read_text("utf-8"))
    assert listed
    lines = {
        name: {line.strip() for line in (root / "src/vinflow" / file).read_text("utf-8").splitlines()}
        for name, file in MODULES.items()
    }

    gone = [one["was"] for one in listed if one["was"] not in lines[one["module"]]]
    assert gone == []
    told = [(one["module"], one["was"], one["is"]) for one in listed]
    assert len(told) == len(set(told))


def test_what_only_postgresql_can_tell_is_held_by_a_test_that_runs_there(root: Path) -> None:
    listed = json.loads((root / "tests/proof/equivalent_mutants.json").read_text("utf-8"))
    named = {test for one in listed for test in re.findall(r"\btest_\w+", one["why"])}
    assert named

    on_postgresql: set[str] = set()
    for path in (root / "tests").rglob("test_*.py"):
        text = path.read_text("utf-8")
        if re.search(r"pytest\.mark\.(both|postgres)\b", text):
            on_postgresql |= {
                node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)
            }
    assert named - on_postgresql == set()

"""The architecture page against the code: its diagram, its map, and every file its story names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from vinflow.payments.states import TRANSITIONS, mermaid


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The architecture page."""
    return (root / "docs" / "architecture.md").read_text("utf-8")


def test_the_state_diagram_is_the_one_the_code_draws(page: str) -> None:
    shown = re.findall(r"^```mermaid\n(stateDiagram.*?)^```", page, re.MULTILINE | re.DOTALL)

    assert shown == [mermaid()]


def test_the_drawing_has_an_arrow_for_every_row_of_the_table() -> None:
    arrows = re.findall(r"^    (\w+) --> (\w+): (.+)$", mermaid(), re.MULTILINE)

    assert {(start, word.replace(" ", "_"), end) for start, end, word in arrows} == {
        (state.value, event.value, target.value)
        for state, events in TRANSITIONS.items()
        for event, target in events.items()
    }


def test_the_map_shows_the_layers_of_the_import_contract_in_order(page: str, root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = next(each["layers"] for each in contracts if each["name"] == "Imports point down")

    rows = re.findall(r"^\| ((?:`\w+`(?:, )?)+) \|", page, re.MULTILINE)

    assert [set(re.findall(r"\w+", row)) for row in rows] == [
        set(re.findall(r"\w+", layer)) for layer in layers
    ]


def test_every_file_the_story_names_exists(page: str, root: Path) -> None:
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.(?:py|js))`", page))
    assert len(named) > 25

    assert {name for name in named if not (root / "src" / "vinflow" / name).is_file()} == set()


def test_every_function_the_story_names_is_in_the_file_beside_it(page: str, root: Path) -> None:
    named = re.findall(r"`(\w+)(?:\(\))?` in\s+`([a-z_/]+\.py)`", page)
    assert len(named) >= 4

    missing = [
        (function, file)
        for function, file in named
        if f"def {function}(" not in (root / "src" / "vinflow" / file).read_text("utf-8")
    ]
    assert missing == []

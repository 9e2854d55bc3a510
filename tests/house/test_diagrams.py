"""The architecture page against the code: its diagrams, its map, and every file its story names."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from scripts.diagrams import diagrams, states_svg

from vinflow.payments import refund_states, states


@pytest.fixture(scope="module")
def page(root: Path) -> str:
    """The architecture page."""
    return (root / "docs" / "architecture.md").read_text("utf-8")


@pytest.mark.parametrize("name", ["states", "refund-states", "rooms"])
def test_the_diagrams_are_what_the_code_says_now(root: Path, name: str) -> None:
    drawn = diagrams()[root / "docs" / "images" / f"{name}.svg"]

    assert (root / "docs" / "images" / f"{name}.svg").read_text("utf-8") == drawn
    ElementTree.fromstring(drawn)


@pytest.mark.parametrize("table", [states.TRANSITIONS, refund_states.TRANSITIONS])
def test_the_chart_has_an_arrow_for_every_row_of_the_table(table: Any) -> None:
    svg = states_svg("A table", table)
    rows = [(start, event, end) for start, events in table.items() for event, end in events.items()]

    assert svg.count("<g>") == len(rows)
    said = ElementTree.fromstring(svg).findtext("{http://www.w3.org/2000/svg}desc")
    assert said is not None
    assert said.split("; ") == [f"{event.replace('_', ' ')} leads from {a} to {b}" for a, event, b in rows]


def test_no_page_needs_a_script_to_be_drawn(root: Path) -> None:
    pages = list((root / "docs").rglob("*.md"))
    assert len(pages) > 20

    assert [page for page in pages if "```mermaid" in page.read_text("utf-8")] == []


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

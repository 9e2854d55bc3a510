"""The report fails by itself when a campaign proves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.proof.report import FIRST, read, rendered, wrong_with

GOOD: dict[str, Any] = {
    "name": "simulator",
    "title": "The simulator",
    "head": ["what", "how many"],
    "rows": [["runs", 10]],
    "seed": 1,
    "count": 10,
    "versions": {"python": "3.11"},
    "commit": "abc",
    "duration_s": 12.5,
    "violations": 0,
}


def test_a_good_campaign_has_nothing_wrong_and_its_figures_on_the_page() -> None:
    page = rendered([GOOD])

    assert wrong_with(GOOD) == []
    assert "| runs | 10 |" in page
    assert "Seed 1; 10 in all; 0 violations; 12.5 s; commit abc; python 3.11." in page
    assert "proves nothing" not in page


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"duration_s": None}, "cut off"),
        ({"count": 0}, "ran nothing"),
        ({"rows": []}, "ran nothing"),
        ({"violations": 2}, "2 broken rules"),
        ({"unmet": ["reset"]}, "never met: reset"),
    ],
)
def test_a_campaign_that_proves_nothing_says_so_on_the_page(change: dict[str, Any], why: str) -> None:
    bad = {**GOOD, **change}

    assert any(why in said for said in wrong_with(bad))
    assert "**This proves nothing:" in rendered([bad])


def test_a_file_cut_off_in_the_middle_is_a_campaign_cut_off(tmp_path: Path) -> None:
    (tmp_path / "simulator.json").write_text(json.dumps(GOOD)[:40], encoding="utf-8")

    read_back = next(one for one in read(tmp_path) if one["name"] == "simulator")

    assert wrong_with(read_back)


def test_a_campaign_that_was_never_run_stands_on_the_page_as_such(tmp_path: Path) -> None:
    (tmp_path / "simulator.json").write_text(json.dumps(GOOD), encoding="utf-8")

    page = rendered(read(tmp_path))

    assert page.count("it has not been run") == len(FIRST) - 1

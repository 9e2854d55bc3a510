"""The project's own papers: forms that parse, hooks that run what `make check` runs, badges that are true."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml
from scripts import badges


def test_the_forms_for_issues_ask_for_something(root: Path) -> None:
    forms = sorted((root / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    assert len(forms) >= 3

    for path in forms:
        form = yaml.safe_load(path.read_text("utf-8"))
        if path.name == "config.yml":
            continue
        assert {"name", "description", "body"} <= set(form), path.name
        ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(ids) == len(set(ids)) >= 3, path.name
        assert any(part.get("validations", {}).get("required") for part in form["body"]), path.name


def test_the_hooks_are_our_own_tools_and_leave_none_of_the_checks_out(root: Path) -> None:
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text("utf-8"))
    [repository] = hooks["repos"]
    assert repository["repo"] == "local"  # no address: nothing is fetched

    entries = " ".join(hook["entry"] for hook in repository["hooks"])

    assert all(hook["language"] == "system" for hook in repository["hooks"])
    check = (root / "Makefile").read_text("utf-8").partition("check: setup\n")[2].partition("\n\n")[0]
    tools = set(re.findall(r"\$\(BIN\)/([\w-]+)", check))
    assert tools == {"ruff", "mypy", "lint-imports"}
    assert all(f".venv/bin/{tool}" in entries for tool in tools)
    for program in set(re.findall(r"\.venv/bin/[\w-]+", entries)):
        assert (root / program).exists(), program


def test_every_badge_of_the_readme_is_a_picture_here_and_every_picture_is_shown(root: Path) -> None:
    shown = set(re.findall(r"docs/images/(badge-\w+\.svg)", (root / "README.md").read_text("utf-8")))

    assert shown == {path.name for path in (root / "docs" / "images").glob("badge-*.svg")}
    for name in shown:
        ElementTree.parse(root / "docs" / "images" / name)


def test_the_badge_of_the_vectors_is_their_number(root: Path) -> None:
    said = badges.vectors_say(root / "tests" / "vectors")

    assert (root / "docs" / "images" / "badge-vectors.svg").read_text("utf-8") == badges.badge_svg(
        "vectors", said
    )


REPORT = '<testsuites><testsuite tests="{tests}" failures="{failures}" errors="0" skipped="1"/></testsuites>'


@pytest.mark.parametrize(("failures", "says"), [(0, "38 passed"), (1, None)])
def test_a_badge_of_tests_is_drawn_only_where_all_have_passed(
    tmp_path: Path, failures: int, says: str | None
) -> None:
    reports = [tmp_path / "a.xml", tmp_path / "b.xml"]
    reports[0].write_text(REPORT.format(tests=20, failures=0))
    assert badges.tests_say(reports) is None  # one run is missing
    reports[1].write_text(REPORT.format(tests=20, failures=failures))

    assert badges.tests_say(reports) == says


def test_what_was_not_measured_says_nothing(tmp_path: Path) -> None:
    assert badges.coverage_says(tmp_path / "none.json") is None
    assert badges.pythons_say(tmp_path / "none.json") is None
    (tmp_path / "coverage.json").write_text(json.dumps({"totals": {"percent_covered": 91.97}}))
    assert badges.coverage_says(tmp_path / "coverage.json") == "91 %"  # rounded down


def test_the_papers_are_tracked(root: Path) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=True).stdout
    for name in ("SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/security.md",
                 ".github/PULL_REQUEST_TEMPLATE.md", ".pre-commit-config.yaml"):  # fmt: skip
        assert name in listed.splitlines(), name


def test_the_gallery_hangs_each_page_in_both_languages(root: Path) -> None:
    page = (root / "docs" / "gallery.md").read_text("utf-8")
    there = {path.name for path in (root / "docs" / "images").glob("*.png")}

    hung = set(re.findall(r"images/([\w-]+\.png)", page))

    assert len(hung) >= 18
    assert hung <= there
    twins = {name.replace("-en", "-km", 1) for name in hung if "-en" in name}
    assert twins & there <= hung

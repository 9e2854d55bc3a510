"""Draws the README's badges as SVG files in docs/images, from what was measured on this machine alone.

    tests      var/tests-*.xml, as `make test` leaves them: only where every test of both databases passed
    coverage   var/coverage.json, where somebody measured it (pytest --cov-report=json:var/coverage.json)
    vectors    the cases in tests/vectors on which the tests hold us to the official codec
    python     var/wheel-tested.json, as `make wheel-test` leaves it

A badge whose measurement is missing is left as it is. No service draws them, so none counts the readers.
"""

from __future__ import annotations

import json
import sys
from html import escape
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs" / "images"
GREEN, GREY = "#1f7a4d", "#4a4f57"
LETTER, PAD = 6.7, 8


def badge_svg(name: str, says: str, colour: str = GREEN) -> str:
    """Return a badge: a name on grey, what it says on a colour, in white letters of enough contrast."""
    left, right = (round(LETTER * len(text) + 2 * PAD) for text in (name, says))
    texts = [(left / 2, name), (left + right / 2, says)]
    written = "".join(f'<text x="{x:.1f}" y="14">{escape(text)}</text>' for x, text in texts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" '
        f'aria-label="{escape(name)}: {escape(says)}">'
        f"<title>{escape(name)}: {escape(says)}</title>"
        f'<rect width="{left}" height="20" fill="{GREY}"/>'
        f'<rect x="{left}" width="{right}" height="20" fill="{colour}"/>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11">'
        f"{written}</g></svg>\n"
    )


def tests_say(reports: list[Path]) -> str | None:
    """Return "N passed", None unless both runs are there and nothing in them failed."""
    total = 0
    for report in reports:
        if not report.is_file():
            return None
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            if int(suite.get("failures", "1")) or int(suite.get("errors", "1")):
                return None
            total += int(suite.get("tests", "0")) - int(suite.get("skipped", "0"))
    return f"{total:,} passed" if total else None


def vectors_say(folder: Path) -> str:
    """Return how many cases the files of vectors hold."""
    total = 0
    for name in ("encode", "decode", "verify", "errors"):  # not quirks.json, where we mean to differ
        total += len(json.loads((folder / f"{name}.json").read_text("utf-8"))["vectors"])
    return f"{total:,} agree"


def coverage_says(file: Path) -> str | None:
    """Return the covered part of the lines, rounded down; None where it was not measured."""
    if not file.is_file():
        return None
    return f"{int(json.loads(file.read_text('utf-8'))['totals']['percent_covered'])} %"


def pythons_say(file: Path) -> str | None:
    """Return the versions that the wheel was tried on; None where it was not."""
    return " | ".join(json.loads(file.read_text("utf-8"))["pythons"]) if file.is_file() else None


def main() -> int:
    """Draw what can be drawn, and say what could not."""
    var = ROOT / "var"
    said = {
        "tests": tests_say([var / "tests-postgres.xml", var / "tests-sqlite.xml"]),
        "coverage": coverage_says(var / "coverage.json"),
        "vectors": vectors_say(ROOT / "tests" / "vectors"),
        "python": pythons_say(var / "wheel-tested.json"),
    }
    for name, says in said.items():
        if says is None:
            print(f"badges: {name} was not measured here; its badge stays as it is", file=sys.stderr)
            continue
        (IMAGES / f"badge-{name}.svg").write_text(badge_svg(name, says), "utf-8")
        print(f"badges: {name}: {says}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

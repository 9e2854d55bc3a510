"""Links of the papers lead somewhere, pictures are small and say what is on them, every page can be found."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"[^>]*?alt=\"([^\"]*)\"")
PICTURE_BYTES_MAX = 250_000
NEEDS_ALT = 20  # letters: less says nothing of a screenshot


def _named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def _without_code(page: Path) -> str:
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def _anchors(page: Path) -> set[str]:
    """The names of a page's headings, as GitHub and the built pages make them."""
    headings = re.findall(r"^#+ (.+)$", _without_code(page), re.MULTILINE)
    return {
        re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", heading.strip().lower())).strip("-")
        for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=_named)
def test_every_link_leads_to_a_file_and_a_heading(page: Path) -> None:
    broken = []
    for target in LINK.findall(_without_code(page)):
        if re.match(r"https?:|mailto:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            broken.append(target)

    assert broken == []


def test_every_picture_exists_is_small_and_has_words() -> None:
    shown = [(page, *found) for page in PAGES for found in IMAGE.findall(_without_code(page))]
    assert len(shown) >= 3

    for page, alt, file, other_file, other_alt in shown:
        path = page.parent / (file or other_file)
        assert path.is_file(), f"{_named(page)}: {path}"
        assert path.stat().st_size <= PICTURE_BYTES_MAX, path
        assert len(alt or other_alt) >= NEEDS_ALT, f"{_named(page)}: {path.name} has no words"


def test_the_five_pages_are_there_in_both_languages() -> None:
    wanted = {
        f"{page}-{language}.png"
        for page in ("sign-in", "add-funds", "checkout", "dashboard", "phone")
        for language in ("en", "km")
    }

    assert wanted <= {file.name for file in (ROOT / "docs" / "images").iterdir()}


def test_every_page_of_the_documentation_can_be_reached_from_its_index() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for target in LINK.findall(_without_code(page)):
            file = (page.parent / target.partition("#")[0]).resolve()
            if file.suffix == ".md" and file.is_file() and (ROOT / "docs") in file.parents:
                waiting.append(file)

    assert {_named(page) for page in (ROOT / "docs").rglob("*.md")} - {_named(page) for page in seen} == set()

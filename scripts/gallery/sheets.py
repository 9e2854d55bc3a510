"""Contact sheets of the pages, and the page of the docs they hang on."""

from __future__ import annotations

import io
from collections.abc import Iterable

from PIL import Image, ImageDraw, ImageFont
from scripts.gallery.site import ROOT

SHEETS = ROOT / "docs/images/gallery"
WIDTHS = {320: (164, 8), 390: (176, 8), 1280: (360, 4)}  # window: (width of a picture on the sheet, columns)
LANGUAGES = {"en": "English", "km": "Khmer"}
THEMES = ("light", "dark")
# A sheet of each ends before the title that begins the next: no picture of the docs may be heavy.
PARTS = {"paying": "", "paid": "completed", "around": "home"}
GAP, LABEL, TALLEST = 14, 17, 3.4  # TALLEST: a picture is cut at so many times its width
PAPER = {"light": ("#dfe3e8", "#14181f"), "dark": ("#343c49", "#f2f4f7")}


def shrink(png: bytes, width: int) -> Image.Image:
    """Return the picture as it stands on a sheet of that window."""
    small = WIDTHS[width][0]
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    height = picture.height * small // picture.width
    return picture.resize((small, height), Image.Resampling.LANCZOS).crop(
        (0, 0, small, min(height, int(small * TALLEST)))
    )


def parted(titles: Iterable[str]) -> dict[str, list[str]]:
    """Return the titles of each part, in order."""
    found: dict[str, list[str]] = {name: [] for name in PARTS}
    part = "paying"
    for title in titles:
        part = next((name for name, first in PARTS.items() if first == title), part)
        found[part].append(title)
    return found


def draw(name: str, width: int, theme: str, pictures: Iterable[tuple[str, Image.Image]]) -> None:
    """Write docs/images/gallery/NAME.webp: each picture under its title, in the shortest column."""
    small, columns = WIDTHS[width]
    ends = [GAP] * columns
    placed = []
    for title, picture in pictures:
        column = min(range(columns), key=lambda each: (ends[each], each))
        placed.append((GAP + column * (small + GAP), ends[column], title, picture))
        ends[column] += LABEL + picture.height + GAP
    ground, ink = PAPER[theme]
    paper = Image.new("RGB", (columns * (small + GAP) + GAP, max(ends)), ground)
    pen, letters = ImageDraw.Draw(paper), ImageFont.load_default(12)
    for x, y, title, picture in placed:
        pen.text((x, y), title, fill=ink, font=letters)
        paper.paste(picture, (x, y + LABEL))
    SHEETS.mkdir(parents=True, exist_ok=True)
    paper.save(SHEETS / f"{name}.webp", quality=48, method=6)


def write_page(titles: Iterable[str]) -> None:
    """Write docs/every-page.md around the sheets that are there."""
    lines = [
        "# Every page in every state",
        "",
        "`make gallery` draws this page anew, by Chromium, on a site whose payments reached each state by",
        "the real steps. It fails when a page is wider than its window, when text is cut off or leaves",
        "its box, when a script stumbles, or when axe finds anything.",
        "",
    ]
    headings = {"paying": "Adding funds and paying", "paid": "Paid, or not", "around": "Around it"}
    for part, names in parted(titles).items():
        lines += [f"## {headings[part]}", "", "; ".join(names).capitalize() + ".", ""]
        for width in WIDTHS:
            for language, tongue in LANGUAGES.items():
                for theme in THEMES:
                    name = f"{language}-{theme}-{width}-{part}"
                    if (SHEETS / f"{name}.webp").is_file():
                        alt = f"{headings[part]} in {tongue}, {theme}, {width} pixels wide"
                        lines += [f"![{alt}](images/gallery/{name}.webp)", ""]
    (ROOT / "docs/every-page.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")

"""Every page in every state, at three widths, in both languages, light and dark: `make gallery`.

    python -m scripts.gallery [--only WORD] [--keep FOLDER]

Draws docs/every-page.md and docs/images/gallery/*.webp.

For each language and each kind of device it starts the site on a scratch database, makes payments in every
state by the real steps, visits each page in Chromium and draws contact sheets. Fails, and says where, when a
page is wider than its window, when text is cut off, or when axe finds anything.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from scripts.gallery import looking, sheets
from scripts.gallery.site import ROOT, prepare, running

DEVICES = {"phone": (390, 320), "desk": (1280,)}


def passes(only: str) -> list[tuple[str, tuple[int, ...], tuple[str, ...]]]:
    """Return (language, widths, themes) of each visit that draws a sheet with that word in its name."""
    found = []
    for language in sheets.LANGUAGES:
        for widths in DEVICES.values():
            named = [(w, t) for w in widths for t in sheets.THEMES if only in f"{language}-{t}-{w}"]
            if named:
                asked = {w for w, _ in named}, {t for _, t in named}
                found.append(
                    (
                        language,
                        tuple(w for w in widths if w in asked[0]),
                        tuple(t for t in sheets.THEMES if t in asked[1]),
                    )
                )
    return found


def main() -> int:
    """Draw all; return 1 when something is wrong."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--only", default="", help="a part of a sheet's name: km-dark, 320")
    reader.add_argument("--keep", type=Path, help="keep each picture as it was taken in this folder")
    reader.add_argument("--prepare", action="store_true", help=argparse.SUPPRESS)
    arguments = reader.parse_args()
    if arguments.prepare:
        print(json.dumps(prepare()))
        return 0
    from playwright.sync_api import sync_playwright

    wrong: list[str] = []
    titles: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=looking.chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        for language, widths, themes in passes(arguments.only):
            # Each visit has its own site: a QR is good for ten minutes, and no state may end meanwhile.
            shots: dict[str, list[tuple[str, Any]]] = defaultdict(list)

            def keep(
                theme: str, width: int, title: str, png: bytes, language: str = language, shots: Any = shots
            ) -> None:
                name = f"{language}-{theme}-{width}"
                shots[name].append((title, sheets.shrink(png, width)))
                if arguments.keep:
                    (arguments.keep / name).mkdir(parents=True, exist_ok=True)
                    file = title.replace(",", "").replace("?", "").replace(" ", "-") + ".png"
                    (arguments.keep / name / file).write_bytes(png)

            with running() as (port, made):
                titles = list(made["pages"])
                wrong += looking.look(browser, port, made, language, widths, themes, keep)
            for name, pictures in shots.items():
                _, theme, width = name.split("-")
                drawn = dict(pictures)
                for part, names in sheets.parted(drawn).items():
                    sheets.draw(f"{name}-{part}", int(width), theme, [(each, drawn[each]) for each in names])
                print(name, len(pictures), "pages", flush=True)
        browser.close()
    sheets.write_page(titles)
    for each in wrong:
        print(each)
    print(f"{len(wrong)} faults")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    sys.exit(main())

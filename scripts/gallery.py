"""Every page in every state, at three widths, in both languages, light and dark: `make gallery`.

    python scripts/gallery.py [--only WORD]      docs/every-page.md and docs/images/gallery/*.webp

Starts the site on a scratch database, makes payments in every state by the real steps, visits each page in
Chromium and draws contact sheets. Fails, and says where, when a page is wider than its window, when text is
cut off, or when axe finds anything.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.pages import environment
from PIL import Image, ImageDraw

from vinflow.cli.ports import free_port, wait_until_answers

ROOT = Path(__file__).resolve().parent.parent
SHEETS = ROOT / "docs/images/gallery"
AXE = (ROOT / "tests/storefront/vendor/axe.min.js").read_text(encoding="utf-8")
STATES = (
    "pending",
    "delayed",
    "try_failed",
    "confirming",
    "completed",
    "late",
    "review",
    "expired",
    "failed",
)
STATES += ("canceled",)
WIDTHS = {320: (160, 5), 390: (195, 5), 1280: (400, 3)}  # window: (width of a picture on the sheet, a row)
CUT = """() => [...document.querySelectorAll('body *')].filter(e => {
  if (!e.checkVisibility() || e.closest('.kw-hidden, svg, .kw-skip') || !e.textContent.trim()) return false;
  const style = getComputedStyle(e);
  if (e.offsetWidth <= 1) return false; // there for voices alone
  if (!/hidden|clip/.test(style.overflowX + style.overflowY)) return false;
  return e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1;
}).map(e => e.outerHTML.slice(0, 100))"""


def prepare() -> dict[str, Any]:
    """Make the payer and the payments; return a session and the addresses of the pages, by name."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from tests.storefront.conftest import House

    from vinflow.bakong import CannotTell, Reason
    from vinflow.money import Currency, Money
    from vinflow.payments.models import PaymentSettings
    from vinflow.storefront.links import address_of

    call_command("migrate", verbosity=0)
    PaymentSettings.objects.update_or_create(singleton=1, defaults={"pending_max": 50})
    house = House()
    user = house.payer()
    pages: dict[str, str] = {
        "add funds": "/add-funds/",
        "add funds, filled in": "/add-funds/?amount=77&currency=USD",
    }
    for state in STATES:
        riel = Money(41_000, Currency.KHR) if state in ("late", "review") else None
        payment = house.at_state(state, user, riel)
        pages[state.replace("_", " ")] = address = f"/payment/{payment.transaction_id}/"
        if state == "late":
            pages["receipt"] = f"{address}receipt/"
        if state == "expired":
            pages["not here"] = f"{address}missing/"
            pages["not here, found"] = f"{address}missing/?said=review&name={'0' * 64}"
        if state == "pending":
            pages["shown larger"] = f"{address}?larger=1"
    gone = house.opened(user, ago_s=20)
    house.answer(gone, CannotTell(Reason.QUOTA, "the day's calls are used up"))
    pages["quota gone"] = f"/payment/{gone.transaction_id}/"
    pages["which payment"] = "/wallet/missing/"
    pages |= {"home": "/", "wallet": "/wallet/", "nothing in a filter": "/wallet/?status=completed&page=9"}
    pages |= {"not found": "/nothing/here/", "no such payment": "/payment/TXN00000000000000000000/"}
    pages["paid by link"] = address_of(house.at_state("completed", None))
    pages |= {
        "log in": "/accounts/login/",
        "sign up": "/accounts/signup/",
        "new password": "/accounts/password/reset/",
    }
    client = Client()
    client.force_login(user)
    return {"pages": pages, "session": client.cookies["sessionid"].value}


GUESTS = ("log in", "sign up", "new password", "paid by link")


def look(port: int, made: dict[str, Any], only: str) -> list[str]:
    """Visit everything, draw the sheets; return what is wrong."""
    from playwright.sync_api import sync_playwright

    site = f"http://127.0.0.1:{port}"
    wrong: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-gpu"]
        )
        for width, (small, _row) in WIDTHS.items():
            for language in ("en", "km"):
                for theme in ("light", "dark"):
                    name = f"{language}-{theme}-{width}"
                    if only and only not in name:
                        continue
                    shots = []
                    contexts = {}
                    for who in ("payer", "guest"):
                        contexts[who] = context = browser.new_context(
                            viewport={"width": width, "height": 844 if width < 1000 else 800},
                            color_scheme=theme,
                            reduced_motion="reduce",
                            has_touch=width < 1000,
                            is_mobile=width < 1000,
                        )
                        cookies = [{"name": "django_language", "value": language, "url": site}]
                        if who == "payer":
                            cookies.append({"name": "sessionid", "value": made["session"], "url": site})
                        context.add_cookies(cookies)
                    for title, address in made["pages"].items():
                        page = contexts["guest" if title in GUESTS else "payer"].new_page()
                        page.goto(site + address)
                        page.evaluate("document.fonts.ready")
                        wrong += [f"{name} {title}: {each}" for each in faults(page, width)]
                        shots.append((title, page.screenshot(full_page=True)))
                        page.close()
                    for context in contexts.values():
                        context.close()
                    sheet(name, shots, small, WIDTHS[width][1], dark=theme == "dark")
                    print(name, len(shots), "pages", flush=True)
        browser.close()
    return wrong


def chromium() -> str | None:
    """Return the path of the machine's own Chromium; None lets Playwright look for its."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for found in map(shutil.which, names) if found), None)


def faults(page: Any, width: int) -> list[str]:
    """Return what is wrong on a page: too wide, cut off, or against axe."""
    found = []
    if page.evaluate("document.documentElement.scrollWidth") > width:
        found.append("wider than the window")
    found += [f"cut off: {each}" for each in page.evaluate(CUT)]
    page.evaluate(AXE)
    for each in page.evaluate("async () => (await axe.run({ resultTypes: ['violations'] })).violations"):
        found.append(f"axe {each['id']}: {each['nodes'][0]['html'][:120]}")
    return found


def sheet(name: str, shots: list[tuple[str, bytes]], small: int, row: int, *, dark: bool) -> None:
    """Draw one contact sheet: the pages side by side, each under its name."""
    tall, gap, label = small * 5 // 2 if small < 300 else small * 3 // 4, 12, 16
    rows = -(-len(shots) // row)
    paper = Image.new("RGB", (row * (small + gap) + gap, rows * (tall + gap + label) + gap), "#888")
    pen = ImageDraw.Draw(paper)
    for number, (title, png) in enumerate(shots):
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        height = picture.height * small // picture.width
        picture = picture.resize((small, height), Image.Resampling.LANCZOS).crop(
            (0, 0, small, min(height, tall))
        )
        x = gap + number % row * (small + gap)
        y = gap + number // row * (tall + gap + label)
        pen.text((x, y), title, fill="#fff" if dark else "#000")
        paper.paste(picture, (x, y + label))
    SHEETS.mkdir(parents=True, exist_ok=True)
    paper.save(SHEETS / f"{name}.webp", quality=55, method=6)


def write_page(made: dict[str, Any]) -> None:
    """Write docs/every-page.md around the sheets."""
    names = ", ".join(made["pages"])
    lines = ["# Every page in every state", ""]
    lines += [
        "`make gallery` draws this page anew, by Chromium, on a site whose payments reached each state by the"
    ]
    lines += [
        "real steps. It fails when a page is wider than its window, when text is cut off, or when axe finds"
    ]
    lines += ["anything.", "", f"In the order of the pictures: {names}.", ""]
    for width in WIDTHS:
        lines += [f"## {width} pixels wide", ""]
        for language, tongue in (("en", "English"), ("km", "Khmer")):
            for theme in ("light", "dark"):
                if not (SHEETS / f"{language}-{theme}-{width}.webp").is_file():
                    continue
                alt = f"All pages in {tongue}, {theme}, {width} pixels wide"
                lines += [f"![{alt}](images/gallery/{language}-{theme}-{width}.webp)", ""]
    (ROOT / "docs/every-page.md").write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


@contextmanager
def running() -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the port of a site with a payment in every state, and what prepare() made; stop it afterwards."""
    with tempfile.TemporaryDirectory(prefix="vinflow-gallery-") as folder:
        given = environment(Path(folder), f"sqlite:///{Path(folder) / 'site.sqlite3'}")
        given |= {"VINFLOW_SUPPORT_CONTACT": "help@shop.example", "KHQR_MERCHANT_NAME": "VinFlow Digital"}
        given["PYTHONPATH"] = str(ROOT)
        command = [sys.executable, str(Path(__file__)), "--prepare"]
        done = subprocess.run(command, env=given, check=True, capture_output=True)
        port = free_port()
        serve = [sys.executable, "-m", "granian", "vinflow.project.asgi:application", "--interface", "asgi"]
        serve += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1", "--no-ws"]
        serve += ["--log-level", "error", "--workers-kill-timeout", "3"]
        server = subprocess.Popen(serve, env=given)
        try:
            wait_until_answers(port, alive=lambda: server.poll() is None, wait_s_max=60)
            yield port, json.loads(done.stdout.splitlines()[-1])
        finally:
            server.terminate()
            server.wait(30)


def main() -> int:
    """Draw all; return 1 when something is wrong."""
    reader = argparse.ArgumentParser(description=__doc__)
    reader.add_argument("--only", default="", help="a part of a sheet's name: km-dark, 320")
    reader.add_argument("--prepare", action="store_true")
    arguments = reader.parse_args()
    if arguments.prepare:
        print(json.dumps(prepare()))
        return 0
    with running() as (port, made):
        wrong = look(port, made, arguments.only)
    write_page(made)
    for each in wrong:
        print(each)
    print(f"{len(wrong)} faults")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    os.chdir(ROOT)
    sys.exit(main())

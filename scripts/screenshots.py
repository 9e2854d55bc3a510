"""Takes the pictures in docs/images: the pages of one payment, in English and in Khmer.

    make screenshots            python scripts/screenshots.py --states takes those of the states alone,
                                --staff those of the staff's pages

Nothing on them is staged: the demonstration's own parts run on free ports in a scratch folder, Chromium
goes the payer's way, the phone is given the pixels of the checkout page, and the money comes by the watcher.
Both clocks are moved instead of waiting. A picture of more than 250 kB ends the run.
"""

from __future__ import annotations

import io
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from scripts.gallery.site import running

from vinflow.cli.demo_home import DemoHome
from vinflow.cli.demo_parts import Demo, running_demo
from vinflow.cli.ports import free_port
from vinflow.sandbox.control import Control

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
BYTES_MAX = 250_000
DESK, HAND = 1280, 390  # CSS pixels
LOCALES = {"en": "en-US", "km": "km-KH"}
AMOUNTS = {"en": ("10.00", "USD"), "km": ("40000", "KHR")}
UNTIL_THE_NEXT_LOOK_S = 70  # a silent QR is asked about for the first time within a minute
HEIGHTS = {DESK: 680, HAND: 844}


STAFF = {
    "overview": "/admin/",
    "transactions": "/admin/transactions/?size=10",
    "review": "/admin/review/",
    "books": "/admin/ledger/",
    "settings": "/admin/settings/payments/",
}
STATES = {"late": "paid-late", "review": "in-review", "quota gone": "quota-gone"}


def main() -> int:
    """Return 0 when every picture was taken."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    _states(path, payers="--staff" not in sys.argv, staff="--states" not in sys.argv)
    if {"--states", "--staff"} & set(sys.argv):
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="vinflow-screenshots-") as folder,
        running_demo(
            DemoHome(Path(folder)),
            site_port=free_port(),
            sandbox_port=free_port(),
            protocol="open-api",
            say=lambda line: print(f"{line} ...", file=sys.stderr),
        ) as demo,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for language in LOCALES:
            _walk(browser, demo, language)
        browser.close()
    return 0


def _states(path: str | None, *, payers: bool, staff: bool) -> None:
    """Take a payment paid late, one in review and one on a day whose quota is gone, as a phone shows them;
    then the staff's pages about the same payments."""
    with running() as (port, made), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        site = f"http://127.0.0.1:{port}"
        for language in LOCALES if staff else ():
            _desk(browser, site, language, made)
        for language in LOCALES if payers else ():
            with _window(browser, site, language, HAND) as payer:
                cookies = {"django_language": language, "sessionid": made["sessions"]["payer"]}
                payer.add_cookies(
                    [{"name": name, "value": value, "url": site} for name, value in cookies.items()]
                )
                page = payer.new_page()
                for state, name in STATES.items():
                    page.goto(made["pages"][state])
                    _keep(page, f"{name}-{language}", HAND)
        browser.close()


def _desk(browser: Browser, site: str, language: str, made: dict[str, Any]) -> None:
    """Take the staff's pages at a desk, and the list as a phone shows it."""
    review = made["pages"]["review"].rstrip("/").rpartition("/")[2]
    with _window(browser, site, language, DESK) as owner:
        cookies = {"django_language": language, "sessionid": made["sessions"]["owner"]}
        owner.add_cookies([{"name": name, "value": value, "url": site} for name, value in cookies.items()])
        page = owner.new_page()
        page.goto("/admin/ledger/")
        page.locator("form[action$='/check/'] button").click()
        for name, address in {**STAFF, "payment": f"/admin/transactions/{review}/"}.items():
            page.goto(address)
            _keep(page, f"staff-{name}-{language}", DESK)
        page.goto(STAFF["transactions"])
        _keep(page, f"staff-transactions-{language}-390", HAND)


def _walk(browser: Browser, demo: Demo, language: str) -> None:
    """Go the whole way once at a desk, looking in with a phone's width where the page differs most."""
    amount, currency = AMOUNTS[language]
    with (
        _window(browser, demo.site_url, language, DESK) as shop,
        _window(browser, demo.sandbox_url, language, HAND) as bank,
    ):
        page, phone = shop.new_page(), bank.new_page()
        page.goto(f"/language/{language}/?next=/accounts/login/")
        page.goto("/accounts/login/")
        _keep(page, f"sign-in-{language}", DESK)
        page.locator("input[name=login]").fill("payer")
        page.locator("input[name=password]").fill(demo.home.passwords["payer"])
        page.get_by_test_id("login-submit").click()
        page.wait_for_url(re.compile(r"/$"))

        page.goto("/add-funds/")
        page.get_by_test_id(f"currency-{currency.lower()}").check(force=True)
        page.get_by_test_id("add-amount").fill(amount)
        _keep(page, f"add-funds-{language}", HAND)
        page.get_by_test_id("add-submit").click()
        page.wait_for_url(re.compile(r"/payment/TXN"))
        expect(page.get_by_test_id("khqr-qr").locator("svg")).to_be_visible()
        _keep(page, f"checkout-{language}", DESK)
        _keep(page, f"checkout-{language}-390", HAND)
        pixels = page.get_by_test_id("khqr-qr").screenshot()

        phone.goto("/phone")
        phone.get_by_test_id("phone-file").set_input_files(
            {"name": "qr.png", "mimeType": "image/png", "buffer": pixels}
        )
        expect(phone.get_by_test_id("phone-review")).to_be_visible()
        _keep(phone, f"phone-{language}", HAND)
        phone.get_by_test_id("phone-pin").fill("1234")
        phone.get_by_test_id("phone-pay").click()
        expect(phone.get_by_test_id("phone-receipt")).to_be_visible()
        _move_clocks(demo, UNTIL_THE_NEXT_LOOK_S)

        expect(page.get_by_test_id("co-success")).to_be_visible(timeout=60_000)
        _keep(page, f"success-{language}", HAND)
        page.goto("/")
        expect(page.get_by_test_id("dash-balance").first).to_be_visible()
        _keep(page, f"dashboard-{language}", DESK)


@contextmanager
def _window(browser: Browser, address: str, language: str, width: int) -> Iterator[BrowserContext]:
    """A browser window of its own, signed in nowhere, that asks for this language and for light paper."""
    context = browser.new_context(
        base_url=address,
        locale=LOCALES[language],
        timezone_id="Asia/Phnom_Penh",
        color_scheme="light",
        reduced_motion="reduce",
        device_scale_factor=1.5,
        viewport={"width": width, "height": HEIGHTS[width]},
    )
    context.set_default_timeout(30_000)
    yield context
    context.close()


def _keep(page: Page, name: str, width: int) -> None:
    """Write the page, from top to bottom, as docs/images/NAME.png in at most 256 colours."""
    before = page.viewport_size
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})
    page.evaluate("document.fonts.ready")
    page.wait_for_timeout(400)
    taken = Image.open(io.BytesIO(page.screenshot(full_page=True, caret="hide")))
    if before:
        page.set_viewport_size(before)
    file = IMAGES / f"{name}.png"
    taken.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)
    size = file.stat().st_size
    print(f"{file.name}: {taken.width} x {taken.height}, {size / 1000:.0f} kB", file=sys.stderr)
    if size > BYTES_MAX:
        raise SystemExit(f"{file.name} has {size} bytes; {BYTES_MAX} is the most a picture may have")


def _move_clocks(demo: Demo, seconds: int) -> None:
    """Let time pass for the site and for the stand-in alike."""
    file = demo.home.clock_file
    moved = int(file.read_text()) if file.exists() else 0
    file.write_text(str(moved + seconds))
    Control(demo.sandbox_url).advance(seconds)


if __name__ == "__main__":
    sys.exit(main())

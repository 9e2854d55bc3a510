"""The bank app in Chromium: pictures chosen, dropped, pasted, filmed; keys, countdown, no stray request."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect, sync_playwright

from vinflow import khqr
from vinflow.sandbox import Sandbox, SandboxServer

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[1] / "storefront" / "vendor" / "axe.min.js"
BILL = "TXN1A2B3C4D5E6F7G8H9J0K1L"


def film_of(text: str, path: Path) -> None:
    """Write a film (YUV4MPEG2, the format Chromium's pretended camera plays) that shows one KHQR."""
    code = Image.open(io.BytesIO(khqr.png(text, scale=6))).convert("L").resize((420, 420))
    frame = Image.new("L", (640, 480), 210)
    frame.paste(code, (110, 30))
    grey = bytes([128]) * (320 * 240)
    with path.open("wb") as film:
        film.write(b"YUV4MPEG2 W640 H480 F10:1 Ip A1:1 C420jpeg\n")
        for _ in range(5):
            film.write(b"FRAME\n" + frame.tobytes() + grey + grey)


@pytest.fixture(scope="module")
def shop() -> Iterator[tuple[Sandbox, SandboxServer]]:
    bank = Sandbox(11)
    with SandboxServer(bank) as server:
        yield bank, server


@pytest.fixture(scope="module")
def film(shop: tuple[Sandbox, SandboxServer], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "qr.y4m"
    film_of(shop[0].qr("7.00", bill_number="TXN-FILM"), path)
    return path


@pytest.fixture(scope="module")
def browser(chromium_path: str, film: Path) -> Iterator[Browser]:
    with sync_playwright() as play:
        yield play.chromium.launch(
            executable_path=chromium_path,
            args=[
                "--no-sandbox",
                "--use-fake-ui-for-media-stream",
                "--use-fake-device-for-media-stream",
                f"--use-file-for-fake-video-capture={film}",
            ],
        )


@pytest.fixture
def page(browser: Browser, shop: tuple[Sandbox, SandboxServer]) -> Iterator[Page]:
    bank, server = shop
    bank.reset()
    context = browser.new_context(base_url=server.url, viewport={"width": 390, "height": 844})
    page = context.new_page()
    trouble: list[str] = []
    page.on("pageerror", lambda error: trouble.append(str(error)))
    page.on("console", lambda line: trouble.append(line.text) if "Content Security" in line.text else None)
    page.on("request", lambda request: trouble.append(request.url) if server.url not in request.url
            and not request.url.startswith(("data:", "blob:")) else None)  # fmt: skip
    yield page
    context.close()
    assert trouble == []


@pytest.fixture
def bank(shop: tuple[Sandbox, SandboxServer]) -> Sandbox:
    return shop[0]


def picture(text: str) -> bytes:
    return khqr.png(text, scale=6)


def hand_over(page: Page, event: str, data: bytes) -> None:
    """Drop or paste a picture as a person's mouse or Ctrl+V does."""
    page.evaluate(
        """([kind, encoded]) => {
            const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
            const held = new DataTransfer();
            held.items.add(new File([bytes], "qr.png", {type: "image/png"}));
            const event = kind === "paste"
                ? new ClipboardEvent("paste", {clipboardData: held, bubbles: true, cancelable: true})
                : new DragEvent("drop", {dataTransfer: held, bubbles: true, cancelable: true});
            document.body.dispatchEvent(event);
        }""",
        [event, base64.b64encode(data).decode()],
    )


def test_choosing_a_picture_typing_the_pin_and_paying(page: Page, bank: Sandbox) -> None:
    page.goto("/phone")
    page.get_by_test_id("phone-file").set_input_files(
        {"name": "qr.png", "mimeType": "image/png", "buffer": picture(bank.qr("10.00", bill_number=BILL))}
    )

    expect(page.get_by_test_id("phone-review")).to_be_visible()
    expect(page.get_by_test_id("phone-amount")).to_have_text("$10.00")
    expect(page.get_by_test_id("phone-bill")).to_have_text(BILL)
    page.get_by_test_id("phone-pin").fill("4321")
    page.get_by_test_id("phone-pay").click()
    expect(page.get_by_test_id("phone-receipt")).to_be_visible()
    expect(page.get_by_test_id("phone-hash")).to_have_text(bank.transfers[0].hash)
    page.get_by_test_id("phone-another").click()
    expect(page.get_by_test_id("phone-balance-usd")).to_have_text("$490.00")


@pytest.mark.parametrize("way", ["drop", "paste"])
def test_dropping_and_pasting_a_picture(page: Page, bank: Sandbox, way: str) -> None:
    page.goto("/phone")
    hand_over(page, way, picture(bank.qr("2.00", bill_number=BILL)))

    expect(page.get_by_test_id("phone-bill")).to_have_text(BILL)


def test_the_camera_reads_frames_until_a_code_is_seen(page: Page) -> None:
    page.goto("/phone")
    page.get_by_role("button", name="Scan with the camera").click()

    expect(page.get_by_test_id("phone-bill")).to_have_text("TXN-FILM", timeout=15_000)


def test_the_keys_fill_and_empty_the_pin(page: Page, bank: Sandbox) -> None:
    page.goto(f"/phone?qr={bank.qr('3.00').replace(' ', '%20')}")
    for key in ("1", "2", "Delete digit", "0", "7", "9", "5"):
        page.get_by_role("button", name=key, exact=True).click()

    assert page.get_by_test_id("phone-pin").input_value() == "1079"


def test_a_hasty_thumb_pays_once(page: Page, bank: Sandbox) -> None:
    page.goto(f"/phone?qr={bank.qr('3.00').replace(' ', '%20')}")
    page.get_by_test_id("phone-pin").fill("1234")
    page.get_by_test_id("phone-pay").dblclick()

    expect(page.get_by_test_id("phone-receipt")).to_be_visible()
    assert len(bank.transfers) == 1


def test_the_time_left_counts_down(page: Page, bank: Sandbox) -> None:
    page.goto(f"/phone?qr={bank.qr('3.00', life_s=62).replace(' ', '%20')}")
    timer = page.get_by_role("timer")

    expect(timer).to_have_class("urgent", timeout=5_000)
    assert str(timer.text_content()).startswith("00:5")


@pytest.mark.parametrize("language", ["en", "km"])
@pytest.mark.parametrize("width", [320, 390, 1280])
def test_no_page_scrolls_sideways(page: Page, bank: Sandbox, width: int, language: str) -> None:
    bank.pay(bank.qr("1.00"))
    bank.fault("check_transaction_by_md5_list", "nginx", status=503)
    page.set_viewport_size({"width": width, "height": 800})
    page.context.add_cookies(
        [{"name": "sandbox_lang", "value": language, "domain": "127.0.0.1", "path": "/"}]
    )
    qr = bank.qr("123456.78", bill_number=BILL).replace(" ", "%20")

    for path in ("/phone", "/phone/activity", f"/phone?qr={qr}", f"/phone/receipt/{bank.transfers[0].hash}",
                 "/phone/nothing"):  # fmt: skip
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(
    browser: Browser, shop: tuple[Sandbox, SandboxServer], scheme: Literal["light", "dark"]
) -> None:
    bank, server = shop
    bank.reset()
    transfer = bank.pay(bank.qr("1.00"), delay_s=60)
    bank.fault("*", "nginx", status=500)
    amount, static = (bank.qr(text).replace(" ", "%20") for text in ("10.00", None))
    # the checker is put into the page by hand, which the page's own policy would rightly refuse
    context = browser.new_context(base_url=server.url, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    found = []
    for path in ("/phone", "/phone/activity", f"/phone?qr={amount}", f"/phone?qr={static}", "/phone/nothing",
                 f"/phone/receipt/{transfer.hash}"):  # fmt: skip
        page.goto(path)
        page.evaluate("document.querySelectorAll('details').forEach((part) => (part.open = true))")
        page.evaluate(AXE.read_text(encoding="utf-8"))
        rules = ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa", "best-practice"]
        report = page.evaluate("(rules) => axe.run(document, {runOnly: rules})", rules)
        assert report["passes"]
        found += [(path[:16], rule["id"], rule["nodes"][0]["target"]) for rule in report["violations"]]
    context.close()

    assert found == []


def test_khmer_is_drawn_with_the_face_shipped_beside_the_page(page: Page) -> None:
    page.goto("/phone?lang=km")

    drawn: Any = page.evaluate(
        "document.fonts.ready.then(() => [...document.fonts].some((f) => f.family.includes('Sandbox Khmer')"
        " && f.status === 'loaded'))"
    )
    assert drawn


def test_without_scripts_the_phone_still_pays(browser: Browser, shop: tuple[Sandbox, SandboxServer]) -> None:
    bank, server = shop
    bank.reset()
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/phone")
    page.get_by_test_id("phone-file").set_input_files(
        {"name": "qr.png", "mimeType": "image/png", "buffer": picture(bank.qr("5.00"))}
    )
    page.get_by_role("button", name="Read the picture").click()
    page.get_by_test_id("phone-pin").fill("1111")
    page.get_by_test_id("phone-pay").click()

    expect(page.get_by_test_id("phone-receipt")).to_be_visible()
    context.close()

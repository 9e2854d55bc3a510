"""Two journeys in Chromium: the switch while a payer looks; a wrong amount found, explained, credited."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vinflow.money import Currency, Money

pytestmark = pytest.mark.browser
AXE = Path(__file__).parents[1] / "storefront" / "vendor" / "axe.min.js"
DESK = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}

# What a field holds and does not show, and a word that breaks because its column is too narrow.
CUT = """() => {
    const range = document.createRange();
    const lines = e => { range.selectNodeContents(e); return range.getClientRects().length; };
    const fields = 'main input:not([type=hidden]):not([type=search])';
    return [...document.querySelectorAll(`${fields}, .bo-beside tbody th`)].filter(e => e.offsetParent)
        .filter(e => e.matches('input') ? e.scrollWidth > e.clientWidth + 1 : lines(e) > 1)
        .map(e => e.name || e.textContent);
}"""


@pytest.fixture
def open_shop(transactional_db: None, shop_class: type[Any], still: Any) -> Any:
    """The shop in a database that the server's threads see."""
    return shop_class()


@pytest.fixture
def visit(browser: Any, live_server: Any, open_shop: Any) -> Iterator[Any]:
    """visit(path, user) opens a page; every request and script fault is kept on it."""
    from django.conf import settings
    from django.test import Client

    contexts = []

    def go(path: str, user: Any, *, language: str = "en", viewport: Any = DESK, **options: Any) -> Any:
        context = browser.new_context(viewport=viewport, timezone_id="America/New_York", **options)
        contexts.append(context)
        context.set_default_timeout(30_000)
        client = Client()
        client.force_login(user)
        names = {
            settings.LANGUAGE_COOKIE_NAME: language,
            settings.SESSION_COOKIE_NAME: client.cookies[settings.SESSION_COOKIE_NAME].value,
        }
        context.add_cookies([{"name": n, "value": v, "url": live_server.url} for n, v in names.items()])
        page = context.new_page()
        page.asked, page.faults = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("pageerror", lambda error: page.faults.append(str(error)))
        page.on("console", lambda said: page.faults.append(said.text) if said.type == "error" else None)
        page.goto(live_server.url + path)
        return page

    yield go
    for context in contexts:
        context.close()


def faults_of(page: Any) -> list[str]:
    """Serious faults that axe finds; the page allows no inline script, so it comes by the debugger."""
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html'][:160]}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_the_switch_off_and_on_while_a_payer_looks(visit: Any, open_shop: Any) -> None:
    payer = visit("/add-funds/", open_shop.payer(), viewport=PHONE)
    assert payer.get_by_test_id("add-submit").is_visible()
    open_shop.opened(open_shop.payer("other"))
    desk = visit("/admin/settings/payments/", open_shop.staff("owner"))

    desk.get_by_test_id("switch-khqr_enabled").uncheck()
    desk.get_by_test_id("save").click()
    assert "1 waiting payments can still be paid" in desk.get_by_test_id("off-dialog").inner_text()
    desk.get_by_test_id("off-yes").click()
    desk.get_by_text("Settings saved. 1 changed.").wait_for()
    assert not desk.get_by_test_id("switch-khqr_enabled").is_checked()

    payer.reload()
    assert payer.get_by_test_id("add-off").is_visible()

    desk.get_by_test_id("switch-khqr_enabled").check()
    desk.get_by_test_id("save").click()
    desk.get_by_text("Settings saved. 1 changed.").wait_for()
    payer.reload()
    assert payer.get_by_test_id("add-submit").is_visible()
    assert desk.faults == []
    assert {url.split("/")[2] for url in desk.asked} == {desk.url.split("/")[2]}

    plain = visit("/admin/settings/payments/", open_shop.staff("owner"), java_script_enabled=False)
    plain.get_by_test_id("switch-late_credit").uncheck()
    plain.get_by_test_id("save").click()
    plain.reload()
    assert not plain.get_by_test_id("switch-late_credit").is_checked()


def test_a_wrong_amount_is_found_explained_and_credited_with_its_trail(visit: Any, open_shop: Any) -> None:
    payment = open_shop.at_state("review", money=Money(1000, Currency.USD))
    open_shop.exchange(payment, answer={"responseCode": 0, "data": {"fromAccountId": "dara_sok4321@aclb"}})
    for state in ("completed", "late", "expired"):
        open_shop.at_state(state)
    manager = open_shop.staff("manager")
    pages = {
        "overview": "/admin/?range=7",
        "transactions": "/admin/transactions/?status=review&status=late",
        "review": "/admin/review/",
        "payment": f"/admin/transactions/{payment.transaction_id}/",
        "settings": "/admin/settings/payments/",
        "ledger": "/admin/ledger/",
    }
    # The phone once, in Khmer: its words are the longer ones.
    for language, scheme, viewports in (("en", "light", (DESK,)), ("km", "dark", (DESK, PHONE))):
        for viewport in viewports:
            page = visit("/admin/", manager, language=language, viewport=viewport, color_scheme=scheme)
            for name, path in pages.items():
                page.goto(page.url.split("/admin")[0] + path)
                wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
                assert wide <= 0, (name, language, viewport)
                assert page.evaluate(CUT) == [], (name, language, viewport)
                if viewport is DESK:
                    assert faults_of(page) == [], (name, language)
            assert page.faults == []

    desk = visit("/admin/", manager)
    desk.locator('[data-note="mismatch"] a').click()
    desk.get_by_role("link", name=payment.transaction_id).click()
    assert "$15.00" in desk.get_by_test_id("beside").inner_text()
    assert "Another amount came" in desk.get_by_test_id("resolve").inner_text()
    desk.get_by_test_id("way-credited").locator("summary").click()
    desk.get_by_label("Reason (kept in the log)").first.fill("the payer sent five dollars more")
    desk.get_by_test_id("way-credited").get_by_role("button", name="Confirm").click()
    desk.get_by_text("Credited by hand").first.wait_for()

    assert desk.get_by_test_id("resolve").count() == 0
    assert "By the-manager" in desk.get_by_test_id("timeline").inner_text()
    payer = visit("/wallet/", open_shop.payer())
    assert "$35.00" in payer.get_by_test_id("wallet-balance").inner_text()  # 15 by hand, twice 10 by itself
    assert desk.faults == []

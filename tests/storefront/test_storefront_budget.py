"""What a first view of the checkout weighs and whether anything jumps on it."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.storefront.waiting import wait_for_state

WIRE_BYTES_MAX = 60_000
HTML_BYTES_MAX = 25_000


def fetched(client: Any, path: str) -> int:
    """Bytes of an answer's body as it goes over the wire to a browser of today."""
    answer = client.get(path, headers={"Accept-Encoding": "gzip, deflate, br"})
    assert answer.status_code == 200, path
    return len(b"".join(answer.streaming_content) if answer.streaming else answer.content)


@pytest.mark.parametrize("language", ["en", "km"])
def test_the_first_view_of_the_checkout_is_small_and_holds_its_qr(
    page: Any, house: Any, payer: Any, settings: Any, language: str
) -> None:
    payment = house.opened(payer)
    page.cookies[settings.LANGUAGE_COOKIE_NAME] = language
    address = f"/payment/{payment.transaction_id}/"

    html = page.get(address).content.decode()
    files = set(re.findall(r'(?:href|src)="(/static/[^"]+\.(?:css|js|svg))"', html))
    weights = {path: fetched(page, path) for path in files} | {address: fetched(page, address)}

    assert len(files) >= 8  # styles, scripts and the icon were seen
    assert sum(weights.values()) <= WIRE_BYTES_MAX, weights
    assert len(html.encode()) <= HTML_BYTES_MAX
    assert re.search(r'data-testid="khqr-qr"[^>]*><svg width="256" height="256"', html)
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)  # nothing comes from elsewhere


SHIFTS = """
  window.shifts = [];
  new PerformanceObserver(list => {
    for (const entry of list.getEntries())
      shifts.push([entry.value, entry.sources.map(s => s.node?.outerHTML?.slice(0, 60))]);
  }).observe({ type: 'layout-shift', buffered: true });
"""
SHIFT_MAX = 0.01  # a tenth of what counts as still
LOAD_MAX = 0.05  # half of it: on a first visit the web font takes the place of the system's
DEVICES = {
    "phone": {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True},
    "desk": {"viewport": {"width": 1280, "height": 800}},
}


@pytest.mark.browser
@pytest.mark.parametrize("device", DEVICES)
def test_nothing_jumps_when_the_page_loads_and_when_its_state_changes(
    visit: Any, shop: Any, device: str
) -> None:
    from vinflow.bakong import CannotTell, NotFound, Reason

    user = shop.payer()
    found: dict[str, Any] = {}

    def state_is(page: Any, state: str) -> None:
        wait_for_state(page, state)
        page.wait_for_timeout(150)

    paid = shop.opened(user)
    page = visit(f"/payment/{paid.transaction_id}/", user=user, device=DEVICES[device], script=SHIFTS)
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(300)
    found["load"] = page.evaluate("shifts.splice(0)")
    shop.answer(paid, CannotTell(Reason.BLOCKED, "a test"))
    page.wait_for_selector("[data-testid=delayed-banner]", timeout=30_000)
    page.wait_for_timeout(150)
    found["delayed"] = page.evaluate("shifts.splice(0)")
    shop.paid(paid)
    state_is(page, "completed")
    found["paid"] = page.evaluate("shifts.splice(0)")

    over = shop.opened(user, ago_s=595)
    page = visit(f"/payment/{over.transaction_id}/", user=user, device=DEVICES[device], script=SHIFTS)
    page.evaluate("document.fonts.ready.then(() => true)")
    page.wait_for_timeout(300)
    assert page.locator("main").get_attribute("data-state") == "pending"
    found["load again"] = page.evaluate("shifts.splice(0)")
    state_is(page, "confirming")
    page.wait_for_selector(".kw-result", timeout=30_000)
    found["time is up"] = page.evaluate("shifts.splice(0)")
    shop.answer(over, NotFound(), ago_s=-130)
    state_is(page, "expired")
    found["expired"] = page.evaluate("shifts.splice(0)")

    print(device, found)
    most = {"load": LOAD_MAX, "load again": LOAD_MAX}
    moved = {name: sum(one[0] for one in each) for name, each in found.items()}
    assert {name: far for name, far in moved.items() if far > most.get(name, SHIFT_MAX)} == {}

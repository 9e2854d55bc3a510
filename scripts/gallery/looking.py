"""Looking at every page: what is too wide, cut off, spilling out of its box, or against axe."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import contextmanager
from typing import Any

from scripts.gallery.site import ROOT

AXE = (ROOT / "tests/storefront/vendor/axe.min.js").read_text(encoding="utf-8")
RUN_AXE = "async () => (await axe.run({ resultTypes: ['violations'] })).violations"
# Text inside boxes that clip, and text that leaves a box it should stay in.
CUT = """() => {
  const found = [];
  const seen = e =>
    e.checkVisibility() && !e.closest('.kw-hidden, svg, .kw-skip, noscript') && e.offsetWidth > 1;
  const told = (what, e) => found.push(`${what}: ${e.outerHTML.replace(/\\s+/g, ' ').slice(0, 110)}`);
  for (const e of document.querySelectorAll('body *')) {
    if (!seen(e) || !e.textContent.trim()) continue;
    const style = getComputedStyle(e);
    if (!/hidden|clip/.test(style.overflowX + style.overflowY)) continue;
    if (e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1) told('cut off', e);
  }
  const boxes = '.kw-btn, .kw-badge, .kw-chip, .kw-panel, .kw-notice, .kw-khqr, dialog';
  for (const e of document.querySelectorAll(boxes)) {
    if (!seen(e)) continue;
    const box = e.getBoundingClientRect();
    const words = document.createTreeWalker(e, NodeFilter.SHOW_TEXT);
    for (let node; (node = words.nextNode());) {
      if (!node.data.trim() || !seen(node.parentElement)) continue;
      const text = new Range();
      text.selectNodeContents(node);
      const out = piece => piece.left < box.left - 1 || piece.right > box.right + 1;
      if ([...text.getClientRects()].some(out)) { told('spills', e); break; }
    }
  }
  for (const e of document.querySelectorAll('.kw-header-in > *')) {
    const box = e.getBoundingClientRect();
    if (seen(e) && (box.left < 0 || box.right > innerWidth + 0.5)) told('outside', e);
  }
  return found;
}"""

Press = Callable[[Any], None]


def _submit(**values: str) -> Press:
    """Fill the fields of those ids, send the form of the page without its own checks, see the answer."""

    def press(page: Any) -> None:
        for name, value in values.items():
            page.fill(f"#{name}", value)
        with page.expect_navigation():
            page.evaluate("document.querySelector('main form').submit()")

    return press


def _last_minute(page: Any) -> None:
    page.route("**/status/", lambda route: route.abort())
    page.clock.fast_forward("09:00")
    page.clock.run_for(1500)
    page.wait_for_selector("#co-last:not([hidden])")


def _no_network(page: Any) -> None:
    page.context.set_offline(True)
    page.wait_for_selector("[data-testid=offline-banner]:not([hidden])")


def _signed_out(page: Any) -> None:
    page.route("**/status/", lambda route: route.fulfill(status=401, json={"error": "signed_out"}))
    page.evaluate("dispatchEvent(new Event('online'))")
    page.wait_for_selector("[data-testid=session-banner]:not([hidden])")


# What a payer does on a page before it looks as its title says.
ACTS: dict[str, Press] = {
    "add funds, a mistake": _submit(amount="10,50"),
    "last minute": _last_minute,
    "shown larger": lambda page: page.get_by_test_id("show-larger").click(),
    "cancel?": lambda page: page.get_by_test_id("cancel").click(),
    "no network": _no_network,
    "signed out": _signed_out,
    "timeline": lambda page: page.get_by_test_id("timeline").locator("summary").click(),
    "wallet, not here": lambda page: page.locator(".kw-missing > summary").click(),
    "not here, a mistake": _submit(),
    "log in, refused": _submit(id_login="sokha", id_password="not this one"),
    "sign up, refused": _submit(id_username="so", id_email="sokha@", id_password1="1234", id_password2="123"),
}
DIALOGS = ("shown larger", "cancel?")


def chromium() -> str | None:
    """Return the path of the machine's own Chromium; None lets Playwright look for its."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    return next((found for found in map(shutil.which, names) if found), None)


@contextmanager
def _window(browser: Any, site: str, language: str, session: str, *, touch: bool) -> Any:
    """A browser window of one visitor: a phone's, or one with a mouse."""
    context = browser.new_context(
        viewport={"width": 390, "height": 844} if touch else {"width": 1280, "height": 800},
        reduced_motion="reduce",
        has_touch=touch,
        is_mobile=touch,
    )
    context.set_default_timeout(15_000)
    cookies = {"django_language": language} | ({"sessionid": session} if session else {})
    context.add_cookies([{"name": name, "value": value, "url": site} for name, value in cookies.items()])
    yield context
    context.close()


def look(
    browser: Any,
    port: int,
    made: dict[str, Any],
    language: str,
    widths: tuple[int, ...],
    themes: tuple[str, ...],
    keep: Callable[[str, int, str, bytes], None],
) -> list[str]:
    """Visit every page once in a language and look at it in every width and theme; return what is wrong.

    keep: is given (theme, width, title, PNG of the whole page).
    """
    site = f"http://127.0.0.1:{port}"
    wrong: list[str] = []
    for title, address in made["pages"].items():
        session = made["sessions"].get(made["who"].get(title, "payer"), "")
        with _window(browser, site, language, session, touch=widths[0] < 1000) as context:
            page = context.new_page()
            stumbles: list[str] = []
            page.on("pageerror", lambda error, kept=stumbles: kept.append(str(error)))
            if title == "last minute":
                page.clock.install()
            _go(page, title, address if address.startswith("http") else site + address)
            for theme in themes:
                page.emulate_media(color_scheme=theme)
                for width in widths:
                    page.set_viewport_size({"width": width, "height": 844 if width < 1000 else 800})
                    if title in DIALOGS:  # made for the window it was opened in
                        _go(page, title, site + address)
                    name = f"{language}-{theme}-{width} {title}"
                    if page.evaluate("document.documentElement.scrollWidth") > width:
                        wrong.append(f"{name}: wider than the window")
                    wrong += [f"{name}: {each}" for each in page.evaluate(CUT)]
                    keep(theme, width, title, page.screenshot(full_page=title not in DIALOGS))
                wrong += [f"{name}: {each}" for each in violations(page)]
            wrong += [f"{language} {title}: script: {each}" for each in stumbles]
    return wrong


def _go(page: Any, title: str, address: str) -> None:
    page.goto(address)
    if title in ACTS:
        ACTS[title](page)
    page.evaluate("document.fonts.ready.then(() => 0)")


def violations(page: Any) -> list[str]:
    """Return what axe finds on a page as it stands."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    return [
        f"axe {each['id']}: {each['nodes'][0]['html'][:120]}: "
        + "; ".join(check["message"] for check in each["nodes"][0]["any"][:1])
        for each in page.evaluate(RUN_AXE)
    ]

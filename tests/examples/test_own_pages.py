"""The host site takes the payer's pages too and makes them its own, by the very words of the guide.

The sheet of colours and the overridden block are read out of docs/guides/payers-pages.md.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zxingcpp
from PIL import Image
from tests.examples.conftest import Site

from vinflow.sandbox import SandboxServer

pytestmark = pytest.mark.browser

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "payers-pages.md"
PASSWORD = "a-password-of-the-host"
SETTINGS = """
from core.settings import *

HOME = {home!r}
INSTALLED_APPS = ["vinflow.storefront", "allauth", "allauth.account", *INSTALLED_APPS]
MIDDLEWARE.insert(2, "django.middleware.locale.LocaleMiddleware")
MIDDLEWARE.append("allauth.account.middleware.AccountMiddleware")
TEMPLATES[0]["DIRS"] = [HOME + "/templates"]
TEMPLATES[0]["OPTIONS"]["context_processors"].append("vinflow.storefront.context.storefront")
ROOT_URLCONF = "of_these_addresses"
STATICFILES_DIRS = [HOME + "/static"]
LANGUAGES = [("en", "English"), ("km", "Khmer")]
LOGIN_URL = "account_login"
ACCOUNT_LOGIN_METHODS = {{"email"}}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

VINFLOW_FUNDS_HANDLER = ""  # our wallet this time, as its pages show it
VINFLOW_SITE_NAME = "Noodles and More"
VINFLOW_LOGO = "/static/noodles.svg"
VINFLOW_KHQR_ARTWORK = "word-mark.svg"
VINFLOW_BRAND_CSS = "/static/brand.css"
VINFLOW_SUPPORT_CONTACT = "help@noodles.example"
"""
ADDRESSES = """
from django.urls import include, path
urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("vinflow.storefront.urls")),
    path("kitchen/", include("shop.urls")),
]
"""
PREPARE = f"""
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("check", databases=["default"])
from people.models import User
User.objects.create_user("dara@noodles.example", "{PASSWORD}")
"""
LOGO = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 90 30">
<rect width="90" height="30" fill="#6d28d9"/></svg>"""
WORD_MARK = LOGO.replace("#6d28d9", "#fff")


def of_the_guide(language: str) -> str:
    """Return the only block of code of that language in the guide."""
    (block,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    return str(block)


@pytest.fixture(scope="module")
def site(example: Callable[..., Site], bank: SandboxServer) -> Iterator[Site]:
    """The noodle house with the payer's pages in its own dress."""
    told = bank.sandbox
    site = example(
        "host_site",
        KHQR_API_URL=bank.url,
        KHQR_MERCHANT_ID=told.account,
        KHQR_API_KEY=told.token,
        DJANGO_SETTINGS_MODULE="of_this_test",
    )
    site.environment["HOST_SITE_DATABASE"] = str(site.home / "site.sqlite3")
    files = {
        "of_this_test.py": SETTINGS.format(home=str(site.home)),
        "of_these_addresses.py": ADDRESSES,
        "static/noodles.svg": LOGO,
        "static/word-mark.svg": WORD_MARK,
        "static/brand.css": of_the_guide("css"),
        "templates/storefront/base.html": of_the_guide("html"),
        "templates/storefront/checkout/canceled.html": "<h1 data-heading>Another time, then</h1>",
    }
    for name, text in files.items():
        (site.home / name).parent.mkdir(parents=True, exist_ok=True)
        (site.home / name).write_text(text, "utf-8")
    site.run("-c", PREPARE)
    site.serve("manage.py", "runserver", "--noreload", "127.0.0.1:{port}")
    yield site
    site.stop()


@pytest.fixture
def enter(browser: Any, site: Site) -> Iterator[Callable[..., Any]]:
    """enter(**options) is a page of Chromium, 390 px wide, on which the customer has signed in."""
    contexts = []

    def open_page(**options: Any) -> Any:
        context = browser.new_context(viewport={"width": 390, "height": 844}, **options)
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.goto(f"{site.url}/add-funds/")
        page.fill("[name=login]", "dara@noodles.example")
        page.fill("[name=password]", PASSWORD)
        page.get_by_test_id("login-submit").click()
        page.wait_for_url("**/add-funds/")
        return page

    yield open_page
    for context in contexts:
        context.close()


def colour(page: Any, mark: str, what: str = "backgroundColor") -> str:
    return str(page.get_by_test_id(mark).evaluate(f"e => getComputedStyle(e).{what}"))


def pay(page: Any) -> None:
    page.get_by_test_id("add-amount").fill("10")
    page.get_by_test_id("add-submit").click()
    page.wait_for_url("**/payment/TXN*/")


def test_name_logo_colours_and_word_mark_are_the_shops(enter: Callable[..., Any], site: Site) -> None:
    page = enter()

    assert page.title().endswith("Noodles and More")
    assert colour(page, "add-submit") == "rgb(109, 40, 217)"
    assert colour(page, "add-submit", "borderRadius") == "10px"  # a token the sheet leaves alone
    assert page.get_by_test_id("support").get_attribute("href") == "mailto:help@noodles.example"
    pay(page)
    mark = page.locator(".kw-khqr-head img")
    assert (mark.get_attribute("alt"), mark.get_attribute("src")) == ("KHQR", "/static/word-mark.svg")
    assert mark.evaluate("e => e.complete && e.naturalWidth > 0")
    assert page.locator(".kw-khqr-head").inner_text() == ""
    card = Image.open(io.BytesIO(page.get_by_test_id("khqr-card").screenshot()))
    read = zxingcpp.read_barcode(card)
    assert read is not None
    assert read.text.startswith("000201")
    saved = page.request.get(page.url + "qr.png")
    assert zxingcpp.read_barcode(Image.open(io.BytesIO(saved.body()))).text == read.text
    site.bank.sandbox.pay(read.text)
    page.get_by_test_id("check-now").click()
    page.get_by_test_id("view-receipt").click()
    logo = page.get_by_test_id("receipt").get_by_role("img", name="Noodles and More")
    assert logo.evaluate("e => e.complete && e.naturalWidth > 0")
    page.goto(f"{site.url}/kitchen/")
    assert page.locator(".kw-brand").count() == 0  # the host's own pages are untouched


def test_a_device_that_asks_for_dark_gets_the_shops_dark_colours(enter: Callable[..., Any]) -> None:
    page = enter(color_scheme="dark")

    assert colour(page, "add-submit") == "rgb(196, 181, 253)"
    assert colour(page, "add-submit", "color") == "rgb(30, 16, 51)"
    pay(page)
    assert (
        page.locator(".kw-khqr").evaluate("e => getComputedStyle(e).backgroundColor") == "rgb(255, 255, 255)"
    )


def test_a_block_and_a_whole_state_are_the_shops_and_the_rest_stays(enter: Callable[..., Any]) -> None:
    page = enter()

    brand = page.locator("header .kw-brand")
    assert (brand.inner_text(), brand.get_attribute("href")) == ("Our shop", "/")
    assert page.locator("header .kw-langs a").all_inner_texts() == ["English", "ខ្មែរ"]
    pay(page)
    page.get_by_test_id("cancel").click()
    page.get_by_test_id("cancel-yes").click()
    page.get_by_role("heading", name="Another time, then").wait_for()

    assert page.locator("main").get_attribute("data-state") == "canceled"

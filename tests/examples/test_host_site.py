"""A foreign site, written from the integration guide: its journeys in Chromium, in both dialects.

Nothing of VinFlow's pages, accounts or middleware is in it. Its payers sign in by e-mail, its balance is its
own, and its pages make the guide's two calls.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from tests.examples.conftest import Site

from vinflow.sandbox import SandboxServer
from vinflow.sandbox.phone import read_picture

pytestmark = pytest.mark.browser

PASSWORD = "a-password-of-the-host"
PREPARE = f"""
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
call_command("check", databases=["default"])
call_command("makemigrations", check=True, dry_run=True, verbosity=0)  # ours want none in this site
from people.models import User
User.objects.create_user("dara@noodles.example", "{PASSWORD}")
User.objects.create_superuser("owner@noodles.example", "{PASSWORD}")
"""
SETTINGS = """
from core.settings import *
VINFLOW_CLOCK_OFFSET_FILE = {clock!r}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = {mails!r}
"""


BOTH_DIALECTS = pytest.mark.parametrize("site", ["open-api", "hosted"], indirect=True)
ONE_DIALECT = pytest.mark.parametrize("site", ["open-api"], indirect=True)


@pytest.fixture(scope="module")
def site(request: pytest.FixtureRequest, example: Callable[..., Site], bank: SandboxServer) -> Iterator[Site]:
    """The site of the noodle house, running, with a customer and its owner."""
    told = bank.sandbox
    hosted = request.param == "hosted"
    site = example(
        "host_site",
        KHQR_API_URL=bank.url,
        KHQR_MERCHANT_ID=told.merchant_md5 if hosted else told.account,
        KHQR_API_KEY=told.hosted_token if hosted else told.token,
        DJANGO_SETTINGS_MODULE="of_this_test",
    )
    site.environment["HOST_SITE_DATABASE"] = str(site.home / "site.sqlite3")
    text = SETTINGS.format(clock=str(site.clock_file), mails=str(site.home / "mails"))
    (site.home / "of_this_test.py").write_text(text, "utf-8")
    site.run("-c", PREPARE)
    site.serve("manage.py", "runserver", "--noreload", "127.0.0.1:{port}")
    yield site
    site.stop()


@pytest.fixture
def sign_in(browser: Any, site: Site) -> Iterator[Callable[[str], Any]]:
    """sign_in(name) is a page of Chromium on which that person has signed in."""
    contexts = []

    def enter(name: str) -> Any:
        context = browser.new_context(viewport={"width": 800, "height": 900})
        contexts.append(context)
        context.set_default_timeout(30_000)
        page = context.new_page()
        page.clock.install()
        page.goto(f"{site.url}/accounts/login/")
        page.fill("[name=username]", f"{name}@noodles.example")
        page.fill("[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_selector("#balance")
        return page

    yield enter
    for context in contexts:
        context.close()


def add_funds(page: Any, amount: str) -> str:
    """Fill in the site's own form; return the address of the site's own checkout."""
    page.click("text=Add funds")
    page.fill("[name=amount]", amount)
    page.click("main button")
    page.wait_for_selector("#qrcode")
    return str(page.url)


def scan_and_pay(page: Any, site: Site) -> None:
    """Give the phone what is on the screen, as pixels, and pay."""
    [text] = read_picture(page.locator("#qrcode").screenshot())
    site.bank.sandbox.pay(text)


def poll(page: Any, site: Site) -> None:
    """Let the five seconds of the page pass at once; its own timer asks, and leads on when it is paid."""
    with page.expect_response(lambda answer: answer.url.endswith("/status/")):
        page.clock.run_for(5_100)
    page.wait_for_url(site.url + "/")


def balance(page: Any, site: Site) -> str:
    """What the customer's own page says they have."""
    page.goto(site.url)
    return str(page.text_content("#balance"))


@contextmanager
def working(site: Site) -> Iterator[None]:
    """A worker runs beside the site."""
    process = site.start("manage.py", "watch")
    try:
        yield
    finally:
        site.stop(process)


@BOTH_DIALECTS
def test_by_polling_alone_the_page_notices_and_the_balance_is_right(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    page = sign_in("dara")
    before = Decimal(balance(page, site))
    add_funds(page, "10.50")
    scan_and_pay(page, site)
    site.let_pass(90)

    poll(page, site)

    assert Decimal(page.text_content("#balance")) == before + Decimal("10.50")


@BOTH_DIALECTS
def test_by_polling_a_tab_closed_before_paying_is_noticed_when_its_page_is_opened_again(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    page = sign_in("dara")
    before = Decimal(balance(page, site))
    tab = page.context.new_page()
    tab.goto(site.url)
    address = add_funds(tab, "1.25")
    [text] = read_picture(tab.locator("#qrcode").screenshot())
    tab.close()
    site.bank.sandbox.pay(text)
    site.let_pass(3600)

    assert Decimal(balance(page, site)) == before  # nobody has asked
    page.goto(address)
    poll(page, site)

    assert Decimal(page.text_content("#balance")) == before + Decimal("1.25")


@BOTH_DIALECTS
def test_with_a_worker_a_tab_closed_before_paying_changes_nothing(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    page = sign_in("dara")
    before = Decimal(balance(page, site))
    tab = page.context.new_page()
    tab.goto(site.url)
    add_funds(tab, "2.00")
    [text] = read_picture(tab.locator("#qrcode").screenshot())
    tab.close()
    site.bank.sandbox.pay(text)
    site.let_pass(90)

    with working(site):
        page.wait_for_function(
            "async (wanted) => {"
            " const text = await (await fetch('/')).text();"
            " const found = new DOMParser().parseFromString(text, 'text/html');"
            " return Number(found.getElementById('balance').textContent) * 100 === wanted }",
            arg=int(before * 100) + 200,
            polling=500,
            timeout=60_000,
        )

    site.let_pass(90)
    site.run("manage.py", "watch", "--once")  # asked again, nothing comes twice
    assert Decimal(balance(page, site)) == before + 2


@BOTH_DIALECTS
def test_an_order_is_marked_as_paid_by_the_same_handler_and_a_mail_follows_the_commit(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    page = sign_in("dara")
    before = balance(page, site)
    page.click("text=kuy-teav $2.50")
    page.wait_for_selector("#qrcode")
    reference = page.url.rstrip("/").rpartition("/")[2]
    scan_and_pay(page, site)
    site.let_pass(90)
    poll(page, site)

    assert page.locator("text=kuy-teav: paid").count() == 1
    assert balance(page, site) == before  # it paid for noodles, not into the balance
    mails = [path.read_text("utf-8") for path in (site.home / "mails").iterdir()]
    assert [mail.count(f"Your transaction is {reference}") for mail in mails].count(1) == 1


@ONE_DIALECT
def test_the_owner_switches_khqr_off_and_on_in_the_sites_own_admin(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    owner, payer = sign_in("owner"), sign_in("dara")

    def switch(on: bool) -> None:
        owner.goto(f"{site.url}/admin/shop/paymentmethods/1/change/")
        owner.get_by_label("Enable KHQR Bakong").set_checked(on)
        owner.click("[name=_save]")
        owner.wait_for_selector(".success")

    owner.goto(f"{site.url}/admin/shop/paymentmethods/")
    switch(False)
    payer.goto(f"{site.url}/add-funds/")
    assert payer.locator("text=KHQR Bakong").count() == 0
    switch(True)
    payer.goto(f"{site.url}/add-funds/")
    assert payer.locator("text=KHQR Bakong").count() == 1


@ONE_DIALECT
def test_the_owner_finds_the_transactions_by_method_and_reads_the_gateways_answer(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    payer = sign_in("dara")
    reference = add_funds(payer, "3.00").rstrip("/").rpartition("/")[2]
    owner = sign_in("owner")

    owner.goto(f"{site.url}/admin/shop/transaction/")
    owner.click("#changelist-filter >> text=KHQR")
    owner.click(f"text={reference}")

    shown = owner.text_content("#content")
    assert "3.00" in shown
    assert "qr_string" in shown
    assert owner.locator("[name=_save], .deletelink, #content textarea").count() == 0


@ONE_DIALECT
def test_another_customer_finds_neither_the_page_nor_its_status(
    site: Site, sign_in: Callable[[str], Any]
) -> None:
    address = add_funds(sign_in("dara"), "1.00")
    stranger = sign_in("owner")

    assert stranger.goto(address).status == 404
    assert stranger.goto(f"{address}status/").status == 404


@ONE_DIALECT
def test_what_cannot_be_an_amount_is_said_beside_the_form(site: Site, sign_in: Callable[[str], Any]) -> None:
    page = sign_in("dara")
    page.click("text=Add funds")
    for amount, said in (("0.001", "digits after the point"), ("20000", "the largest amount is")):
        page.fill("[name=amount]", amount)
        page.click("main button")
        assert said in page.text_content("form")


@ONE_DIALECT
def test_no_page_of_the_site_carries_anything_of_ours(site: Site, sign_in: Callable[[str], Any]) -> None:
    page = sign_in("dara")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    add_funds(page, "1.00")

    assert asked
    assert not [url for url in asked if "/static/" in url or not url.startswith(site.url)]
    settings = (site.folder / "core" / "settings.py").read_text("utf-8")
    assert re.findall(r"vinflow\.[\w.]+", settings) == ["vinflow.wallet", "vinflow.payments"]


@BOTH_DIALECTS
def test_the_books_hold_at_the_end_of_the_day(site: Site) -> None:
    assert "; 0 problems" in site.run("manage.py", "audit_ledger")

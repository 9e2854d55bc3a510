"""The second factor of staff: set up, asked for, kept; through the real pages, and once in Chromium."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest

# Real transactions: what is told after a commit marks the session, and must be told before the answer goes.
pytestmark = pytest.mark.django_db(transaction=True)
PASSWORD = "a-long-password-of-staff"


def code_for(secret: str, *, steps_on: int = 0) -> str:
    """What an authenticator app shows for a secret: RFC 6238, written out here to judge the site by."""
    import base64
    import hashlib
    import hmac
    import struct
    import time

    count = struct.pack(">Q", int(time.time()) // 30 + steps_on)
    digest = hmac.new(base64.b32decode(secret), count, hashlib.sha1).digest()
    at = digest[-1] & 15
    return f"{(struct.unpack('>I', digest[at : at + 4])[0] & 0x7FFFFFFF) % 1_000_000:06d}"


@pytest.fixture(autouse=True)
def rule(settings: Any) -> Iterator[None]:
    """The rule stands, and no code of an earlier test counts as used."""
    from django.core.cache import cache

    settings.VINFLOW_STAFF_TWO_FACTOR = True
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def sign_in(shop: Any) -> Callable[[str], Any]:
    """sign_in(role) is a client that gave its password at the real page."""
    from django.test import Client

    def enter(role: str) -> Any:
        user = shop.staff(role) if role else shop.payer()
        if not user.check_password(PASSWORD):  # a new password would end the sessions there are
            user.set_password(PASSWORD)
            user.save()
        client = Client()
        client.post("/accounts/login/", {"login": user.username, "password": PASSWORD})
        return client

    return enter


def confirmed(client: Any) -> Any:
    """The client after its password was given once more, as changing how one signs in asks for."""
    assert client.get("/accounts/2fa/totp/activate/")["Location"].startswith("/accounts/reauthenticate/")
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302, answer.content.decode()
    return client


def switched_on(client: Any) -> str:
    """Set the app up at its page; return its secret."""
    page = confirmed(client).get("/accounts/2fa/totp/activate/").content.decode()
    found = re.search(r'data-testid="totp-secret">([A-Z2-7]+)<', page)
    assert found is not None, page
    answer = client.post("/accounts/2fa/totp/activate/", {"code": code_for(found[1])})
    assert answer.status_code == 302, answer.content.decode()
    return found[1]


def test_staff_without_one_are_led_to_set_it_up_and_then_come_in(sign_in: Any) -> None:
    client = sign_in("manager")
    answer = client.get("/admin/transactions/")
    assert (answer.status_code, answer["Location"]) == (302, "/accounts/2fa/totp/activate/")

    switched_on(client)

    assert client.get("/admin/transactions/").status_code == 200
    assert client.get("/admin/site/").status_code == 200


def test_signing_in_asks_for_the_code_and_a_used_one_opens_nothing(sign_in: Any, shop: Any) -> None:
    from django.test import Client

    secret = switched_on(sign_in("owner"))
    client = Client()
    user = shop.staff("owner")
    answer = client.post("/accounts/login/", {"login": user.username, "password": PASSWORD})
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert client.get("/admin/")["Location"].startswith("/accounts/login/")

    wrong = client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert "This code is not right" in wrong.content.decode()
    code = code_for(secret, steps_on=1)
    good = client.post("/accounts/2fa/authenticate/", {"code": code})
    assert good.status_code == 302
    assert client.get("/admin/").status_code == 200

    thief = Client()
    thief.post("/accounts/login/", {"login": user.username, "password": PASSWORD})
    assert thief.post("/accounts/2fa/authenticate/", {"code": code}).status_code == 200  # asked again
    assert thief.get("/admin/")["Location"].startswith("/accounts/login/")


def test_a_recovery_code_opens_once(sign_in: Any, shop: Any) -> None:
    from django.test import Client

    first = sign_in("owner")
    switched_on(first)
    page = first.get("/accounts/2fa/recovery-codes/").content.decode()
    codes = re.findall(r'<code class="kw-code">(\w+)</code>', page)
    assert len(codes) == 10

    def enter() -> int:
        client = Client()
        name = shop.staff("owner").username
        client.post("/accounts/login/", {"login": name, "password": PASSWORD})
        client.post("/accounts/2fa/authenticate/", {"code": codes[0]})
        return client.get("/admin/").status_code

    assert enter() == 200
    assert enter() == 302


def test_a_session_that_came_in_without_the_app_is_asked_for_a_code(sign_in: Any, shop: Any) -> None:
    old = sign_in("cashier")  # signed in before; the app is switched on from another machine
    secret = switched_on(sign_in("cashier"))

    answer = old.get("/admin/")
    assert answer["Location"] == "/accounts/2fa/reauthenticate/?next=%2Fadmin%2F"
    done = old.post(answer["Location"], {"code": code_for(secret, steps_on=1), "next": "/admin/"})

    assert done["Location"] == "/admin/"
    assert old.get("/admin/").status_code == 200


def test_every_staff_address_asks_for_it_and_the_probes_do_not(sign_in: Any, shop: Any) -> None:
    from django.urls import reverse

    from vinflow.backoffice import urls

    client = sign_in("owner")
    payment = shop.at_state("review", user=shop.payer("another"))
    given = {"reference": payment.transaction_id, "pk": shop.item(payment).pk}
    asked = 0
    for pattern in urls.urlpatterns:
        needed = {name: given.get(name, 1) for name in pattern.pattern.converters}
        answer = client.get(reverse(f"backoffice:{pattern.name}", kwargs=needed))
        if pattern.name in ("health", "ready"):
            assert answer.status_code in (200, 503)
        else:
            assert answer["Location"] == "/accounts/2fa/totp/activate/", pattern.name
            asked += 1
    assert asked > 15
    assert client.get("/admin/site/auth/user/")["Location"] == "/accounts/2fa/totp/activate/"


def test_djangos_own_sign_in_is_no_second_door(db: None) -> None:
    from django.test import Client

    answer = Client().get("/admin/site/login/?next=/admin/site/")

    assert answer["Location"].startswith("/accounts/login/")
    assert Client().post("/admin/site/login/", {"username": "x", "password": "y"}).status_code == 302


def test_payers_are_not_asked_and_may_have_it(sign_in: Any) -> None:
    client = sign_in("")
    assert client.get("/wallet/").status_code == 200

    switched_on(client)
    client.post("/accounts/2fa/totp/deactivate/")

    assert 'data-testid="totp-off"' in client.get("/accounts/2fa/").content.decode()


def test_staff_cannot_switch_it_off_while_the_rule_stands(sign_in: Any, settings: Any) -> None:
    client = sign_in("manager")
    switched_on(client)

    refused = client.post("/accounts/2fa/totp/deactivate/").content.decode()
    assert "Staff must keep the second factor switched on." in refused
    assert client.get("/admin/").status_code == 200

    settings.VINFLOW_STAFF_TWO_FACTOR = False
    client.post("/accounts/2fa/totp/deactivate/")
    assert 'data-testid="totp-off"' in client.get("/accounts/2fa/").content.decode()


def test_the_secret_is_not_stored_in_the_clear_and_an_old_key_still_opens_it(
    sign_in: Any, settings: Any
) -> None:
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.models import Authenticator

    secret = switched_on(sign_in("manager"))
    for row in Authenticator.objects.all():
        assert secret not in str(row.data)
    stored = Authenticator.objects.get(type="totp").data["secret"]

    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another-key-" + "x" * 40
    assert get_adapter().decrypt(stored) == secret


def test_the_picture_carries_the_secret_and_is_ours(sign_in: Any) -> None:
    import resvg_py
    import zxingcpp
    from PIL import Image

    page = confirmed(sign_in("manager")).get("/accounts/2fa/totp/activate/").content.decode()
    found = re.search(r'data-testid="totp-secret">([A-Z2-7]+)<', page)
    drawn = re.search(r'(<svg viewBox[^>]*class="bo-totp".*?</svg>)', page, re.DOTALL)
    assert found is not None
    assert drawn is not None
    assert "style=" not in drawn[1]
    svg = drawn[1].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ')
    png = bytes(resvg_py.svg_to_bytes(svg_string=svg, width=400))

    import io

    (read,) = zxingcpp.read_barcodes(Image.open(io.BytesIO(png)).convert("L"))

    assert read.text.startswith("otpauth://totp/")
    assert f"secret={found[1]}" in read.text


def test_the_pages_speak_khmer(sign_in: Any) -> None:
    from django.conf import settings

    client = sign_in("manager")
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = "km"
    asked = client.get("/accounts/reauthenticate/").content.decode()
    first = confirmed(client).get("/accounts/2fa/totp/activate/").content.decode()
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": "1"}).content.decode()
    secret = re.findall(r'totp-secret">([A-Z2-7]+)<', wrong)[0]
    client.post("/accounts/2fa/totp/activate/", {"code": code_for(secret)})
    paths = ("", "recovery-codes/", "recovery-codes/generate/", "totp/deactivate/")
    pages = [asked, first, wrong, *(client.get(f"/accounts/2fa/{path}").content.decode() for path in paths)]

    for page in pages:
        main = re.search(r"<main[^>]*>(.*)</main>", page, re.DOTALL)
        assert main is not None
        shown = re.sub(r"<(svg|code|script).*?</\1>", " ", main[1], flags=re.DOTALL)
        words = re.findall(r"[A-Za-z]{2,}", re.sub(r"<[^>]*>", " ", shown))
        assert set(words) <= {"QR", "VinFlow", "Test"}, words


@pytest.mark.browser
def test_a_new_manager_sets_it_up_signs_out_and_comes_back(
    browser: Any, live_server: Any, shop_class: Any, still: Any
) -> None:
    user = shop_class().staff("manager")
    user.set_password(PASSWORD)
    user.save()
    context = browser.new_context(viewport={"width": 320, "height": 640})
    context.set_default_timeout(30_000)
    try:
        page = context.new_page()
        faults: list[str] = []
        page.on("console", lambda said: faults.append(said.text) if said.type == "error" else None)

        def password() -> None:
            page.goto(live_server.url + "/admin/")
            page.locator("[name=login]").fill(user.username)
            page.locator("[name=password]").fill(PASSWORD)
            page.get_by_test_id("login-submit").click()

        password()
        page.locator("[name=password]").fill(PASSWORD)
        page.get_by_test_id("reauthenticate").click()
        secret = page.get_by_test_id("totp-secret").inner_text()
        assert page.get_by_test_id("totp-qr").locator("svg").bounding_box()["width"] > 150
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.locator("[name=code]").fill(code_for(secret))
        page.get_by_test_id("totp-activate").click()
        assert page.get_by_test_id("recovery-codes").locator("li").count() == 10
        page.get_by_test_id("to-desk").click()
        page.get_by_test_id("tile-waiting").wait_for()

        context.clear_cookies()
        password()
        page.locator("[name=code]").fill(code_for(secret, steps_on=1))
        page.get_by_test_id("mfa-submit").click()
        page.get_by_test_id("tile-waiting").wait_for()
        assert faults == []
    finally:
        context.close()

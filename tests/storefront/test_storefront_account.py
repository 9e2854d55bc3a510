"""What goes with an account: its language on every device, and the movements that are no top-ups."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.conf import settings as site
from django.test import Client

from vinflow.money import Currency, Money
from vinflow.payments import clock, conf
from vinflow.storefront.languages import language_of, remember
from vinflow.storefront.pages.checkout import check_again_in
from vinflow.wallet.entries import Entry, credit, debit, external_ref, user_ref
from vinflow.wallet.posting import post

PASSWORD = "a long enough password"


def sign_in(client: Client, name: str = "sokha") -> None:
    answer = client.post("/accounts/login/", {"login": name, "password": PASSWORD})
    assert answer.status_code == 302, "not signed in"


def spoken(client: Client) -> str:
    found = re.search(r'<html lang="(\w+)"', client.get("/accounts/login/", follow=True).content.decode())
    assert found is not None
    return found[1]


def test_a_language_once_chosen_goes_with_the_account_to_another_device(house: Any, payer: Any) -> None:
    first, second = Client(), Client()
    sign_in(first)
    first.get("/language/km/")
    assert language_of(payer) == "km"

    assert spoken(second) == "en"
    sign_in(second)

    assert spoken(second) == "km"
    assert second.cookies[site.LANGUAGE_COOKIE_NAME].value == "km"


def test_what_a_device_speaks_is_taken_by_an_account_that_has_chosen_nothing(house: Any, payer: Any) -> None:
    device = Client()
    device.cookies[site.LANGUAGE_COOKIE_NAME] = "km"
    assert language_of(payer) == "en"

    sign_in(device)

    assert language_of(payer) == "km"


def test_the_switch_pressed_just_before_signing_in_wins_over_an_old_choice_and_is_no_other_accounts(
    house: Any, payer: Any
) -> None:
    device, other = Client(), house.payer("other")
    remember(payer, "en")
    remember(other, "en")
    device.get("/language/km/?next=/accounts/login/")

    sign_in(device)
    assert (spoken(device), language_of(payer)) == ("km", "km")
    device.post("/accounts/logout/")
    sign_in(device, "other")

    assert (spoken(device), language_of(other)) == ("en", "en")


def test_a_forged_cookie_is_no_language_and_a_guest_leaves_no_row(house: Any, payer: Any) -> None:
    device = Client()
    device.cookies[site.LANGUAGE_COOKIE_NAME] = "xx"
    sign_in(device)
    Client().get("/language/km/")

    assert language_of(payer) == "en"


def test_the_account_pages_of_the_library_speak_khmer(page: Any, house: Any, payer: Any) -> None:
    """No Latin word is left over but names and codes, on the pages and in their refusals."""
    page.cookies[site.LANGUAGE_COOKIE_NAME] = "km"
    guest = Client()
    guest.cookies[site.LANGUAGE_COOKIE_NAME] = "km"
    answers = [
        guest.post("/accounts/login/", {"login": "sokha", "password": "wrong"}),
        guest.post("/accounts/signup/", {"username": "a", "email": "x", "password1": "1", "password2": "2"}),
        guest.post("/accounts/password/reset/", {"email": "not an address"}),
        guest.get("/accounts/password/reset/done/"),
        guest.get("/accounts/password/reset/key/1-set-password/"),
        guest.get("/accounts/inactive/"),
        guest.get("/accounts/confirm-email/nonsense/"),
        page.get("/accounts/password/change/"),
        page.post("/accounts/password/change/", {"oldpassword": "x", "password1": "1", "password2": "2"}),
        page.get("/accounts/email/"),
        page.post("/accounts/email/", {"action_add": "", "email": "not an address"}),
        page.get("/accounts/logout/"),
        page.get("/accounts/reauthenticate/"),
    ]
    left: dict[str, set[str]] = {}
    for answer in answers:
        if answer.status_code in (302, 404):
            continue
        html = re.sub(r"<(script|style|head|svg)\b.*?</\1>|<[^>]+>", " ", answer.content.decode(), flags=re.S)
        text = re.sub(
            r"English|VinFlow Test|sokha(@example\.com)?|[\w.]+@[\w.]+|@/\./\+/-/_|&\w+;|#\w+;", " ", html
        )
        if words := set(re.findall(r"[A-Za-z]{2,}", text)):
            left[answer.request["PATH_INFO"]] = words

    assert left == {}
    assert sum(answer.status_code == 200 for answer in answers) >= 9


def test_refunds_and_corrections_stand_in_the_wallet_in_words(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("completed", payer)
    environment = conf.environment()
    own, outside = user_ref(payer.pk, environment), external_ref(environment, "test")
    moves = [
        (
            "refund:1",
            "refund",
            debit(own, Money(250, Currency.USD)),
            credit(outside, Money(250, Currency.USD)),
        ),
        ("fix:1", "correction", debit(outside, Money(5, Currency.USD)), credit(own, Money(5, Currency.USD))),
    ]
    for source, purpose, *lines in moves:
        memo = f"for {payment.transaction_id}"
        post(Entry(source=source, purpose=purpose, lines=tuple(lines), memo=memo), at=clock.now())

    html = page.get("/wallet/").content.decode()
    rows = re.findall(r'data-testid="wallet-movement".*?</li>', html, re.S)
    csv = b"".join(page.get("/wallet/statement.csv").streaming_content).decode()

    assert len(rows) == 2
    assert ["Refund" in rows[1], "Adjustment" in rows[0]] == [True, True]
    assert "−$2.50" in rows[1]
    assert "+$0.05" in rows[0]
    assert "$7.55" in rows[0]
    assert payment.transaction_id in rows[1]
    assert "refund:1" not in html
    assert ",Refund," in csv
    assert ",Adjustment," in csv


@pytest.mark.parametrize(("seconds", "said"), [(1, "in 1 second."), (2, "in 2 seconds.")])
def test_one_second_is_one(seconds: int, said: str) -> None:
    assert check_again_in(seconds).endswith(said)

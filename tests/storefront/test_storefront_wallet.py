"""The dashboard, the wallet, its statement and receipts; and the pages of an account."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments import conf
from vinflow.wallet import queries as wallet

KHR = Money(41_000, Currency.KHR)


def rows(html: str) -> list[str]:
    return re.findall(r'data-testid="wallet-row" data-ref="(\w+)"', html)


def test_the_first_page_shows_each_balance_and_the_last_payments(page: Any, house: Any, payer: Any) -> None:
    house.at_state("completed", payer)
    house.at_state("completed", payer, KHR)

    html = page.get("/").content.decode()

    shown = re.findall(r'data-currency="(\w+)" data-minor="(\d+)"', html)
    assert shown == [("USD", "1000"), ("KHR", "41000")]
    assert "+$10.00" in html
    assert "+41,000\u00a0៛" in html
    assert 'aria-current="page">Home' in html


def test_somebody_new_is_shown_a_zero_and_a_way_to_begin(page: Any) -> None:
    html = page.get("/").content.decode()

    assert re.findall(r'data-currency="(\w+)" data-minor="(\d+)"', html) == [("USD", "0")]
    assert "No transactions yet" in html


def test_what_is_shown_is_what_the_ledger_adds_up_to(page: Any, house: Any, payer: Any) -> None:
    for state, money in (
        ("completed", None),
        ("late", None),
        ("completed", KHR),
        ("review", None),
        ("expired", None),
    ):
        house.at_state(state, payer, money)
        html = page.get("/wallet/").content.decode()
        shown = {
            name: int(minor) for name, minor in re.findall(r'data-currency="(\w+)" data-minor="(\d+)"', html)
        }
        for currency in Currency:
            lines = wallet.statement(payer, currency, conf.environment())
            assert sum(line.money.minor for line in lines) == shown.get(currency, 0)


def test_filters_stand_in_the_address_with_their_counts(page: Any, house: Any, payer: Any) -> None:
    made = {
        state: house.at_state(state, payer).transaction_id for state in ("completed", "expired", "canceled")
    }

    every = page.get("/wallet/").content.decode()
    expired = page.get("/wallet/?status=expired").content.decode()
    failed = page.get("/wallet/?status=failed").content.decode()

    assert set(rows(every)) == set(made.values())
    assert re.search(r'href="\?status=expired">Expired <span class="kw-num">\(1\)', every)
    assert rows(expired) == [made["expired"]]
    assert re.search(r'href="\?status=expired" aria-current="true"', expired)
    assert "Make a new QR" in expired
    assert "Nothing matches this filter" in failed


def test_a_long_history_is_cut_into_pages_that_survive_nonsense(page: Any, house: Any, payer: Any) -> None:
    made = [house.at_state("canceled", payer).transaction_id for _ in range(12)]

    first = page.get("/wallet/").content.decode()
    second = page.get("/wallet/?page=2").content.decode()
    odd = page.get("/wallet/?page=-1&size=999999&status=x'").content.decode()

    assert rows(first) + rows(second) == list(reversed(made))
    assert "Page 1 of 2" in first
    assert 'rel="next" href="?status=all&amp;size=10&amp;page=2"' in first
    assert rows(odd) == rows(first)


def test_nobody_sees_the_history_of_another(page: Any, house: Any) -> None:
    house.at_state("completed", house.payer("other"))

    html = page.get("/wallet/").content.decode()

    assert rows(html) == []
    assert "$10.00" not in html


def test_the_statement_opens_in_a_spreadsheet(page: Any, house: Any, payer: Any) -> None:
    dollars, riel = house.at_state("completed", payer), house.at_state("late", payer, KHR)

    answer = page.get("/wallet/statement.csv")

    body = b"".join(answer.streaming_content)
    assert body.startswith(b"\xef\xbb\xbf")
    table = list(csv.DictReader(io.StringIO(body.decode("utf-8-sig"))))
    assert [(row["reference"], row["currency"], row["amount"], row["balance_after"]) for row in table] == [
        (dollars.transaction_id, "USD", "10.00", "10.00"),
        (riel.transaction_id, "KHR", "41000", "41000"),
    ]
    assert all(row["posted_at"].endswith("+07:00") for row in table)
    assert re.fullmatch(r'attachment; filename="wallet-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])


def test_the_old_address_of_the_history_still_leads_there(page: Any) -> None:
    answer = page.get("/transaction-logs/?status=expired")

    assert (answer.status_code, answer["Location"]) == (302, "/wallet/?status=expired")


@pytest.mark.parametrize("state", ["pending", "expired", "review", "canceled"])
def test_there_is_no_receipt_before_the_money(page: Any, house: Any, payer: Any, state: str) -> None:
    payment = house.at_state(state, payer)

    answer = page.get(f"/payment/{payment.transaction_id}/receipt/")

    assert (answer.status_code, answer["Location"]) == (302, f"/payment/{payment.transaction_id}/")


def test_a_receipt_has_every_row_and_says_that_the_money_was_play(page: Any, house: Any, payer: Any) -> None:
    payment = house.at_state("late", payer)

    html = page.get(f"/payment/{payment.transaction_id}/receipt/").content.decode()

    facts = dict(re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", html, re.DOTALL))
    transfer = payment.transfers.get()
    assert re.search(r"R-\d{4}-\d{6}", facts["Receipt number"])
    assert payment.transaction_id in facts["Transaction ID"]
    assert facts["Paid from"] == "••••4321@aclb"
    assert "100FT3489021" in facts["Bank reference"]
    assert transfer.hash in facts["Bakong transaction code"]
    assert facts["Balance after"] == "$10.00"
    assert "Paid after the QR expired" in facts["Paid at"]
    assert re.search(r'datetime="\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"', facts["Paid at"])
    assert facts["Customer"] == "sokha"
    assert "TEST – no real money" in html
    assert "dara_sok" not in html


def test_the_language_is_kept_and_the_way_back_leads_to_no_other_site(page: Any) -> None:
    answer = page.get("/language/km/?next=/wallet/%3Fstatus%3Dexpired")
    evil = page.get("/language/km/?next=https://evil.example/")

    assert (answer.status_code, answer["Location"]) == (302, "/wallet/?status=expired")
    assert answer.cookies["django_language"].value == "km"
    assert '<html lang="km"' in page.get("/wallet/").content.decode()
    assert evil["Location"] == "/"
    assert page.get("/language/fr/").status_code == 404


@pytest.mark.parametrize("path", ["login/", "signup/", "password/reset/", "password/reset/done/"])
def test_account_pages_stand_in_our_frame_in_both_languages(client: Any, db: None, path: str) -> None:
    english = client.get("/accounts/" + path).content.decode()
    client.cookies["django_language"] = "km"
    khmer = client.get("/accounts/" + path).content.decode()

    for html in (english, khmer):
        assert 'data-testid="sandbox-banner"' in html
        assert html.count("<h1") == 1
        assert not re.search(r"\sstyle=|<script>", html)
    body = re.sub(r"<[^>]*>", " ", khmer[khmer.index("<main") : khmer.index("</main>")])
    assert set(re.findall(r"[A-Za-z]{3,}", body)) <= {"VinFlow"}


def test_a_wrong_password_is_said_beside_the_form_and_many_are_braked(client: Any, house: Any) -> None:
    house.payer()

    answers = [
        client.post("/accounts/login/", {"login": "sokha", "password": f"wrong {n}"}).content.decode()
        for n in range(7)
    ]

    assert "not correct" in answers[0]
    assert 'value="sokha"' in answers[0]
    assert "Too many failed login attempts" in answers[-1]


def test_signing_up_leads_to_the_dashboard(client: Any, db: None) -> None:
    answer = client.post(
        "/accounts/signup/",
        {
            "username": "bopha",
            "email": "bopha@example.com",
            "password1": "xk3!mmRq2z",
            "password2": "xk3!mmRq2z",
        },
    )

    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert 'data-testid="dash-balance"' in client.get("/").content.decode()


@pytest.mark.parametrize("language", ["en", "km"])
def test_a_forgotten_password_is_set_anew_by_the_link_in_the_mail(
    client: Any, house: Any, mailoutbox: Any, language: str
) -> None:
    house.payer()
    client.cookies["django_language"] = language

    client.post("/accounts/password/reset/", {"email": "sokha@example.com"})
    letter = mailoutbox[0]
    link = re.search(r"https?://[^/]+(/accounts/password/reset/key/\S+)", letter.body)
    assert link is not None
    page = client.get(link[1], follow=True)
    done = client.post(page.redirect_chain[-1][0], {"password1": "xk3!mmRq2z", "password2": "xk3!mmRq2z"})

    assert ("Set a new password" in letter.subject) is (language == "en")
    assert ("ពាក្យសម្ងាត់" in letter.body) is (language == "km")
    assert done.status_code == 302
    assert client.login(username="sokha", password="xk3!mmRq2z")


def test_error_pages_stand_in_the_same_hand(page: Any, rf: Any, settings: Any) -> None:
    from vinflow.storefront.middleware import Maintenance
    from vinflow.storefront.pages import errors

    missing = page.get("/nothing/here/")
    broken = errors.server_error(rf.get("/"))
    settings.VINFLOW_MAINTENANCE = True
    closed = Maintenance(lambda request: pytest.fail("a page was served"))(rf.get("/wallet/"))

    assert missing.status_code == 404
    assert "Page not found" in missing.content.decode()
    assert broken.status_code == 500
    assert re.search(r"Code: [0-9A-F]{8}", broken.content.decode())
    assert (closed.status_code, closed["Retry-After"]) == (503, "120")
    for answer in (missing, broken, closed):
        assert 'data-testid="error-page"' in answer.content.decode()


def test_a_support_contact_becomes_a_link_and_nothing_else_does(settings: Any) -> None:
    from vinflow.storefront import conf as pages_conf

    wanted = {
        "help@shop.example": "mailto:help@shop.example",
        "+855 12 345 678": "tel:+85512345678",
        "https://t.me/shop": "https://t.me/shop",
        "javascript:alert(1)": "",
        "": "",
    }
    for given, link in wanted.items():
        settings.VINFLOW_SUPPORT_CONTACT = given
        assert pages_conf.support() == link

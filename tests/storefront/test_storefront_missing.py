""" "I paid but it is not here", and the links of payments without an account: what they open, and to whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.core.cache import cache
from tests.payments.conftest import bank  # noqa: F401  (a fixture)

from vinflow.money import Currency, Money
from vinflow.payments import clock
from vinflow.payments.models import Exchange, ReviewItem
from vinflow.payments.opening import open_payment
from vinflow.storefront.links import address_of
from vinflow.wallet.queries import balances

TEN = Money(1000, Currency.USD)


@pytest.fixture(autouse=True)
def _no_brakes() -> Any:
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def shop(bank: Any, transactional_db: None, house_class: Any) -> Any:  # noqa: F811
    """The shop, with a Bakong that answers."""
    return house_class()


@pytest.fixture
def client_of(client: Any, shop: Any) -> Any:
    """Django's test client, signed in as the payer."""
    client.force_login(shop.payer())
    return client


def opened(shop: Any, user: Any) -> Any:
    return open_payment(user=user, money=TEN, key=f"m{next(shop.numbers)}", at=clock.now())


def address(payment: Any) -> str:
    return f"/payment/{payment.transaction_id}/missing/"


def test_the_payers_own_transfer_is_credited_at_once_by_whichever_name(
    client_of: Any,
    shop: Any,
    bank: Any,  # noqa: F811
) -> None:
    user = shop.payer()
    for name in ("hash", "short", "reference"):
        payment = opened(shop, user)
        receipt = bank.pay(payment.attempts.get().qr_string)
        said = {"hash": receipt.hash, "short": receipt.hash[:8], "reference": receipt.external_ref}[name]
        bank.advance(60)
        cache.clear()

        answer = client_of.post(address(payment), {"name": f" {said} "})

        assert answer.status_code == 303
        assert answer["Location"] == f"/payment/{payment.transaction_id}/"
        payment.refresh_from_db()
        assert payment.status == "completed"
    assert balances(user, "sandbox")[0] == Money(3000, Currency.USD)


def test_a_strangers_receipt_credits_nobody_and_goes_to_people(
    client_of: Any,
    shop: Any,
    bank: Any,  # noqa: F811
) -> None:
    payment = opened(shop, shop.payer())
    receipt = bank.pay(bank.qr("10.00", Currency.USD))  # the right amount, the right receiver, another's QR
    bank.advance(60)

    answer = client_of.post(address(payment), {"name": receipt.hash}, follow=True)

    assert "We found it. Our team checks whose it is" in answer.content.decode()
    assert balances(shop.payer(), "sandbox")[0].minor == 0
    assert ReviewItem.objects.get().payment == payment
    asked = Exchange.objects.count()
    assert "We found it" in client_of.get(answer.request["PATH_INFO"] + "?said=review").content.decode()
    assert Exchange.objects.count() == asked  # a reload asks nobody


def test_a_name_nobody_knows_is_said_and_kept_in_the_field(client_of: Any, shop: Any) -> None:
    payment = opened(shop, shop.payer())

    html = client_of.post(address(payment), {"name": "0" * 64}, follow=True).content.decode()

    assert "The bank does not know this code." in html
    assert f'value="{"0" * 64}"' in html


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Enter the code from your bank app."),
        ("?!", "Enter 64 or 8 letters"),
        ("<b>x</b>", "Enter 64 or 8 letters"),
    ],
)
def test_what_cannot_be_a_name_is_told_beside_the_field_and_asks_nobody(
    client_of: Any, shop: Any, typed: str, sentence: str
) -> None:
    payment = opened(shop, shop.payer())

    answer = client_of.post(address(payment), {"name": typed})

    html = answer.content.decode()
    assert answer.status_code == 422
    assert html.count(sentence) == 2  # in the summary and beside the field
    assert 'aria-invalid="true"' in html
    assert "<b>x</b>" not in html
    assert Exchange.objects.count() == 0


def test_a_second_try_at_once_is_told_to_wait_and_five_names_are_a_days_worth(
    client_of: Any,
    shop: Any,
    bank: Any,  # noqa: F811
) -> None:
    payment = opened(shop, shop.payer())
    client_of.post(address(payment), {"name": "0" * 64})

    soon = client_of.post(address(payment), {"name": "1" * 64})
    said = []
    for digit in "23456":
        cache.clear()  # its seconds have passed
        bank.advance(20)
        said.append(client_of.post(address(payment), {"name": digit * 64})["Location"])

    assert soon.status_code == 429
    assert 1 <= int(soon["Retry-After"]) <= 15
    assert re.search(r"Too many tries\. Wait \d+ seconds\.", soon.content.decode())
    assert ["said=none" in each for each in said] == [True] * 4 + [False]
    assert "said=often" in said[-1]
    assert Exchange.objects.filter(operation="check_transaction_by_hash").count() == 5


def test_a_transfer_that_lies_in_review_for_this_payment_is_not_called_somebody_elses(
    client_of: Any,
    shop: Any,
    bank: Any,  # noqa: F811
) -> None:
    payment = opened(shop, shop.payer())
    receipt = bank.pay(payment.attempts.get().qr_string, amount="9.00")
    bank.advance(30)
    cache.clear()
    client_of.post(address(payment), {"name": receipt.hash})
    cache.clear()

    again = client_of.post(address(payment), {"name": receipt.hash})

    assert "said=review" in again["Location"]


def test_foreign_and_made_up_references_are_one_404_and_a_guest_is_led_to_sign_in(
    client_of: Any, client: Any, shop: Any
) -> None:
    from django.test import Client

    foreign = opened(shop, shop.payer("stranger"))
    asked = {"name": "0" * 64}

    answers = [
        client_of.get(address(foreign)),
        client_of.post(address(foreign), asked),
        client_of.get("/payment/TXN00000000000000000000/missing/"),
        client_of.post("/payment/TXN00000000000000000000/missing/", asked),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    bodies = {re.sub(r'next=[^"]*|name="csrf[^>]*', "", answer.content.decode()) for answer in answers}
    assert len(bodies) == 1
    assert Exchange.objects.count() == 0
    assert Client().get(address(foreign)).status_code == 302


def test_the_wallet_leads_to_the_payers_own_payments_and_each_state_to_its_form(
    client_of: Any, shop: Any
) -> None:
    user = shop.payer()
    mine = {state: shop.at_state(state, user) for state in ("expired", "review", "delayed", "completed")}
    foreign = opened(shop, shop.payer("stranger"))

    wallet = client_of.get("/wallet/").content.decode()
    choice = client_of.get("/wallet/missing/").content.decode()

    assert 'href="/wallet/missing/"' in wallet
    assert set(re.findall(r'href="(/payment/\w+/missing/)"', choice)) == {address(p) for p in mine.values()}
    assert foreign.transaction_id not in choice
    for payment in mine.values():
        page = client_of.get(f"/payment/{payment.transaction_id}/").content.decode()
        assert f'href="{address(payment)}"' in page


# --- links ---


def test_a_link_opens_its_one_checkout_without_an_account_and_nothing_else(client: Any, shop: Any) -> None:
    payment = opened(shop, None)
    other = opened(shop, None)
    owned = opened(shop, shop.payer())
    page = f"/payment/{payment.transaction_id}/"
    assert client.get(page).status_code == 302  # to sign in: nobody is told that it exists

    link = address_of(payment)
    followed = client.get(link)

    assert followed.status_code == 303
    assert followed["Location"] == page
    html = client.get(page).content.decode()
    assert 'data-testid="khqr-qr"' in html
    assert "wallet" not in html.lower()
    status = client.get(page + "status/", headers={"Accept": "application/json"})
    assert status.json()["state"] == "pending"
    for foreign in (other, owned):
        path = f"/payment/{foreign.transaction_id}/"
        assert client.get(path).status_code == 302
        assert client.get(path + "status/", headers={"Accept": "application/json"}).status_code == 401


def test_a_forged_link_a_payments_of_a_user_and_a_missing_one_are_the_same_404(
    client: Any, shop: Any
) -> None:
    payment = opened(shop, None)
    owned = opened(shop, shop.payer())
    good = address_of(payment)
    signature = good.rstrip("/").rsplit("/", 1)[-1]

    with pytest.raises(ValueError, match="belongs to a user"):
        address_of(owned)
    for path in (
        f"/pay/{payment.transaction_id}/{signature[:-1]}x/",
        f"/pay/{owned.transaction_id}/{signature}/",
        f"/pay/TXN00000000000000000000/{signature}/",
    ):
        assert client.get(path).status_code == 404
    assert client.get(f"/payment/{payment.transaction_id}/").status_code == 302


def test_who_holds_a_link_pays_is_thanked_and_gets_a_receipt(client: Any, shop: Any, settings: Any) -> None:
    settings.VINFLOW_RETURN_HOSTS = ["shop.example"]
    payment = open_payment(
        user=None,
        money=TEN,
        key="order-7",
        at=clock.now(),
        purpose="order",
        reference="Order 7",
        return_url="https://shop.example/orders/7",
    )
    client.get(address_of(payment))
    shop.paid(payment)
    page = f"/payment/{payment.transaction_id}/"

    html = client.get(page).content.decode()
    receipt = client.get(page + "receipt/").content.decode()

    assert "Thank you. Your order is paid." in html
    assert 'href="https://shop.example/orders/7"' in html
    assert 'data-back-to="https://shop.example/orders/7"' in html
    assert "wallet" not in html.lower()
    assert "Order 7" in receipt
    assert "$10.00" in receipt


def test_every_state_of_a_link_says_nothing_of_a_wallet(client: Any, shop: Any) -> None:
    for state in ("pending", "confirming", "completed", "late", "review", "expired", "failed", "canceled"):
        payment = shop.at_state(state, None)
        client.get(address_of(payment))
        html = client.get(f"/payment/{payment.transaction_id}/").content.decode()
        assert f'data-state="{"completed" if state == "late" else state}"' in html
        assert "wallet" not in html.lower(), state
        assert "/add-funds/" not in html, state

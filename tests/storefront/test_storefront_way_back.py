"""An order of somebody's shop is paid on our checkout: the way back to that shop, and whose balance it is."""

from __future__ import annotations

from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments import clock
from vinflow.payments.models import Payment
from vinflow.payments.opening import open_payment


def order(house: Any, payer: Any, back_to: str) -> Payment:
    """A paid order."""
    payment = open_payment(
        user=payer,
        money=Money(250, Currency.USD),
        key="order-17",
        purpose="order",
        reference="17",
        return_url=back_to,
        at=clock.now(),
    )
    return house.paid(payment)


def html(page: Any, payment: Payment) -> str:
    answer = page.get(f"/payment/{payment.transaction_id}/")
    assert answer.status_code == 200
    return str(answer.content.decode())


def test_the_page_leads_back_to_the_shop_in_every_ended_state(page: Any, house: Any, payer: Any) -> None:
    for state in ("completed", "expired", "failed", "canceled", "review"):
        payment = house.at_state(state, payer)
        Payment.objects.filter(pk=payment.pk).update(return_url="/add-funds/?order=17")
        text = html(page, payment)
        assert '<a class="kw-btn is-second is-full" href="/add-funds/?order=17"' in text, state


def test_a_host_that_is_no_longer_allowed_is_not_shown(
    page: Any, house: Any, payer: Any, settings: Any
) -> None:
    settings.VINFLOW_RETURN_HOSTS = "shop.example"
    payment = order(house, payer, "https://shop.example/orders/17/")
    assert 'data-back-to="https://shop.example/orders/17/"' in html(page, payment)

    settings.VINFLOW_RETURN_HOSTS = ""

    assert "shop.example" not in html(page, payment)


def nothing(**_: Any) -> None:
    """A handler of a shop that keeps its own balance."""


def test_a_shop_with_its_own_balance_is_not_told_of_a_wallet(
    page: Any, house: Any, payer: Any, settings: Any
) -> None:
    settings.VINFLOW_FUNDS_HANDLER = nothing
    payment = order(house, payer, "/orders/17/")

    text = html(page, payment)

    assert "Payment received" in text
    assert "$2.50" in text
    assert "added to your wallet" not in text
    assert "New balance" not in text


@pytest.mark.browser
def test_after_five_seconds_the_payer_is_back_in_the_shop(visit: Any, shop: Any, site: str) -> None:
    user = shop.payer()
    payment = order(shop, user, "/wallet/?order=17")
    page = visit(None, user=user)
    page.clock.install()
    page.goto(f"{site}/payment/{payment.transaction_id}/")

    page.get_by_test_id("forward").wait_for()
    page.clock.run_for(6_000)

    page.wait_for_url(f"{site}/wallet/?order=17")
    assert page.faults == []

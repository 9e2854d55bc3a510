"""Where a payer may be led after a checkout: home, or to a host that was named. Nowhere else."""

from __future__ import annotations

from typing import Any

import pytest

from vinflow.money import Currency, Money
from vinflow.payments import clock
from vinflow.payments.checks import gateway_settings
from vinflow.payments.errors import ReturnRefused
from vinflow.payments.models import Payment
from vinflow.payments.opening import open_payment
from vinflow.payments.returning import safe_address
from vinflow.sandbox import Sandbox

ALLOWED = [
    "/",
    "/orders/17/?paid=1#top",
    "https://shop.example/orders/17/",
    "https://shop.example:8443/",
    "https://pay.example/here",
    "http://127.0.0.1:5000/orders",
]
REFUSED = [
    "",
    "orders/17/",
    "//evil.example/",
    "///evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "https:///evil.example/",
    "https:evil.example",
    "http://shop.example/orders/17/",  # by plain http whoever is on the line would answer
    "https://shop.example.evil.example/",
    "https://evil.example/?shop.example",
    "https://shop.example@evil.example/",
    "https://evil.example\\@shop.example/",
    "https://shop.example:9999/",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)//shop.example",
    "data:text/html,hello",
    "ftp://shop.example/",
    "https://[::1/",
    "/orders\r\nSet-Cookie: a=b",
    "\t//evil.example/",
    "/" + "a" * 500,
]


@pytest.fixture
def named(settings: Any) -> None:
    """A shop that takes its payers back on three hosts, and its own."""
    settings.VINFLOW_PUBLIC_URL = "https://pay.example"
    settings.VINFLOW_RETURN_HOSTS = "shop.example, shop.example:8443, 127.0.0.1:5000"


@pytest.mark.parametrize("address", ALLOWED)
def test_home_and_named_hosts_are_allowed(named: None, address: str) -> None:
    assert safe_address(address) == address


@pytest.mark.parametrize("address", REFUSED)
def test_everything_else_is_refused(named: None, address: str) -> None:
    assert safe_address(address) == ""


def test_without_a_setting_only_this_site_is_allowed(settings: Any) -> None:
    settings.VINFLOW_PUBLIC_URL = settings.VINFLOW_RETURN_HOSTS = ""

    assert safe_address("/orders/17/") == "/orders/17/"
    assert safe_address("https://shop.example/") == ""


@pytest.mark.django_db(transaction=True)
def test_a_payment_with_an_address_to_anywhere_is_not_opened(named: None, bank: Sandbox, payer: Any) -> None:
    order: dict[str, Any] = {"user": payer, "money": Money(250, Currency.USD), "at": clock.now()}

    with pytest.raises(ReturnRefused):
        open_payment(**order, key="order-17", return_url="https://evil.example/")
    assert not Payment.objects.exists()
    opened = open_payment(**order, key="order-17", return_url="https://shop.example/orders/17/")
    assert opened.return_url == "https://shop.example/orders/17/"


def test_a_host_that_is_none_stops_the_start(settings: Any) -> None:
    settings.VINFLOW_RETURN_HOSTS = ["https://shop.example/"]

    [error] = [found for found in gateway_settings() if "VINFLOW_RETURN_HOSTS" in found.msg]
    assert "names hosts such as shop.example" in error.msg

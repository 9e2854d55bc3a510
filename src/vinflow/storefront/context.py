"""What every page's frame shows; each part is read only by a page that uses it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from vinflow.money import Currency, Money
from vinflow.payments import conf as payments_conf
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import Payment
from vinflow.storefront import conf
from vinflow.storefront.notices import credited_while_away
from vinflow.wallet import queries as wallet_queries

__all__ = ["Shop", "balances_of", "storefront"]


def balances_of(user: Any) -> list[Money]:
    """Return the payer's balances, one for each currency that is not zero; $0.00 when all are."""
    try:
        environment = payments_conf.environment()
    except NotConfigured:
        return []
    found = [money for money in wallet_queries.balances(user, environment) if money.minor]
    found.sort(key=lambda money: list(Currency).index(money.currency))
    return found or [Money(0, Currency.USD)]


class Shop:
    """The shop as its pages show it, and the signed-in payer's balances."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    name = property(lambda self: conf.site_name())
    support = property(lambda self: conf.support())
    logo = property(lambda self: conf.logo())
    theme = property(lambda self: conf.theme())
    brand_css = property(lambda self: conf.brand_css())
    sandbox = property(lambda self: conf.is_play_money())

    @property
    def languages(self) -> list[tuple[str, str]]:
        """(code, own name) of each language of the switch."""
        names = {"en": "English", "km": "ខ្មែរ"}
        return [(code, names.get(code, name)) for code, name in settings.LANGUAGES]

    @cached_property
    def balances(self) -> list[Money]:
        """Balances of the signed-in payer, read once for the page."""
        user = getattr(self._request, "user", None)
        return balances_of(user) if user is not None and user.is_authenticated else []

    @cached_property
    def credited(self) -> Sequence[Payment]:
        """Payments that were credited while their payer was away; each is told once."""
        return credited_while_away(self._request)


def storefront(request: HttpRequest) -> dict[str, Any]:
    """Return {"shop": Shop}: the context processor of the pages."""
    return {"shop": Shop(request)}

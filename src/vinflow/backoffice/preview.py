"""A sample of the densest KHQR this shop can make: largest amount, real names, a full reference."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.utils.safestring import SafeString, mark_safe

from vinflow import khqr
from vinflow.backoffice.words import say
from vinflow.khqr.image import MODULES_MAX, QUIET_ZONE
from vinflow.money import Currency, Money
from vinflow.payments import clock, conf, settings_store
from vinflow.payments.errors import NotConfigured
from vinflow.payments.models import PaymentSettings

__all__ = ["Sample", "px_each", "sample"]

SIDE_PX = 256


@dataclass(frozen=True, slots=True)
class Sample:
    """The picture, its modules a side, and how many pixels each gets on the checkout."""

    svg: SafeString
    modules: int
    px: str
    dense: bool


def px_each(modules: int) -> str:
    """Return how many pixels a module has on the checkout's 256 px picture, to one digit."""
    return f"{SIDE_PX / (modules + 2 * QUIET_ZONE):.1f}"


def sample(row: PaymentSettings, *, at: datetime) -> Sample | None:
    """Return the densest QR of these settings; None where another makes the QRs, or none can be made."""
    try:
        if conf.protocol() is not conf.Protocol.OPEN_API:
            return None
        amounts = [Money(row.usd_max, Currency.USD), Money(row.khr_max, Currency.KHR)]
        widest = max(amounts, key=lambda money: len(money.plain))
        text = khqr.encode(
            khqr.Individual(
                bakong_account_id=conf.merchant_id(),
                merchant_name=conf.merchant_name(),
                merchant_city=conf.merchant_city(),
                currency=widest.currency,
                amount=widest.plain,
                bill_number="TXN" + "0" * 20,
                creation_timestamp=clock.in_ms(at),
                expiration_timestamp=clock.in_ms(at + settings_store.lifetime(row)),
            )
        )
    except (NotConfigured, khqr.KHQRError):
        return None
    modules = khqr.modules(text, "H")
    # A picture to look at, never to pay: it is drawn from a made-up reference that nothing watches.
    drawn = khqr.svg(text, level="H", title=say("Preview"), css_class="bo-sample")
    return Sample(
        mark_safe(drawn),  # noqa: S308  (our own drawing)
        modules,
        px_each(modules),
        modules > MODULES_MAX,
    )

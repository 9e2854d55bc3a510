"""What owners set in Settings -> Payment, read as typed values; the environment gives the defaults."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, transaction
from django.db.models import F

from vinflow.money import Currency, Money
from vinflow.payments import conf
from vinflow.payments.models import PaymentSettings, SettingsChange
from vinflow.wallet.reading import Columns

SETTINGS = Columns(PaymentSettings)
READ_SETTINGS = f"SELECT {SETTINGS.of('s')} FROM payments_settings s WHERE s.singleton = 1"  # noqa: S608

__all__ = ["current", "enabled_currencies", "lifetime", "limits", "quick_amounts", "save", "watch"]

QUICK = {Currency.USD: (1000, 2500, 5000, 10000), Currency.KHR: (20_000, 50_000, 100_000, 200_000)}


def current() -> PaymentSettings:
    """Return the settings as they are now: one read, so that a switch works at once everywhere."""
    with connection.cursor() as cursor:
        cursor.execute(READ_SETTINGS)
        row = cursor.fetchone()
    return SETTINGS.instance(row, using=DEFAULT_DB_ALIAS) if row else PaymentSettings(singleton=1)


def enabled_currencies(settings: PaymentSettings) -> tuple[Currency, ...]:
    """Return the currencies that payers may choose now; none when KHQR is off."""
    if not settings.khqr_enabled:
        return ()
    return tuple(c for c in Currency if getattr(settings, f"{c.lower()}_enabled"))


def limits(settings: PaymentSettings, currency: Currency) -> tuple[Money, Money]:
    """Return the smallest and largest amount of one payment."""
    name = currency.lower()
    return Money(getattr(settings, f"{name}_min"), currency), Money(
        getattr(settings, f"{name}_max"), currency
    )


def quick_amounts(settings: PaymentSettings, currency: Currency) -> tuple[Money, ...]:
    """Return the preset amounts that lie within the limits."""
    least, most = limits(settings, currency)
    saved = getattr(settings, f"{currency.lower()}_quick") or QUICK[currency]
    return tuple(Money(minor, currency) for minor in saved if least.minor <= minor <= most.minor)


def cap(settings: PaymentSettings, name: str, currency: Currency) -> Money:
    """Return a money cap by its name without the currency: "daily_max", "auto_hourly_max", ..."""
    return Money(getattr(settings, f"{currency.lower()}_{name}"), currency)


def lifetime(settings: PaymentSettings) -> timedelta:
    """Return how long a new QR may be paid."""
    return timedelta(seconds=settings.qr_lifetime_s) if settings.qr_lifetime_s else conf.qr_lifetime()


def watch(settings: PaymentSettings) -> timedelta:
    """Return how long after expiry a QR stays watched."""
    return timedelta(seconds=settings.watch_s) if settings.watch_s else conf.watch()


@transaction.atomic
def save(changes: dict[str, Any], *, by: Any, at: datetime) -> int:
    """Save changed settings and their trail, all or nothing; return how many changed.

    The constraints of the row refuse contradictory limits (IntegrityError); the form that calls
    this has checked them before with words.
    """
    PaymentSettings.objects.get_or_create(singleton=1)
    row = PaymentSettings.objects.select_for_update().get(singleton=1)
    changed = {name: value for name, value in changes.items() if getattr(row, name) != value}
    for name, value in changed.items():
        SettingsChange.objects.create(
            field=name, old=str(getattr(row, name)), new=str(value), changed_by=by, changed_at=at
        )
    if changed:
        PaymentSettings.objects.filter(singleton=1).update(
            **changed, version=F("version") + 1, changed_by=by, changed_at=at
        )
    return len(changed)

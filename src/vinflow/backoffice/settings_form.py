"""What a person typed on the settings page, read into values and judged together, in sentences.

Plain functions over a mapping of texts: a page, a test and the safety proposal read it the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vinflow.backoffice.words import say
from vinflow.money import Currency, Money, MoneyError, format_money, parse_amount
from vinflow.payments import settings_store
from vinflow.payments.models import PaymentSettings

__all__ = ["FIELDS", "SAFETY", "SWITCHES", "Draft", "Fault", "judge", "read", "shown", "texts_of"]

# A KHQR's amount field holds 13 characters: "9999999999.99" or as many digits of riel.
AMOUNT_TEXT_MAX = 13
QUICK_MAX = 8
LIFETIME_MIN = (2, 10)  # minutes
WATCH_H = (1, 720)  # hours

SWITCHES = {
    "khqr_enabled": "KHQR payments",
    "usd_enabled": "Accept US dollars",
    "khr_enabled": "Accept riel",
    "deeplink_enabled": "Bakong-app button on phones",
    "disc_enabled": "Currency sign in the QR",
    "late_credit": "Add late payments automatically",
    "hide_without_budget": "Hide KHQR when the limit is used up",
    "manual_enabled": "Manual deposits (cash, bank transfer)",
}
AMOUNTS = {
    "usd_min": ("Minimum", Currency.USD),
    "usd_max": ("Maximum", Currency.USD),
    "khr_min": ("Minimum", Currency.KHR),
    "khr_max": ("Maximum", Currency.KHR),
}
QUICKS = {"usd_quick": Currency.USD, "khr_quick": Currency.KHR}
SPANS = {
    "qr_lifetime_s": ("QR lifetime (minutes)", LIFETIME_MIN, 60),
    "watch_s": ("Keep checking after expiry (hours)", WATCH_H, 3600),
}
# What bounds the money that moves without, or with only one, pair of eyes: two owners (money rule 3).
SAFETY = {
    "usd_auto_hourly_max": ("Added automatically in one hour", Currency.USD),
    "khr_auto_hourly_max": ("Added automatically in one hour", Currency.KHR),
    "usd_auto_user_daily_max": ("Added automatically to one person in a day", Currency.USD),
    "khr_auto_user_daily_max": ("Added automatically to one person in a day", Currency.KHR),
    "usd_one_person_daily_max": ("Decided by one member of staff in a day", Currency.USD),
    "khr_one_person_daily_max": ("Decided by one member of staff in a day", Currency.KHR),
}
FIELDS = (*SWITCHES, *AMOUNTS, *QUICKS, *SPANS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that cannot be saved: the field it stands at, and the sentence."""

    field: str
    text: str


@dataclass
class Draft:
    """What was typed: the texts as they stood, the values that could be read, what could not."""

    texts: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def texts_of(row: PaymentSettings) -> dict[str, str]:
    """Return every field as the form shows it: "on"/"off", plain amounts, minutes, hours."""
    texts = {name: "on" if getattr(row, name) else "off" for name in SWITCHES}
    texts |= {name: Money(getattr(row, name), currency).plain for name, (_, currency) in AMOUNTS.items()}
    texts |= {name: Money(getattr(row, name), currency).plain for name, (_, currency) in SAFETY.items()}
    for name, currency in QUICKS.items():
        chosen = getattr(row, name) or settings_store.QUICK[currency]
        texts[name] = "  ".join(_brief(Money(minor, currency)) for minor in chosen)
    texts["qr_lifetime_s"] = str(int(settings_store.lifetime(row).total_seconds()) // 60)
    texts["watch_s"] = str(int(settings_store.watch(row).total_seconds()) // 3600)
    return texts


def _brief(money: Money) -> str:
    return money.plain.removesuffix(".00")


def read(posted: Mapping[str, str], row: PaymentSettings) -> Draft:
    """Return what was typed as values for settings_store.save; judge() looks at them together.

    A field that was not sent stays as it is. One that says what is shown already keeps the stored
    value, so that a default remains a default.
    """
    before = texts_of(row)
    draft = Draft({**before, **{name: str(posted[name]).strip()[:400] for name in FIELDS if name in posted}})
    for name, text in draft.texts.items():
        if name not in FIELDS:
            continue
        if text == before[name]:
            draft.values[name] = getattr(row, name)
            continue
        try:
            draft.values[name] = _value(name, text)
        except _Refused as refused:
            draft.faults.append(Fault(name, refused.args[0]))
    if not draft.faults:
        draft.faults = judge(draft.values, row)
    return draft


class _Refused(ValueError):
    """One text that cannot be read; the sentence is its argument."""


def _value(name: str, text: str) -> Any:
    if name in SWITCHES:
        if text not in ("on", "off"):
            raise _Refused(say("A switch is on or off."))
        return text == "on"
    if name in AMOUNTS:
        return read_amount(text, AMOUNTS[name][1]).minor
    if name in QUICKS:
        currency = QUICKS[name]
        found = sorted({read_amount(part, currency).minor for part in text.replace(";", " ").split()})
        if len(found) > QUICK_MAX:
            raise _Refused(say("At most {n} quick amounts.", n=QUICK_MAX))
        return found
    _label, (least, most), unit = SPANS[name]
    # Not int() alone: it admits signs, underscores and other scripts' digits.
    if not (text.isascii() and text.isdigit() and len(text) < 6 and least <= int(text) <= most):
        raise _Refused(say("A whole number from {least} to {most}.", least=least, most=most))
    return int(text) * unit


def read_amount(text: str, currency: Currency) -> Money:
    """Return an amount that a KHQR can carry. Raises a ValueError that holds the sentence."""
    try:
        money = parse_amount(text, currency)
    except MoneyError:
        example = "10.50" if currency is Currency.USD else "41000"
        raise _Refused(say("Write an amount like {example}.", example=example)) from None
    if money.minor <= 0:
        raise _Refused(say("An amount must be more than nothing."))
    if len(money.plain) > AMOUNT_TEXT_MAX:
        raise _Refused(say("A KHQR cannot carry an amount this large."))
    return money


def judge(values: Mapping[str, Any], row: PaymentSettings) -> list[Fault]:
    """Return what contradicts itself in a whole set of values; an empty list is what can be saved."""
    faults = []

    def of(name: str) -> Any:
        return values.get(name, getattr(row, name))

    for currency in Currency:
        name = currency.lower()
        least, most = Money(of(f"{name}_min"), currency), Money(of(f"{name}_max"), currency)
        if least > most:
            faults.append(
                Fault(
                    f"{name}_min",
                    say(
                        "The minimum {least} is above the maximum {most}.",
                        least=format_money(least),
                        most=format_money(most),
                    ),
                )
            )
            continue
        outside = [
            Money(minor, currency)
            for minor in values.get(f"{name}_quick") or ()
            if not least.minor <= minor <= most.minor
        ]
        if outside and values.get(f"{name}_quick") != getattr(row, f"{name}_quick"):
            faults.append(
                Fault(
                    f"{name}_quick",
                    say(
                        "{amount} is not between {least} and {most}.",
                        amount=format_money(outside[0]),
                        least=format_money(least),
                        most=format_money(most),
                    ),
                )
            )
    return faults


def shown(name: str, stored: str) -> str:
    """Return a stored value of the trail as people read it; the trail keeps plain texts."""
    money = {**AMOUNTS, **SAFETY}
    if name in money and stored.isdigit():
        return format_money(Money(int(stored), money[name][1]))
    if name in QUICKS:
        parts = stored.strip("[]").split(",") if stored.strip("[]") else []
        if all(part.strip().isdigit() for part in parts):
            currency = QUICKS[name]
            return " · ".join(format_money(Money(int(part), currency)) for part in parts) or say("Default")
    if name in SPANS:
        return str(int(stored) // SPANS[name][2]) if stored.isdigit() else say("Default")
    return {"True": say("On"), "False": say("Off")}.get(stored, stored)


def label_of(name: str) -> str:
    """Return what a field is called on the page, with its currency where there are two."""
    if name in SWITCHES:
        return say(SWITCHES[name])
    if name in QUICKS:
        return f"{say('Quick amounts')} ({QUICKS[name]})"
    money = {**AMOUNTS, **SAFETY}
    if name in money:
        return f"{say(money[name][0])} ({money[name][1]})"
    if name == "spending_stopped_why":
        return say("Let spending go on")
    return say(SPANS[name][0]) if name in SPANS else name

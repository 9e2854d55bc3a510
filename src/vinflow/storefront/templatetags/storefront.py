"""{% load storefront %}: words with holes, money, moments, icons, badges."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django import template
from django.forms import BoundField
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language, gettext, pgettext

from vinflow.money import Money, format_money
from vinflow.storefront import formats
from vinflow.storefront.badges import BADGES, Badge
from vinflow.storefront.icons import ICONS

register = template.Library()


def _language() -> str:
    return get_language() or "en"


@register.simple_tag
def say(text: str, context: str | None = None, **values: object) -> SafeString | str:
    """Return the sentence in the page's language; values are escaped, the catalogue is trusted."""
    found = pgettext(context, text) if context else gettext(text)
    return format_html(found, **values) if values else found


@register.filter
def money(value: Money) -> str:
    """Return "$1,250.00" or "41,000 ៛"."""
    return format_money(value)


@register.filter
def joined(values: Sequence[Money]) -> str:
    """Return several amounts in one line, "$20.00, 41,000 ៛": side by side, never added."""
    return ", ".join(format_money(value) for value in values)


@register.filter
def signed(value: Money) -> str:
    """Return "+$10.00" or "−$5.00"."""
    return format_money(value, signed=True)


@register.filter
def plain(value: Money) -> str:
    """Return "1250.00" or "41000": for attributes and inputs, never localised."""
    return value.plain


@register.filter
def grouped(value: Money) -> str:
    """Return the number alone with comma groups, as the KHQR card prints it: "1,250.00"."""
    return formats.spoken_amount(value)[1]


@register.filter
def short(value: Money) -> str:
    """Return the amount without cents that are none: "$10", "$10.50", "20,000 ៛"; for buttons."""
    return format_money(value).removesuffix(".00")


@register.filter
def dressed(field: BoundField) -> SafeString:
    """Return a form field's widget in the hand of the pages; Django ties its hint and its errors to it."""
    extra: dict[str, str | bool] = (
        {} if field.name in ("remember",) else {"class": "kw-input", "placeholder": ""}
    )
    return field.as_widget(attrs=extra)


@register.filter
def spoken(value: Money) -> str:
    """Return the amount for a voice: "10.00 US dollars"."""
    sentence, number = formats.spoken_amount(value)
    return gettext(sentence).format(n=number)


def _time(at: datetime | None, text: str) -> SafeString | str:
    if at is None:
        return "—"
    return format_html('<time datetime="{}">{}</time>', formats.iso_utc(at), text)


@register.filter
def moment(at: datetime | None) -> SafeString | str:
    """Return <time> with day and time in Phnom Penh, the attribute in UTC; a dash for none."""
    return _time(at, formats.moment(at, _language()) if at else "")


@register.filter
def day(at: datetime | None) -> SafeString | str:
    """Return <time> with the day in Phnom Penh."""
    return _time(at, formats.day(at, _language()) if at else "")


@register.filter
def hour(at: datetime | None) -> SafeString | str:
    """Return <time> with the time of day in Phnom Penh."""
    return _time(at, formats.hour(at) if at else "")


@register.filter
def span(milliseconds: int) -> str:
    """Return a countdown, "02:31"."""
    return formats.span(milliseconds)


@register.simple_tag
def icon(name: str, extra: str = "") -> SafeString:
    """Return the icon as inline SVG, hidden from voices: a word always stands beside it. CSS strokes it."""
    return format_html(
        '<svg class="kw-icon{}" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">{}</svg>',
        f" {extra}" if extra else "",
        mark_safe(ICONS[name]),  # noqa: S308  (our own drawing, by a name our templates chose)
    )


@register.inclusion_tag("storefront/parts/badge.html")
def badge(state: str, late: bool = False) -> dict[str, Badge]:
    """Return a status as shape, word and colour; never colour alone."""
    return {"badge": BADGES["late" if late and state == "completed" else state]}

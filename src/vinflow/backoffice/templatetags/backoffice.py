"""{% load backoffice %}: the staff's navigation, and what their pages show besides the payer's own tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template import Context

from vinflow.backoffice import masking, meanings, settings_form
from vinflow.backoffice.rights import rights_of

register = template.Library()

ROOMS = (
    ("overview", "Overview", "see_overview"),
    ("transactions", "Transactions", "see_transactions"),
    ("review", "Review", "see_review"),
    ("refunds", "Refunds", "see_refunds"),
    ("deposits", "Deposits", "see_deposits"),
    ("ledger", "Books", "see_ledger"),
    ("reconciliation", "Reconciliation", "see_ledger"),
    ("settings", "Settings", "see_settings"),
)


@register.inclusion_tag("backoffice/parts/nav.html", takes_context=True)
def staff_nav(context: Context) -> dict[str, Any]:
    """Return the rooms this person may enter."""
    rights = rights_of(context["request"].user)
    return {
        "rooms": [(name, word) for name, word, right in ROOMS if right in rights],
        "here": context.get("here"),
    }


@register.filter
def masked(account: str) -> str:
    """Return an account with all but its end hidden."""
    return masking.masked_account(account)


@register.filter
def fate(name: str) -> str:
    """Return what became of a transfer, in words."""
    return meanings.fate(name)


@register.filter
def difference(kind: str) -> str:
    """Return a kind of difference in words."""
    return meanings.difference(kind)


@register.filter
def at(values: Mapping[str, Any], name: str) -> Any:
    """Return the value of a mapping under a name, "" for none."""
    return values.get(name, "")


@register.filter
def label(name: str) -> str:
    """Return what a setting is called."""
    return settings_form.label_of(name)


@register.filter
def lapse(seconds: int | None) -> str:
    """Return a span "0:41", "12:05", "1:02:03"; a dash for none."""
    if seconds is None:
        return "—"
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"

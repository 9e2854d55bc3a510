"""The language an account reads: chosen by the switch, kept with it, used on every device and in mails."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from vinflow.storefront.models import AccountLanguage

__all__ = ["language_of", "remember"]


def language_of(user: Any) -> str:
    """Return the language a user chose, the site's own where none was or where it is no longer offered."""
    row = AccountLanguage.objects.filter(user=user).first() if user is not None else None
    code = row.code if row is not None else ""
    return code if code in dict(settings.LANGUAGES) else str(settings.LANGUAGE_CODE)


def remember(user: Any, code: str) -> None:
    """Keep a language with an account; one row, whatever is pressed at the same time."""
    AccountLanguage.objects.update_or_create(user=user, defaults={"code": code})

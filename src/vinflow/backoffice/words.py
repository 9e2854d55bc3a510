"""Words for staff: gettext with named holes, from the same catalogues as the payer's pages and our own."""

from __future__ import annotations

from django.utils.translation import gettext, ngettext

__all__ = ["say", "say_many"]


def say(text: str, /, **values: object) -> str:
    """Return the sentence in the language of the page, its {holes} filled with values."""
    found = gettext(text)
    return found.format(**values) if values else found


def say_many(one: str, many: str, /, n: int) -> str:
    """Return the sentence for one or for many, as the page's language counts, {n} filled."""
    return ngettext(one, many, n).format(n=n)

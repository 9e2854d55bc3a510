"""Words for staff: gettext with named holes, from the same catalogues as the payer's pages and our own."""

from __future__ import annotations

from django.utils.translation import gettext

__all__ = ["say"]


def say(text: str, /, **values: object) -> str:
    """Return the sentence in the language of the page, its {holes} filled with values."""
    found = gettext(text)
    return found.format(**values) if values else found

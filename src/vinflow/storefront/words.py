"""Words for people: gettext, with named holes that survive translation.

The English sentence is the message id; its key in the string table stands in the catalogues as a
comment. Holes are written {amount}, the same in every language, and filled here.
"""

from __future__ import annotations

from django.utils.translation import gettext, ngettext, pgettext

__all__ = ["say", "say_many"]


def say(text: str, /, *, context: str | None = None, **values: object) -> str:
    """Return the sentence in the language of the page, its holes filled with values.

    text: the English sentence, exactly as the catalogues have it.
    context: tells two sentences apart that are one in English and two in Khmer.
    With no values the holes stay, for a script in the page to fill.
    """
    found = pgettext(context, text) if context else gettext(text)
    return found.format(**values) if values else found


def say_many(one: str, many: str, /, count: int, **values: object) -> str:
    """Return the sentence for one or for many, as the page's language counts, its holes filled."""
    return ngettext(one, many, count).format(**values)

"""Laws of other rooms that `audit_ledger` runs too. The wallet knows none of them by name.

A room that books money registers its own when its app is ready:

    register_law("received is credited, in suspense, returned or written off", the_law)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

# A law only reads: it runs inside the audit's one moment.
Law = Callable[[str], Iterable[str]]  # given the database alias, what is broken, a sentence each

_laws: dict[str, Law] = {}


def register_law(name: str, law: Law) -> None:
    """Remember a law under its name; the same name again replaces it."""
    _laws[name] = law


def registered_laws() -> dict[str, Law]:
    """Return the laws by name."""
    return dict(_laws)

"""Laws of other rooms that `audit_ledger` runs too, and brakes that stop spending.

The wallet knows none of them by name.

A room that books money registers its own when its app is ready:

    register_law("received is credited, in suspense, returned or written off", the_law)
    register_brake("the law of payments", why_stopped)

While a brake is on, nothing is spent and nothing newly held. Receiving never stops, and neither does
the capture of an older hold: its money has left already, and not to book it would be worse.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from vinflow.wallet.errors import SpendingStopped

# A law only reads: it runs inside the audit's one moment.
Law = Callable[[str], Iterable[str]]  # given the database alias, what is broken, a sentence each

# A brake is one cheap read: it runs inside every spending.
Brake = Callable[[str], str]  # given the database alias, why spending is stopped, "" while it is not

_laws: dict[str, Law] = {}
_brakes: dict[str, Brake] = {}


def register_law(name: str, law: Law) -> None:
    """Remember a law under its name; the same name again replaces it."""
    _laws[name] = law


def register_brake(name: str, brake: Brake) -> None:
    """Remember a brake under its name; the same name again replaces it."""
    _brakes[name] = brake


def refuse_while_stopped(using: str) -> None:
    """Return nothing while no brake is on. Raises SpendingStopped with the brake's own words."""
    for name, brake in _brakes.items():
        if why := brake(using):
            raise SpendingStopped(f"{name}: {why}")


def registered_laws() -> dict[str, Law]:
    """Return the laws by name."""
    return dict(_laws)

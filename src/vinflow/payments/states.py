"""The table of payment states and events: everything about order stands here, once.

An event that is not in the table raises IllegalTransition and nothing changes. The database holds
the same law: a completed payment never leaves that state (see guards.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from vinflow.payments.errors import IllegalTransition

__all__ = ["TRANSITIONS", "Event", "Status", "after", "mermaid"]


class Status(StrEnum):
    """Where a payment stands. `review` is no state: it is shown beside one while an item is open."""

    PENDING = "pending"
    COMPLETED = "completed"
    EXPIRED = "expired"
    FAILED = "failed"
    CANCELED = "canceled"


class Event(StrEnum):
    """What can happen to a payment."""

    MONEY_MATCHED = "money_matched"
    TIME_RAN_OUT = "time_ran_out"
    BANK_SAID_FAILED = "bank_said_failed"
    WITHDRAWN = "withdrawn"
    QR_RENEWED = "qr_renewed"
    SETTLED_BY_HAND = "settled_by_hand"


# Only the bank knows whether money moved: late money completes whatever unpaid state the payment
# is in. A new QR reopens a payment that ran out; a withdrawn one stays withdrawn, since its payer
# said so, and starts anew as another payment. People at the review desk who send money back, or give
# the payer another amount than was asked for, end a pending payment without completing it: Bakong
# will go on answering with that transfer, so no "not found" could ever end it.
TRANSITIONS: Mapping[Status, Mapping[Event, Status]] = {
    Status.PENDING: {
        Event.MONEY_MATCHED: Status.COMPLETED,
        Event.TIME_RAN_OUT: Status.EXPIRED,
        Event.BANK_SAID_FAILED: Status.FAILED,
        Event.WITHDRAWN: Status.CANCELED,
        Event.QR_RENEWED: Status.PENDING,
        Event.SETTLED_BY_HAND: Status.CANCELED,
    },
    Status.EXPIRED: {
        Event.MONEY_MATCHED: Status.COMPLETED,
        Event.QR_RENEWED: Status.PENDING,
    },
    Status.FAILED: {
        Event.MONEY_MATCHED: Status.COMPLETED,
        Event.QR_RENEWED: Status.PENDING,
    },
    Status.CANCELED: {Event.MONEY_MATCHED: Status.COMPLETED},
    Status.COMPLETED: {},
}


def after(state: Status, event: Event) -> Status:
    """Return the state that event leads to. Raises IllegalTransition; nothing has changed then."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to a payment that is {state}") from None


def mermaid() -> str:
    """Return the table as a Mermaid state diagram, for whoever draws with that; our pages hold an SVG."""
    lines = ["stateDiagram-v2", "    [*] --> pending"]
    lines += [
        f"    {state} --> {target}: {event.replace('_', ' ')}"
        for state, events in TRANSITIONS.items()
        for event, target in events.items()
    ]
    return "\n".join(lines) + "\n"

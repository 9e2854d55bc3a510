"""The table of refund states and events: asked, approved, sent by a person, seen at the bank, booked.

VinFlow sends no money: `sent` means that a person says so and names the transfer. Only when the bank
has shown that transfer, or a second person has vouched for it, is the refund `done` and in the books.
The database holds the same table (guards.py makes its trigger from it).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from vinflow.payments.errors import IllegalTransition

__all__ = ["COUNTED", "HELD", "TRANSITIONS", "RefundEvent", "RefundState", "after", "mermaid"]


class RefundState(StrEnum):
    """Where a refund stands. Done, rejected and given up are for good."""

    ASKED = "asked"
    APPROVED = "approved"
    SENT = "sent"
    DONE = "done"
    REJECTED = "rejected"
    GIVEN_UP = "given_up"


class RefundEvent(StrEnum):
    """What can happen to a refund."""

    APPROVED = "approved"
    REJECTED = "rejected"
    GIVEN_UP = "given_up"
    RECORDED_AS_SENT = "recorded_as_sent"
    RECORD_TAKEN_BACK = "record_taken_back"
    SEEN = "seen"


# A refund that was sent is not given up: its money is on the way. A record that names the wrong
# transfer is taken back first, which leads to `approved` again.
TRANSITIONS: Mapping[RefundState, Mapping[RefundEvent, RefundState]] = {
    RefundState.ASKED: {
        RefundEvent.APPROVED: RefundState.APPROVED,
        RefundEvent.REJECTED: RefundState.REJECTED,
        RefundEvent.GIVEN_UP: RefundState.GIVEN_UP,
    },
    RefundState.APPROVED: {
        RefundEvent.RECORDED_AS_SENT: RefundState.SENT,
        RefundEvent.GIVEN_UP: RefundState.GIVEN_UP,
    },
    RefundState.SENT: {
        RefundEvent.SEEN: RefundState.DONE,
        RefundEvent.RECORD_TAKEN_BACK: RefundState.APPROVED,
    },
    RefundState.DONE: {},
    RefundState.REJECTED: {},
    RefundState.GIVEN_UP: {},
}

BEGINS = (RefundState.ASKED, RefundState.APPROVED)  # approved at once: within what one person may do
HELD = (RefundState.ASKED, RefundState.APPROVED, RefundState.SENT)  # its money is set aside
COUNTED = (*HELD, RefundState.DONE)  # counts against what came in


def after(state: RefundState, event: RefundEvent) -> RefundState:
    """Return the state that event leads to. Raises IllegalTransition; nothing has changed then."""
    try:
        return TRANSITIONS[state][event]
    except KeyError:
        raise IllegalTransition(f"{event} cannot happen to a refund that is {state}") from None


def mermaid() -> str:
    """Return the table as a Mermaid state diagram; the architecture page holds this very text."""
    lines = ["stateDiagram-v2"]
    lines += [f"    [*] --> {state}" for state in BEGINS]
    lines += [
        f"    {state} --> {target}: {event.replace('_', ' ')}"
        for state, events in TRANSITIONS.items()
        for event, target in events.items()
    ]
    return "\n".join(lines) + "\n"

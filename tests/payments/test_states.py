"""The table of states is the whole order of a payment's life."""

from __future__ import annotations

import pytest

from vinflow.payments.errors import IllegalTransition
from vinflow.payments.states import TRANSITIONS, Event, Status, after, mermaid


@pytest.mark.parametrize("state", Status)
@pytest.mark.parametrize("event", Event)
def test_an_event_leads_where_the_table_says_or_is_refused(state: Status, event: Event) -> None:
    target = TRANSITIONS[state].get(event)

    if target is None:
        with pytest.raises(IllegalTransition):
            after(state, event)
    else:
        assert after(state, event) is target


def test_nothing_leaves_completed() -> None:
    assert TRANSITIONS[Status.COMPLETED] == {}


def test_money_completes_a_payment_in_every_unpaid_state() -> None:
    unpaid = set(Status) - {Status.COMPLETED}

    assert {after(state, Event.MONEY_MATCHED) for state in unpaid} == {Status.COMPLETED}


def test_money_is_the_only_way_into_completed() -> None:
    ways = {
        event
        for events in TRANSITIONS.values()
        for event, target in events.items()
        if target is Status.COMPLETED
    }

    assert ways == {Event.MONEY_MATCHED}


def test_the_diagram_names_every_arrow_of_the_table() -> None:
    arrows = sum(len(events) for events in TRANSITIONS.values())

    assert mermaid().count("-->") == arrows + 1

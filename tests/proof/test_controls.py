"""Every guard taken away, one at a time: the test named for it goes red, for the reason named for it."""

from __future__ import annotations

import inspect
import os
import re
import time
from typing import Any

import pytest
from django.db import connection
from tests.payments.test_reviewing import odd, staff
from tests.proof.controls import CONTROLS, Control
from tests.proof.figures import WANTED, hand_over
from tests.proof.test_races import moves, world_of

__all__ = ["moves", "odd", "staff", "world_of"]  # fixtures that the tests named here ask for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both]
PROVE = bool(os.environ.get("PROVE"))


def here(control: Control) -> bool:
    """Return whether a guard is removed on this database: on both in `make prove`, else where it is fast.

    What the database itself refuses is tried on both in any case.
    """
    if PROVE or control.triggers:
        return connection.vendor in control.where
    return connection.vendor == control.where[0]


HERE = [control for control in CONTROLS if here(control)]
# The others are green in their own files, in every run; in `make prove` here too.
GREEN = [one for one in HERE if PROVE or one.test.__module__.startswith("tests.proof")]
ROWS: list[list[str]] = []


def run(control: Control, request: pytest.FixtureRequest) -> None:
    """Run the test of a guard with the fixtures it names."""
    wanted = inspect.signature(control.test).parameters
    given: dict[str, Any] = {name: request.getfixturevalue(name) for name in wanted}
    control.test(**given)


@pytest.mark.parametrize("control", GREEN, ids=lambda control: control.guard)
def test_with_the_guard_its_test_is_green(control: Control, request: pytest.FixtureRequest) -> None:
    run(control, request)


@pytest.mark.parametrize("control", HERE, ids=lambda control: control.guard)
def test_without_the_guard_its_test_is_red_for_the_reason_named(
    control: Control, request: pytest.FixtureRequest
) -> None:
    for name in inspect.signature(control.test).parameters:
        request.getfixturevalue(name)  # before the guard goes: it is the test that must fail
    try:
        with control.removed():
            run(control, request)
    except (Exception, pytest.fail.Exception) as error:
        said = f"{type(error).__name__}: {error}"
    else:
        pytest.fail(f"green without {control.guard}: {control.test.__name__} proves nothing about it")

    assert re.search(control.reason, said, re.DOTALL), said
    ROWS.append([control.guard, control.rule, control.test.__name__, said.strip().splitlines()[0][:120]])


def test_twelve_guards_and_more_have_been_removed() -> None:
    assert len(CONTROLS) >= 12
    assert len({control.guard for control in CONTROLS}) == len(CONTROLS)
    if WANTED and len(ROWS) == len(HERE):
        hand_over(
            f"controls-{connection.vendor}",
            title=f"Guards removed one at a time, {connection.vendor}",
            head=["guard", "money rule", "the test that goes red", "the reason seen"],
            rows=ROWS,
            seed=0,
            count=len(ROWS),
            duration_s=time.process_time(),
            text="Each test is green with its guard in place, and red without it for the reason named.",
        )

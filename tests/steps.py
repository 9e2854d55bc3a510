"""Work counted rather than timed: the same on every machine, at every load."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["steps_of"]


def steps_of(act: Callable[[], object]) -> int:
    """Return how many instructions the interpreter carries out during a call, in every function below it.

    What C does within one instruction counts once, however long it takes.
    """
    steps = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return steps

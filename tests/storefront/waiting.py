"""Wait for what a page shows."""

from __future__ import annotations

from typing import Any

__all__ = ["wait_for_state"]


def wait_for_state(page: Any, state: str, timeout_s: float = 30) -> None:
    """Return once the checkout shows this state; Playwright's TimeoutError after so many seconds."""
    page.wait_for_function(
        "state => document.querySelector('main').dataset.state === state", arg=state, timeout=timeout_s * 1000
    )

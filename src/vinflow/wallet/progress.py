"""A bar for commands that walk over all rows. Not in `findings`: a site that only serves needs no `rich`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vinflow.wallet.findings import Tick

__all__ = ["with_bar"]

T = TypeVar("T")


def with_bar(name: str, look: Callable[[Tick], T]) -> T:
    """Return what a look returns, with a bar on the error stream that shows how far it is.

    name: what is counted ("lines"). look: given what it tells of its progress.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(name, total=None)
        return look(lambda done, total: progress.update(task, completed=done, total=total))

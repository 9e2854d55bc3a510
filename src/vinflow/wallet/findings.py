"""What a look over all rows found: counted in full, kept up to a bound."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

__all__ = ["KEPT", "Findings", "Tick"]

KEPT = 1_000
Tick = Callable[[int, int], object]  # rows done, rows in all


@dataclass
class Findings:
    """Problems in the order they were met. All is right when `problem_count` is 0."""

    problems: list[str] = field(default_factory=list)
    problem_count: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return self.problem_count == 0

    def take(self, problems: Iterable[str]) -> None:
        """Count problems and keep the first thousand."""
        for problem in problems:
            self.problem_count += 1
            if len(self.problems) < KEPT:
                self.problems.append(problem)

"""What a campaign counted, handed to the report as a file: var/prove/<name>.json."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

__all__ = ["FOLDER", "WANTED", "hand_over"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "prove"
# In `make prove`, or for a run of ordinary size whose figures somebody wants: FIGURES=1 pytest ...
WANTED = bool(os.environ.get("PROVE") or os.environ.get("FIGURES"))


def hand_over(
    name: str,
    *,
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[object]],
    seed: int,
    count: int,
    duration_s: float,
    text: str = "",
    violations: int = 0,
    **versions: str,
) -> None:
    """Write one table for the report. Raises ValueError for a campaign that ran nothing.

    versions: what was used besides Python and Django, by its name: database="PostgreSQL 15.4".
    """
    if not rows or count <= 0:
        raise ValueError(f"the campaign {name} ran nothing: there is nothing to report")
    FOLDER.mkdir(parents=True, exist_ok=True)
    table = {
        "name": name,
        "title": title,
        "head": list(head),
        "rows": [list(row) for row in rows],
        "seed": seed,
        "count": count,
        "versions": {"python": platform.python_version(), "django": version("django"), **versions},
        "commit": _commit(),
        "duration_s": round(duration_s, 1),
        "violations": violations,
        "text": text,
    }
    (FOLDER / f"{name}.json").write_text(json.dumps(table, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _commit() -> str:
    asked = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or "unknown"

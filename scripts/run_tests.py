"""Every test, on both databases: `make test` and `.ci/run` end here.

First what is marked `both` or `postgres`, on PostgreSQL; then everything but `postgres`, on SQLite. Both must
pass. The last line printed is the second run's own closing line, so that a reader (or a machine) sees the
larger count. Arguments are handed to both runs: `make test ARGS="-k credit -x"`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NO_TESTS = 5  # pytest's exit status when it collected nothing


def main() -> int:
    """Return 0 when both runs passed, the first failing run's status otherwise."""
    arguments = sys.argv[1:]
    print("== PostgreSQL: what is marked both or postgres", flush=True)
    on_postgres = _pytest("postgres", arguments)
    print("== SQLite: everything that does not need PostgreSQL", flush=True)
    on_sqlite = _pytest("sqlite", arguments)
    statuses = [on_postgres, on_sqlite]
    if arguments and set(statuses) == {0, NO_TESTS}:
        return 0  # a chosen part may well live on one database alone; the whole may not
    return next((status for status in statuses if status), 0)


def _pytest(database: str, arguments: list[str]) -> int:
    environment = {**os.environ, "TEST_DATABASE": database}
    # Two workers, a file of tests each: a file shares one demonstration, and one Chromium.
    command = [sys.executable, "-m", "pytest", "-n", "2", "--dist", "loadfile", *arguments]
    if not arguments:  # what was measured of the whole, for scripts/badges.py
        command += [f"--junitxml={ROOT / 'var' / f'tests-{database}.xml'}", "-o", "junit_family=xunit2"]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

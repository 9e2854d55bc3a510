"""Many seeds, one after the other or on several processes; what they found, as rows for the report.

A campaign writes its file as it goes, without a closing time; only one that came to its end has one.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import platform
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.proof.simulator import Outcome

__all__ = ["ROOT", "Coverage", "commit", "main", "run_seed", "stand_alone", "versions", "write"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "prove"
SOCKET_EVERY = 25  # of so many runs one goes over a real socket


def versions() -> dict[str, str]:
    """Return what this runs on: Python, Django, the database and VinFlow."""
    import sqlite3

    import django

    import vinflow

    return {
        "vinflow": vinflow.__version__,
        "python": platform.python_version(),
        "django": django.get_version(),
        "sqlite": sqlite3.sqlite_version,
    }


@lru_cache
def commit() -> str:
    """Return the commit that is proved, with a plus where the tree differs from it."""
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty=+", "--abbrev=10", "--exclude=*"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"


def write(name: str, **values: Any) -> Path:
    """Write the file of a campaign; without duration_s it says that it was not finished."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.json"
    whole = {"name": name, "versions": versions(), "commit": commit(), "duration_s": None, **values}
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


@contextlib.contextmanager
def stand_alone() -> Iterator[None]:
    """Run the body with Django set up by the tests' settings and a database in memory, outside pytest."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    import django

    django.setup()
    from django.db import connection
    from django.test.utils import setup_test_environment

    setup_test_environment()
    if connection.vendor == "sqlite":
        connection.settings_dict["TEST"]["NAME"] = None
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    yield


def run_seed(seed: int, *, verbose: bool = False, socket: bool | None = None) -> Outcome:
    """Return what came of one seed. socket: by the seed unless told: one in twenty-five."""
    from tests.proof.simulator import Simulator

    if socket is None:
        socket = seed % SOCKET_EVERY == SOCKET_EVERY - 1
    return Simulator(seed, socket=socket, verbose=verbose).run()


_alone = contextlib.ExitStack()


def _begin() -> None:
    _alone.enter_context(stand_alone())


def _one(seed: int) -> Outcome:
    outcome = run_seed(seed)
    outcome.trace = outcome.trace if outcome.violations else []
    return outcome


class Coverage:
    """How often each fault, and each pair of them, was drawn and took effect."""

    def __init__(self) -> None:
        self.drawn: Counter[str] = Counter()
        self.runs: Counter[str] = Counter()
        self.times: Counter[str] = Counter()
        self.pairs: Counter[tuple[str, str]] = Counter()

    def take(self, outcome: Outcome) -> None:
        """Count one run."""
        self.drawn.update(outcome.drawn)
        met = sorted(name for name, n in outcome.met.items() if n)
        self.runs.update(met)
        self.times.update(outcome.met)
        self.pairs.update(combinations(met, 2))

    def unmet(self) -> list[str]:
        """Return the faults of the catalogue that never took effect."""
        from tests.proof.faults import FAULTS

        return [fault.name for fault in FAULTS if not self.runs[fault.name]]

    def rows(self) -> list[list[Any]]:
        """Return a row for each fault."""
        from tests.proof.faults import FAULTS

        return [
            [f.group, f"`{f.name}`", f.what, self.drawn[f.name], self.runs[f.name], self.times[f.name]]
            for f in FAULTS
        ]

    def pairs_text(self) -> str:
        """Return a sentence on the pairs."""
        from tests.proof.faults import APART, FAULTS

        apart = {frozenset(pair) for group in APART for pair in combinations(group, 2)}
        every = [p for p in combinations(sorted(f.name for f in FAULTS), 2) if frozenset(p) not in apart]
        seen = sorted(self.pairs[pair] for pair in every)
        met = sum(1 for n in seen if n)
        middle = seen[len(seen) // 2] if seen else 0
        return (
            f"Of the {len(every):,} pairs of faults that can meet, {met:,} were at work in one run together"
            f" (the middle one in {middle} runs, the most frequent in {seen[-1] if seen else 0})."
        )


class Tally:
    """What the runs of a campaign add up to."""

    def __init__(self, first: int, count: int) -> None:
        self.first, self.count, self.wanted = first, count, count
        self.sums: Counter[str] = Counter()
        self.states: Counter[str] = Counter()
        self.coverage = Coverage()
        self.broken: list[Outcome] = []
        self.seconds: list[float] = []
        self.processor_s: list[float] = []
        self.hours = 0.0
        self.began = time.time()

    def take(self, outcome: Outcome) -> None:
        """Add one run."""
        for name in ("payments", "calls", "steps", "looks", "deaths", "rivals", "left", "refunds"):
            self.sums[name] += getattr(outcome, name)
        self.sums["runs"] += 1
        self.sums["sockets"] += outcome.socket
        self.states.update(outcome.states)
        self.hours += outcome.hours
        self.seconds.append(outcome.seconds)
        self.processor_s.append(outcome.processor_s)
        self.coverage.take(outcome)
        if outcome.violations:
            self.broken.append(outcome)

    def save(self, *, closed: bool) -> None:
        """Write the two files of the campaign."""
        sums, seconds = self.sums, sorted(self.seconds) or [0.0]
        processor_s = sorted(self.processor_s) or [0.0]
        took = round(time.time() - self.began, 1) if closed else None
        ended = ", ".join(f"{n:,} {state}" for state, n in self.states.most_common())
        rows = [
            ["runs", f"{sums['runs']:,} of {self.wanted:,} wanted, seeds from {self.first}"],
            ["of these over a real socket", f"{sums['sockets']:,}"],
            ["payments", f"{sums['payments']:,} ({ended})"],
            ["calls to the stand-in", f"{sums['calls']:,}"],
            ["steps of workers", f"{sums['steps']:,}"],
            ["acts after which every state was compared", f"{sums['looks']:,}"],
            ["actors that died at a statement or in a call", f"{sums['deaths']:,}"],
            ["rivals that acted in a gap", f"{sums['rivals']:,}"],
            ["virtual time", f"{self.hours / 24:,.0f} days"],
            ["refunds sent, seen and booked", f"{sums['refunds']:,}"],
            ["transfers left for the bank's statement", f"{sums['left']:,}"],
            ["seconds a run, middle and longest", f"{seconds[len(seconds) // 2]:.1f}, {seconds[-1]:.1f}"],
            ["processor seconds a run, middle", f"{processor_s[len(processor_s) // 2]:.1f}"],
            ["runs in which a rule was broken", f"{len(self.broken):,}"],
        ]
        common = {
            "seed": self.first,
            "count": sums["runs"],
            "wanted": self.wanted,
            "duration_s": took,
            "violations": len(self.broken),
        }
        write("simulator", title="The simulator", head=["what", "how many"], rows=rows, **common)
        write(
            "faults",
            title="Faults that were at work",
            head=["kind", "fault", "what it is", "drawn in runs", "at work in runs", "times"],
            rows=self.coverage.rows(),
            text=self.coverage.pairs_text(),
            unmet=self.coverage.unmet(),
            **common,
        )


def campaign(first: int, count: int, jobs: int, stop_at: float | None = None) -> Tally:
    """Run so many seeds and return their tally; progress goes to the screen, rows to files.

    stop_at: no new run begins after this moment (epoch seconds); the tally says how many there were.
    """
    tally = Tally(first, count)
    tally.save(closed=False)
    seeds = iter(range(first, first + count))
    if jobs == 1:
        _begin()
        for seed in seeds:
            if stop_at is not None and time.time() > stop_at:
                break
            _told(tally, _one(seed))
    else:
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
        import django

        django.setup()  # what the processes hand back is read here
        with ProcessPoolExecutor(jobs, initializer=_begin) as pool:
            waiting: list[Any] = []
            for seed in seeds:
                if stop_at is not None and time.time() > stop_at:
                    break
                waiting.append(pool.submit(_one, seed))
                if len(waiting) >= 2 * jobs:
                    _told(tally, waiting.pop(0).result())
            for future in waiting:
                _told(tally, future.result())
    tally.count = tally.sums["runs"] if stop_at is not None else count
    tally.save(closed=tally.sums["runs"] == tally.count)
    return tally


def _told(tally: Tally, outcome: Outcome) -> None:
    tally.take(outcome)
    done = tally.sums["runs"]
    for what in outcome.violations:
        print(f"seed {outcome.seed}: {what}", flush=True)
    if outcome.violations:
        print(f"  again: {sys.executable} -m tests.proof --seed {outcome.seed} -v", flush=True)
    if done % 20 == 0 or done == tally.count:
        spent = time.time() - tally.began
        print(
            f"{done} of {tally.count} runs, {tally.sums['payments']} payments, {spent:.0f} s,"
            f" {len(tally.broken)} broken, {len(tally.coverage.unmet())} faults not met yet",
            flush=True,
        )
        tally.save(closed=False)


def main() -> int:
    """Run one seed, or a campaign; return 1 when a rule was broken or the campaign proves nothing."""
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description="Simulated days of payments.")
    parser.add_argument("--seed", type=int, help="one seed; with -v its trace")
    parser.add_argument("--socket", action="store_true", default=None, help="this seed over a real socket")
    parser.add_argument("-v", "--verbose", action="store_true", help="print every act")
    parser.add_argument("--runs", type=int, default=100, help="how many seeds (default 100)")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--minutes", type=float, help="begin no new run after so many minutes")
    chosen = parser.parse_args()
    if chosen.seed is not None:
        _begin()
        outcome = run_seed(chosen.seed, verbose=chosen.verbose, socket=chosen.socket)
        print(
            f"seed {outcome.seed}: {outcome.states}, {outcome.calls} calls, {outcome.deaths} deaths,"
            f" {outcome.refunds} refunds,"
        )
        print(f"  met {dict(outcome.met)}, trace {outcome.digest}, {outcome.seconds:.1f} s")
        for what in outcome.violations:
            print(f"BROKEN: {what}")
        return int(bool(outcome.violations))
    stop_at = time.time() + 60 * chosen.minutes if chosen.minutes else None
    tally = campaign(chosen.first, chosen.runs, chosen.jobs, stop_at)
    if not tally.sums["runs"]:
        print("nothing was run: that proves nothing")
        return 1
    for name in tally.coverage.unmet():
        print(f"never met: {name}")
    return int(bool(tally.broken or tally.coverage.unmet()))

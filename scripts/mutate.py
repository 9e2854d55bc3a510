"""Mutation testing of the modules that decide about money: does a test go red when a line is wrong?

    make mutate                                   every mutant of every module below (about an hour)
    make mutate ARGS="--only matching --only states"        of some modules
    make mutate ARGS="--alive"                    after a new test: those that lived, again
    make mutate ARGS="--sample 200 --seed 7"      of a random sample of all

The tool is mutmut, in an environment of its own under var/mutate (`make setup` does not bring it). It works
on a copy; nothing in src changes. What it leaves out by design is done by hand here: it skips decorated
functions, so a top-level function is decorated below its body instead. Tables and constants of a module
are not mutated. A mutant that no test covers counts as alive.

Writes var/prove/mutation.json for the report, and var/mutate/alive.txt with the diff of each survivor.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "var" / "mutate"
VENV = HOME / "venv"
MUTMUT = "mutmut==3.8.1"

MODULES = {
    "matching": "payments/matching.py",
    "states": "payments/states.py",
    "decoder": "khqr/decoder.py",
    "schedule": "payments/schedule.py",
    "inspection": "payments/inspection.py",
    "crediting": "payments/crediting.py",
    "posting": "wallet/posting.py",
}
# Plain Python is judged by plain tests alone, so that hundreds of mutants take minutes; what writes the
# books by tests with a database and the stand-in.
PLAIN = (
    "tests/khqr/test_decoder.py",
    "tests/khqr/test_quirks.py",
    "tests/khqr/test_describe.py",
    "tests/payments/test_matching.py",
    "tests/payments/test_states.py",
    "tests/payments/test_schedule.py",
    "tests/payments/test_edges.py",
)
BOOKS = (
    "tests/wallet/test_posting.py",
    "tests/wallet/test_holds.py",
    "tests/wallet/test_wallet_audit.py",
    "tests/payments/test_the_thin_line.py",
    "tests/payments/test_reviewing.py",
    "tests/payments/test_guards.py",
    "tests/payments/test_books_edges.py",
)
GROUPS = {"plain": PLAIN, "books": BOOKS}


def group_of(name: str) -> str:
    """Return which tests judge a module."""
    return "books" if name in ("crediting", "posting") else "plain"


# Equivalent mutants, read one by one: "function__mutmut_number" is not stable, so a survivor is known by
# its changed line. The reason stands beside it. The run knows SQLite alone: what only PostgreSQL can tell is
# listed too, with the test that goes red there.
EQUIVALENT = ROOT / "tests" / "proof" / "equivalent_mutants.json"

CONFTEST = '''
import os, pathlib, shutil
import pytest
TEMPLATE = pathlib.Path(os.environ["MUTATE_TEMPLATE"])

def pytest_configure(config):
    """A database file for each process, copied from one that is migrated."""
    from django.db import connections
    own = TEMPLATE.with_name(f"own-{os.getpid()}.sqlite3")
    connections["default"].settings_dict["TEST"]["NAME"] = str(own)
    if TEMPLATE.exists():
        shutil.copyfile(TEMPLATE, own)
        config.option.reuse_db = True

def pytest_unconfigure(config):
    for left in TEMPLATE.parent.glob(f"own-{os.getpid()}.sqlite3*"):
        left.unlink()

@pytest.fixture(scope="session", autouse=True)
def template(request):
    if not TEMPLATE.exists():
        request.getfixturevalue("django_db_setup")
        with request.getfixturevalue("django_db_blocker").unblock():
            from django.db import connection
            with connection.cursor() as cursor:
                cursor.execute(f"VACUUM INTO '{TEMPLATE}'")
            connection.close()
'''


def main() -> int:
    """Return 0 when the campaign ran and counted; 1 when it was cut off or ran nothing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=MODULES, help="a module; may be repeated")
    parser.add_argument("--sample", type=int, help="so many mutants of all, chosen at random")
    parser.add_argument("--alive", action="store_true", help="those that lived through the last run, again")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--children", type=int, default=2)
    parser.add_argument("--collect", action="store_true", help="only write the figures of the last run")
    arguments = parser.parse_args()
    started = time.monotonic()
    chosen = arguments.only or list(MODULES)
    if not arguments.collect:
        prepare_tool()
        for group in GROUPS:
            if mine := [name for name in chosen if group_of(name) == group]:
                prepare_copy(group, mine)
                run(group, mine, arguments)
    return report(chosen, seed=arguments.seed, duration_s=time.monotonic() - started)


def prepare_tool() -> None:
    """Make the tool's own environment, which sees everything of .venv."""
    if (VENV / "bin" / "mutmut").exists():
        return
    uv = str(ROOT / ".venv" / "bin" / "uv")
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, str(VENV)], check=True)
    subprocess.run([uv, "pip", "install", "--quiet", "--python", str(VENV), MUTMUT], check=True)
    ours = next((ROOT / ".venv" / "lib").glob("python3.*/site-packages"))
    theirs = next((VENV / "lib").glob("python3.*/site-packages"))
    (theirs / "house.pth").write_text(f"{ours}\n", "utf-8")


def work_of(group: str) -> Path:
    """Return the folder in which a group's copies lie."""
    return HOME / group


def prepare_copy(group: str, chosen: list[str]) -> None:
    """Copy what mutants and tests need; decorate the functions of chosen modules after their bodies."""
    work = work_of(group)
    keep = work / "mutants"
    for name in ("src", "tests", "scripts", "docs", "bench"):
        shutil.rmtree(work / name, ignore_errors=True)
        shutil.copytree(
            ROOT / name, work / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules")
        )
    shutil.rmtree(keep / "tests", ignore_errors=True)
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, work / name)
    (work / "conftest.py").write_text(CONFTEST, "utf-8")
    tests = [name for name in GROUPS[group] if (ROOT / name).exists()]
    lists = {
        "source_paths": ["src"],
        "only_mutate": [f"src/vinflow/{MODULES[name]}" for name in chosen],
        "also_copy": ["scripts", "docs", "bench", "conftest.py", "README.md"],
        "pytest_add_cli_args_test_selection": tests,
        "pytest_add_cli_args": ["-p", "no:cacheprovider"],
    }
    config = "[mutmut]\n" + "".join(f"{name}=\n    " + "\n    ".join(v) + "\n" for name, v in lists.items())
    (work / "setup.cfg").write_text(
        config + "use_git_change_detection=false\ntimeout_multiplier=3.0\n", "utf-8"
    )
    for name in chosen:
        path = work / "src" / "vinflow" / MODULES[name]
        path.write_text(undecorated(path.read_text("utf-8")), "utf-8")


def undecorated(text: str) -> str:
    """Return a module whose top-level functions are decorated after their bodies: the same, and mutable."""
    lines = text.splitlines(keepends=True)
    appended, dropped = [], set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and node.decorator_list:
            dropped |= {
                n for d in node.decorator_list for n in range(d.lineno, (d.end_lineno or d.lineno) + 1)
            }
            wrapped = node.name
            for decorator in reversed(node.decorator_list):
                wrapped = f"{ast.unparse(decorator)}({wrapped})"
            appended.append(f"\n\n{node.name} = {wrapped}\n")
    return "".join(line for n, line in enumerate(lines, start=1) if n not in dropped) + "".join(appended)


def environment(group: str) -> dict[str, str]:
    """Return the environment of the tool and of every test it runs."""
    folder = HOME / f"home-{group}"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "TEST_DATABASE": "sqlite",
        "VINFLOW_TEST_FOLDER": str(folder),
        "MUTATE_TEMPLATE": str(folder / "template.sqlite3"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HYPOTHESIS_MAX_EXAMPLES": "50",
    }


def run(group: str, chosen: list[str], arguments: argparse.Namespace) -> None:
    """Let the tool run; its own words go to var/mutate/<group>.log."""
    (HOME / f"home-{group}" / "template.sqlite3").unlink(missing_ok=True)
    command = [str(VENV / "bin" / "mutmut"), "run", "--max-children", str(arguments.children)]
    if arguments.alive:
        command += [
            key for name in chosen for key, code in exit_codes(name).items() if verdict(code) == ALIVE
        ]
    elif arguments.sample:
        command += sampled(group, chosen, arguments.sample, arguments.seed)
    with (HOME / f"{group}.log").open("w") as log:
        subprocess.run(
            command, cwd=work_of(group), env=environment(group), stdout=log, stderr=log, check=False
        )


def sampled(group: str, chosen: list[str], count: int, seed: int) -> list[str]:
    """Return names of mutants chosen at random from those the tool made in an earlier run of this group."""
    names = sorted(key for name in chosen for key in exit_codes(name))
    if not names:
        raise SystemExit(f"no mutants of {group} are known yet: run once without --sample, or stop it early")
    return random.Random(seed).sample(names, min(count, len(names)))


def exit_codes(name: str) -> dict[str, int | None]:
    """Return what the tool remembers of a module: the exit status of the tests for each mutant."""
    meta = work_of(group_of(name)) / "mutants" / "src" / "vinflow" / f"{MODULES[name]}.meta"
    return dict(json.loads(meta.read_text("utf-8"))["exit_code_by_key"]) if meta.exists() else {}


KILLED, ALIVE, SKIPPED = "killed", "alive", "not run"


def verdict(exit_code: int | None) -> str:
    """Return what became of a mutant. Caught by a time-out or a crash is caught; untested is alive."""
    if exit_code in (1, 3, 36, 24, -24, -9, 152, 255, -11):
        return KILLED
    return SKIPPED if exit_code in (None, 2, 34) else ALIVE


def report(chosen: list[str], *, seed: int, duration_s: float) -> int:
    """Write the figures and the survivors; return 1 when nothing was run or some were left over."""
    listed = json.loads(EQUIVALENT.read_text("utf-8")) if EQUIVALENT.exists() else []
    known = {(one["module"], one["was"].strip(), one["is"].strip()): one["why"] for one in listed}
    rows, survivors, left = [], [], 0
    totals = [0, 0, 0, 0]
    for name in MODULES:
        verdicts = {key: verdict(code) for key, code in exit_codes(name).items()}
        if name not in chosen or not verdicts:
            continue
        alive = [key for key, word in verdicts.items() if word == ALIVE]
        equivalent = 0
        for key, (was, now) in changes(name, alive).items():
            why = known.get((name, was.strip(), now.strip()))
            equivalent += why is not None
            survivors.append(f"# {key}: {why or 'ALIVE'}\n- {was}\n+ {now}\n")
        killed = sum(word == KILLED for word in verdicts.values())
        left += sum(word == SKIPPED for word in verdicts.values())
        ran = killed + len(alive)
        counts = [ran, killed, equivalent, len(alive) - equivalent]
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        rows.append([MODULES[name], *counts, score(*counts)])
    if not totals[0]:
        print("no mutant was run: see var/mutate/log.txt")
        return 1
    rows.append(["all", *totals, score(*totals)])
    (HOME / "alive.txt").write_text("\n".join(survivors), "utf-8")
    elsewhere = sum("PostgreSQL" in why for (name, _was, _now), why in known.items() if name in chosen)
    text = (
        "Killed over all that are not equivalent. The tool leaves module tables and constants alone. The run"
        f" is on SQLite: {elsewhere} kinds of mutants that only PostgreSQL can tell count as equivalent here,"
        " each held by a test that runs there and is named in tests/proof/equivalent_mutants.json."
    )
    if left:
        text += f" A sample: {left} further mutants were not run."
    write(rows, seed=seed, count=totals[0], duration_s=duration_s, text=text)
    for row in rows:
        print("  ".join(str(cell) for cell in row))
    print(f"{left} not run; survivors in {(HOME / 'alive.txt').relative_to(ROOT)}")
    return 0


def score(ran: int, killed: int, equivalent: int, _alive: int) -> str:
    """Return the share of mutants caught, of those that can be."""
    return f"{100 * killed / max(1, ran - equivalent):.1f} %"


DIFFS = """
import json, sys
from mutmut.mutation.diff_apply import get_diff_for_mutant
path, keys = json.load(sys.stdin)
print(json.dumps({key: get_diff_for_mutant(key, path=path) for key in keys}))
"""


def changes(name: str, keys: list[str]) -> dict[str, tuple[str, str]]:
    """Return the changed lines of some mutants of a module, as they were and as they are."""
    group = group_of(name)
    told = subprocess.run(
        [str(VENV / "bin" / "python"), "-c", DIFFS],
        cwd=work_of(group),
        env=environment(group),
        input=json.dumps([f"src/vinflow/{MODULES[name]}", keys]),
        capture_output=True,
        text=True,
        check=True,
    )
    found = {}
    for key, diff in json.loads(told.stdout).items():
        body = [line for line in diff.splitlines() if not line.startswith(("---", "+++", "@@"))]
        found[key] = (
            "; ".join(line[1:].strip() for line in body if line.startswith("-")),
            "; ".join(line[1:].strip() for line in body if line.startswith("+")),
        )
    return found


def write(rows: list[list[object]], *, seed: int, count: int, duration_s: float, text: str) -> None:
    """Hand the table to the report."""
    sys.path.insert(0, str(ROOT))
    from tests.proof.figures import hand_over  # the one way figures reach the report

    hand_over(
        "mutation",
        title="Mutants of the modules that decide about money",
        head=["module", "mutants run", "killed", "equivalent", "alive", "score"],
        rows=rows,
        seed=seed,
        count=count,
        duration_s=duration_s,
        text=text,
        tool=MUTMUT,
    )


if __name__ == "__main__":
    sys.exit(main())

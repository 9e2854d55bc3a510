"""Fuzz the KHQR codec: `python -m fuzz.khqr [--inputs 1000000]`.

Makes a throw-away environment with atheris under build/fuzz, seeds a corpus from the test vectors,
and runs fuzz/khqr_target.py at low priority. Leaves the corpus for the next run; a crashing input is
written beside it and the exit code is not 0.
"""

# ruff: noqa: T201 (a program: it prints)
from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / "build" / "fuzz"
VECTORS = ROOT / "tests" / "vectors"
ATHERIS = "atheris==3.0.0"


def environment() -> Path:
    """Return the interpreter of an environment that has atheris, made when it is not there yet."""
    python = HOME / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(HOME / "venv", with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", ATHERIS], check=True)
    return python


def seed(corpus: Path) -> int:
    """Write the vectors as first inputs, each with the byte that picks its way, and count them."""
    corpus.mkdir(parents=True, exist_ok=True)
    count = 0
    for file in sorted(VECTORS.glob("*.json")):
        for vector in json.loads(file.read_text(encoding="utf-8"))["vectors"]:
            request = {"operation": vector.get("operation", file.stem), "input": vector["input"]}
            inputs = [b"\4" + json.dumps(request).encode()]
            for text in (
                vector["input"].get("qr"),
                vector["expected"].get("qr") if "expected" in vector else None,
            ):
                if isinstance(text, str):
                    raw = text.encode("utf-8", "surrogatepass")
                    inputs += [b"\0" + raw, b"\1" + raw[:-8]]
            for number, data in enumerate(inputs):
                (corpus / f"{vector['id']}-{number}").write_bytes(data)
                count += 1
    return count


def report(lines: list[str], *, seed: int, seeds: int, took_s: float, exit_code: int) -> bool:
    """Leave the figures of a run, from libFuzzer's last lines, for the report; False: it ran nothing."""
    from tests.proof.figures import hand_over  # the one way figures reach the report

    stats = dict(re.findall(r"^stat::(\w+):\s*(\d+)$", "\n".join(lines), re.MULTILINE))
    inputs = int(stats.get("number_of_executed_units", 0))
    if not inputs:
        return False
    hand_over(
        "codec",
        title="Inputs made for the codec, guided by coverage",
        head=["what", "how many"],
        rows=[
            ["inputs run", inputs],
            ["first inputs, from the vectors", seeds],
            ["crashes, hangs of ten seconds, answers that disagree", int(exit_code != 0)],
            ["whole seconds of the slowest input", int(stats.get("slowest_unit_time_sec", -1))],
        ],
        seed=seed,
        count=inputs,
        duration_s=took_s,
        violations=int(exit_code != 0),
        atheris=ATHERIS.partition("==")[2],
    )
    return True


def main() -> int:
    """Run the fuzzer and print its last line and how long it took; return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="how many inputs to run")
    parser.add_argument("--seed", type=int, default=1, help="libFuzzer's own seed")
    options = parser.parse_args()
    python = environment()
    corpus = HOME / "corpus"
    seeds = seed(corpus)
    started = time.monotonic()
    run = subprocess.run(
        [
            "nice", "-n", "10", python, str(ROOT / "fuzz" / "khqr_target.py"),
            f"-runs={options.inputs}", f"-seed={options.seed}", "-max_len=400", "-timeout=10",
            "-print_final_stats=1", f"-artifact_prefix={HOME}/", str(corpus),
        ],
        cwd=HOME,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )  # fmt: skip
    lines = run.stdout.splitlines()
    print("\n".join(lines[-60:] if run.returncode else lines[-12:]))
    took = time.monotonic() - started
    ran = report(lines, seed=options.seed, seeds=seeds, took_s=took, exit_code=run.returncode)
    print(f"{options.inputs} inputs asked, {seeds} seeds, {took:.0f} s, exit {run.returncode}")
    return run.returncode or int(not ran)


if __name__ == "__main__":
    sys.exit(main())

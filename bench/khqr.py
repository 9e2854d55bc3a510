"""Time the KHQR codec beside the official SDK and beside PyPI's package: `python -m bench.khqr [--json]`.

All in one run, on the same inputs, in interleaved rounds: ours, theirs, ours, theirs; the medians of the
rounds are compared, and their spread (half of the range between the quartiles) is printed. Rounds are short,
under a millisecond, and many, so that on a busy machine most of them run undisturbed; each begins with one
pass that is not counted, for the caches. What is timed is what a caller does: from values at hand to a text
and its md5 for encode, from a text to a payload or a verdict for decode and verify. Needs npm; installs both
rivals under build/ and bench/khqr/node_modules, not into the project's own environment.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import statistics
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vinflow.khqr import Individual, Merchant, decode, encode, md5, read_emv, read_fields, verify
from vinflow.khqr.crc import checksum
from vinflow.money import Currency

ROOT = Path(__file__).resolve().parent.parent
HERE = Path(__file__).resolve().parent / "khqr"
PYPI = "bakong-khqr==0.6.5"
NOW_MS = 1735689600000

# (name, operation, family of inputs, least ratio wanted against the official SDK; None: shown, no target)
AGAINST_OFFICIAL = (
    ("encode dynamic", "encode", "dynamic", 2.0),
    ("encode static", "encode", "static", 1.5),
    ("encode Khmer", "encode", "khmer", 1.0),
    ("decode dynamic", "decode", "dynamic", 1.2),
    ("decode static", "decode", "static", 1.2),
    ("decode Khmer", "decode", "khmer", 1.0),
    ("verify dynamic", "verify", "dynamic", 1.2),
    ("verify static", "verify", "static", 1.2),
    ("verify Khmer", "verify", "khmer", None),
)
AGAINST_PYPI = ("encode dynamic", "encode static")
PYPI_TARGET = 15.0
CALLS = 1  # times each of 20 inputs is called in one round


def inputs_of(family: str) -> list[dict[str, Any]]:
    """Return 20 encode inputs of a family in the schema of the vectors: no two share account or amount."""
    made = []
    for number in range(20):
        given: dict[str, Any] = {
            "merchant_type": "individual",
            "bakong_account_id": f"sok_dara{number:02}@aclb",
            "merchant_name": f"Sok Dara {number:02}",
            "merchant_city": "Phnom Penh",
            "currency": 840 if number % 2 else 116,
        }
        if family != "static":
            # No round numbers: "1" and "1.00" are two texts, and neither side should be asked to choose.
            given["amount"] = f"{number + 1}.{number % 90 + 10}" if number % 2 else str(100 * (number + 1))
            given["expiration_timestamp"] = NOW_MS + 600_000
            given["bill_number"] = f"TXN{number:022}"
            given["store_label"] = "VinFlow"
            given["terminal_label"] = "Web"
        if family == "khmer":
            given["merchant_name"] = "ហាងកាហ្វេ"
            given["merchant_city"] = "ភ្នំពេញ"
        if number % 5 == 0:
            given |= {
                "merchant_type": "merchant",
                "merchant_id": f"{number:06}",
                "acquiring_bank": "Dev Bank",
            }
        made.append(given)
    return made


def encode_call(given: dict[str, Any]) -> Callable[[], object]:
    """Return a call that builds the payload, writes the text and takes its md5."""
    fields: dict[str, Any] = {
        "currency": Currency.USD if given["currency"] == 840 else Currency.KHR,
    }
    for name in ("amount", "expiration_timestamp", "bill_number", "store_label", "terminal_label"):
        if name in given:
            fields[name] = given[name]
    if "amount" in given:
        fields["creation_timestamp"] = NOW_MS
    account, name, city = given["bakong_account_id"], given["merchant_name"], given["merchant_city"]
    if given["merchant_type"] == "merchant":
        fields |= {"merchant_id": given["merchant_id"], "acquiring_bank": given["acquiring_bank"]}

        def merchant() -> tuple[str, str]:
            text = encode(Merchant(account, name, city, **fields))
            return text, md5(text)

        return merchant

    def individual() -> tuple[str, str]:
        text = encode(Individual(account, name, city, **fields))
        return text, md5(text)

    return individual


def our_calls(operation: str, inputs: list[dict[str, Any]]) -> list[Callable[[], object]]:
    """Return one call for each input, as a caller would make it."""
    if operation == "encode":
        return [encode_call(given) for given in inputs]
    texts = [given["qr"] for given in inputs]
    if operation == "decode":
        return [lambda text=text: decode(text) for text in texts]  # type: ignore[misc]
    if operation == "fields":
        return [lambda text=text: read_fields(text) for text in texts]  # type: ignore[misc]
    return [lambda text=text: verify(text, now_ms=NOW_MS) for text in texts]  # type: ignore[misc]


def timed(calls: list[Callable[[], object]], rounds: int) -> float:
    """Return the nanoseconds of one call, over all calls and rounds."""
    for call in calls:
        call()  # not counted: the other side has had the caches since
    started = time.perf_counter_ns()
    for _ in range(rounds):
        for call in calls:
            call()
    return (time.perf_counter_ns() - started) / (rounds * len(calls))


class Rival:
    """Another program behind a pipe: a JSON object a line each way."""

    def __init__(self, command: list[str], cwd: Path) -> None:
        self.process = subprocess.Popen(
            command, cwd=cwd, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
        )

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return its answer to one request. Raises RuntimeError when it has ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the rival ended: {self.process.args!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def close(self) -> None:
        """End it."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        self.process.wait(timeout=10)


def official() -> Rival:
    """Return the official SDK, installed from npm when it is not there yet."""
    if not (HERE / "node_modules" / "bakong-khqr").exists():
        install = ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"]
        subprocess.run(install, cwd=HERE, check=True)
    return Rival(["node", "worker.cjs"], HERE)


def pypi() -> Rival:
    """Return PyPI's package in an environment of its own, made when it is not there yet."""
    home = ROOT / "build" / "bench-khqr"
    python = home / "bin" / "python"
    if not python.exists():
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", PYPI], check=True)
    return Rival([str(python), "pypi_worker.py"], HERE)


def compare(ours: Callable[[], float], theirs: Callable[[], float], rounds: int) -> dict[str, float]:
    """Return medians, spreads and ratio of two timings taken in turns."""
    ours()
    theirs()  # both warm
    pairs = [(ours(), theirs()) for _ in range(rounds)]
    mine, other = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    quartiles = statistics.quantiles([pair[1] / pair[0] for pair in pairs], n=4)
    return {
        "ours_us": statistics.median(mine) / 1000,
        "ours_spread_us": spread(mine) / 1000,
        "theirs_us": statistics.median(other) / 1000,
        "theirs_spread_us": spread(other) / 1000,
        "ratio": statistics.median(other) / statistics.median(mine),
        "ratio_low": quartiles[0],
        "ratio_high": quartiles[2],
    }


def spread(values: list[float]) -> float:
    """Return half of the range between the quartiles."""
    low, _, high = statistics.quantiles(values, n=4)
    return (high - low) / 2


def linear() -> list[dict[str, Any]]:
    """Return how much a million characters cost against a hundred thousand, for each reader: 10 is linear."""
    shapes: dict[str, Callable[[int], str]] = {
        "unknown fields, sealed": lambda size: sealed(
            ("0299" + "x" * 99 + "0399" + "y" * 99) * (size // 206)
        ),
        "zeros": lambda size: "0" * size,
    }
    readers: dict[str, Callable[[str], object]] = {
        "decode": decode,
        "decode, lenient": lambda text: read_fields(text, lenient=True),
        "EMVCo reader": read_emv,
        "verify": lambda text: verify(text, now_ms=NOW_MS),
    }
    rows = []
    for shape, make in shapes.items():
        small, large = make(100_000), make(1_000_000)
        for name, read in readers.items():
            rows.append({"reader": name, "text": shape, "times": best(read, large) / best(read, small)})
    return rows


def sealed(body: str) -> str:
    """Return a body with its checksum: verify asks no more of a text without one."""
    return body + "6304" + checksum(body + "6304")


def best(read: Callable[[str], object], text: str) -> float:
    """Return the shortest of seven timings, in seconds of this process."""
    found = []
    for _ in range(7):
        started = time.process_time()
        with contextlib.suppress(ValueError):  # a refusal takes its time too
            read(text)
        found.append(time.process_time() - started)
    return min(found)


def run(rounds: int) -> dict[str, Any]:
    """Run the whole bench and return its figures."""
    sdk, package = official(), pypi()
    results: dict[str, Any] = {"official": {}, "pypi": {}}
    try:
        results["machine"] = {
            "processor": processor(),
            "python": platform.python_version(),
            **sdk.ask({"do": "versions"}),
            **package.ask({"operation": "versions"}),
        }
        for name, operation, family, target in AGAINST_OFFICIAL:
            inputs = inputs_of(family)
            if operation != "encode":
                inputs = [{"qr": encode_call(given)()[0]} for given in inputs]  # type: ignore[index]
            calls = our_calls(operation, inputs)
            request = {
                "do": "time",
                "operation": operation,
                "inputs": inputs,
                "rounds": CALLS,
                "now_ms": NOW_MS,
            }
            for _ in range(40):
                sdk.ask({**request, "rounds": 10})  # let the JIT settle before anything is counted
            row: dict[str, Any] = compare(
                lambda calls=calls: timed(calls, CALLS),  # type: ignore[misc]
                lambda request=request: float(sdk.ask(request)["ns"]),  # type: ignore[misc]
                rounds,
            )
            results["official"][name] = {
                **row,
                "target": target,
                "met": target is None or row["ratio"] >= target,
            }
        for name, operation, family, _ in AGAINST_OFFICIAL:
            if name in AGAINST_PYPI:
                inputs = [given for given in inputs_of(family) if given["merchant_type"] == "individual"]
                numbers = [{**given, "amount": float(given.get("amount", 0))} for given in inputs]
                calls = our_calls(operation, inputs)
                request = {"operation": "encode", "inputs": numbers[:5], "rounds": 1}
                row = compare(
                    lambda calls=calls: timed(calls, CALLS),  # type: ignore[misc]
                    lambda request=request: float(package.ask(request)["ns"]),  # type: ignore[misc]
                    rounds,
                )
                results["pypi"][name] = {**row, "target": PYPI_TARGET, "met": row["ratio"] >= PYPI_TARGET}
    finally:
        sdk.close()
        package.close()
    results["linear"] = linear()
    return results


def processor() -> str:
    """Return the processor's name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown"
    )


def table(results: dict[str, Any]) -> str:
    """Return the figures as two Markdown tables."""
    lines = [
        "| call | ours, µs | theirs, µs | ratio (quartiles of rounds) | wanted |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    for rival, title in (("official", "npm"), ("pypi", "PyPI")):
        for name, row in results[rival].items():
            wanted = "" if row["target"] is None else f"{row['target']:g}"
            lines.append(
                f"| {name}, {title} | {row['ours_us']:.2f} ± {row['ours_spread_us']:.2f} |"
                f" {row['theirs_us']:.2f} ± {row['theirs_spread_us']:.2f} |"
                f" {row['ratio']:.2f} ({row['ratio_low']:.2f} to {row['ratio_high']:.2f}) | {wanted} |"
            )
    lines += ["", "| reader | text | 10^6 against 10^5 characters |", "| --- | --- | ---: |"]
    lines += [f"| {row['reader']} | {row['text']} | {row['times']:.1f} |" for row in results["linear"]]
    return "\n".join(lines)


def main() -> int:
    """Print the figures; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object in place of the tables")
    parser.add_argument("--rounds", type=int, default=301)
    options = parser.parse_args()
    results = run(options.rounds)
    print(json.dumps(results) if options.json else table(results))
    rows = [*results["official"].values(), *results["pypi"].values()]
    return 0 if all(row["met"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())

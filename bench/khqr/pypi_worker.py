"""PyPI's bakong-khqr behind a pipe, in an environment of its own: one JSON line in, one out.

{"operation": "encode", "inputs": [...], "rounds": n} -> {"ns": nanoseconds for each call}
{"operation": "versions"} -> {"bakong_khqr": "...", "python": "..."}
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from typing import Any

from bakong_khqr import KHQR


def call_of(khqr: Any, given: dict[str, Any]) -> Any:
    """Return a call that makes the QR and the md5 of one input, as a user of the package would."""
    fields = {
        "account_id": given["bakong_account_id"],
        "merchant_name": given["merchant_name"],
        "merchant_city": given["merchant_city"],
        "amount": given.get("amount") or 0,
        "currency": "USD" if given.get("currency") == 840 else "KHR",
        "store_label": given.get("store_label") or "S",
        "phone_number": given.get("mobile_number") or "85512345678",
        "bill_number": given.get("bill_number") or "B",
        "terminal_label": given.get("terminal_label") or "T",
        "static": not given.get("amount"),
    }

    def call() -> str:
        text: str = khqr.create_qr(**fields)
        digest: str = khqr.generate_md5(text)
        return digest

    return call


def main() -> None:
    """Answer each line of standard input."""
    khqr = KHQR("no-token")
    for line in sys.stdin:
        request = json.loads(line)
        if request["operation"] == "versions":
            answer: dict[str, Any] = {"bakong_khqr": version("bakong-khqr"), "python": sys.version.split()[0]}
        else:
            calls = [call_of(khqr, given) for given in request["inputs"]]
            for call in calls:
                call()  # not counted: the other side has had the caches since
            started = time.perf_counter_ns()
            for _ in range(request["rounds"]):
                for call in calls:
                    call()
            answer = {"ns": (time.perf_counter_ns() - started) / (request["rounds"] * len(calls))}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

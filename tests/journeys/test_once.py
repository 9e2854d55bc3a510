"""`vinflow demo --once`: the whole path with nobody at the keyboard, judged by the books."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from vinflow.khqr import Individual, decode

KEYS = [
    "transaction_id", "md5", "qr_string", "amount", "currency", "bakong_calls", "paid_to_credited_s",
    "balance_before", "balance_after", "trial_balance", "status",
]  # fmt: skip


def _once(environment: dict[str, str], folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "vinflow.cli", "demo", "--once", "--json", *options],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


@pytest.mark.parametrize(
    ("protocol", "currency", "amount", "added"),
    [
        ("open-api", "USD", "0.01", "0.01"),
        ("hosted", "KHR", "4,000", "4000"),
    ],
)
def test_the_money_arrives(
    protocol: str,
    currency: str,
    amount: str,
    added: str,
    tmp_path: Path,
    clean_environment: Callable[..., dict[str, str]],
) -> None:
    options = ["--protocol", protocol, "--currency", currency, "--amount", amount]

    walked = _once(clean_environment(TMPDIR=str(tmp_path)), tmp_path, *options)

    assert walked.returncode == 0, walked.stderr
    assert list(tmp_path.iterdir()) == []  # nothing is left behind
    assert walked.stdout.count("\n") == 1  # progress goes elsewhere
    facts: dict[str, Any] = json.loads(walked.stdout)
    assert list(facts) == KEYS
    assert facts["status"] == "completed"
    assert (facts["amount"], facts["currency"]) == (added, currency)
    assert Decimal(facts["balance_after"]) - Decimal(facts["balance_before"]) == Decimal(added)
    assert facts["md5"] == hashlib.md5(facts["qr_string"].encode(), usedforsecurity=False).hexdigest()
    assert facts["bakong_calls"] >= 1
    assert 0 < facts["paid_to_credited_s"] < 120
    total = facts["trial_balance"][currency]
    assert total == {"debit": added, "credit": added, "balanced": True}
    payload = decode(facts["qr_string"])
    assert str(payload.currency) == currency
    if protocol == "open-api":
        assert isinstance(payload, Individual)
        assert payload.bill_number == facts["transaction_id"]


def test_a_walk_that_stops_says_where_and_fails(
    tmp_path: Path, clean_environment: Callable[..., dict[str, str]]
) -> None:
    # ten thousand dollars are the most by default; the site refuses more beside the field
    walked = _once(clean_environment(), tmp_path, "--amount", "10000.01")

    assert walked.returncode == 1
    facts = json.loads(walked.stdout.splitlines()[-1])
    assert facts["status"] == "stopped"
    assert facts["step"] == "adding funds"
    assert "Stopped at: adding funds" in walked.stderr

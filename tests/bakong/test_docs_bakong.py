"""The examples of docs/bakong.md run as they stand there, against the stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from vinflow.bakong import Reason
from vinflow.sandbox import Sandbox, SandboxServer

PAGE = Path(__file__).parents[2] / "docs" / "bakong.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.M | re.S)
PRINTED = [
    "not yet; Bakong's clock said 20",
    "{'not_found'}",
    "000201010212 10.50 USD\nnot_found",
    " until 20",
    "['not_found', 'not_found', 'cannot_tell'] budget\n"
    "call 1 of today check_transaction_by_md5 200 not_found",
]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxServer]:
    """The variables the examples read, set to a stand-in's."""
    with SandboxServer(Sandbox(seed=11)) as server:
        sandbox = server.sandbox
        monkeypatch.setenv("KHQR_API_URL", server.url)
        monkeypatch.setenv("KHQR_API_KEY", sandbox.token)
        monkeypatch.setenv("KHQR_API_EMAIL", sandbox.email)
        monkeypatch.setenv("KHQR_MERCHANT_ID", sandbox.account)
        monkeypatch.setenv("HOSTED_API_KEY", sandbox.hosted_token)
        monkeypatch.setenv("HOSTED_MERCHANT_ID", sandbox.merchant_md5)
        yield server


def test_every_example_has_an_expectation() -> None:
    assert len(EXAMPLES) == len(PRINTED)


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize(("example", "printed"), list(zip(EXAMPLES, PRINTED, strict=False)))
def test_an_example_of_the_page_runs(example: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(example, str(PAGE), "exec"), {"__name__": "__main__"})

    assert printed in capsys.readouterr().out


def test_the_page_names_every_reason() -> None:
    text = PAGE.read_text("utf-8")

    assert [reason.name for reason in Reason if f"`{reason.name}`" not in text] == []

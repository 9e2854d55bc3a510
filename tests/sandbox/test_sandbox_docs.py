"""The guide's shell lines run as printed, in their order, against a stand-in; and it names what there is."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from vinflow.sandbox import Sandbox, SandboxServer, Switches
from vinflow.sandbox.command import run
from vinflow.sandbox.faults import STYLES
from vinflow.sandbox.switches import CHOICES

GUIDE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def test_the_curl_lines_run_as_printed(tmp_path: Path) -> None:
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", GUIDE, re.DOTALL) if "curl" in block]
    script = "set -euo pipefail\n" + "\n".join(blocks)
    with SandboxServer(Sandbox(), control=True) as server:
        ended = subprocess.run(
            ["bash", "-c", script.replace("http://127.0.0.1:8900", server.url)],
            capture_output=True, text=True, cwd=tmp_path, timeout=60,
        )  # fmt: skip

    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert len(blocks) == 4
    before, after = ended.stdout.split('"errorCode":1,"data":null}', 1)
    assert '"responseCode":0' not in before
    assert '"responseCode":0' in after
    assert '"errorCode":null,"data":{"hash":"' in after
    assert ended.stdout.rstrip().endswith("}")
    assert '{"message":"Transaction not found","error":"not_found"}' in ended.stdout
    assert '"paid":true,"status":"completed","amount":10.50' in ended.stdout
    assert '"error":null,"transfer":' in ended.stdout


@pytest.mark.parametrize("style", STYLES)
def test_every_style_of_fault_is_named(style: str) -> None:
    assert f"`{style}`" in GUIDE


@pytest.mark.parametrize("name", Switches().as_dict())
def test_every_switch_and_value_is_named(name: str) -> None:
    short = re.sub("^quota_counts", "", name)
    assert f"`{name}`" in GUIDE or f"`{short}`" in GUIDE
    for value in CHOICES.get(name, ()):
        assert f"`{value}`" in GUIDE or isinstance(value, int), value


def test_every_option_of_the_guide_exists() -> None:
    known = {name for option in run.params for name in (*option.opts, *option.secondary_opts)}

    assert set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", GUIDE)) - {"--data-urlencode", "--cacert"} <= known

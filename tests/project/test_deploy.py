"""What stands in deploy/: every metric exists, every alert has its page, and the start script starts."""

from __future__ import annotations

import configparser
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
GUIDE = (ROOT / "docs" / "guides" / "operating.md").read_text(encoding="utf-8")
NAME = re.compile(r"\b(vinflow_\w+)(?:\{([^}]*)\})?")
LABEL = re.compile(r'(\w+)(?:=~|!~|!=|=)"([^"]*)"')


def rules() -> list[dict[str, Any]]:
    text = (DEPLOY / "prometheus" / "alerts.yml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


def drawn() -> Iterator[tuple[str, str]]:
    """(panel, expression) of the dashboard."""
    board = json.loads((DEPLOY / "grafana" / "vinflow.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.fixture
def exposed(db: None, settings: Any) -> dict[str, list[dict[str, str]]]:
    """The labels of every sample that /metrics has of a shop where everything has happened once."""
    import jwt
    from prometheus_client.parser import text_string_to_metric_families
    from tests.backoffice.conftest import NOON, Shop

    from vinflow.backoffice import measures
    from vinflow.payments import clock, watching

    settings.KHQR_DAILY_CALLS = "100"
    settings.KHQR_API_KEY = jwt.encode({"exp": int(NOON.timestamp()) + 3 * 86_400}, "k" * 32)
    with clock.used(lambda: NOON):
        shop = Shop()
        for n, state in enumerate(
            ("pending", "completed", "late", "review", "expired", "failed", "canceled")
        ):
            shop.at_state(state, shop.payer(f"payer-{n}"))
        shop.exchange()
        shop.exchange(outcome="cannot_tell", reason="blocked", code=None, http_status=403)
        watching.pulse("w", at=NOON)
        text = measures.exposition(at=NOON).decode()
    found: dict[str, list[dict[str, str]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def test_every_metric_and_label_of_the_rules_and_the_dashboard_exists(
    exposed: dict[str, list[dict[str, str]]],
) -> None:
    asked = [(rule["alert"], rule["expr"]) for rule in rules()] + list(drawn())
    assert len(asked) > 25
    seen = 0
    for where, expression in asked:
        assert expression.count("(") == expression.count(")"), where
        for name, matchers in NAME.findall(expression):
            assert name in exposed, f"{where}: {name}"
            for label, value in LABEL.findall(matchers):
                values = {labels.get(label) for labels in exposed[name]}
                assert values != {None}, f"{where}: {name} has no label {label}"
                for one in value.split("|"):
                    known = values | {"check_transaction_by_md5_list", "KHR"}
                    assert one in known, f"{where}: {label}={one} of {sorted(map(str, values))}"
            seen += 1
        for labels in re.findall(r"\bby \(([^)]*)\)", expression):
            names = {label for samples in exposed.values() for sample in samples for label in sample}
            assert {one.strip() for one in labels.split(",")} <= names, where
    assert seen > 35


def test_every_alert_has_a_severity_and_its_section_in_the_guide() -> None:
    headings = {line[3:].lower() for line in GUIDE.splitlines() if line.startswith("## ")}
    found = rules()
    names = [rule["alert"] for rule in found]
    assert len(names) == len(set(names)) >= 12
    for rule in found:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        page, anchor = rule["annotations"]["runbook"].split("#")
        assert page == "docs/guides/operating.md"
        assert anchor in headings, rule["alert"]
    sections = {rule["annotations"]["runbook"].split("#")[1] for rule in found}
    assert {h for h in headings if " " not in h} == sections  # no section of an alert that is gone


def test_panels_have_places_of_their_own() -> None:
    board = json.loads((DEPLOY / "grafana" / "vinflow.json").read_text(encoding="utf-8"))
    cells: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        at = panel["gridPos"]
        mine = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not mine & cells, panel["title"]
        cells |= mine
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"]) >= 10


def test_units_and_compose_run_what_the_start_script_knows() -> None:
    script = (DEPLOY / "start.sh").read_text(encoding="utf-8")
    known = set(re.findall(r"^(\w+)\)", script, re.MULTILINE))
    assert known == {"prepare", "web", "watch", "alerts"}
    units = sorted((DEPLOY / "systemd").glob("*.service"))
    assert len(units) == 4
    for unit in units:
        read = configparser.ConfigParser(strict=False, interpolation=None)
        read.optionxform = str  # type: ignore[assignment, method-assign]
        read.read(unit)
        program, word = read["Service"]["ExecStart"].split()
        assert (program.rsplit("/", 1)[1], f"vinflow-{word}.service") == ("start.sh", unit.name)
    services = yaml.safe_load((DEPLOY / "docker" / "compose.yml").read_text(encoding="utf-8"))["services"]
    assert {one["command"][0] for one in services.values() if "command" in one} == known
    docker = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    for source in re.findall(r"^COPY ((?!--from)\S.*) \S+$", docker, re.MULTILINE):
        assert all((ROOT / name).exists() for name in source.split()), source


def answer_of(address: str, *, within_s: float) -> int:
    """The status that an address answers with, as soon as anything listens there."""
    end = time.monotonic() + within_s
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def test_the_start_script_prepares_serves_and_stops(tmp_path: Path) -> None:
    from vinflow.cli.ports import free_port

    port = free_port()
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}/usr/bin{os.pathsep}/bin",
        "VINFLOW_ENV_FILE": "",
        "VINFLOW_HOME": str(tmp_path / "home"),
        "VINFLOW_STATIC_ROOT": str(tmp_path / "static"),
        "VINFLOW_HTTPS": "off",
        "VINFLOW_PORT": str(port),
        "SECRET_KEY": "only-this-test-uses-it-" + "0123456789" * 3,
        "KHQR_API_URL": "http://127.0.0.1:9",
        "KHQR_ENVIRONMENT": "sandbox",
        "KHQR_MERCHANT_ID": "vinflow_test@devb",
        "KHQR_API_KEY": "a-token-of-this-test",
        "KHQR_MERCHANT_NAME": "VinFlow Test",
    }
    script = str(DEPLOY / "start.sh")
    assert subprocess.run([script, "nonsense"], env=environment, capture_output=True).returncode == 2
    done = subprocess.run([script, "prepare"], env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "static" / "backoffice" / "backoffice.css").is_file()

    site = subprocess.Popen([script, "web"], env=environment, cwd=tmp_path, start_new_session=True)
    try:
        assert answer_of(f"http://127.0.0.1:{port}/health", within_s=40) == 200
        assert answer_of(f"http://127.0.0.1:{port}/metrics", within_s=5) == 404
        site.send_signal(signal.SIGTERM)
        assert site.wait(20) == 0
    finally:
        with suppress(ProcessLookupError):
            os.killpg(site.pid, signal.SIGKILL)
        site.wait()


def test_the_start_script_lets_more_answers_run_than_there_may_be_streams() -> None:
    from vinflow.storefront import events

    script = (DEPLOY / "start.sh").read_text(encoding="utf-8")
    given = re.search(r"--backpressure (\d+)", script)

    assert given is not None
    assert int(given[1]) > events.PAGES_MAX

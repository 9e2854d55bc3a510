"""Every setting has one line in .env.example, and every line there is read."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

READ_BY_THE_COMMAND = {"VINFLOW_PORT", "SANDBOX_PORT"}
OURS = ("KHQR_", "VINFLOW_")


def _read_from_the_environment(module: ast.Module) -> set[str]:
    """The variables that the settings module reads, by the functions it reads them with."""
    readers = ("_text", "_switch", "_choice", "_names")
    return {
        node.args[0].value
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in readers
        and isinstance(node.args[0], ast.Constant)
    }


def _asked_of_the_settings(module: ast.Module) -> set[str]:
    """Our own settings that a module asks for, as settings.NAME or by their name in quotes."""
    by_attribute = {
        node.attr
        for node in ast.walk(module)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "settings"
        and node.attr.startswith(OURS)
    }
    by_name = {
        argument.value
        for node in ast.walk(module)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in ("_text", "_whole", "getattr")
        for argument in node.args[:2]
        if isinstance(argument, ast.Constant)
        and isinstance(argument.value, str)
        and argument.value.startswith(OURS)
    }
    return by_attribute | by_name


def _example_lines(root: Path) -> dict[str, str]:
    found = re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", (root / ".env.example").read_text(), re.MULTILINE)
    assert len(found) == len({name for name, _ in found}), "a variable is named twice"
    return dict(found)


def test_the_example_names_every_variable_and_no_other(root: Path, modules: dict[str, ast.Module]) -> None:
    read = _read_from_the_environment(modules["project/settings.py"])

    assert set(_example_lines(root)) == read | READ_BY_THE_COMMAND


def test_every_setting_that_a_module_asks_for_can_be_set(modules: dict[str, ast.Module]) -> None:
    asked = {name: path for path, module in modules.items() for name in _asked_of_the_settings(module)}
    given = _read_from_the_environment(modules["project/settings.py"])
    assert len(asked) > 15

    assert {name: path for name, path in asked.items() if name not in given} == {}


def test_the_example_with_every_line_uncommented_is_the_default(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "env"
    example = re.sub(r"^# ([A-Z][A-Z0-9_]+=)", r"\1", (root / ".env.example").read_text(), flags=re.MULTILINE)
    file.write_text(example.replace("\nSECRET_KEY=", "\nSECRET_KEY=only-for-this-test"))
    program = (
        "import json, os; from vinflow.project import settings as s;"
        "from django.conf import settings as d; d.configure(s);"
        "from vinflow.payments import conf;"
        "names = [n for n in dir(s) if n.isupper() and n not in ('SQLITE_OPTIONS', 'LOGGING', '_ENV_FILE')];"
        "row = {n: str(sorted(v) if isinstance(v := getattr(s, n), set) else v) for n in names};"
        "row |= {n: str(getattr(conf, n)()) for n in ('timeout_s', 'qr_lifetime', 'grace', 'watch',"
        " 'daily_calls', 'merchant_name', 'merchant_city', 'newcomers_share', 'api_url', 'environment')};"
        "print(json.dumps(row))"
    )

    def load(env_file: Path | str) -> str:
        environment = {"PATH": os.environ["PATH"], "VINFLOW_ENV_FILE": str(env_file)}
        if not env_file:
            environment["SECRET_KEY"] = "only-for-this-test"
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return re.sub(r'"KHQR_\w+": "[^"]*", |"VINFLOW_NEWCOMERS_SHARE": "[^"]*", ', "", done.stdout)

    assert load(file) == load("")

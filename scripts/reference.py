"""Writes the pages in docs/reference from the places where the facts are stated.

    python scripts/reference.py          write them
    python scripts/reference.py --check  say which are stale, and exit 1 then

Settings come from .env.example, which a test holds against the code; errors from the trees at the top of each
room's errors.py, and from the reasons and codes beside them; commands from what --help prints; rows and
signals from the models. The drawing of a payment's states on the architecture page comes from their table.
tests/house/test_reference.py runs the check.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import click
from diagrams import diagrams  # beside this file

from vinflow.cli import COMMANDS

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/reference.py; change {source} instead. -->\n"

ABOUT_SETTINGS = """\
Each may stand in the environment or in a file `.env` in the folder the site is started from; the
environment wins. Another file is named by `VINFLOW_ENV_FILE`. The three of the first table are enough for a
try; a site with `DEBUG` off also needs `SECRET_KEY`, and `VINFLOW_LEDGER_KEY` to seal its books.

Limits, the switch of the method and the policies (late money, lifetime of a QR, what is shown on a day
without calls) are defaults that an owner may change while the site runs. Secrets, the payee's account and the
name of the environment come from here only. A value that cannot be meant stops the start with a sentence that
names it.

In a project of your own the same names are settings of Django: `KHQR_MERCHANT_ID = "shop@bank"`.
"""
ABOUT_ERRORS = """\
An exception is a caller's mistake or a refusal; what the world may answer is a value. Every room has one
root, and its tree is split by what the caller can do about it.
"""
ABOUT_COMMANDS = """\
`vinflow` is installed with the package; in a clone it is `.venv/bin/vinflow`. The commands that need a site
read its settings from the environment and from `.env`.
"""
ABOUT_ROWS = """\
Read them freely; write them through the functions only (`opening`, `canceling`, `reviewing`, `posting`,
`holds`): much of what a row may become is refused by the database itself. Amounts are whole minor units,
moments are aware. Signals are sent after the commit; a listener that raises is logged and passed over.
"""

TREES = {
    "vinflow.money": "money.py",
    "vinflow.khqr": "khqr/errors.py",
    "vinflow.bakong": "bakong/errors.py",
    "vinflow.payments": "payments/errors.py",
    "vinflow.wallet": "wallet/errors.py",
    "vinflow.sandbox": "sandbox/errors.py",
}


@dataclass(slots=True)
class Group:
    """Variables that one remark speaks of."""

    remark: str
    variables: list[tuple[str, str]] = field(default_factory=list)


def sections(text: str) -> Iterator[tuple[str, list[Group]]]:
    """Yield each headed part of .env.example with its groups, in order."""
    for part in re.split(r"^# --- ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = part.partition(" ---\n")
        groups: list[Group] = []
        remark: list[str] = []
        for line in body.splitlines():
            if found := re.fullmatch(r"(?:# )?([A-Z][A-Z0-9_]+)=(.*)", line):
                if remark or not groups:
                    groups.append(Group(" ".join(remark)))
                    remark = []
                groups[-1].variables.append((found[1], found[2]))
            elif line.startswith("# "):
                remark.append(line[2:])
        yield heading, groups


def settings_page() -> str:
    """Return the page of settings."""
    lines = ["# Settings\n", MADE.format(source=".env.example"), ABOUT_SETTINGS]
    for heading, groups in sections((ROOT / ".env.example").read_text("utf-8")):
        lines += [f"## {heading}\n", "| setting | default | |", "| --- | --- | --- |"]
        for group in groups:
            names = "<br>".join(f"`{name}`" for name, _ in group.variables)
            defaults = "<br>".join(f"`{value}`" if value else "–" for _, value in group.variables)
            lines.append(f"| {names} | {defaults} | {group.remark.replace('|', '&#124;')} |")
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def errors_page() -> str:
    """Return the page of errors."""
    lines = ["# Errors\n", MADE.format(source="the docstrings named"), ABOUT_ERRORS]
    for room, file in TREES.items():
        _, _, tree = _docstring(file).partition("\n\n")
        lines += [f"## `{room}`\n", f"From `src/vinflow/{file}`.\n", "```text", tree.strip(), "```\n"]
        if room == "vinflow.bakong":
            lines += _reasons()
        if room == "vinflow.payments":
            lines += _codes()
    lines += _checks()
    return "\n".join(lines).rstrip() + "\n"


def _checks() -> list[str]:
    """Return a table of what the start-up checks of the apps may say, with the remedy each names."""
    rows = []
    for file in sorted((ROOT / "src" / "vinflow").glob("*/checks.py")):
        for call in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(call, ast.Call):
                continue
            given = {keyword.arg: keyword.value for keyword in call.keywords}
            if call.args and isinstance(name := given.get("id"), ast.Constant):
                remedy = given.get("hint")
                rows.append((str(name.value), _sentence(call.args[0]), _sentence(remedy) if remedy else ""))
    return [
        "## Start-up checks\n",
        "`manage.py check` says these, with `--database default` those about the database too; the",
        "watcher does not begin while one of the errors (E) stands. Dots stand for what was found;",
        "`payments.E001` is about a setting that is missing or cannot be meant: its sentence names it.\n",
        "| check | says | remedy |",
        "| --- | --- | --- |",
        *(f"| `{name}` | {says} | {remedy} |" for name, says, remedy in sorted(rows)),
        "",
    ]


def _sentence(node: ast.expr) -> str:
    """Return a literal or an f-string as a reader sees it, what is put in at run time as dots."""
    if isinstance(node, ast.Constant):
        return str(node.value).replace("|", "\\|").replace("<", "&lt;")
    if isinstance(node, ast.JoinedStr):
        return "".join(_sentence(part) for part in node.values)
    return "..."


def commands_page() -> str:
    """Return the page of commands: what --help prints, and Django's own commands beside it."""
    lines = ["# Commands\n", MADE.format(source="the commands themselves"), ABOUT_COMMANDS]
    for name, place in COMMANDS.items():
        command = getattr(import_module(place.module), place.name)
        lines += [f"## `vinflow {name}`\n", "```text", _help(command, f"vinflow {name}"), "```\n"]
        if isinstance(command, click.Group):
            for part, sub in sorted(command.commands.items()):
                called = f"vinflow {name} {part}"
                lines += [f"### `{called}`\n", "```text", _help(sub, called), "```\n"]
    lines += ["## `vinflow manage`: VinFlow's own\n", "| command | |", "| --- | --- |"]
    for file in sorted((ROOT / "src" / "vinflow").glob("*/management/commands/[a-z]*.py")):
        module = ast.parse(file.read_text("utf-8"))
        helps = [
            node.value.value
            for each in ast.walk(module)
            if isinstance(each, ast.ClassDef) and each.name == "Command"
            for node in each.body
            if isinstance(node, ast.Assign)
            and isinstance(node.targets[0], ast.Name)
            and node.targets[0].id == "help"
            and isinstance(node.value, ast.Constant)
        ]
        lines.append(f"| `{file.stem}` | {helps[0] if helps else ''} |")
    return "\n".join(lines).rstrip() + "\n"


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, terminal_width=100)
    context.help_option_names = ["-h", "--help"]
    return command.get_help(context).replace("[OPTIONS] COMMAND [ARGS]...", "COMMAND ...")


def rows_page() -> str:
    """Return the page of rows and signals: each model with its docstring and its fields."""
    lines = ["# Rows and signals\n", MADE.format(source="the models"), ABOUT_ROWS]
    for room in ("payments", "wallet"):
        lines.append(f"## `vinflow.{room}.models`\n")
        place = ROOT / "src" / "vinflow" / room
        files = [*place.glob("models.py"), *sorted(place.glob("models/[a-z]*.py"))]
        bodies = [node for file in files for node in ast.parse(file.read_text("utf-8")).body]
        classes = {node.name: node for node in bodies if isinstance(node, ast.ClassDef)}
        bases = {base.id for node in classes.values() for base in node.bases if isinstance(base, ast.Name)}
        for node in classes.values():
            inherited = [classes[base.id] for base in node.bases if getattr(base, "id", "") in classes]
            fields = [name for each in (node, *inherited) for name in _fields(each)]
            if fields and node.name not in bases:  # one that others are made from has no table
                about = " ".join((ast.get_docstring(node) or "").split())
                lines += [f"### {node.name}\n", about, "", ", ".join(f"`{name}`" for name in fields), ""]
    lines += ["## Signals of `vinflow.payments.announcing`\n", "| signal | sent with |", "| --- | --- |"]
    source = (ROOT / "src" / "vinflow" / "payments" / "announcing.py").read_text("utf-8")
    for name, sent in re.findall(r"^(\w+) = Signal\(\)  # (.+)$", source, re.MULTILINE):
        words = ", ".join(f"`{word.strip().rstrip('=')}`" for word in sent.split(","))
        lines.append(f"| `{name}` | {words} |")
    return "\n".join(lines).rstrip() + "\n"


def _fields(node: ast.ClassDef) -> list[str]:
    """Return the names of a model's columns, in order; [] for a class that is none."""
    return [
        each.targets[0].id
        for each in node.body
        if isinstance(each, ast.Assign)
        and isinstance(each.targets[0], ast.Name)
        and isinstance(each.value, ast.Call)
        and (
            (isinstance(each.value.func, ast.Name) and each.value.func.id == "staff")
            or (
                isinstance(each.value.func, ast.Attribute)
                and each.value.func.attr.endswith(("Field", "ForeignKey"))
            )
        )
    ]


def _docstring(file: str) -> str:
    module = ast.parse((ROOT / "src" / "vinflow" / file).read_text("utf-8"))
    return ast.get_docstring(module) or ""


def _class(file: str, name: str) -> ast.ClassDef:
    module = ast.parse((ROOT / "src" / "vinflow" / file).read_text("utf-8"))
    return next(node for node in module.body if isinstance(node, ast.ClassDef) and node.name == name)


def _reasons() -> list[str]:
    """Return the table of CannotTell's reasons: their values, with the remark beside each."""
    source = (ROOT / "src" / "vinflow" / "bakong" / "results.py").read_text("utf-8").splitlines()
    rows = []
    for node in _class("bakong/results.py", "Reason").body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            _, _, remark = source[node.lineno - 1].partition("#")
            rows.append(f"| `{node.value.value}` | {remark.strip()} |")
    return [
        "What an answer that tells nothing was (`CannotTell.reason`):\n",
        "| reason | |",
        "| --- | --- |",
        *rows,
        "",
    ]


def _codes() -> list[str]:
    """Return the table of what an opening may be refused with: class, code, its first sentence."""
    module = ast.parse((ROOT / "src" / "vinflow" / "payments" / "errors.py").read_text("utf-8"))
    rows = []
    for node in module.body:
        if not isinstance(node, ast.ClassDef):
            continue
        for each in node.body:
            if isinstance(each, ast.Assign | ast.AnnAssign) and isinstance(each.value, ast.Constant):
                target = each.targets[0] if isinstance(each, ast.Assign) else each.target
                if isinstance(target, ast.Name) and target.id == "code":
                    says = (ast.get_docstring(node) or "").partition("\n")[0]
                    rows.append(f"| `{node.name}` | `{each.value.value}` | {says} |")
    return [
        "Refused openings, with the `.code` that names the sentence for the payer:\n",
        "| error | code | |",
        "| --- | --- | --- |",
        *rows,
        "",
    ]


def main() -> int:
    """Return 0 when the pages are as they should be, or have been written."""
    made = {
        PAGES / "settings.md": settings_page(),
        PAGES / "errors.md": errors_page(),
        PAGES / "commands.md": commands_page(),
        PAGES / "rows.md": rows_page(),
        **diagrams(),
    }
    if "--check" not in sys.argv[1:]:
        for path, text in made.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")
        return 0
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: run python scripts/reference.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

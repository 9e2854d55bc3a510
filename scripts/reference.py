"""Writes docs/reference/settings.md and errors.md from the places where both are stated.

    python scripts/reference.py          write them
    python scripts/reference.py --check  say which are stale, and exit 1 then

Settings come from .env.example, which a test holds against the code; errors from the trees at the top of each
room's errors.py, and from the reasons and codes beside them. tests/house/test_reference.py runs the check.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
    return "\n".join(lines).rstrip() + "\n"


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
    made = {PAGES / "settings.md": settings_page(), PAGES / "errors.md": errors_page()}
    if "--check" not in sys.argv[1:]:
        PAGES.mkdir(parents=True, exist_ok=True)
        for path, text in made.items():
            path.write_text(text, "utf-8")
        return 0
    stale = [path for path, text in made.items() if not path.is_file() or path.read_text("utf-8") != text]
    for path in stale:
        print(f"{path.relative_to(ROOT)} is stale: run python scripts/reference.py", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())

"""docs/reliability.md from what the campaigns counted: python -m tests.proof.report [--check]

Each campaign leaves var/prove/<name>.json. A campaign that ran nothing, met no fault, broke a rule or was cut
off is named, and the report fails: it is written all the same, with that sentence in it.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

__all__ = ["FIRST", "main", "read", "rendered", "wrong_with"]

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "var" / "prove"
PAGE = ROOT / "docs" / "reliability.md"
# What every report has, in this order; the others follow by name.
FIRST = {
    "simulator": "The simulator",
    "faults": "Faults that were at work",
    "hostile_readers": "Hostile answers, every reader of the client",
    "hostile_open_api": "Hostile answers, through to the rows (open api)",
    "hostile_hosted": "Hostile answers, through to the rows (hosted)",
    "codec": "Inputs made for the codec, guided by coverage",
}

HEAD = Path(__file__).with_name("head.md")  # what stands above the tables; the only part people write


def read(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return what each campaign left, in the order of the page."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(json.loads(path.read_text(encoding="utf-8")))
        except ValueError:
            found.append({"name": path.stem, "title": path.stem})
    there = {one["name"] for one in found}
    found += [{"name": name, "title": title} for name, title in FIRST.items() if name not in there]
    order = {name: place for place, name in enumerate(FIRST)}
    return sorted(found, key=lambda one: (order.get(one["name"], len(FIRST)), one["name"]))


def wrong_with(campaign: dict[str, Any]) -> list[str]:
    """Return why a campaign proves nothing, or what it found broken; nothing for a good one."""
    if set(campaign) == {"name", "title"}:
        return ["it has not been run, or its figures were cut off"]
    wrong = []
    if campaign.get("duration_s") is None:
        wrong.append("it was cut off: there is no closing time")
    if not campaign.get("count") or not campaign.get("rows"):
        wrong.append("it ran nothing")
    if campaign.get("violations"):
        wrong.append(f"{campaign['violations']} broken rules")
    if campaign.get("unmet"):
        wrong.append(f"never met: {', '.join(campaign['unmet'])}")
    return wrong


def _cell(value: object) -> str:
    text = f"{value:,}" if isinstance(value, int) else str(value)
    return text.replace("|", "\\|").replace("\n", " ")


def _table(campaign: dict[str, Any]) -> str:
    head = campaign.get("head", [])
    lines = ["| " + " | ".join(map(_cell, head)) + " |", "| " + " | ".join("---" for _ in head) + " |"]
    lines += ["| " + " | ".join(map(_cell, row)) + " |" for row in campaign.get("rows", [])]
    return "\n".join(lines)


def _about(campaign: dict[str, Any]) -> str:
    """Return the line under a heading: seed, count, time, commit, versions."""
    versions = ", ".join(f"{name} {number}" for name, number in campaign.get("versions", {}).items())
    parts = [
        f"Seed {campaign.get('seed')}",
        f"{campaign.get('count', 0):,} in all",
        f"{campaign.get('violations', 0)} violations",
        f"{campaign['duration_s']:,} s" if campaign.get("duration_s") is not None else "not finished",
        f"commit {campaign.get('commit', 'unknown')}",
        versions,
    ]
    return "; ".join(parts) + "."


def rendered(campaigns: list[dict[str, Any]]) -> str:
    """Return the page."""
    parts = [HEAD.read_text(encoding="utf-8")]
    for campaign in campaigns:
        parts.append(f"## {campaign.get('title', campaign['name'])}\n")
        parts += [f"**This proves nothing: {why}.**\n" for why in wrong_with(campaign)]
        if campaign.get("text"):
            parts.append(f"{campaign['text']}\n")
        if campaign.get("rows"):
            parts.append(f"{_table(campaign)}\n\n{_about(campaign)}\n")
    return "\n".join(parts)


def main() -> int:
    """Write the page; return 1 when there is nothing to report, or a campaign is not good."""
    parser = argparse.ArgumentParser(description="Write docs/reliability.md from var/prove/*.json.")
    parser.add_argument("--check", action="store_true", help="only say what is wrong; write nothing")
    chosen = parser.parse_args()
    campaigns = read()
    if not any(FOLDER.glob("*.json")):
        print("no campaign has left anything: run make prove")
        return 1
    wrong = [f"{one['name']}: {why}" for one in campaigns for why in wrong_with(one)]
    if not chosen.check:
        PAGE.write_text(rendered(campaigns), encoding="utf-8")
        print(f"{PAGE.relative_to(ROOT)}: {len(campaigns)} campaigns")
    for line in wrong:
        print(line)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())

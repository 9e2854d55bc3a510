"""Draws the documentation's diagrams as SVG from what the code and its contracts say. Standard library alone.

    states          a column for each state, a row for each event that leads from one to another
    rooms           the layers of the import contract, from the top down

`scripts/reference.py` writes them with the reference pages; a test holds the files to the code. They need no
script in the reader's browser, and carry their content as text for whoever has a page read aloud.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMN, ROW, HEAD = 132, 30, 44
INK, LINE, PALE = "#2b2f36", "#5b6069", "#e3e5e8"
ACCENT = "#8a1538"


def states_svg(title: str, table: Mapping[str, Mapping[str, str]]) -> str:
    """Return the chart of a table of states: state -> event -> the state it leads to."""
    names = list(table)
    rows = [(start, event, end) for start, events in table.items() for event, end in events.items()]
    width, height = COLUMN * len(names) + 20, HEAD + ROW * len(rows) + 20
    middle = {name: 10 + COLUMN * index + COLUMN // 2 for index, name in enumerate(names)}
    said = "; ".join(f"{_words(event)} leads from {start} to {end}" for start, event, end in rows)
    parts = [_opening(width, height, title, said)]
    for name, x in middle.items():
        is_last = not table[name]
        parts.append(f'<path d="M{x} {HEAD}V{height - 8}" stroke="{PALE}"/>')
        parts.append(
            f'<rect x="{x - 56}" y="10" width="112" height="28" rx="{6 if is_last else 14}" fill="#fff" '
            f'stroke="{ACCENT if is_last else INK}" stroke-width="{2 if is_last else 1}"/>'
            f'<text x="{x}" y="29" text-anchor="middle" font-weight="600">{escape(_words(name))}</text>'
        )
    for number, (start, event, end) in enumerate(rows):
        parts.append(_arrow(middle[start], middle[end], HEAD + ROW * number + 26, _words(event)))
    return "\n".join([*parts, "</svg>\n"])


def _arrow(start: int, end: int, y: int, words: str) -> str:
    label = escape(words)
    if start == end:
        loop = f'<path d="M{start} {y - 6}h14a6 6 0 0 1 0 12h-8" fill="none" stroke="{LINE}"/>'
        point = f'<path d="M{start + 1} {y + 6}l8 -4v8z" fill="{LINE}"/>'
        return f'<g>{loop}{point}<text x="{start + 26}" y="{y + 4}" font-size="12">{label}</text></g>'
    way = 1 if end > start else -1
    line = f'<path d="M{start} {y}H{end - 8 * way}" stroke="{LINE}"/>'
    line += f'<circle cx="{start}" cy="{y}" r="3" fill="{LINE}"/>'
    point = f'<path d="M{end} {y}l{-9 * way} -4.5v9z" fill="{LINE}"/>'
    # on white, so that the lines of the columns do not run through the words
    middle = start + way * COLUMN / 2
    wide = 6.6 * len(words) + 8
    ground = f'<rect x="{middle - wide / 2:.1f}" y="{y - 16}" width="{wide:.1f}" height="13" fill="#fff"/>'
    text = f'<text x="{middle:.1f}" y="{y - 5}" text-anchor="middle" font-size="12">{label}</text>'
    return f"<g>{line}{point}{ground}{text}</g>"


def rooms_svg(layers: Sequence[Sequence[str]]) -> str:
    """Return the house: one floor for each layer of the import contract, rooms on one floor side by side."""
    width, floor = 520, 46
    height = floor * len(layers) + 30
    said = "; ".join(" beside ".join(rooms) for rooms in layers)
    parts = [_opening(width, height, "The rooms of VinFlow; imports point down", f"From the top: {said}.")]
    for number, rooms in enumerate(layers):
        room = (width - 70) / len(rooms)
        for place, name in enumerate(rooms):
            x, y = 10 + room * place, 10 + floor * number
            parts.append(
                f'<rect x="{x + 2:.1f}" y="{y}" width="{room - 4:.1f}" height="{floor - 8}" rx="5" '
                f'fill="#fff" stroke="{INK}"/>'
                f'<text x="{x + room / 2:.1f}" y="{y + 24}" text-anchor="middle">{escape(name)}</text>'
            )
    x = width - 34
    parts.append(f'<path d="M{x} 18V{height - 34}" stroke="{LINE}"/>')
    parts.append(f'<path d="M{x} {height - 24}l-5 -11h10z" fill="{LINE}"/>')
    parts.append(
        f'<text x="{x + 18}" y="{height / 2:.0f}" font-size="12" text-anchor="middle" '
        f'transform="rotate(90 {x + 18} {height / 2:.0f})">imports</text>'
    )
    return "\n".join([*parts, "</svg>\n"])


def _opening(width: int, height: int, title: str, said: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'font-family="system-ui, Arial, sans-serif" font-size="13" fill="{INK}">\n'
        f"<title>{escape(title)}</title>\n<desc>{escape(said)}</desc>\n"
        f'<rect width="{width}" height="{height}" fill="#fff"/>'
    )


def _words(name: str) -> str:
    return str(name).replace("_", " ")


def layers() -> list[list[str]]:
    """Return the layers of the import contract, from the top."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    [contract] = [each for each in contracts if each["name"] == "Imports point down"]
    return [[room.strip() for room in layer.split("|")] for layer in contract["layers"]]


def diagrams() -> dict[Path, str]:
    """Return every diagram by the file it belongs into."""
    from vinflow.payments import refund_states, states

    images = ROOT / "docs" / "images"
    return {
        images / "rooms.svg": rooms_svg(layers()),
        images / "states.svg": states_svg("The states of a payment", states.TRANSITIONS),
        images / "refund-states.svg": states_svg("The states of a refund", refund_states.TRANSITIONS),
    }

"""Bars drawn on the server: SVG with a sentence for voices, and the same numbers as a table.

No script, no colour alone: every series also has a pattern, values stand on the bars, axes begin at
zero. Colours come from the style sheet by class, so that a dark page draws them for the dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from vinflow.backoffice.words import say

__all__ = ["Chart", "Series", "bars"]

WIDTH, HEIGHT = 560, 200
LEFT, RIGHT, TOP, BOTTOM = 8, 8, 24, 26
LABELS_MAX = 8


@dataclass(frozen=True, slots=True)
class Series:
    """One row of numbers. css: the class that colours it; texts: each value as people read it."""

    name: str
    css: str
    values: Sequence[int]
    texts: Sequence[str]


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart and its table. svg is None where there is nothing to draw."""

    name: str
    title: str
    summary: str
    svg: SafeString | None
    labels: Sequence[str]
    series: Sequence[Series]
    links: Sequence[str]

    @property
    def rows(self) -> list[tuple[str, str, list[str]]]:
        """(label, link, texts) of each line of the table."""
        return [
            (label, self.links[place] if self.links else "", [series.texts[place] for series in self.series])
            for place, label in enumerate(self.labels)
        ]


def bars(
    name: str,
    title: str,
    labels: Sequence[str],
    series: Sequence[Series],
    *,
    total: str = "",
    links: Sequence[str] = (),
) -> Chart:
    """Return stacked bars, one for each label; links lead from a bar to the payments behind it.

    total: the sum in words, for the sentence a voice reads.
    """
    heights = [sum(one.values[place] for one in series) for place in range(len(labels))]
    most = max(heights, default=0)
    if not most:
        return Chart(name, title, say("No payments in this period"), None, labels, series, links)
    peak = heights.index(most)
    highest = series[0].texts[peak] if len(series) == 1 else f"{most:,}"
    summary = say(
        "{title}: highest {max} on {date}, total {total}",
        title=title,
        max=highest,
        date=labels[peak],
        total=total or f"{sum(heights):,}",
    )
    return Chart(
        name, title, summary, _drawn(name, summary, labels, series, most, links), labels, series, links
    )


def _drawn(
    name: str,
    summary: str,
    labels: Sequence[str],
    series: Sequence[Series],
    most: int,
    links: Sequence[str],
) -> SafeString:
    step = (WIDTH - LEFT - RIGHT) / len(labels)
    bar = min(48.0, step * 0.7)
    tall = HEIGHT - TOP - BOTTOM
    every = -(-len(labels) // LABELS_MAX)
    marks: list[tuple[Any, ...]] = []
    texts: list[tuple[Any, ...]] = []
    for place, label in enumerate(labels):
        left = LEFT + place * step + (step - bar) / 2
        foot = float(HEIGHT - BOTTOM)
        for one in series:
            value = one.values[place]
            if value <= 0:
                continue
            high = max(1.0, value / most * tall)
            foot -= high
            said = f"{label}: {one.name} {one.texts[place]}"
            box = (f"{left:.1f}", f"{foot:.1f}", f"{bar:.1f}", f"{high:.1f}")
            marks += [(*box, one.css, said), (*box, f"{one.css} is-pattern", said)]
        height = sum(one.values[place] for one in series)
        if len(labels) <= LABELS_MAX and height > 0:
            top = series[0].texts[place] if len(series) == 1 else f"{height:,}"
            texts.append((f"{left + bar / 2:.1f}", f"{foot - 6:.1f}", "bo-value", top))
        if place % every == 0:
            texts.append((f"{left + bar / 2:.1f}", HEIGHT - 8, "bo-label", label))
    return format_html(
        '<svg class="bo-chart" viewBox="0 0 {} {}" role="img" aria-label="{}" data-chart="{}">'
        '<path class="bo-axis" d="M{} {}H{}"/>{}{}</svg>',
        WIDTH,
        HEIGHT,
        summary,
        name,
        LEFT,
        HEIGHT - BOTTOM,
        WIDTH - RIGHT,
        format_html_join(
            "", '<rect x="{}" y="{}" width="{}" height="{}" class="{}"><title>{}</title></rect>', marks
        ),
        format_html_join("", '<text x="{}" y="{}" class="{}" text-anchor="middle">{}</text>', texts),
    )

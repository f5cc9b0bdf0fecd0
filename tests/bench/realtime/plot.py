"""The table of `make bench` as a picture: how often the CPU of the first side holds that of each other one.

python plot.py bench.json picture.svg
python plot.py docs/reference/performance.md docs/reference/performance.svg
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

WIDTH, LEFT, RIGHT, TOP, ROW = 760, 120, 24, 64, 22
COLORS = {
    "uvicorn": "#777777",
    "daphne": "#b9770e",
    "ours": "#1e8449",
    "limit": "#c0392b",
    "wrapped": "#2471a3",
}
OTHER = "#6c3483"
TITLE = "Efficiency: the cost of the first server, divided by the cost of each (further right is better)"
LINE = re.compile(r"^\| (\S+) \| ([^|]+) \| [^|]* \| [^|]* \| ([\d.]+) \(([\d.]+)-([\d.]+)\) \|$", re.M)
"""A row of the table in docs/reference/performance.md."""


class Mark(NamedTuple):
    """The efficiency of a side: the median of the rounds, the lowest, the highest."""

    measure: str
    side: str
    ratio: float
    lowest: float
    highest: float


def of_json(text: str) -> list[Mark]:
    """What `make bench` has written. A side that did not finish in any round has no mark."""
    lines = json.loads(text)["lines"]
    marks = [Mark(*(line[name] for name in Mark._fields)) for line in lines]
    return [mark for mark in marks if not math.isnan(mark.ratio)]


def of_page(text: str) -> list[Mark]:
    """The rows of the table in docs/reference/performance.md."""
    return [Mark(found[1], found[2], *map(float, found.groups()[2:])) for found in LINE.finditer(text)]


def svg(marks: Sequence[Mark]) -> str:
    """A row for each measure, and a dot with its range for each side; what is further right costs less."""
    measures = list(dict.fromkeys(mark.measure for mark in marks))
    low = math.floor(math.log2(min(mark.lowest for mark in marks)))
    high = math.ceil(math.log2(max(mark.highest for mark in marks)))
    bottom = TOP + ROW * len(measures)

    def x(ratio: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (math.log2(ratio) - low) / (high - low)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 34}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{bottom + 34}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{TITLE}</text>',
    ]
    sides = list(dict.fromkeys(mark.side for mark in marks))
    for place, side in enumerate(sides):
        color = COLORS.get(side, OTHER)
        parts.append(f'<circle cx="{LEFT + place * 90}" cy="38" r="4" fill="{color}"/>')
        parts.append(f'<text x="{LEFT + place * 90 + 8}" y="42">{escape(side)}</text>')
    for power in range(low, high + 1):
        place = x(2.0**power)
        parts.append(
            f'<line x1="{place:.0f}" x2="{place:.0f}" y1="{TOP - 8}" y2="{bottom}" stroke="{"#777" if not power else "#ddd"}"/>'
        )
        parts.append(f'<text x="{place:.0f}" y="{bottom + 16}" text-anchor="middle">{2.0**power:g}</text>')
    for number, measure in enumerate(measures):
        height = TOP + ROW * number + ROW / 2
        parts.append(f'<text x="{LEFT - 10}" y="{height + 4:.0f}" text-anchor="end">{escape(measure)}</text>')
        for mark in (each for each in marks if each.measure == measure):
            color = COLORS.get(mark.side, OTHER)
            ends = f'x1="{x(mark.lowest):.1f}" x2="{x(mark.highest):.1f}" y1="{height}" y2="{height}"'
            title = f"<title>{escape(mark.side)} {mark.ratio:.2f}</title>"
            parts.append(f'<line {ends} stroke="{color}" stroke-width="2"/>')
            parts.append(
                f'<circle cx="{x(mark.ratio):.1f}" cy="{height}" r="4" fill="{color}">{title}</circle>'
            )
    return "\n".join([*parts, "</svg>", ""])


def main() -> None:
    source, target = map(Path, sys.argv[1:])
    read = of_json if source.suffix == ".json" else of_page
    target.write_text(svg(read(source.read_text())))


if __name__ == "__main__":
    main()

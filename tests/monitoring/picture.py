"""images/monitoring/dashboard.json as a picture: each panel's queries as lines, in the places that Grafana would give them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from html import escape

Series = tuple[str, list[tuple[float, float]]]
"""What the legend says, and (time, value) of each point; a value may be NaN."""

COLUMN, ROW, GAP, HEAD = 40, 25, 6, 30
"""Pixels of Grafana's grid, between two panels, and above all."""

COLORS = ("#2471a3", "#b9770e", "#1e8449", "#6c3483", "#c0392b", "#148f77", "#777777")
BINARY = ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"), (1, "B"))
FACTORS = {"s": ((1, "s"), (1e-3, "ms"), (1e-6, "us")), "percentunit": ((0.01, "%"),), "bytes": BINARY}
"""Unit of a panel -> what its values are shown in, the largest first."""
RATES = {"reqps": "/s", "ops": "/s"}


def shown(value: float, unit: str) -> str:
    """VALUE as an axis has it."""
    factors = FACTORS.get(unit, ((1, RATES.get(unit, "")),))
    factor, name = next((each for each in factors if value >= each[0]), factors[-1])
    return f"{value / factor:.3g} {name}".strip() if value else "0"


def series_of(answer: Iterable[dict], legend: str | None) -> list[Series]:
    """Those of an ANSWER of Prometheus (`query_range`); LEGEND as in `{{label}}`, none: the values of all labels."""
    found = []
    for each in answer:
        labels = {key: value for key, value in each["metric"].items() if key not in ("__name__", "job")}
        text = legend or " ".join(labels.values())
        for key, value in labels.items():
            text = text.replace("{{" + key + "}}", value)
        found.append((text, [(float(moment), float(value)) for moment, value in each["values"]]))
    return found


def svg(panels: Iterable[tuple[dict, list[Series]]], start: float, end: float) -> str:
    """PANELS of a dashboard with their series, from START to END."""
    panels = list(panels)
    places = [panel["gridPos"] for panel, _ in panels]
    width = COLUMN * max(place["x"] + place["w"] for place in places)
    height = HEAD + ROW * max(place["y"] + place["h"] for place in places)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height}" fill="#f0f0f0"/>',
        f'<text x="{GAP}" y="20" font-size="13">'
        f"{(end - start) / 60:.0f} minutes of tests, drawn by a test and not by Grafana</text>",
    ]
    for panel, series in panels:
        parts += _panel(panel, series, start, end)
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: dict, series: list[Series], start: float, end: float) -> list[str]:
    place, unit = panel["gridPos"], panel["fieldConfig"]["defaults"]["unit"]
    left, top = place["x"] * COLUMN + GAP / 2, HEAD + place["y"] * ROW + GAP / 2
    right, bottom = left + place["w"] * COLUMN - GAP, top + place["h"] * ROW - GAP
    values = [value for _, points in series for _, value in points if not math.isnan(value)]
    most = _round_up(max(values, default=0))
    x0, x1, y0, y1 = left + 55, right - 10, bottom - 34, top + 26

    def x(moment: float) -> float:
        return x0 + (x1 - x0) * (moment - start) / (end - start)

    def y(value: float) -> float:
        return y0 - (y0 - y1) * value / most

    parts = [
        f'<rect x="{left}" y="{top}" width="{right - left}" height="{bottom - top}" fill="white" stroke="#ccc"/>',
        f'<text x="{left + 8}" y="{top + 16}" font-size="12">{escape(panel["title"])}</text>',
    ]
    for part in (0, 0.5, 1):
        parts.append(
            f'<line x1="{x0}" x2="{x1}" y1="{y(part * most):.1f}" y2="{y(part * most):.1f}" stroke="#ddd"/>'
        )
        parts.append(
            f'<text x="{x0 - 5}" y="{y(part * most) + 3:.1f}" text-anchor="end">{shown(part * most, unit)}</text>'
        )
    for moment in (start, end):
        anchor = "start" if moment == start else "end"
        clock = time.strftime("%H:%M:%S", time.gmtime(moment))
        parts.append(f'<text x="{x(moment):.0f}" y="{y0 + 12}" text-anchor="{anchor}">{clock}</text>')
    place_of_text = left + 8
    for number, (name, points) in enumerate(series):
        color = COLORS[number % len(COLORS)]
        parts.append(
            f'<path d="{_line(points, x, y)}" fill="none" stroke="{color}" stroke-width="1.5">'
            f"<title>{escape(name)}</title></path>"
        )
        if place_of_text + 6 * len(name) < right:  # the rest has its title alone
            parts.append(
                f'<text x="{place_of_text:.0f}" y="{bottom - 7}" fill="{color}">{escape(name)}</text>'
            )
            place_of_text += 6 * len(name) + 10
    return parts


def _line(points: list[tuple[float, float]], x: Callable[[float], float], y: Callable[[float], float]) -> str:
    """Data of a path, with a gap where a value is none."""
    path, pen = [], "M"
    for moment, value in points:
        if math.isnan(value):
            pen = "M"
        else:
            path.append(f"{pen}{x(moment):.1f} {y(value):.1f}")
            pen = "L"
    return "".join(path)


def _round_up(value: float) -> float:
    """The end of an axis: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= value)

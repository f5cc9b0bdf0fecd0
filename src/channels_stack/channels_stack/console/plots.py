"""The last hour as paths of SVG, drawn here: a strict policy allows no style in a page, and none is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Callable

from ..status.series import SLOT_SECONDS, SLOTS

WIDTH, HEIGHT = 240, 48
MEBIBYTE = 1 << 20

Slot = dict[str, float]


@dataclass(frozen=True)
class Plot:
    """One line: its last value and its largest, as text; ``line`` and ``area`` are data of SVG paths."""

    title: str
    now: str
    most: str
    line: str
    area: str
    width: int = WIDTH
    height: int = HEIGHT


def drawn(slots: Sequence[Slot], reports: Sequence[dict[str, Any]]) -> list[Plot]:
    """The plots, in the order of the page."""
    sums = ("messages_in", "messages_out")
    rate: Callable[..., Callable[[Slot], float]] = lambda *names: (  # noqa: E731
        lambda each: sum(each.get(name, 0) for name in names) / SLOT_SECONDS
    )
    return [
        _plot("Open sockets", slots, lambda each: each.get("sockets")),
        _plot("Messages a second", slots, rate(*sums)),
        _plot("Requests a second", slots, rate("requests")),
        _plot("Jobs waiting", slots, lambda each: each.get("waiting")),
        _plot("Layer latency", slots, lambda each: each.get("layer_latency_ms"), " ms"),
        _plot("Loop lag", slots, lambda each: each.get("loop_lag_ms"), " ms"),
    ]


def _plot(title: str, slots: Sequence[Slot], read: Callable[[Slot], float | None], unit: str = "") -> Plot:
    values = [read(each) if each else None for each in slots]
    known = [value for value in values if value is not None]
    most = max(known, default=0.0)
    runs: list[list[str]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            x = index * WIDTH / (SLOTS - 1)
            runs[-1].append(f"{x:.1f} {HEIGHT - value / (most or 1) * (HEIGHT - 2) - 1:.1f}")
    runs = [[run[0], *run] if len(run) == 1 else run for run in runs if run]
    line = "".join("M" + "L".join(run) for run in runs)
    area = "".join(
        f"M{run[0].split()[0]} {HEIGHT}L{'L'.join(run)}L{run[-1].split()[0]} {HEIGHT}Z" for run in runs
    )
    last = values[-1] if values else None
    return Plot(title, _text(last, unit), _text(most if known else None, unit), line, area)


def _text(value: float | None, unit: str) -> str:
    if value is None:
        return "–"
    return (f"{value:.1f}" if value < 10 and value != int(value) else f"{value:.0f}") + unit

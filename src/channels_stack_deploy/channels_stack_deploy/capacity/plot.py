"""What was measured, as a picture: SVG for people who come later, bars for the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from .model import Bounds, Knee, Step, milliseconds, symptoms
from .prediction import Prediction

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 720, 320, 60, 60, 40, 44
BAR = 30


def bars(steps: Sequence[Step], bounds: Bounds) -> list[str]:
    """A line for each number of visitors: pages a second, p95, what was wrong."""
    tried = sorted((step for step in steps if step.visitors), key=lambda step: step.visitors)
    most = max((step.rate for step in tried), default=0) or 1
    rows = []
    for step in tried:
        wrong = symptoms(step, bounds)
        bar = ("░" if wrong else "█") * max(1, round(BAR * step.rate / most))
        text = f"{step.visitors:>7} {bar:<{BAR}} {step.rate:6.1f} pages/s  p95 {milliseconds(step.pages.quantile(0.95))}"
        rows.append(text + (f"  {wrong[0]}" if wrong else ""))
    return rows


def svg(title: str, steps: Sequence[Step], bounds: Bounds, knee: Knee, prediction: Prediction | None) -> str:
    """p95 of pages (left) and pages a second (right) by visitors, with the knee and what was predicted."""
    tried = sorted((step for step in steps if step.visitors), key=lambda step: step.visitors)
    most = max((step.visitors for step in tried), default=1) * 1.05
    slow = max([*(step.pages.quantile(0.95) for step in tried), bounds.slowest]) * 1.1
    fast = max([*(step.rate for step in tried), 1]) * 1.1

    def x(visitors: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * min(visitors / most, 1)

    def y(value: float, top: float) -> float:
        return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * value / top

    def path(values: Sequence[tuple[float, float]], top: float, color: str) -> str:
        points = " ".join(f"{x(visitors):.0f},{y(value, top):.0f}" for visitors, value in values)
        return f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="2"/>'

    def upright(visitors: float, text: str, color: str, dash: str, place: int) -> str:
        anchor = "end" if x(visitors) > WIDTH / 2 else "start"
        offset = -4 if anchor == "end" else 4
        return (
            f'<line x1="{x(visitors):.0f}" x2="{x(visitors):.0f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}" stroke="{color}" '
            f'stroke-dasharray="{dash}"/><text x="{x(visitors) + offset:.0f}" y="{TOP + 12 + place * 14}" fill="{color}" '
            f'text-anchor="{anchor}">{escape(text)}</text>'
        )

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14">{escape(title)}</text>',
        f'<text x="{LEFT}" y="{TOP - 6}" fill="#c0392b">p95 of pages</text>',
        f'<text x="{WIDTH - RIGHT}" y="{TOP - 6}" fill="#2471a3" text-anchor="end">pages a second</text>',
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 8}" text-anchor="middle">visitors</text>',
    ]
    for part in (0, 0.25, 0.5, 0.75, 1):
        height = y(part, 1)
        parts += [
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{height:.0f}" y2="{height:.0f}" stroke="#ddd"/>',
            f'<text x="{LEFT - 6}" y="{height + 4:.0f}" text-anchor="end">{milliseconds(part * slow)}</text>',
            f'<text x="{WIDTH - RIGHT + 6}" y="{height + 4:.0f}">{part * fast:.0f}</text>',
            f'<text x="{x(part * most):.0f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{part * most:.0f}</text>',
        ]
    parts.append(path([(step.visitors, step.rate) for step in tried], fast, "#2471a3"))
    parts.append(path([(step.visitors, step.pages.quantile(0.95)) for step in tried], slow, "#c0392b"))
    for step in tried:
        fill = "#c0392b" if symptoms(step, bounds) else "white"
        height = y(step.pages.quantile(0.95), slow)
        parts.append(
            f'<circle cx="{x(step.visitors):.0f}" cy="{height:.0f}" r="4" fill="{fill}" stroke="#c0392b"/>'
        )
    parts.append(upright(knee.step.visitors, f"knee: {knee.step.visitors}", "#1e8449", "none", 0))
    if prediction:
        parts.append(upright(prediction.visitors, f"predicted: {prediction.visitors}", "#777", "4", 1))
    return "\n".join([*parts, "</svg>", ""])

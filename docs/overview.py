"""Draws docs/overview.svg, the picture in the README: python3 docs/overview.py

A test compares the file with what this draws, and NETWORKS with compose.yml (tests/unit/stack/test_overview.py).
"""

from __future__ import annotations

from pathlib import Path

NETWORKS = {
    "edge": {"public", "front"},
    "http": {"front", "data", "out"},
    "ws": {"front", "data", "out"},
    "worker": {"data", "out"},
    "redis": {"data"},
    "db": {"data"},
}
"""Service -> its networks; `release`, which ends before the others start, has those of `worker`."""

WIDTH, HEIGHT = 960, 400
FONT = "font-family='system-ui, Segoe UI, Roboto, Helvetica, Arial, sans-serif'"

ZONES = (
    ("front", 164, 62, 412, 204, "#2563eb"),
    ("data", 392, 40, 540, 340, "#15803d"),
)
"""(internal network, x, y, width, height, colour): who shares one may connect to each other."""

BOXES = (
    ("edge", 180, 100, 158, 130, ("HAProxy", "TLS, limits, routing", "cache, strict parsing")),
    ("ws", 412, 84, 140, 74, ("uvicorn, gunicorn", "or Daphne")),
    ("http", 412, 176, 140, 74, ("gunicorn, uvicorn", "or Daphne")),
    ("release", 412, 282, 140, 74, ("runs once: checks,", "migrations, static")),
    ("worker", 592, 282, 140, 74, ("jobs: retries,", "dead letters")),
    ("redis", 766, 84, 146, 74, ("channel layers,", "jobs")),
    ("db", 766, 194, 146, 74, ("PostgreSQL,", "backups with drills")),
)
"""(service, x, y, width, height, lines below its name)."""

ARROWS = (
    ("M 92 165 H 174", ":80 :443", 132, 156),
    ("M 338 140 C 372 140 372 121 406 121", "sockets", 368, 108),
    ("M 338 190 C 372 190 372 213 406 213", "pages", 368, 232),
    ("M 552 115 H 760", "groups, jobs", 656, 107),
    ("M 552 132 C 640 136 690 224 760 224", "", 0, 0),
    ("M 552 200 C 640 198 690 134 760 130", "", 0, 0),
    ("M 552 236 H 760", "queries", 624, 252),
    ("M 690 282 C 700 200 720 160 762 146", "", 0, 0),
    ("M 732 312 C 790 312 812 300 816 276", "", 0, 0),
    ("M 482 356 V 370 H 850 V 276", "", 0, 0),
)
"""(path, label, x and y of the label)."""


def box(name: str, x: int, y: int, width: int, height: int, lines: tuple[str, ...]) -> str:
    """A service."""
    middle = x + width / 2
    texts = "".join(
        f"<text x='{middle}' y='{y + 44 + 17 * number}' font-size='12.5' fill='#475569'>{line}</text>"
        for number, line in enumerate(lines)
    )
    return (
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='9' fill='#ffffff' stroke='#334155' stroke-width='1.4'/>"
        f"<text x='{middle}' y='{y + 24}' font-size='16' font-weight='600' fill='#0f172a'>{name}</text>{texts}"
    )


def zone(name: str, x: int, y: int, width: int, height: int, colour: str) -> str:
    """An internal network."""
    return (
        f"<rect x='{x}' y='{y}' width='{width}' height='{height}' rx='16' fill='{colour}' fill-opacity='0.07' "
        f"stroke='{colour}' stroke-opacity='0.45' stroke-dasharray='5 4'/>"
        f"<text x='{x + width - 14}' y='{y + 20}' font-size='12.5' fill='{colour}' text-anchor='end'>network {name}</text>"
    )


def arrow(path: str, label: str, x: int, y: int) -> str:
    """Who opens a connection to whom."""
    text = f"<text x='{x}' y='{y}' font-size='12.5' fill='#475569'>{label}</text>" if label else ""
    return f"<path d='{path}' fill='none' stroke='#334155' stroke-width='1.4' marker-end='url(#tip)'/>{text}"


def draw() -> str:
    """The picture."""
    title = "Browsers reach the edge alone; it sends WebSockets to ws and requests to http; they and worker use redis and db."
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' {FONT} text-anchor='middle' role='img'>",
        f"<title>{title}</title>",
        "<defs><marker id='tip' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='8' markerHeight='8' orient='auto'>"
        "<path d='M 0 0.8 L 7 4 L 0 7.2 z' fill='#334155'/></marker></defs>",
        f"<rect width='{WIDTH}' height='{HEIGHT}' rx='14' fill='#f8fafc'/>",
        *(zone(*each) for each in ZONES),
        "<circle cx='56' cy='150' r='15' fill='#e2e8f0' stroke='#334155' stroke-width='1.4'/>"
        "<path d='M 29 196 C 29 162 83 162 83 196 z' fill='#e2e8f0' stroke='#334155' stroke-width='1.4'/>"
        "<text x='56' y='218' font-size='13.5' fill='#0f172a'>browsers</text>",
        *(arrow(*each) for each in ARROWS),
        *(box(*each) for each in BOXES),
        "<text y='316' font-size='12.5' fill='#475569' text-anchor='start'>"
        "<tspan x='24'>The edge alone publishes ports (network public).</tspan>"
        "<tspan x='24' dy='18'>http, ws, worker and release can call out</tspan>"
        "<tspan x='24' dy='18'>(network out); redis and db cannot.</tspan></text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


if __name__ == "__main__":
    Path(__file__).with_suffix(".svg").write_text(draw())

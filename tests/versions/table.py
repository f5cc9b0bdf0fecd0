"""docs/versions.md: the matrix with what its last whole run has seen."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from matrix import CASES, ROWS, Row

FILE = Path(__file__).resolve().parents[2] / "docs/versions.md"

PACKAGES = (
    ("Python", "python"),
    ("Django", "django"),
    ("Channels", "channels"),
    ("Daphne", "daphne"),
    ("channels-redis", "channels-redis"),
    ("redis-py", "redis"),
    ("asgiref", "asgiref"),
    ("uvicorn", "uvicorn"),
    ("gunicorn", "gunicorn"),
)
"""Column -> name of the package."""

INTRODUCTION = """\
# Versions

<!-- Written by `make test-versions` after a run of all rows; tests/versions/matrix.py defines the rows and the cases. -->

The minimal project of the Channels 4.0 release notes (`tests/versions/project`), deployed by a few lines of `stack.env`:
`APP_DEBIAN` brings the Python, a constraints file (`APP_CONSTRAINTS`) the versions. What a constraint does not name is the
newest that fits. Last run: {date}, {minutes} minutes.
"""


@dataclass
class Result:
    """What a run has seen of one row."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """Case -> passed, skipped (it failed, as it had to) or failed."""
    versions: dict[str, str] = field(default_factory=dict)
    start_seconds: float = 0
    seconds: float = 0


@dataclass
class Run:
    """What a run has seen so far."""

    results: dict[str, Result] = field(default_factory=dict)
    started: float = field(default_factory=time.time)

    def result(self, row: Row) -> Result:
        """The result of ROW, made where there is none yet."""
        return self.results.setdefault(row.name, Result())

    def complete(self) -> bool:
        """Whether every case was tried on every row."""
        return all(CASES.keys() <= self.result(row).outcomes.keys() for row in ROWS)


def text(run: Run) -> str:
    """The whole page."""
    date, minutes = time.strftime("%Y-%m-%d", time.gmtime()), round((time.time() - run.started) / 60)
    parts = [INTRODUCTION.format(date=date, minutes=minutes), versions(run), cases(run), legend(), reasons()]
    return "\n".join(parts)


def versions(run: Run) -> str:
    """What was installed on each row, and by which servers it was served."""
    rows = []
    for row in ROWS:
        found = run.result(row).versions
        named = [found.get(package, "–") for _, package in PACKAGES]
        rows.append([row.debian, pins(row), *named, row.http, row.ws])
    return markdown(
        ["Debian", "asked for", *(column for column, _ in PACKAGES), "pages by", "sockets by"], rows
    )


def pins(row: Row) -> str:
    """What the constraints of ROW name, on one line."""
    return " ".join(f"`{package}{version}`" for package, version in row.pins.items()) or "the newest"


def cases(run: Run) -> str:
    """What each row did."""
    rows = []
    for row in ROWS:
        result = run.result(row)
        marks = ["no" if case in row.cannot else "yes" for case in CASES]
        rows.append([row.name, *marks, f"{result.start_seconds:.0f} s", f"{result.seconds:.0f} s"])
    return markdown(["row", *CASES, "started in", "done after"], rows)


def legend() -> str:
    """What each case is."""
    return "\n".join(f"- **{case}**: {what}." for case, what in CASES.items()) + "\n"


def reasons() -> str:
    """Why some rows cannot do everything."""
    lines = [f"- {row.name}, {case}: {lack.why}." for row in ROWS for case, lack in row.cannot.items()]
    told = "What a row cannot do is tried all the same, and has to fail in the known way:\n\n"
    return told + "\n".join(lines) + "\n"


def markdown(head: list[str], rows: list[list[str]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)

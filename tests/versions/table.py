"""docs/reference/versions.md: the matrix with what the last run of each row has seen."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from matrix import CASES, ROWS, Row

FILE = Path(__file__).resolve().parents[2] / "docs/reference/versions.md"
KEPT = Path(__file__).resolve().parents[1] / ".artifacts/versions.json"
"""The last result of each row that went well, so that a run of one row renews its line of the page."""

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
    ("Redis", "server"),
)
"""Column -> name of the package, or `server`: of the layers."""

MARKS = {"passed": "yes", "skipped": "no"}
NOT_YET = "not run yet"

INTRODUCTION = """\
# Versions

<!-- Written by `make test-versions`; tests/versions/matrix.py defines the rows and the cases. -->

The minimal project of the Channels 4.0 release notes (`tests/versions/project`), deployed by a few lines of `stack.env`:
`APP_DEBIAN` brings the Python, a constraints file (`APP_CONSTRAINTS`) the versions. What a constraint does not name is the
newest that fitted on the day that is named.
"""


@dataclass
class Result:
    """What the last run has seen of one row."""

    outcomes: dict[str, str] = field(default_factory=dict)
    """Case -> passed, or skipped: it failed, as it had to."""
    versions: dict[str, str] = field(default_factory=dict)
    pins: dict[str, str] = field(default_factory=dict)
    date: str = ""
    start_seconds: float = 0
    seconds: float = 0

    def covers(self, row: Row) -> bool:
        """Whether it is about ROW as it is defined now, with every case, and whether all went well."""
        well = all(outcome in ("passed", "skipped") for outcome in self.outcomes.values())
        return well and self.outcomes.keys() == CASES.keys() and self.pins == row.pins and bool(self.date)


@dataclass
class Run:
    """What this run has seen so far."""

    results: dict[str, Result] = field(default_factory=dict)

    def result(self, row: Row) -> Result:
        """The result of ROW, made where there is none yet."""
        return self.results.setdefault(row.name, Result())

    def keep(self) -> list[str]:
        """Keep the rows that went well beside those of earlier runs; the names of rows that nobody has seen yet."""
        kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
        seen = {name: Result(**values) for name, values in kept.items()}
        seen |= {row.name: self.result(row) for row in ROWS if self.result(row).covers(row)}
        self.results = {
            row.name: seen[row.name] for row in ROWS if row.name in seen and seen[row.name].covers(row)
        }
        KEPT.parent.mkdir(exist_ok=True)
        KEPT.write_text(json.dumps({name: asdict(result) for name, result in self.results.items()}, indent=1))
        return [row.name for row in ROWS if row.name not in self.results]


def text(run: Run) -> str:
    """The whole page."""
    return "\n".join([INTRODUCTION, versions(run), cases(run), legend(), reasons()])


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
        marks = [MARKS.get(result.outcomes.get(case, ""), "–") for case in CASES]
        times = [f"{seconds:.0f} s" if seconds else "–" for seconds in (result.start_seconds, result.seconds)]
        rows.append([row.name, *marks, *times, result.date or NOT_YET])
    return markdown(["row", *CASES, "started in", "done after", "seen"], rows)


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

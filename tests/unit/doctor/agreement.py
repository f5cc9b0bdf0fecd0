"""How far the doctor and the truth agree about the projects in shapes/: `make test-doctor`.

Each file of shapes/ is a small project: a line that says what it is, then files, each below `=== path` (or
`=== path utf-16`). The truth was written by hand, from what happens in production, at the line it happens in:
`#! E501 W309` names the rules that should speak of this line, `#! file E511` on a line of its own those of the file as
a whole, and `W002<3.14` one that holds only where the doctor runs on an older Python. None of these marks is in the
files that the doctor reads.

Precision is the part of the findings that are true, recall the part of the truth that is found. Standard library only.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections import Counter
from pathlib import Path

SHAPES = Path(__file__).resolve().parent / "shapes"
PRECISION, RECALL = 0.95, 0.9  # the least that is good enough, over all rules
MARK = re.compile(r"\s*#! ([^#]*)$")
Finding = tuple[str, str, int, str]  # shape, path, line (0: the file), rule


def unpack(shape: Path, folder: Path) -> set[Finding]:
    """Write the project of SHAPE below FOLDER; what is wrong with it."""
    truth: set[Finding] = set()
    _, *files = re.split(r"(?m)^=== ", shape.read_text(encoding="utf-8"))
    for file in files:
        head, _, body = file.partition("\n")
        path, _, encoding = head.strip().partition(" ")
        lines: list[str] = []
        for line in body.splitlines():
            mark = MARK.search(line)
            words = mark.group(1).split() if mark else []
            whole = words[:1] == ["file"]
            for word in words[whole:]:
                rule, _, older = word.partition("<")
                if not older or sys.version_info[:2] < tuple(map(int, older.split("."))):
                    truth.add((shape.stem, path, 0 if whole else len(lines) + 1, rule))
            if not whole:
                lines.append(line[: mark.start()] if mark else line)
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(lines) + "\n", encoding=encoding or "utf-8")
    return truth


def examined(shape: Path) -> tuple[set[Finding], set[Finding]]:
    """What is true of SHAPE, and what the doctor finds in it."""
    from channels_stack.doctor.examine import examine
    from channels_stack.doctor.findings import PREFIX
    from channels_stack.doctor.project import NotAProjectError, Project

    with tempfile.TemporaryDirectory() as folder:
        truth = unpack(shape, Path(folder))
        try:
            report = examine(Project(folder))
        except NotAProjectError:
            return truth, set()  # all that is wrong there is missed
    if report.failures:
        raise AssertionError(f"{shape.name}: {report.failures}")
    found = {(shape.stem, one.place.path, one.place.line, one.id[len(PREFIX) :]) for one in report.findings}
    return truth, found


def share(part: int, whole: int) -> float:
    """PART of WHOLE; of nothing everything."""
    return part / whole if whole else 1.0


def compare(shapes: list[Path]) -> tuple[float, float, list[str]]:
    """Precision and recall over SHAPES, and the lines that show them for each rule, with every disagreement."""
    true: set[Finding] = set()
    found: set[Finding] = set()
    for shape in shapes:
        one, other = examined(shape)
        true |= one
        found |= other
    lines = [f"{'rule':6}{'true':>6}{'found':>7}{'both':>6}{'precision':>11}{'recall':>8}"]
    counts = [Counter(one[3] for one in some) for some in (true, found, true & found)]
    for rule in sorted({one[3] for one in true | found}, key=lambda rule: (rule[1:], rule)):
        lines.append(_row(rule, *(count[rule] for count in counts)))
    lines.append(_row("all", len(true), len(found), len(true & found)))
    lines += [f"missed: {_told(one)}" for one in sorted(true - found)]
    lines += [f"not true: {_told(one)}" for one in sorted(found - true)]
    agreed = len(true & found)
    return share(agreed, len(found)), share(agreed, len(true)), lines


def _row(name: str, true: int, found: int, both: int) -> str:
    precision, recall = share(both, found), share(both, true)
    return f"{name:6}{true:6}{found:7}{both:6}{precision:11.2f}{recall:8.2f}"


def _told(finding: Finding) -> str:
    shape, path, line, rule = finding
    return f"{shape}: {path}{f':{line}' if line else ''} {rule}"


def main() -> int:
    """Print the comparison; 1 where it is not good enough."""
    shapes = sorted(SHAPES.glob("*.txt"))
    precision, recall, lines = compare(shapes)
    print("\n".join(lines))
    enough = precision >= PRECISION and recall >= RECALL
    bounds = f"at least {PRECISION} and {RECALL} are asked for"
    print(f"{len(shapes)} projects: precision {precision:.3f}, recall {recall:.3f}; {bounds}")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())

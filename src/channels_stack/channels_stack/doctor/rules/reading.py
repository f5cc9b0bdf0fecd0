"""What the doctor could not read."""

from __future__ import annotations

from ..findings import Found, rule
from ..project import Project
from ..pythons import debian, needed, number


@rule("E001")
def unreadable_source(project: Project) -> Found:
    """A Python file that Python cannot read

    In production: the process ends with a SyntaxError as soon as it imports the file. The doctor has read the
    other files, but problems in this one are hidden.

    Instead: correct the file and run the doctor again. If it is written for a newer Python, say so by requires-python in
    pyproject.toml, and choose the Debian release that has it (APP_DEBIAN).
    """
    for problem in project.files.problems:
        if problem.broken and not needed(project.files, problem):
            yield problem.place, problem.wrong


@rule("W002")
def skipped_file(project: Project) -> Found:
    """A file that was not read

    In production: problems in this file are found by your users.

    Instead: make the file readable, or move generated data out of the sources; then run the doctor again.
    """
    for problem in project.files.problems:
        if not problem.broken:
            yield problem.place, problem.wrong
            continue
        newer = needed(project.files, problem)
        if newer:
            version, why = newer
            suite = debian(version)
            way = f"APP_DEBIAN={suite} runs the project" if suite else "no Debian release has it yet"
            better = f"run the doctor with Python {number(version)} to have it read; {way} with that Python"
            yield problem.place, f"{problem.wrong}; {why}", better

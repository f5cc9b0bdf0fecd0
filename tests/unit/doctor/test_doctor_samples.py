"""The doctor in projects as they were written for Channels 2 and 3, and in the reference application.

In samples/ a comment `planted: E101` names what is wrong on its line; `planted below:` on the next one, `planted in file:`
in the file as a whole.
"""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from specimens import HERE, ROOT

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import PREFIX
from channels_stack.doctor.project import Project

PLANTED = re.compile(r"# planted( below| in file)?: ((?:[EW]\d{3}(?:, )?)+)")


def planted(folder: Path) -> Counter:
    """(file, line, rule) of everything that is wrong on purpose."""
    found: Counter = Counter()
    for path in folder.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            for number, line in enumerate(path.read_text().splitlines(), start=1):
                for where, ids in PLANTED.findall(line):
                    at = {" below": number + 1, " in file": 0}.get(where, number)
                    found.update((str(path.relative_to(folder)), at, id_) for id_ in ids.split(", "))
    return found


@pytest.mark.parametrize("name", ["channels_2", "channels_3"])
def test_everything_planted_and_nothing_else(name):
    folder = HERE / "samples" / name
    report = examine(Project(str(folder)))
    found = Counter((one.place.path, one.place.line, one.id[len(PREFIX) :]) for one in report.findings)
    assert report.failures == []
    assert {"missed": planted(folder) - found, "invented": found - planted(folder)} == {
        "missed": Counter(),
        "invented": Counter(),
    }


def test_the_reference_application_is_sound():
    report = examine(Project(str(ROOT / "app")))
    assert (report.findings, report.failures, report.silenced) == ([], [], 0)
    assert report.settings == ["config/settings.py"]

"""The doctor agrees with the truth, as it was written by hand for the projects in shapes/."""

from __future__ import annotations

import datetime

import agreement
import pytest
from specimens import write

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import PREFIX
from channels_stack.doctor.project import Project
from channels_stack.doctor.pythons import HERE, newest, number, oldest
from channels_stack.doctor.rules import support

SHAPES = sorted(agreement.SHAPES.glob("*.txt"))


def test_there_are_enough_projects():
    assert len(SHAPES) >= 30


def test_precision_and_recall():
    precision, recall, lines = agreement.compare(SHAPES)
    assert precision >= agreement.PRECISION, "\n".join(lines)
    assert recall >= agreement.RECALL, "\n".join(lines)


def test_what_is_missed_and_what_is_invented_counts(tmp_path):
    """The comparison can fail: a truth that the doctor does not see, and a finding that is not true."""
    shape = tmp_path / "odd.txt"
    shape.write_text(
        "A project.\n=== app/settings.py\n#! file E511\nINSTALLED_APPS = []\nSECRET_KEY = 'short'\nDEBUG = True  #! E507\n"
        "ALLOWED_HOSTS = ['a.example.org']\n"
    )
    precision, recall, lines = agreement.compare([shape])
    assert (precision, recall) == (0.5, 0.5)
    assert "missed: odd: app/settings.py E511" in lines
    assert "not true: odd: app/settings.py:2 E504" in lines


@pytest.mark.parametrize(
    ("words", "first", "last"),
    [
        (">=3.12", (3, 12), None),
        (">=3.9,<3.12", (3, 9), (3, 11)),
        ("^3.11", (3, 11), None),
        ("~=3.11", (3, 11), None),
        ("~=3.11.2", (3, 11), (3, 11)),
        ("==3.8.*", (3, 8), (3, 8)),
        ("3.10", (3, 10), (3, 10)),
        ("*", None, None),
    ],
)
def test_pythons_of_a_project(words, first, last):
    assert (oldest(words), newest(words)) == (first, last)


def test_syntax_of_a_newer_python_is_no_error(tmp_path):
    """A project that asks for a Python newer than the doctor's: the file is named, with the Debian that would do."""
    newer = number((HERE[0], HERE[1] + 1))
    edits = {
        "pyproject.toml": f'[project]\nrequires-python = ">={newer}"\n',
        "chat/extra.py": "def broken(:\n",
    }
    report = examine(Project(str(write(tmp_path, edits))))
    (finding,) = report.findings
    assert finding.id == f"{PREFIX}W002"
    assert f"Python {number(HERE)} cannot read it" in finding.wrong
    assert f"asks for Python >={newer} (pyproject.toml:2)" in finding.wrong
    assert "APP_DEBIAN=" in finding.instead or "no Debian release has it yet" in finding.instead


@pytest.mark.parametrize(
    ("day", "series"), [("2026-04-30", set()), ("2026-05-01", {"4.2"}), ("2028-05-01", {"4.2", "5.2"})]
)
def test_support_ends_on_a_day(tmp_path, day, series):
    """Supported to the last day; a series that is supported is never said to have no fixes."""
    (tmp_path / "requirements.txt").write_text("Django==4.2.30\n")
    other = tmp_path / "other"
    other.mkdir()
    (other / "requirements.txt").write_text("Django==5.2.1\n")
    (tmp_path / "settings.py").write_text("INSTALLED_APPS = []\n")
    found = support._ended(Project(str(tmp_path)), datetime.date.fromisoformat(day))
    assert {one[2] for one in found} == series


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_requirements_of_any_encoding(tmp_path, encoding):
    write(tmp_path)
    (tmp_path / "requirements.txt").write_text("aioredis==1.3.1\n", encoding=encoding)
    found = {(one.id, str(one.place)) for one in examine(Project(str(tmp_path))).findings}
    assert (f"{PREFIX}E702", "requirements.txt:1") in found

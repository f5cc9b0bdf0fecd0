"""tests/suite.py: what fails always stays red; what fails once is named."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SUITE = Path(__file__).parents[1] / "suite.py"
ALWAYS = "def test_always(): assert False\n"
ONCE = """
from pathlib import Path

def test_once():
    mark = Path(__file__).with_suffix(".mark")
    second = mark.exists()
    mark.touch()
    assert second
"""


def run(folder: Path, **files: str) -> subprocess.CompletedProcess[str]:
    """The suite over files of a folder."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    options = ["--numprocesses", "2", "--dist", "loadfile", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, SUITE, folder, *options], capture_output=True, text=True, timeout=110
    )


def test_what_fails_once_is_named_as_unstable(tmp_path):
    done = run(tmp_path, once=ONCE, good="def test_good(): pass\n")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("unstable (failed, passed alone):\n  test_once.py::test_once\n")


@pytest.mark.parametrize("files", [{"always": ALWAYS}, {"always": ALWAYS, "once": ONCE}])
def test_what_fails_always_stays_red(tmp_path, files):
    done = run(tmp_path, **files)
    assert done.returncode == 1
    assert "again, alone" in done.stdout
    assert "unstable" not in done.stdout


def test_many_failures_are_no_coincidence(tmp_path):
    done = run(tmp_path, **{f"once_{number}": ONCE for number in range(4)})
    assert done.returncode == 1
    assert "again, alone" not in done.stdout


def test_a_file_that_cannot_be_read_is_red(tmp_path):
    assert run(tmp_path, broken="import nothing_of_that_name\n").returncode != 0

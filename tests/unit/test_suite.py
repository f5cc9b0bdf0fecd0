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


def run(folder: Path, *more: str, **files: str) -> subprocess.CompletedProcess[str]:
    """The suite over files of a folder, with MORE options."""
    for name, text in files.items():
        (folder / f"test_{name}.py").write_text(text)
    options = ["--numprocesses", "2", "--dist", "loadfile", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, SUITE, folder, *options, *more], capture_output=True, text=True, timeout=110
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


def test_a_file_that_cannot_be_read_is_red_with_one_that_is_unstable(tmp_path):
    done = run(tmp_path, broken="import nothing_of_that_name\n", once=ONCE)
    assert done.returncode == 1, done.stdout
    assert "again, alone" not in done.stdout


@pytest.mark.parametrize(("floor", "code"), [(100, 1), (40, 0)])
def test_too_little_covered_is_red_with_a_test_that_is_unstable(tmp_path, floor, code):
    (tmp_path / "half.py").write_text("def covered():\n    return 1\n\n\ndef bare():\n    return 2\n")
    ini = (
        f"[run]\ndata_file = {tmp_path}/data\ninclude = {tmp_path}/half.py\n[report]\nfail_under = {floor}\n"
    )
    (tmp_path / "coverage.ini").write_text(ini)
    half = "import half\n\n\ndef test_half():\n    assert half.covered() == 1\n"
    done = run(tmp_path, "--cov", f"--cov-config={tmp_path}/coverage.ini", half=half, once=ONCE)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("unstable" in done.stdout) == (code == 0)

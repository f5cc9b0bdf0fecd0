"""`channels-stack worker --reload`: the command runs again when a file changes, and ends with the signal."""

from __future__ import annotations

import os
import pathlib
import sys

import pytest
from processes import RUNTIME, Process, until

COMMAND = """
import os, signal, sys, time

def end(*_):
    print("ended", file=open("journal", "a"))
    sys.exit(0)

signal.signal(signal.SIGTERM, end)
print("started", os.getpid(), file=open("journal", "a"))
time.sleep(60)
"""


@pytest.fixture
def reloading(tmp_path):
    """A command that says when it starts and ends, below `reload.main`."""
    (tmp_path / "command.py").write_text(COMMAND)
    code = "import sys, channels_stack.commands.reload as r; sys.exit(r.main([sys.executable, 'command.py']))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(RUNTIME), "PYTHONDONTWRITEBYTECODE": "1"}
    process = Process([sys.executable, "-c", code], environment, tmp_path)
    yield process
    process.terminate()
    process.wait()


def words(folder: pathlib.Path) -> list[str]:
    """The first word of each line that the command has written down."""
    journal = folder / "journal"
    return [line.split()[0] for line in journal.read_text().splitlines()] if journal.exists() else []


def test_it_starts_again_on_a_change_and_ends_with_the_signal(reloading, tmp_path):
    until(lambda: words(tmp_path) == ["started"], what="the command runs")
    (tmp_path / "package").mkdir()
    (tmp_path / "package/new.py").touch()
    until(lambda: words(tmp_path) == ["started", "ended", "started"], what="a new file counts as a change")
    (tmp_path / "package/notes.txt").touch()
    os.utime(tmp_path / "package/new.py", (1, 1))
    until(lambda: words(tmp_path)[3:] == ["ended", "started"], what="a changed file, and only that")
    reloading.says("the source has changed")
    reloading.terminate()
    assert reloading.wait() == 0
    assert words(tmp_path)[5:] == ["ended"]

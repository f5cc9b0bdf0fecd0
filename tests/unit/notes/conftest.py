"""The Channels 4.0 notes, statement by statement: fresh interpreters, so that each sees what it installs and imports."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from minimal import PROJECT, RUNTIME
from support.polling import PATIENCE

OF_DAPHNE = ("daphne", "twisted", "autobahn")
"""The modules that only Daphne brings."""


class Outcome:
    """What a process said; `text` is both of its streams."""

    def __init__(self, done: subprocess.CompletedProcess[str]) -> None:
        self.code, self.text = done.returncode, done.stdout


@pytest.fixture
def python(tmp_path):
    """Runs Python with the project on its path; `site` is another folder of packages than the installed one."""

    def run(*arguments: str, site: Path | None = None, **environment: str) -> Outcome:
        isolated = ["-S"] if site else []  # no packages but those on the path
        path = [str(tmp_path), str(PROJECT), str(RUNTIME), *([str(site)] if site else [])]
        variables = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": ":".join(path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "DJANGO_SETTINGS_MODULE": "mysite.settings",
            **environment,
        }
        done = subprocess.run(
            [sys.executable, *isolated, *arguments],
            cwd=tmp_path,
            env=variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        return Outcome(done)

    return run


@pytest.fixture
def settings(tmp_path):
    """Writes a settings module `changed`: the project's, and then these lines."""

    def write(*lines: str) -> dict[str, str]:
        (tmp_path / "changed.py").write_text("\n".join(["from mysite.settings import *", *lines, ""]))
        return {"DJANGO_SETTINGS_MODULE": "changed"}

    return write


@pytest.fixture
def without_daphne(tmp_path) -> Path:
    """The installed packages as a folder of links, without those of Daphne: as if it had never been installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.lower().startswith(OF_DAPHNE):
            (folder / path.name).symlink_to(path)
    return folder

"""The earlier revision that an upgrade starts from, in a clone of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts.hosts import interruptible
from stacks import ROOT


def pytest_addoption(parser):
    parser.addoption("--revision", default="main~1", help="the commit, branch or tag that is upgraded")


def pytest_configure():
    interruptible()


@pytest.fixture
def clone(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A clone of this repository with the earlier revision checked out."""
    # Names of branches and tags are those of this repository, not those of its clone.
    revision = commit(request.config.option.revision)
    tmp_path.chmod(0o755)
    root = tmp_path / "clone"
    git("clone", "--quiet", "--shared", str(ROOT), str(root))
    git("checkout", "--quiet", "--detach", revision, at=root)
    yield root
    shutil.rmtree(root)


@pytest.fixture
def upgrade(clone: Path):
    """A function that checks out what is committed here, as an operator does."""
    return lambda: git("checkout", "--quiet", "--detach", commit("HEAD"), at=clone)


def commit(name: str) -> str:
    return git("rev-parse", "--verify", f"{name}^{{commit}}")


def git(*words: str, at: Path = ROOT) -> str:
    done = subprocess.run(["git", *words], cwd=at, capture_output=True, text=True, check=True)
    return done.stdout.strip()

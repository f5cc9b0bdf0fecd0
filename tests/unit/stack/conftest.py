"""Tests of the tool behind `make up`: they need neither an engine nor a network."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests"))
sys.path.insert(0, str(ROOT / "compose"))
sys.path.insert(0, str(ROOT / "ansible/roles/engine/files"))


@pytest.fixture
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture
def deployment(tmp_path):
    """An empty deployment folder."""
    from stack.paths import Deployment

    return Deployment(tmp_path / "deployment")

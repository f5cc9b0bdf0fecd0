"""Tests of the tool behind `make up`: they need neither an engine nor a network."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root() -> Path:
    """The project's folder."""
    return ROOT


@pytest.fixture
def deployment(tmp_path):
    """An empty deployment folder."""
    from channels_stack_deploy.paths import Deployment

    return Deployment(tmp_path / "deployment")


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """An empty checkout, whose `compose/` holds the default environment."""
    from channels_stack_deploy import paths
    from channels_stack_deploy.config import environments, ports

    compose = tmp_path / "compose"
    compose.mkdir()
    for module in (paths, environments):
        monkeypatch.setattr(module, "ROOT", tmp_path)
    for module in (paths, environments, ports):
        monkeypatch.setattr(module, "COMPOSE", compose)
        monkeypatch.setattr(module, "ENVIRONMENTS", compose / "environments")
    return tmp_path

"""The engine tool's decisions; that it installs and starts is seen by every `make up` on a fresh machine."""

import os
import subprocess
import sys

import engine
import pytest


def test_wrong_use_explains_itself(root):
    done = subprocess.run(
        [sys.executable, root / "ansible/roles/engine/files/engine.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "install" in done.stderr


def test_nothing_there_is_reported_in_full(monkeypatch):
    monkeypatch.setattr(engine.shutil, "which", lambda name: None)
    problems = engine.state()["problems"]
    assert problems == [
        "no Docker Engine on this host",
        "Docker Compose none: 2.24 or newer is needed",
        "no docker buildx",
    ]


def test_an_old_compose_is_refused_with_both_versions(monkeypatch):
    monkeypatch.setattr(engine, "answers", lambda: True)
    monkeypatch.setattr(
        engine, "version_of", lambda *command: (1, 29, 2) if "compose" in command else (0, 13)
    )
    assert engine.state()["problems"] == ["Docker Compose 1.29.2: 2.24 or newer is needed"]


def test_an_unknown_distribution_is_left_alone(monkeypatch):
    monkeypatch.setattr(
        engine,
        "state",
        lambda: {"problems": ["no Docker Engine on this host"], "installed": False, "running": False},
    )
    monkeypatch.setattr(engine, "distribution", lambda: ("alpine", "3.20", ""))
    with pytest.raises(engine.EngineError, match="Debian 12 and 13"):
        engine.install()


def test_docker_as_a_snap_is_told_and_gets_no_package_beside_it(monkeypatch, tmp_path):
    """As on an Ubuntu whose installer was told to add it: it answers, with Compose and buildx, and serves nothing."""
    snap = tmp_path / "docker"
    snap.touch()
    monkeypatch.setattr(engine, "SNAP", snap)
    monkeypatch.setattr(engine, "answers", lambda: True)
    monkeypatch.setattr(engine, "version_of", lambda *command: (2, 40))
    monkeypatch.setattr(engine, "apt_get", lambda *arguments: pytest.fail(f"apt-get {arguments}"))
    assert engine.state()["problems"] == engine.state()["refused"] == engine.refused()
    with pytest.raises(engine.EngineError, match="snap remove docker"):
        engine.install()


def test_an_engine_that_only_stands_still_gets_no_packages(monkeypatch):
    monkeypatch.setattr(engine, "state", lambda: {"problems": [engine.NOT_ANSWERING]})
    monkeypatch.setattr(engine, "apt_get", lambda *arguments: pytest.fail(f"apt-get {arguments}"))
    assert engine.packages() is False


@pytest.mark.parametrize(
    ("since", "written", "stale"), [(100, 99.9, False), (100, 100.9, False), (100, 101, True)]
)
def test_a_configuration_younger_than_the_engine_is_not_in_force(
    monkeypatch, tmp_path, since, written, stale
):
    configuration = tmp_path / "daemon.json"
    configuration.write_text("{}")
    os.utime(configuration, (written, written))
    monkeypatch.setattr(engine, "CONFIGURATION", configuration)
    monkeypatch.setattr(engine, "systemd", lambda: True)
    answer = subprocess.CompletedProcess([], 0, f"@{since}\n", "")
    monkeypatch.setattr(engine, "run", lambda *command, **options: answer)
    assert engine.stale() is stale

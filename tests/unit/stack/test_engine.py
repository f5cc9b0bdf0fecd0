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


def test_docker_as_a_snap_is_reported_and_gets_no_package_in_addition(monkeypatch, tmp_path):
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


@pytest.mark.parametrize("security", ["http://mirror.example/debian-security", ""])
def test_bookworm_takes_docker_and_its_security_updates_from_trixie_and_nothing_else(
    monkeypatch, tmp_path, security
):
    known = {"bookworm": "http://mirror.example/debian", "bookworm-security": security}

    def apt_uri(codename: str) -> str:
        if not known[codename]:
            raise engine.EngineError("no apt source")
        return known[codename]

    monkeypatch.setattr(engine, "apt_uri", apt_uri)
    monkeypatch.setattr(engine, "SOURCES", tmp_path / "sources")
    monkeypatch.setattr(engine, "PREFERENCES", tmp_path / "preferences")
    engine.pin_trixie("bookworm")
    stanzas = (tmp_path / "sources").read_text().split("\n\n")
    suites = ["trixie", *(["trixie-security"] if security else [])]
    assert [line for each in stanzas for line in each.splitlines() if line.startswith("Suites")] == [
        f"Suites: {suite}" for suite in suites
    ]
    assert (f"URIs: {security}\nSuites: trixie-security" in stanzas[-1]) is bool(security)
    pins = [
        dict(line.split(": ", 1) for line in pin.splitlines())
        for pin in (tmp_path / "preferences").read_text().split("\n\n")
    ]
    for suite in ("trixie", "trixie-security"):
        of_suite = {pin["Package"]: pin["Pin-Priority"] for pin in pins if pin["Pin"] == f"release n={suite}"}
        assert of_suite == {"*": "-1", " ".join(engine.PINNED): "990"}


DEFAULT_ROUTE = "0" * 32 + " 00 " + "0" * 32 + " 00 fe80 00000400 00000001 00000000 00000003 eth0\n"


@pytest.mark.parametrize(
    ("routes", "works", "there", "written"),
    [
        (DEFAULT_ROUTE, True, False, True),
        (DEFAULT_ROUTE, True, True, False),
        (DEFAULT_ROUTE, False, False, False),
        ("", True, False, False),
        (None, True, False, False),
    ],
    ids=["IPv6", "configured already", "no ip6tables", "no IPv6", "no such file"],
)
def test_a_new_engine_translates_ipv6_where_the_host_has_it(
    monkeypatch, tmp_path, routes, works, there, written
):
    configuration, route = tmp_path / "docker/daemon.json", tmp_path / "ipv6_route"
    monkeypatch.setattr(engine, "CONFIGURATION", configuration)
    monkeypatch.setattr(engine, "ROUTES", route)
    monkeypatch.setattr(
        engine, "run", lambda *command: subprocess.CompletedProcess(command, 0 if works else 3)
    )
    if routes is not None:
        route.write_text(routes)
    if there:
        configuration.parent.mkdir()
        configuration.write_text("{}")
    assert engine.translate() == written
    assert configuration.exists() == (written or there)

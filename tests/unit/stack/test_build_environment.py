"""What a build is told of this machine, and what it is not."""

import pytest

from channels_stack_deploy.build import build_environment


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """No proxy and no pip option of the machine that runs the test."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    for option in build_environment.PIP_OPTIONS:
        monkeypatch.delenv("PIP_" + option.upper().replace("-", "_"), raising=False)
    monkeypatch.setattr(build_environment, "pip_files", list)


def test_pip_options_reach_the_build(tmp_path, monkeypatch):
    path = tmp_path / "pip.conf"
    path.write_text("[global]\nindex-url = https://packages.example/simple\ntimeout = 60\n")
    monkeypatch.setattr(build_environment, "pip_files", lambda: [path])
    assert "index-url = https://packages.example/simple\n" in build_environment.pip_configuration()


def test_paths_of_this_machine_do_not_reach_the_build(tmp_path, monkeypatch):
    path = tmp_path / "pip.conf"
    path.write_text(
        "[global]\nextra-index-url = file:///opt/simple https://packages.example/simple\nconstraint = /etc/c.txt\n"
    )
    monkeypatch.setattr(build_environment, "pip_files", lambda: [path])
    text = build_environment.pip_configuration()
    assert "extra-index-url = https://packages.example/simple\n" in text
    assert "file:" not in text
    assert "constraint" not in text


def test_a_variable_wins_over_the_file(tmp_path, monkeypatch):
    path = tmp_path / "pip.conf"
    path.write_text("[global]\nindex-url = https://file.example/simple\n")
    monkeypatch.setattr(build_environment, "pip_files", lambda: [path])
    monkeypatch.setenv("PIP_INDEX_URL", "https://variable.example/simple")
    assert "index-url = https://variable.example/simple\n" in build_environment.pip_configuration()


def test_the_proxy_reaches_pip_and_apt(monkeypatch):
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    assert "proxy = http://proxy.example:3128\n" in build_environment.pip_configuration()
    assert 'Acquire::https::Proxy "http://proxy.example:3128";' in build_environment.apt_configuration()


def test_a_given_mirror_serves_releases_and_security(monkeypatch):
    text = build_environment.apt_sources("trixie", "http://mirror.example/debian/")
    assert "URIs: http://mirror.example/debian\nSuites: trixie trixie-updates\n" in text
    assert "URIs: http://mirror.example/debian-security\nSuites: trixie-security\n" in text


@pytest.mark.parametrize(("configured", "line"), [("false", True), ("true", False), ("", False)])
def test_a_mirror_that_stands_still_is_trusted_where_the_host_does(monkeypatch, configured, line):
    """Testing's archive expires after a week, so a frozen mirror of it serves builds only if they know what the host knows."""
    monkeypatch.setattr(build_environment, "apt_option", lambda name: configured)
    text = build_environment.apt_sources("forky", "http://mirror.example/debian")
    assert text.count("\nCheck-Valid-Until: no\n") == (2 if line else 0)
    assert text.count("\nSigned-By: ") == 2


def test_a_host_that_is_not_debian_names_no_archive(monkeypatch):
    monkeypatch.setattr(
        build_environment, "distribution", lambda: {"ID": "ubuntu", "VERSION_CODENAME": "noble"}
    )
    assert build_environment.apt_sources("trixie") == ""

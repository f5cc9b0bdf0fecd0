"""A release tells what the doctor finds, and ends for its errors only where it is asked to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from specimens import ROOT, RUNTIME, write
from specimens import SETTINGS as S
from support.polling import PATIENCE

from channels_stack.doctor import checks, deployed, moot
from channels_stack.project import parts

ASGI = "config/asgi.py"
BLOCKS = {"chat/consumers.py": ("        pass\n", "        import time\n\n        time.sleep(5)\n")}
OPEN = {
    ASGI: (
        'OriginValidator(AuthMiddlewareStack(URLRouter(routes)), ["https://example.org"])',
        "URLRouter(routes)",
    )
}


def release(folder: Path, tmp_path: Path, **others: str) -> tuple[int, list[str]]:
    """The exit code of a whole release of the project, and its lines."""
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": f"{RUNTIME}:{folder}",
        "PYTHONDONTWRITEBYTECODE": "1",
        "SECRET_KEY": "x1y2z3" * 9,
        "DATABASE_URL": "sqlite://:memory:",
        "REDIS_URL": "redis://redis:6379/0",
        "DOMAINS": "example.org",
        "APP_WORKER_CHANNELS": "",
        "STATIC_ROOT": str(tmp_path / "collected"),
        "MEDIA_ROOT": str(tmp_path / "uploads"),
        "LOG_FORMAT": "text",
        **others,
    }
    command = [sys.executable, "-m", "channels_stack", "release"]
    done = subprocess.run(
        command,
        env=variables,
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.splitlines()


def told(lines: list[str]) -> list[str]:
    """The lines about the doctor's rules."""
    return [line for line in lines if "(channels_stack." in line]


def test_a_sound_project_hears_nothing(tmp_path):
    code, lines = release(write(tmp_path / "p"), tmp_path, APP_CHECKS="enforce")
    assert (code, told(lines)) == (0, []), lines
    assert any("release: checks: no errors, " in line and line.count(",") == 1 for line in lines)


def test_the_reference_application_hears_nothing(tmp_path):
    code, lines = release(ROOT / "app", tmp_path, APP_WORKER_CHANNELS="reports", APP_CHECKS="enforce")
    assert (code, told(lines)) == (0, []), lines


def test_an_error_is_one_line_and_the_release_goes_on(tmp_path):
    code, lines = release(write(tmp_path / "p", BLOCKS), tmp_path)
    assert code == 0, lines
    (line,) = told(lines)
    assert "ERROR" in line and "release: check chat/consumers.py:" in line
    assert "(channels_stack.E601)" in line and "HINT: " in line
    assert any("1 errors of advice (APP_CHECKS=enforce" in line for line in lines)


def test_an_error_ends_the_release_where_it_is_asked_to(tmp_path):
    code, lines = release(write(tmp_path / "p", BLOCKS), tmp_path, APP_CHECKS="enforce")
    assert code == 1
    assert len(told(lines)) == 1 and "release failed: checks: 1 errors in the project" in lines[-1]
    assert not any("migrations" in line for line in lines)


def test_an_error_is_silenced_as_any_other(tmp_path):
    silent = {S: ("DEBUG = False", 'DEBUG = False\nSILENCED_SYSTEM_CHECKS = ["channels_stack.E601"]')}
    code, lines = release(write(tmp_path / "p", {**BLOCKS, **silent}), tmp_path, APP_CHECKS="enforce")
    assert (code, told(lines)) == (0, [])


def test_a_project_that_asked_for_the_rules_hears_them_once(tmp_path):
    asked = {S: ('INSTALLED_APPS = ["channels"', 'INSTALLED_APPS = ["channels_stack.doctor", "channels"')}
    _, lines = release(write(tmp_path / "p", {**BLOCKS, **asked}), tmp_path)
    assert len(told(lines)) == 1


def test_what_the_overlay_has_set_right_is_not_reported(tmp_path):
    """The rules see the settings that are in force, not those in the sources."""
    wrong = {S: ("DEBUG = False", "DEBUG = True"), ASGI: OPEN[ASGI]}
    folder = write(tmp_path / "p", wrong)
    assert told(release(folder, tmp_path)[1]) == []
    left_alone = release(folder, tmp_path, APP_OVERLAY="-debug -origins")[1]
    assert [line.partition("(channels_stack.")[2][:4] for line in told(left_alone)] == ["E501", "E507"]


def test_a_wrong_value_is_refused(tmp_path):
    code, lines = release(write(tmp_path / "p"), tmp_path, APP_CHECKS="enforced")
    assert code == 78
    assert lines == [line for line in lines if "APP_CHECKS" in line] and len(lines) == 1


def test_a_bug_of_the_doctor_ends_no_release(monkeypatch):
    def broken(rules):
        raise RecursionError("too deep")

    monkeypatch.setattr(checks, "messages", broken)
    monkeypatch.setattr(deployed, "moot", lambda settings: set())
    (message,) = deployed.messages(SimpleNamespace())
    assert not message.is_serious() and "RecursionError: too deep" in message.msg


def test_every_moot_rule_is_a_rule():
    numbers = {rule.id.rpartition(".")[2] for rule in checks.rules()}
    assert {*deployed.MOOT, *deployed.ORIGINS, deployed.SQLITE, deployed.COUNTS} - numbers == set()
    assert {number for each in moot.SET.values() for number in each} - numbers == set()
    assert set(moot.SET) <= set(parts.PARTS)


@pytest.mark.parametrize(("mode", "moot"), [(0o700, True), (0o500, False)])
def test_sqlite_is_right_on_a_volume_only(tmp_path, monkeypatch, mode, moot):
    from django.conf import settings

    folder = tmp_path / "data"
    folder.mkdir(mode=mode)
    databases = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": folder / "db.sqlite3"}}
    monkeypatch.setattr(deployed, "MOOT", {})
    if not settings.configured:
        settings.configure()
    monkeypatch.setattr(settings, "DATABASES", databases)
    found = deployed.moot(SimpleNamespace(app_overlay=(), app_redis_url=""))
    assert found == {deployed.COUNTS, *([deployed.SQLITE] if moot else [])}


@pytest.mark.parametrize("url", ["", "redis://:pw@redis-app:6379/0"])
def test_one_redis_for_layer_and_cache_is_said_until_the_application_has_its_own(monkeypatch, url):
    monkeypatch.setattr(deployed, "_databases_are_on_volumes", lambda: False)
    found = deployed.moot(SimpleNamespace(app_overlay=(), app_redis_url=url))
    assert (moot.CACHE in found) == bool(url)
    assert (moot.CACHE in moot.unspoken(["on"], "cache" if url else "")) == bool(url)

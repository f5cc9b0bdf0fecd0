"""The rules as Django's system checks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from specimens import RUNTIME, write
from specimens import SETTINGS as S
from support.polling import PATIENCE

APP = ('INSTALLED_APPS = ["channels", ', 'INSTALLED_APPS = ["channels_stack.doctor", "channels", ')
VARIABLES = {"SECRET_KEY": "x1y2z3" * 9, "DOMAINS": "example.org", "REDIS_URL": "redis://redis:6379/0"}


def check(folder, *arguments: str, code: str = "") -> subprocess.CompletedProcess[str]:
    """`manage.py check` in the project; ``code`` runs before it."""
    started = f"import django; django.setup(); {code}\n" if code else ""
    run = f"run(['manage.py', 'check', *{arguments!r}])"
    script = f"{started}from django.core.management import execute_from_command_line as run; {run}"
    variables = {
        "PYTHONPATH": f"{RUNTIME}:{folder}",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **VARIABLES,
    }
    command = [sys.executable, "-B", "-c", script]
    return subprocess.run(
        command, env=variables, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.parametrize(
    "arguments", [(), ("--tag", "channels_stack"), ("--deploy", "--tag", "channels_stack")]
)
def test_the_sound_project(tmp_path, arguments):
    done = check(write(tmp_path, {S: APP}), *arguments)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "no issues" in done.stdout


def test_an_error_has_id_hint_and_place(tmp_path):
    done = check(
        write(
            tmp_path,
            {S: [APP, ('[HOST], "prefix": "mysite-tasks"', '[HOST, HOST], "prefix": "mysite-tasks"')]},
        )
    )
    assert done.returncode == 1
    assert "config/settings.py:" in done.stderr and "(channels_stack.E303)" in done.stderr
    assert "HINT: name one host." in done.stderr


def test_what_matters_in_production_only_is_checked_there(tmp_path):
    memory = {S: [APP, ('"channels_redis.core.RedisChannelLayer"', '"channels.layers.InMemoryChannelLayer"')]}
    folder = write(tmp_path, memory)
    assert "E302" not in check(folder).stderr
    assert "(channels_stack.E302)" in check(folder, "--deploy").stderr


def test_a_finding_is_silenced_as_any_other(tmp_path):
    silenced = ("DEBUG = False", 'DEBUG = True\nSILENCED_SYSTEM_CHECKS = ["channels_stack.E507"]')
    assert "E507" not in check(write(tmp_path, {S: [APP, silenced]}), "--deploy").stderr


def test_the_project_need_not_change(tmp_path):
    """Whoever has set Django up may register the checks; a second time changes nothing."""
    folder = write(tmp_path, {S: ("DEBUG = False", "DEBUG = True")})
    code = "from channels_stack.doctor import checks; checks.register(); checks.register()"
    done = check(folder, "--deploy", "--tag", "channels_stack", code=code)
    assert done.stderr.count("(channels_stack.E507)") == 1

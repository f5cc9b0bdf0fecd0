"""What `django-admin startproject` writes today, through the release and in front of a server, as it is."""

from __future__ import annotations

import subprocess
import sys

import pytest
from processes import Process, environment_of

CHECK = """
from django.core.checks import Error, register

@register("own", deploy=True)
def own(app_configs, **options):
    return [Error("the shop has no address", id="shop.E001")]
"""


@pytest.fixture
def release(tmp_path, redis):
    """Release the project FRESH, begun in this moment, with ENVIRONMENT; its exit code and what it said."""
    subprocess.run(
        [sys.executable, "-m", "django", "startproject", "fresh", "."],
        cwd=tmp_path,
        check=True,
        env={"PATH": "/usr/bin:/bin"},
    )

    def run(more: str = "", **environment: str) -> tuple[int, str]:
        with (tmp_path / "fresh/settings.py").open("a") as settings:
            settings.write(more)
        given = environment_of("fresh", tmp_path, redis)
        given["PYTHONPATH"] += f":{tmp_path}"
        given |= {"DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3", "APP_WORKER_CHANNELS": ""}
        command = [sys.executable, "-m", "channels_stack", "release"]
        done = Process(command, {**given, **environment}, tmp_path)
        return done.wait(), done.output()

    return run


def test_a_project_begun_today_is_released(release):
    code, told = release(APP_OVERLAY="on")
    assert code == 0 and "Traceback" not in told, told
    assert "mails are dropped" in told and "overlay: DEBUG: off, as in production" in told
    # The edge redirects and sets HSTS.
    assert "security.W004" not in told and "security.W008" not in told


def test_what_django_says_of_a_deployment_is_advice(release):
    """Error mail.E001 of Django 6.1, as a check of an older Django's own."""
    told_as_error = (
        "\nimport django.core.checks.security.base as base\n"
        "base.W006.level = 40\nSECURE_CONTENT_TYPE_NOSNIFF = False\n"
        'MIDDLEWARE = ["django.middleware.security.SecurityMiddleware", *MIDDLEWARE[1:]]\n'
    )
    code, told = release(told_as_error, APP_OVERLAY="-mail")
    assert code == 0, told
    assert "errors of advice (APP_CHECKS=enforce" in told
    code, told = release(APP_OVERLAY="-mail", APP_CHECKS="enforce")
    assert code == 1 and "release failed: checks: " in told


def test_a_check_of_the_projects_own_for_deployments_ends_it(release, tmp_path):
    (tmp_path / "fresh/models.py").write_text(CHECK)
    code, told = release('\nINSTALLED_APPS += ["fresh"]\n', APP_OVERLAY="on")
    assert code == 1 and "shop.E001" in told and "checks: 1 errors in the project" in told

"""What `django-admin startproject` writes, of each Django in tests/versions once, by `make adopt` and `make up` alone."""

from __future__ import annotations

import subprocess
import sys

import pytest
import stacks
from checks import Visit, page, static_file
from matrix import ROWS

BUILD = """
import sys
from channels_stack_deploy.build import images
from channels_stack_deploy.config import settings
from channels_stack_deploy.local import preflight
values = settings.defaults() | dict(word.split("=", 1) for word in sys.argv[1:])
preflight.prepare(values)
print(images.make(values, {"APP": images.application(values, "uvicorn")})["APP"])
"""
"""Prints the name of the application's image: it has Django, before there is a project."""


DJANGOS = {row.pins.get("Django", ""): row.debian for row in ROWS}
"""Version of Django -> the newest Debian that the matrix has it on; "" is the newest Django."""


@pytest.mark.parametrize(
    ("django", "debian"),
    DJANGOS.items(),
    ids=[f"begun-{django.strip('=.*') or 'newest'}" for django in DJANGOS],
)
def test_a_project_begun_today_runs(debian, django, tmp_path):
    stacks.remove_stale()
    project = tmp_path / "begun"
    project.mkdir()
    (project / "requirements.txt").write_text(f"Django{django}\nchannels\n")
    settings = {"APP_DIR": str(project), "APP_DEBIAN": debian}
    build = subprocess.run(
        [sys.executable, "-c", BUILD, *(f"{name}={value}" for name, value in settings.items())],
        env={
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "PYTHONPATH": "src/channels_stack_deploy",
        },
        cwd=stacks.ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    image = build.stdout.split()[-1]
    begin = ["python3", "-m", "django", "startproject", "begun", "/begun"]
    stacks.docker(
        "run",
        "--rm",
        "--user=0",
        f"--volume={project}:/begun",
        "--env=DJANGO_SETTINGS_MODULE=",
        image,
        *begin,
    )
    name = f"begun-{django.strip('=.*').replace('.', '-') or 'newest'}"
    with stacks.own(name, adopt=project, HTTP_PROCESSES="1", APP_DEBIAN=debian) as stack:
        assert "APP_SETTINGS=begun.settings" in stack.told and "APP_ASGI=begun.asgi:application" in stack.told
        assert "overlay: DATABASES: " in stack.told and "mails are dropped" in stack.told
        assert "Traceback" not in stack.told
        with Visit(stack) as visit:
            static_file(visit, page(visit, "/admin/login/", "Django administration"))

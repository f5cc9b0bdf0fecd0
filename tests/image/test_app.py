"""The application's images: what is in them, what is not, and that the lock is kept to."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UVICORN, DAPHNE = os.environ.get("UVICORN_IMAGE", ""), os.environ.get("DAPHNE_IMAGE", "")
MEGABYTE = 1_000_000
LARGEST = 190 * MEGABYTE
"""Uncompressed size that the `uvicorn` target must stay below, reference application included."""

both = pytest.mark.parametrize("image", [UVICORN, DAPHNE], ids=["uvicorn", "daphne"])


def run(image: str, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Run COMMAND in a fresh container of IMAGE, as production does: read-only, without capabilities or network."""
    hardened = ("--read-only", "--cap-drop", "ALL", "--network", "none", "--tmpfs", "/tmp")
    return subprocess.run(
        ["docker", "run", "--rm", *hardened, *options, image, *command],
        capture_output=True,
        text=True,
        check=False,
    )


def inspect(image: str) -> dict:
    """What the engine knows of IMAGE."""
    return json.loads(
        subprocess.run(["docker", "image", "inspect", image], capture_output=True, check=True).stdout
    )[0]


def test_the_uvicorn_image_is_small():
    size = inspect(UVICORN)["Size"]
    assert size < LARGEST, f"{size / MEGABYTE:.0f} MB"


@pytest.mark.parametrize(
    ("image", "module", "there"),
    [
        (UVICORN, "uvicorn", True),
        (UVICORN, "gunicorn", True),
        (UVICORN, "daphne", False),
        (UVICORN, "twisted", False),
        (DAPHNE, "daphne", True),
        (DAPHNE, "uvicorn", False),
        (DAPHNE, "gunicorn", False),
    ],
)
def test_each_target_has_its_servers_and_no_other(image, module, there):
    assert (run(image, "python", "-c", f"import {module}").returncode == 0) is there


@both
@pytest.mark.parametrize("tool", ["gcc", "cc", "make", "pip", "curl", "git", "uv"])
def test_no_tool_that_only_a_build_needs(image, tool):
    assert run(image, "bash", "-c", f"command -v {tool}").stdout == ""


@both
def test_any_other_command_runs_as_it_is(image):
    done = run(image, "bash", "-c", "id -u; id -g; pwd")
    assert done.stdout.split() == ["10001", "10001", "/srv/app"]


@both
def test_nothing_of_this_machine_is_in_a_layer(image):
    """Neither the CA bundle nor pip's or apt's configuration, which the build had as secrets."""
    found = run(
        image,
        "bash",
        "-c",
        "ls -A /run/secrets /etc/apt/sources.list.d /var/lib/apt/lists /root/.cache 2>/dev/null",
    )
    left = [
        line
        for line in found.stdout.split()
        if not line.endswith(":") and line not in ("lock", "partial", "auxfiles")
    ]
    assert left == []
    assert run(image, "test", "-e", "/etc/apt/apt.conf.d/99host").returncode == 1
    history = subprocess.run(
        ["docker", "history", "--no-trunc", image], capture_output=True, text=True, check=True
    ).stdout
    assert not re.search(r"(?i)_proxy=\S|index-url|BEGIN CERTIFICATE", history)


@both
def test_modules_are_compiled_already(image):
    count = "import pathlib, sys; r = pathlib.Path(sys.argv[1]); print(*(len([*r.rglob(p)]) for p in ('*.py', '*.pyc')))"
    for folder in ("/srv/app", "/opt/venv/lib"):
        sources, compiled = map(int, run(image, "python", "-c", count, folder).stdout.split())
        assert compiled >= 0.95 * sources > 0, folder


@both
def test_time_zones_that_debian_13_moved_to_another_package(image):
    zones = "import zoneinfo; print(*(zoneinfo.ZoneInfo(name) for name in ('US/Pacific', 'Asia/Calcutta', 'Europe/Berlin')))"
    assert run(image, "python", "-c", zones).stdout.split() == [
        "US/Pacific",
        "Asia/Calcutta",
        "Europe/Berlin",
    ]


@both
def test_no_process_can_change_the_code_it_runs(image):
    writable = run(image, "find", "/srv/app", "/opt/venv", "-writable", "-not", "-type", "l")
    assert writable.stdout == ""


@both
def test_labels_say_what_it_is_and_what_it_stands_on(image):
    labels = inspect(image)["Config"]["Labels"]
    wanted = ("title", "description", "version", "licenses", "base.name", "base.digest")
    assert {name: bool(labels.get(f"org.opencontainers.image.{name}")) for name in wanted} == dict.fromkeys(
        wanted, True
    )
    assert labels["org.opencontainers.image.base.digest"].partition("@")[2] or labels[
        "org.opencontainers.image.base.digest"
    ].startswith("sha256:")


@both
@pytest.mark.parametrize(
    ("assigned", "told"), [("config.settings", False), ("shop.settings", True)], ids=["own", "another"]
)
def test_a_script_that_assigns_its_settings_has_the_overlay_all_the_same(image, assigned, told):
    program = (
        "import os, subprocess, sys; os.environ['DJANGO_SETTINGS_MODULE'] = sys.argv[1]\n"
        "print(os.environ['DJANGO_SETTINGS_MODULE'], flush=True)\n"
        "subprocess.run(['printenv', 'DJANGO_SETTINGS_MODULE'])"
    )
    done = run(image, "python", "-c", program, assigned, options=("--env", "APP_SETTINGS=config.settings"))
    assert done.stdout.split() == ["channels_stack.overlay"] * 2, done.stderr
    assert ("DJANGO_SETTINGS_MODULE stays" in done.stderr) == told and "Traceback" not in done.stderr
    plain = run(image, "env", "DJANGO_SETTINGS_MODULE=x", "python", "-c", program, assigned)
    assert plain.stdout.split() == [assigned] * 2 and plain.stderr == ""


@both
def test_missing_settings_are_refused_all_at_once(image):
    done = run(image, "channels-stack", "serve", "http")
    assert done.returncode == 78
    assert all(name in done.stderr for name in ("SECRET_KEY", "DATABASE_URL", "REDIS_URL")), done.stderr
    assert "Traceback" not in done.stderr


@both
def test_the_overlay_leaves_an_application_alone_that_reads_the_environment(image):
    """What the reference application says of itself is what the overlay wants, so that nothing is set twice."""
    program = "import django; django.setup(); from channels_stack import overlay; print(*overlay.overrides, sep='\\n')"
    environment = {
        "SECRET_KEY": "for-this-test-only-0123456789abcdefghijklmnopqrstuvwxyz",
        "DATABASE_URL": "postgresql://app:none@db/app",
        "REDIS_URL": "redis://redis/0",
        "DOMAINS": "a.example b.example",
        "HTTPS_PORT": "8443",
    }
    options = tuple(part for name, value in environment.items() for part in ("--env", f"{name}={value}"))
    done = run(image, "python", "-c", program, options=options)
    names = [line.partition(":")[0] for line in done.stdout.splitlines()]
    # It sends no mail, and so names no server for it.
    assert names == ["MEDIA_ROOT", "EMAIL_BACKEND"], done.stdout + done.stderr


@both
def test_a_refused_secret_is_not_printed(image):
    done = run(image, "channels-stack", "serve", "http", options=("--env", "SECRET_KEY=tooshort-canary"))
    assert done.returncode == 78
    assert "canary" not in done.stdout + done.stderr


@both
def test_versions_keep_the_floor(image):
    """Known to break or to be unsafe below: Daphne by two CVEs, uvicorn by unbounded write buffers."""
    code = (
        "from importlib.metadata import distributions as d; print({x.name.lower(): x.version for x in d()})"
    )
    versions = {
        name: tuple(int(part) for part in re.findall(r"\d+", text)[:3])
        for name, text in eval(run(image, "python", "-c", code).stdout).items()
    }
    floor = {
        "daphne": (4, 2, 3),
        "uvicorn": (0, 54),
        "channels": (4, 3),
        "channels-redis": (4, 3),
        "django": (5, 2),
        "hiredis": (3,),
    }
    assert {name: versions[name] for name in floor if name in versions and versions[name] < floor[name]} == {}
    assert versions["django"] < (5, 3)
    assert "python-dotenv" not in versions


def test_a_flipped_hash_fails_the_build(tmp_path):
    from channels_stack_deploy.build import builder, images
    from channels_stack_deploy.config import settings
    from channels_stack_deploy.console import Failure

    project = shutil.copytree(ROOT / "app", tmp_path / "app")
    lock = project / "requirements.txt"
    lock.write_text(re.sub(r"sha256:[0-9a-f]{64}", "sha256:" + "0" * 64, lock.read_text()))
    values = settings.defaults() | {"APP_DIR": str(project)}
    _, description = builder.base(values)
    with pytest.raises(Failure, match="DO NOT MATCH THE HASHES"):
        builder.build(
            images.application(values, "uvicorn"), "channels-stack/flipped:test", values, description
        )
    assert not builder.exists("channels-stack/flipped:test")

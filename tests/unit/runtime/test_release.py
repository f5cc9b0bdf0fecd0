"""The release: its steps, its lock, its one line when something is wrong."""

from __future__ import annotations

import json
import os
import pathlib
import socket

import pytest
from processes import Postgres, Process, free_port, postgres_program, until


@pytest.fixture(scope="module")
def postgres():
    if not postgres_program("initdb"):
        pytest.skip(
            "no PostgreSQL server on this machine: initdb is neither on PATH nor in /usr/lib/postgresql"
        )
    with Postgres() as server:
        yield server


def messages(release: Process) -> list[str]:
    lines = [json.loads(line) for line in release.output().splitlines()]
    assert {line["service"] for line in lines} == {"release"}
    return [line["message"] for line in lines]


def test_every_step_is_reported_with_its_duration(project):
    release = project.command(
        "release", APP_RELEASE_COMMANDS="make_demo --name 'two words'; make_demo --name b"
    )
    assert release.wait() == 0, release.output()
    told = messages(release)
    steps = [
        "checks",
        "database",
        "migrations",
        "static files",
        "make_demo --name 'two words'",
        "make_demo --name b",
    ]
    assert [line.split(": ")[1] for line in told if line.endswith(" s)")] == steps
    assert "release: migrate: Applying jobs.0001_slow... OK" in told
    assert "release: make_demo: demo for two words" in told
    assert told[-1].startswith("release: done in ")
    assert (project.folder / "static/jobs.css").exists()


def test_warnings_are_reported_once_and_do_not_end_the_release(project):
    release = project.command("release")
    assert release.wait() == 0
    assert len([line for line in messages(release) if "security.W004" in line]) == 1


def test_static_files_of_the_old_release_stay(project):
    old = pathlib.Path(project.environment["STATIC_ROOT"]) / "old.0123456789ab.css"
    old.parent.mkdir()
    old.touch()
    assert project.command("release").wait() == 0
    assert old.exists()


@pytest.mark.parametrize(
    ("environment", "wrong"),
    [
        ({"APP_RELEASE_COMMANDS": "make_demo --fail"}, "release failed: make_demo: demo: told to fail"),
        ({"APP_RELEASE_COMMANDS": "make_dema"}, "release failed: make_dema: the project has no such command"),
        (
            {"APP_RELEASE_COMMANDS": "make_demo --nosuch"},
            "release failed: make_demo: Error: unrecognized arguments",
        ),
        ({"STATIC_ROOT": "/proc/nosuch"}, "release failed: collectstatic: [Errno 2] No such file"),
        ({"JOBS_ERROR": "1"}, "release failed: checks: 1 errors in the project"),
    ],
)
def test_a_failing_step_ends_the_release_with_one_line(project, environment, wrong):
    release = project.command("release", **environment)
    assert release.wait() == 1
    assert wrong in messages(release)[-1]
    assert "Traceback" not in release.output()


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is forbidden to root")
def test_a_volume_of_the_wrong_owner_names_both(project, tmp_path):
    (tmp_path / "volume").mkdir(mode=0o555)
    release = project.command("release", STATIC_ROOT=str(tmp_path / "volume"))
    assert release.wait() == 1
    said = messages(release)[-1]
    assert "collectstatic: [Errno 13] Permission denied" in said
    assert (
        f"(as uid {os.getuid()}; {tmp_path / 'volume'}" in said and f"belongs to uid {os.getuid()})" in said
    )


def test_an_application_that_is_not_there_ends_it_before_anything_is_done(project):
    release = project.command("release", APP_ASGI="jobs.nosuch:application")
    assert release.wait() == 78
    assert "channels-stack: APP_ASGI" in release.output() and "migrat" not in release.output()


def test_a_worker_channel_that_nothing_consumes_ends_it_before_anything_is_done(project):
    """Not the rolling update: by the time that a worker refuses it, sockets have been told to go."""
    release = project.command("release", APP_WORKER_CHANNELS="reports thumbnials")
    assert release.wait() == 78
    assert "no consumer for channel 'thumbnials'; it consumes: reports, thumbnails" in release.output()
    assert "Traceback" not in release.output() and "migrat" not in release.output()


def test_a_program_of_app_commands_that_the_image_lacks_ends_it_before_anything_is_done(project):
    """Together with what else is wrong."""
    asked = ("release", "--program=python3", "--program=celry", "--program=./bot")
    release = project.command(*asked, APP_WORKER_CHANNELS="thumbnials")
    assert release.wait() == 78
    for program in ("celry", "./bot"):
        assert f"channels-stack: APP_COMMANDS starts '{program}', which the image lacks: " in release.output()
    assert "no consumer for channel 'thumbnials'" in release.output()
    assert "python3" not in release.output() and "migrat" not in release.output()


def test_migrations_on_postgresql(project, postgres):
    release = project.command("release", JOBS_DATABASE_PORT=str(postgres.port))
    assert release.wait() == 0, release.output()
    assert f"127.0.0.1:{postgres.port} answers" in release.output()
    assert project.journal() == ["migration begins", "migration ends"]


def test_releases_that_start_together_migrate_one_after_the_other(project, postgres):
    environment = {
        "JOBS_DATABASE_PORT": str(postgres.port),
        "JOBS_DATABASE": "together",
        "SLOW_MIGRATION": "2",
    }
    postgres.create("together")
    first, second = (project.command("release", **environment) for _ in range(2))
    assert [first.wait(), second.wait()] == [0, 0], first.output() + second.output()
    assert project.journal() == ["migration begins", "migration ends"]
    assert "another release is migrating, waiting for it" in first.output() + second.output()


def test_a_pooler_cannot_keep_the_lock(project, postgres):
    """A transaction has it: PgBouncer gives that a session of its own, and takes it back with the end."""
    import psycopg

    postgres.create("pooled")
    holders = "SELECT state FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
    environment = {"JOBS_DATABASE_PORT": str(postgres.port), "JOBS_DATABASE": "pooled", "SLOW_MIGRATION": "2"}
    with psycopg.connect(f"host=127.0.0.1 port={postgres.port} user=postgres", autocommit=True) as link:
        release = project.command("release", **environment)
        until(lambda: project.journal() == ["migration begins"], what="it migrates")
        assert link.execute(holders).fetchall() == [("idle in transaction",)]
        assert release.wait() == 0, release.output()
        assert link.execute(holders).fetchall() == []


def test_it_waits_for_a_database_that_is_starting(project, redis):
    if not postgres_program("initdb"):
        pytest.skip(
            "no PostgreSQL server on this machine: initdb is neither on PATH nor in /usr/lib/postgresql"
        )
    server = Postgres()
    release = project.command("release", JOBS_DATABASE_PORT=str(server.port))
    release.says("attempt 2")
    with server:
        assert release.wait() == 0, release.output()


@pytest.mark.parametrize(
    ("auth", "words"), [("scram-sha-256", "password authentication failed"), ("reject", "pg_hba.conf")]
)
def test_a_database_that_does_not_know_us_is_not_waited_for(project, redis, auth, words):
    if not postgres_program("initdb"):
        pytest.skip(
            "no PostgreSQL server on this machine: initdb is neither on PATH nor in /usr/lib/postgresql"
        )
    with Postgres(auth) as server:
        release = project.command("release", JOBS_DATABASE_PORT=str(server.port))
        assert release.wait() == 1
    last = messages(release)[-1]
    assert last.startswith(f"release failed: database 127.0.0.1:{server.port}: ") and words in last
    assert "attempt" not in release.output() and "s3cret" not in release.output()


@pytest.mark.parametrize("peer", ["nobody", "silence"])
def test_a_database_that_does_not_answer_is_named_without_its_password(project, peer):
    port = free_port()
    with socket.socket() as silent:
        if peer == "silence":
            silent.bind(("127.0.0.1", port))
            silent.listen(1)
        release = project.python("-m", "jobs.run_release", "2", JOBS_DATABASE_PORT=str(port))
        assert release.wait() == 1
    last = messages(release)[-1]
    assert last.startswith(f"release failed: database 127.0.0.1:{port}: not reached within 2 s: ")
    assert "s3cret" not in release.output()
    assert "Traceback" not in release.output()


def test_a_router_without_pages_is_said(project, tmp_path):
    (tmp_path / "narrow.py").write_text(
        'from channels.routing import ProtocolTypeRouter\napplication = ProtocolTypeRouter({"websocket": None})\n'
    )
    path = f"{project.environment['PYTHONPATH']}:{tmp_path}"
    release = project.command(
        "release", APP_ASGI="narrow:application", PYTHONPATH=path, APP_WORKER_CHANNELS=""
    )
    assert release.wait() == 0, release.output()
    assert any("narrow:application routes no http: pages are" in line for line in messages(release))


@pytest.mark.parametrize(
    ("act", "words"),
    [
        ("config['TIME_ZONE']", "KeyError: 'TIME_ZONE'; does CONFIG lack it?"),
        ("os.environ['NO_SUCH']", "KeyError: 'NO_SUCH'; is it a variable that belongs in app.env?"),
        ("raise ValueError(f'cannot\\n parse {config}')", "ValueError: cannot parse {"),
        ("urlsplit(config['url']).port", "ValueError: Port could not be cast to integer value as '***'"),
    ],
)
def test_a_layer_that_cannot_be_made_ends_the_release(project, tmp_path, act, words):
    """Channels says of it that there is none, and each socket is closed."""
    (tmp_path / "lonely.py").write_text(
        "import os\nfrom urllib.parse import urlsplit\n\nclass Layer:\n"
        f"    def __init__(self, **config):\n        {act}\n"
    )
    (tmp_path / "lonely_settings.py").write_text(
        "from jobs.settings import *\n"
        'config = {"url": "amqp://shop:s3cr/et@mq/", "nested": [{"password": "hunter2"}]}\n'
        'CHANNEL_LAYERS = {"default": {"BACKEND": "lonely.Layer", "CONFIG": config}}\n'
    )
    release = project.command(
        "release",
        APP_SETTINGS="lonely_settings",
        APP_WORKER_CHANNELS="",
        PYTHONPATH=f"{project.environment['PYTHONPATH']}:{tmp_path}",
    )
    assert release.wait() == 78, release.output()
    (line,) = (line for line in release.output().splitlines() if "cannot be made" in line)
    assert "channel layer 'default' in CHANNEL_LAYERS cannot be made: " in line
    assert "lonely.py:6: " in line and words in line
    assert not [secret for secret in ("s3cr", "hunter2") if secret in release.output()]
    assert "Traceback" not in release.output()


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("raise ImportError('libGL.so.1: cannot open shared object file')", "add libgl1 to APP_PACKAGES"),
        ("import os\nos.environ['SHOP_KEY']", "app.env"),
    ],
)
def test_urls_that_cannot_be_imported_are_one_line(project, tmp_path, source, words):
    """Django imports them at its checks, with what the views import, and would show a traceback."""
    (tmp_path / "shop_views.py").write_text(f"{source}\n")
    (tmp_path / "shop_urls.py").write_text("import shop_views\nurlpatterns = []\n")
    (tmp_path / "shop_settings.py").write_text('from jobs.settings import *\nROOT_URLCONF = "shop_urls"\n')
    release = project.command(
        "release",
        APP_SETTINGS="shop_settings",
        PYTHONPATH=f"{project.environment['PYTHONPATH']}:{tmp_path}",
    )
    assert release.wait() == 78, release.output()
    line = next(line for line in release.output().splitlines() if "ROOT_URLCONF" in line)
    assert "shop_views.py:" in line and words in line
    assert "Traceback" not in release.output()

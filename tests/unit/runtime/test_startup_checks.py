"""What is around a process, and does not fit: one line each, all together, before it serves or works."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest
from processes import HERE, RUNTIME, Redis, until
from serving import Serving, serve

REFUSED = 78


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def refused(redis, tmp_path):
    """A function (**environment) -> what a process says that ends with exit code 78."""

    def ends(*before: str, **environment: str) -> str:
        command = ("-m", "channels_stack", "serve", "ws", "--port", "{port}")
        serving = Serving(tmp_path, redis, *command, **environment)
        assert serving.process.wait() == REFUSED, serving.log()
        assert "Traceback" not in serving.log()
        return serving.log()

    return ends


def cli(redis: Redis, *words: str) -> str:
    command = ["redis-cli", "-e", "-p", str(redis.port), *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_a_redis_that_throws_away(refused, redis):
    cli(redis, "config", "set", "maxmemory", "100mb")
    cli(redis, "config", "set", "maxmemory-policy", "allkeys-lru")
    assert "(allkeys-lru): set maxmemory-policy noeviction" in refused()


def test_for_a_user_without_the_rights_each_command_that_was_denied_is_named(refused, redis):
    cli(redis, "acl", "setuser", "app", "on", ">hunter2", "~*", "&*", "+@all", "-publish", "-xack")
    said = refused(REDIS_URL=f"redis://app:hunter2@127.0.0.1:{redis.port}/0")
    assert "its user may not run PUBLISH: extend the user's ACL" in said
    assert "its user may not run XACK" in said
    assert "EVAL" not in said


def test_libraries_that_do_not_fit_each_other_are_named(refused, tmp_path):
    """As hiredis 2.0 with redis 5, which pip takes together."""
    (tmp_path / "hiredis.py").write_text(
        "__version__ = '99.0.0'\n"
        "class HiredisError(Exception): ...\n"
        "ProtocolError = ReplyError = HiredisError\n"
        "def pack_command(words): raise TypeError('pack_command() takes no words')\n"
        "class Reader:\n"
        "    def __init__(self, **options): raise TypeError('an argument that is not known')\n"
    )
    said = refused(PYTHONPATH=f"{tmp_path}:{RUNTIME}:{HERE}")
    assert "is asked by redis" in said and "TypeError: " in said
    assert "take other versions of them in the project's requirements" in said


def test_a_wrong_password_is_not_shown(refused, redis):
    cli(redis, "acl", "setuser", "app", "on", ">hunter2", "~*", "&*", "+@all")
    said = refused(REDIS_URL=f"redis://app:hunter3@127.0.0.1:{redis.port}/0")
    assert f"127.0.0.1:{redis.port} refuses its user or password" in said
    assert "hunter" not in said


@pytest.mark.parametrize(("offset", "ends"), [("-40s", True), ("+40s", True), ("+10s", False)])
def test_a_clock_that_is_wrong(redis, tmp_path, offset, ends):
    """Seconds that this process sees redis be away: its own idea of the time is moved."""
    script = tmp_path / "moved.py"
    script.write_text(
        "import sys, time\n"
        "real = time.time\n"
        f"time.time = lambda: real() + {float(offset[:-1])}\n"
        "from channels_stack.commands.cli import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    serving = Serving(tmp_path, redis, str(script), "serve", "ws", "--port", "{port}")
    if ends:
        assert serving.process.wait() == REFUSED, serving.log()
        assert "are 40 s apart: synchronise both hosts by NTP" in serving.log()
    else:
        serving.wait_until_it_serves()
        serving.says("are 10 s apart")
        serving.kill()


def test_a_database_without_the_tables_of_this_code(refused, tmp_path):
    people = {
        "DJANGO_SETTINGS_MODULE": "people.settings",
        "APP_SETTINGS": "people.settings",
        "APP_ASGI": "people.asgi:application",
        "TEST_DATABASE": str(tmp_path / "empty.sqlite3"),
    }
    said = refused(**people)
    assert "DATABASE_URL (the database): lacks migrations of this code, contenttypes.0001_initial" in said
    assert "run `channels-stack release`" in said


def test_for_a_worker_the_same_is_named_and_what_only_jobs_need(project, redis):
    """All at once with a wrong channel; a serving process may run where only XCLAIM is denied."""
    cli(redis, "config", "set", "maxmemory", "100mb")
    cli(redis, "config", "set", "maxmemory-policy", "allkeys-lru")
    cli(redis, "acl", "setuser", "app", "on", ">hunter2", "~*", "&*", "+@all", "-xclaim")
    url = f"redis://app:hunter2@127.0.0.1:{redis.port}/0"
    worker = project.command("worker", "nosuch", REDIS_URL=url)
    assert worker.wait() == REFUSED, worker.output()
    said = worker.output()
    assert "no consumer for channel 'nosuch'" in said
    assert "its user may not run XCLAIM: extend the user's ACL" in said
    assert "(allkeys-lru): set maxmemory-policy noeviction" in said
    assert len(said.splitlines()) == 3


def test_a_worker_without_the_tables_of_this_code(project, tmp_path):
    """Refused; in development it is told, because `runserver` beside it goes on as well."""
    empty = str(tmp_path / "empty.sqlite3")
    worker = project.command("worker", "reports", JOBS_SQLITE=empty)
    assert worker.wait() == REFUSED, worker.output()
    assert "DATABASE_URL (the database): lacks migrations of this code, contenttypes.0001" in worker.output()
    project.worker("reports", JOBS_SQLITE=empty, DEBUG="true").says("lacks migrations of this code")


def test_a_worker_waits_for_a_redis_that_is_not_there_yet(project, redis):
    redis.stop()
    try:
        worker = project.command("worker", "reports", "--port=0", f"--heartbeat={project.folder / 'beat'}")
        worker.says("does not answer yet")
    finally:
        redis.start()
    until((project.folder / "beat").exists, what="it works as soon as redis is there")


def test_a_redis_that_is_not_there_yet_is_reported_and_waited_for(redis, tmp_path):
    redis.stop()
    serving = serve(tmp_path, redis, "uvicorn")
    try:
        serving.says(f"redis 127.0.0.1:{redis.port} does not answer yet")
        assert serving.ready() == 503
    finally:
        serving.kill()
        redis.start()


def test_too_few_files_for_the_sockets():
    """In a process of its own, because a limit that is lowered cannot be raised again."""
    program = (
        "import dataclasses, logging, resource\n"
        "from channels_stack.config.settings import Settings\n"
        "from channels_stack.lifecycle.startup_checks import enough_files\n"
        "logging.basicConfig()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (100, 1000))\n"
        "settings = Settings.from_environment({'SECRET_KEY': 'k7f3-only-for-tests-' * 4,\n"
        "    'DATABASE_URL': 'sqlite://x', 'REDIS_URL': 'redis://x'})\n"
        "print(enough_files(settings).ws_max_sockets, resource.getrlimit(resource.RLIMIT_NOFILE)[0])\n"
    )
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert hard == resource.RLIM_INFINITY or hard >= 1000
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["744", "1000"]
    assert "WS_MAX_SOCKETS is 5000, but this process may open only 1000 files" in done.stderr

"""images/db: the contract of an image for `db`, ours or an official one, and what our entrypoint promises."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from channels_stack_deploy.build import images
from channels_stack_deploy.config import settings as stack_settings
from channels_stack_deploy.console import Failure

from .conftest import Container, Yard, docker, wait_for

PASSWORD = "a-password 'of \"this' test"
READY = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=app", "--dbname=rooms"]


@pytest.fixture(scope="module")
def secret(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The password file, with the newline that editors leave."""
    file = tmp_path_factory.mktemp("db") / "db_password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o444)  # read by uid 999 in the container
    return file


def start(
    yard: Yard, image: str, secret: Path, volume: str, *command: str, ready: bool = True, **settings: str
) -> Container:
    """Start it as compose does."""
    environment = {
        "POSTGRES_USER": "app",
        "POSTGRES_DB": "rooms",
        "POSTGRES_PASSWORD_FILE": "/run/secrets/db_password",
        **settings,
    }
    flags = [f"--env={name}={value}" for name, value in environment.items() if value] + [
        "--user=999:999",
        f"--volume={secret}:/run/secrets/db_password:ro",
        f"--volume={volume}:/var/lib/postgresql/data",
        "--tmpfs=/tmp",
        "--tmpfs=/var/run/postgresql:uid=999,gid=999,mode=0700",
        "--tmpfs=/run/backup:uid=999,gid=999,mode=0700",
        "--memory=256m",
    ]
    container = yard.start(image, *command, flags=flags)
    if ready:
        wait_for(lambda: is_ready(container), "PostgreSQL accepts connections", 30)
    return container


def is_ready(container: Container) -> bool:
    """The health check that compose uses."""
    assert container.inspect()["State"]["Running"], container.logs()
    return container.run(*READY, check=False).returncode == 0


def sql(db: Container, statement: str, password: str = PASSWORD, check: bool = True, user: str = "app"):
    """Run a statement over TCP, as the application comes in."""
    return db.run(
        "psql",
        "--host=127.0.0.1",
        f"--username={user}",
        "--dbname=rooms",
        "--no-align",
        "--tuples-only",
        f"--command={statement}",
        env={"PGPASSWORD": password},
        check=check,
    )


@pytest.fixture(scope="module")
def db(yard: Yard, db_image: str, secret: Path) -> Iterator[Container]:
    """A running PostgreSQL."""
    return start(yard, db_image, secret, yard.volume(), "postgres", "-c", "max_connections=37")


def test_user_and_database_of_the_environment(db):
    assert sql(db, "SELECT current_user, current_database()").stdout.strip() == "app|rooms"


@pytest.mark.parametrize("zone", ["US/Eastern", "Asia/Calcutta"])
def test_time_zones_that_debian_13_moved_to_another_package(db, zone):
    assert sql(db, f"SELECT now() AT TIME ZONE '{zone}' IS NOT NULL").stdout.strip() == "t"


def test_flags_of_the_command(db):
    assert sql(db, "SHOW max_connections").stdout.strip() == "37"


def test_a_wrong_password_is_refused(db):
    done = sql(db, "SELECT 1", password="wrong", check=False)
    assert done.returncode != 0
    assert "password authentication failed" in done.stderr


def test_the_password_is_stored_as_scram(db):
    assert sql(db, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app'").stdout.startswith(
        "SCRAM-SHA-256$"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data_checksums", "on"),
        ("listen_addresses", "*"),
        ("password_encryption", "scram-sha-256"),
        ("server_encoding", "UTF8"),
        ("fsync", "on"),
        ("jit", "off"),
    ],
)
def test_settings_that_matter(db, name, value):
    assert sql(db, f"SHOW {name}").stdout.strip() == value


def test_text_is_compared_independently_of_the_c_library(db):
    assert (
        sql(db, "SELECT datlocprovider, datlocale FROM pg_database WHERE datname = 'rooms'").stdout.strip()
        == "b|C.UTF-8"
    )
    assert sql(db, "SELECT upper('ärger'), 'a' < 'B'").stdout.strip() == "ÄRGER|f"


def test_it_runs_as_999_without_capabilities(db):
    status = db.run("cat", "/proc/self/status").stdout
    assert re.search(r"^Uid:\t999\t999", status, re.MULTILINE)
    assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)


def test_the_password_is_nowhere_to_be_seen(db):
    everything = db.run(
        "bash", "-c", "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' ' '"
    ).stdout + db.says("ready to accept connections")
    assert PASSWORD not in everything


def test_the_log_of_a_first_start_holds_no_complaint(db):
    lines = db.says("ready to accept connections").split("ready to accept connections")[0].splitlines()
    # Whoever asks early (this fixture does) is told so, as FATAL.
    told = [line for line in lines if "FATAL:  the database system is starting up" not in line]
    assert not re.search(r"WARNING|ERROR|FATAL|PANIC", "\n".join(told))


def test_the_health_check_fails_when_nothing_listens(db):
    assert db.run("pg_isready", "--quiet", "--host=127.0.0.1", "--port=5433", check=False).returncode != 0


@pytest.mark.parametrize("command", [["bash", "-c", "echo ok"], ["postgres", "--version"]], ids=" ".join)
def test_another_command_runs_untouched(db_image, command):
    assert docker("run", "--rm", db_image, *command).stdout.startswith(("ok", "postgres (PostgreSQL) 17"))


def test_a_stop_ends_sessions_and_keeps_everything(yard, db_image, secret):
    """SIGINT: no client can hold it up; the next start needs no recovery and makes no new cluster."""
    volume = yard.volume()
    first = start(yard, db_image, secret, volume)
    sql(first, "CREATE TABLE kept AS SELECT 42 AS answer")
    docker(
        "exec",
        "--detach",
        "--env=PGPASSWORD=" + PASSWORD,
        first.name,
        "psql",
        "--host=127.0.0.1",
        "--username=app",
        "--dbname=rooms",
        "--command=SELECT pg_sleep(600)",
    )
    wait_for(
        lambda: (
            "1"
            in sql(
                first,
                "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(6%' AND pid <> "
                "pg_backend_pid()",
            ).stdout
        ),
        "a session is open",
    )
    assert first.inspect()["Config"]["StopSignal"] == "SIGINT"
    code, seconds = first.stop()
    assert code == 0
    assert seconds < 25
    second = start(yard, db_image, secret, volume)
    assert sql(second, "SELECT answer FROM kept").stdout.strip() == "42"
    log = second.says("ready to accept connections")
    assert "not properly shut down" not in log
    assert "creating the cluster" not in log


# --- The entrypoint of our image ------------------------------------------------------------------


def refusal(yard: Yard, image: str, secret: Path, volume: str | None = None, **settings: str) -> str:
    """Start with these settings, expect exit code 78, return what was said."""
    container = start(yard, image, secret, volume or yard.volume(), ready=False, **settings)
    assert container.ended() == 78, container.logs()
    return container.logs()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"POSTGRES_PASSWORD_FILE": ""}, "POSTGRES_PASSWORD_FILE"),
        ({"POSTGRES_PASSWORD": "x"}, "POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are both set"),
        ({"POSTGRES_PASSWORD_FILE": "/run/secrets/missing"}, "/run/secrets/missing"),
        ({"POSTGRES_PASSWORD_FILE": "/dev/null"}, "/dev/null is empty"),
        ({"POSTGRES_DB": "x" * 64}, "POSTGRES_DB"),
    ],
    ids=["none", "both", "missing", "empty", "long name"],
)
def test_what_is_wrong_is_said_and_nothing_is_made(yard, db_image, secret, settings, words):
    volume = yard.volume()
    said = refusal(yard, db_image, secret, volume, **settings)
    assert words in said
    assert "Traceback" not in said
    look = docker(
        "run",
        "--rm",
        f"--volume={volume}:/var/lib/postgresql/data",
        db_image,
        "ls",
        "-A",
        "/var/lib/postgresql/data",
    )
    assert look.stdout == ""


def test_a_bad_initdb_argument_leaves_nothing_that_looks_complete(yard, db_image, secret):
    volume = yard.volume()
    container = start(yard, db_image, secret, volume, ready=False, POSTGRES_INITDB_ARGS="--no-such-option")
    assert container.ended() == 1
    assert "initdb failed" in container.logs()
    assert sql(start(yard, db_image, secret, volume), "SELECT 1").stdout.strip() == "1"


def test_a_volume_with_strange_files_is_left_alone(yard, db_image, secret):
    volume = yard.volume()
    docker(
        "run",
        "--rm",
        f"--volume={volume}:/var/lib/postgresql/data",
        db_image,
        "touch",
        "/var/lib/postgresql/data/letters",
    )
    assert "letters" in refusal(yard, db_image, secret, volume)


def test_scripts_are_refused_not_ignored(yard, db_image, secret, tmp_path):
    (tmp_path / "schema.sql").write_text("SELECT 1;")
    tmp_path.chmod(0o755)  # read by uid 999 in the container
    container = yard.start(
        db_image,
        flags=["--env=POSTGRES_PASSWORD=x", f"--volume={tmp_path}:/docker-entrypoint-initdb.d:ro"],
        hardened=False,
    )
    assert container.ended() == 78
    assert "/docker-entrypoint-initdb.d" in container.logs()


# A start that dies at any of these moments is finished by the next one.
MOMENTS = {
    "while initdb runs": "real = entrypoint.subprocess.run\n"
    "entrypoint.subprocess.run = lambda a, **k: os._exit(137) if a[0] == 'initdb' else real(a, **k)",
    "before the database exists": "entrypoint.create_database = lambda *a: os._exit(137)",
    "before the first move": "entrypoint.move = lambda *a: os._exit(137)",
    "between two moves": "rename, moved = entrypoint.Path.rename, []\n"
    "entrypoint.Path.rename = lambda a, b: os._exit(137) if len(moved) == 9 else moved.append(rename(a, b))",
    "before PG_VERSION": "rename = entrypoint.Path.rename\n"
    "entrypoint.Path.rename = lambda a, b: os._exit(137) if a.name == 'PG_VERSION' else rename(a, b)",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_first_start_that_is_killed_is_finished_by_the_next(yard, db_image, secret, moment):
    program = (
        "import importlib.machinery, importlib.util, os, sys\n"
        "loader = importlib.machinery.SourceFileLoader('entrypoint', '/usr/local/bin/entrypoint')\n"
        "sys.dont_write_bytecode = True\n"
        "spec = importlib.util.spec_from_loader('entrypoint', loader)\n"
        "entrypoint = importlib.util.module_from_spec(spec)\n"
        "loader.exec_module(entrypoint)\n"
        f"{MOMENTS[moment]}\n"
        "sys.exit(entrypoint.main(['postgres']))\n"
    )
    volume = yard.volume()
    killed = start(yard, db_image, secret, volume, "python3", "-c", program, ready=False)
    assert killed.ended() == 137, killed.logs()
    next_start = start(yard, db_image, secret, volume)
    assert sql(next_start, "SELECT current_user, current_database()").stdout.strip() == "app|rooms"
    assert ".initializing" not in next_start.run("ls", "-A", "/var/lib/postgresql/data").stdout
    next_start.stop()


def test_a_second_server_waits_until_the_first_has_ended(yard, db_image, secret):
    """As where Swarm starts a task again on a node that was cut off, while the former one still ends."""
    volume = yard.volume()
    first = start(yard, db_image, secret, volume)
    sql(first, "CREATE TABLE kept AS SELECT 1 AS one")
    second = start(yard, db_image, secret, volume, ready=False)
    wait_for(lambda: "in use by another container" in second.logs(), "the second one says that it waits", 30)
    assert "starting PostgreSQL" not in second.logs()
    assert sql(first, "SELECT one FROM kept").stdout.strip() == "1"
    first.stop()
    wait_for(lambda: is_ready(second), "the second one serves", 30)
    assert sql(second, "SELECT one FROM kept").stdout.strip() == "1"
    assert "was not properly shut down" not in second.logs()


def test_the_socket_of_a_killed_server_does_not_stop_the_next(yard, db_image, secret):
    """Its lock, in the volume of the backups, names a process; a living one has that number by now."""
    program = (
        "sleep 600 & printf '%s\\n' $! /var/lib/postgresql/data 0 5432 /run/backup > /run/backup/.s.PGSQL.5432.lock; "
        "exec entrypoint postgres -c unix_socket_directories=/var/run/postgresql,/run/backup"
    )
    container = start(yard, db_image, secret, yard.volume(), "sh", "-c", program, ready=False)
    wait_for(lambda: is_ready(container), "it serves")
    container.stop()


def test_the_image_holds_no_cluster_and_no_key(db_image):
    found = docker(
        "run",
        "--rm",
        "--user=0",
        db_image,
        "bash",
        "-c",
        "ls -A /etc/ssl/private /var/lib/postgresql/data;"
        " find / -xdev -name PG_VERSION -o -name '*snakeoil*'",
    ).stdout
    assert found.split() == ["/etc/ssl/private:", "/var/lib/postgresql/data:"]


def test_an_extension_of_debians_is_there_to_create(yard: Yard, secret: Path, tmp_path: Path) -> None:
    """DB_PACKAGES, which `make adopt` writes for a project with pgvector; the user of the application may create it."""
    settings = {**stack_settings.defaults(), "DB_PACKAGES": "postgresql-17-pgvector"}
    image = images.make(settings, {"DB_IMAGE": images.database(settings)})["DB_IMAGE"]
    database = start(yard, image, secret, yard.volume())
    assert "CREATE" in sql(database, "CREATE EXTENSION vector").stdout
    assert sql(database, "SELECT '[3,4]'::vector <-> '[0,0]'::vector").stdout.strip() == "5"
    with pytest.raises(Failure, match="DB_IMAGE=postgres:17 is not built here"):
        images.database({**settings, "DB_IMAGE": "postgres:17"})

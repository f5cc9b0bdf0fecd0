"""images/backup: backups beside a running PostgreSQL and Redis, what they survive, and what they refuse."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from .conftest import Container, Yard, docker, made, wait_for
from .edges import make_certificate

DATA = "/var/lib/postgresql/data"
CIPHER = "a-key-of-this-test-" + "0123456789abcdef"
WAL_SECONDS = 3
"""Short, so that tests need not wait; a stack has 60."""


@dataclass
class Place:
    """What compose.backup.yml describes: db, redis and backup over shared volumes. The alias of each is its name there."""

    yard: Yard
    images: dict[str, str]
    secrets: Path
    settings: dict[str, str] = field(default_factory=dict)
    volumes: dict[str, str] = field(default_factory=dict)
    services: dict[str, Container] = field(default_factory=dict)

    def volume(self, name: str) -> str:
        """The volume NAME of this place."""
        if name not in self.volumes:
            self.volumes[name] = self.yard.volume()
        return self.volumes[name]

    def start(self, *names: str) -> None:
        """Start services, and wait until they answer."""
        for name in names:
            self.services[name] = getattr(self, f"start_{name}")()

    def stop(self, *names: str) -> None:
        """Stop and remove services; their volumes stay."""
        for name in names:
            docker("rm", "--force", self.services[name].name) if name == "backup" else self.services[
                name
            ].stop()
            docker("rm", "--force", self.services.pop(name).name, check=False)

    def start_db(self, *, wait: bool = True) -> Container:
        """PostgreSQL with the command of compose.backup.yml."""
        options = {
            "archive_mode": "on",
            "archive_command": "pgbackrest-archive %f",
            "archive_timeout": f"{WAL_SECONDS}s",
            "unix_socket_directories": "/var/run/postgresql,/run/backup",
        }
        container = self.yard.start(
            self.images["db"],
            "postgres",
            *(word for name, value in options.items() for word in ("-c", f"{name}={value}")),
            flags=[
                "--network-alias=db",
                "--user=999:999",
                "--env=POSTGRES_USER=app",
                "--env=POSTGRES_PASSWORD_FILE=/run/secrets/db_password",
                f"--volume={self.secrets}:/run/secrets:ro",
                f"--volume={self.volume('data')}:{DATA}",
                f"--volume={self.volume('run')}:/run/backup",
                "--tmpfs=/tmp",
                "--tmpfs=/var/run/postgresql:uid=999,gid=999,mode=0700",
            ],
        )
        ready = ["pg_isready", "--quiet", "--host=127.0.0.1", "--username=app"]
        if not wait:
            return container
        try:
            wait_for(lambda: container.run(*ready, check=False).returncode == 0, "PostgreSQL answers", 60)
        except AssertionError as late:
            raise AssertionError(f"{late}; its log ends:\n{container.logs()[-1500:]}") from None
        return container

    def start_redis(self) -> Container:
        """Redis with an append-only file."""
        container = self.yard.start(
            self.images["redis"],
            *("redis-server", "--appendonly", "yes", "--dir", "/data", "--save", ""),
            flags=[
                "--network-alias=redis",
                "--user=999:999",
                f"--volume={self.volume('redis')}:/data",
                "--tmpfs=/tmp",
            ],
        )
        wait_for(
            lambda: container.run("redis-cli", "ping", check=False).stdout.strip() == "PONG", "Redis answers"
        )
        return container

    def start_backup(self, *, wait: bool = True, command: str = "serve", **settings: str) -> Container:
        """The service, or another COMMAND of its image."""
        environment = {
            "POSTGRES_USER": "app",
            "BACKUP_REPOSITORY": "volume",
            "BACKUP_HOURS": "6",
            "BACKUP_FULL_DAYS": "7",
            "BACKUP_KEEP_DAYS": "14",
            "BACKUP_WAL_SECONDS": str(WAL_SECONDS),
            **self.settings,
            **settings,
        }
        container = self.yard.start(
            self.images["backup"],
            "backup",
            *command.split(),
            flags=[
                "--network-alias=backup",
                "--user=999:999",
                *(f"--env={name}={value}" for name, value in environment.items()),
                f"--volume={self.secrets}:/run/secrets:ro",
                f"--volume={self.volume('data')}:{DATA}",
                f"--volume={self.volume('redis')}:/srv/redis",
                f"--volume={self.volume('run')}:/run/backup",
                f"--volume={self.volume('work')}:/srv/work",
                f"--volume={self.volume('repository')}:/srv/backup",
                "--tmpfs=/tmp:mode=1777",
            ],
        )
        if wait:
            wait_for(
                lambda: container.run("backup", "alive", check=False).returncode == 0, "backup answers", 30
            )
        return container

    def sql(self, statement: str, user: str = "app") -> str:
        """The answer of the running database."""
        return (
            self.services["db"]
            .run("psql", "-XAt", f"--username={user}", "--dbname=app", f"--command={statement}")
            .stdout.strip()
        )

    def backup(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command in the running service; its time is that of a small cluster on a busy machine."""
        name = self.services["backup"].name
        return docker("exec", name, "backup", *command, check=check, timeout=300)

    def inside(self, script: str) -> str:
        """Run a script where all volumes are."""
        return self.services["backup"].run("bash", "-ec", script).stdout

    def restore(self, *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Stop what writes, restore, start it again."""
        self.stop(*(name for name in ("db", "redis") if name in self.services))
        done = self.backup("restore", "--yes", *options, check=check)
        self.start("redis", "db")
        return done


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The secrets of a stack."""
    return write_secrets(tmp_path_factory.mktemp("secrets"))


def write_secrets(folder: Path, cipher: str = CIPHER, credentials: str = "") -> Path:
    """Files that uid 999 can read."""
    folder.chmod(0o755)
    for name, text in (
        ("db_password", "a 'password'\n"),
        ("backup_cipher", cipher),
        ("backup_credentials", credentials),
    ):
        (folder / name).write_text(text)
        (folder / name).chmod(0o444)
    return folder


@pytest.fixture(scope="module")
def images(db_image: str, redis_image: str, backup_image: str) -> dict[str, str]:
    return {"db": db_image, "redis": redis_image, "backup": backup_image}


@pytest.fixture(scope="module")
def origin(yard: Yard, images: dict[str, str], secrets: Path) -> Place:
    """A stack with some data and its first backup, which nobody asked for."""
    place = Place(yard, images, secrets)
    place.start("redis", "db", "backup")
    place.sql("CREATE TABLE rows AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 20000) g")
    wait_for(lambda: place.backup("status", check=False).returncode == 0, "the first backup is made", 90)
    return place


@pytest.fixture
def place(origin: Place) -> Iterator[Place]:
    """The same, with everything running whatever the test before has left."""
    for name in ("redis", "db", "backup"):
        if name not in origin.services:
            origin.start(name)
    yield origin


def stored(place: Place) -> None:
    """Wait until all that was written up to now is in the repository."""
    segment = place.sql("SELECT pg_walfile_name(pg_create_restore_point('stored'))")
    wait_for(
        lambda: place.sql("SELECT last_archived_wal FROM pg_stat_archiver")[:24] >= segment,
        "WAL is stored",
        60,
    )


# --- What it does by itself -----------------------------------------------------------------------


def test_the_first_backup_is_made_without_being_asked(place):
    told = json.loads(place.backup("status", "--format=json").stdout)
    assert told["backups"] >= 1
    assert told["problems"] == []
    assert told["age_seconds"] < 600


def test_status_is_for_machines_too(place):
    lines = place.backup("status", "--format=prometheus").stdout
    assert (
        float(re.search(r"^channels_stack_backup_last_backup_timestamp_seconds (\S+)$", lines, re.M)[1])
        > 1.7e9
    )
    assert "channels_stack_backup_problems 0" in lines


def test_what_is_stored_cannot_be_read_without_the_key(place):
    place.sql("CREATE TABLE words AS SELECT 'findable-words' AS word FROM generate_series(1, 100)")
    stored(place)
    place.backup("now")
    assert place.inside("grep -rlE 'findable-words|PG_VERSION|base/1/' /srv/backup || true").strip() == ""


def test_it_runs_as_999_without_capabilities_and_tells_no_secret(place):
    status = place.inside("cat /proc/1/status")
    assert re.search(r"^Uid:\t999\t999", status, re.M)
    assert re.search(r"^CapEff:\t0+$", status, re.M)
    seen = place.inside("cat /proc/*/environ /proc/*/cmdline 2>/dev/null | tr '\\0' ' '")
    assert CIPHER not in seen + place.services["backup"].logs()


def test_the_database_holds_neither_the_key_nor_pgbackrest(place, db_image):
    found = docker("run", "--rm", db_image, "bash", "-c", "command -v pgbackrest || echo none").stdout
    assert found.strip() == "none"


def test_wal_waits_for_a_service_that_is_gone_and_then_follows(place):
    place.stop("backup")
    place.sql("CREATE TABLE meanwhile AS SELECT 1")
    failed = "SELECT failed_count FROM pg_stat_archiver"
    before = int(place.sql(failed))
    place.sql("SELECT pg_switch_wal()")
    wait_for(lambda: int(place.sql(failed)) > before, "PostgreSQL was told that it was not stored", 30)
    place.services["db"].says("the service backup does not answer")
    place.start("backup")
    stored(place)


def test_after_a_start_the_database_keeps_to_its_archive_timeout(place):
    """By itself it does not look at archive_timeout for a whole checkpoint_timeout (5 min): the service wakes it."""
    place.stop("backup")
    place.services["db"].stop()
    docker("start", place.services["db"].name)
    wait_for(
        lambda: place.services["db"].run("pg_isready", "-q", "-h", "127.0.0.1", check=False).returncode == 0,
        "db",
        30,
    )
    place.sql("CREATE TABLE written_after_the_start AS SELECT 1")
    segment = place.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
    end = time.monotonic() + 4 * WAL_SECONDS
    while time.monotonic() < end:  # the stock behaviour, without the service
        now = place.sql("SELECT pg_walfile_name(pg_current_wal_lsn())")
        if (
            now != segment
        ):  # a start so slow that the checkpointer came after the recovery: there was nothing to wake
            print("stock kept to it this time")
            place.sql("CREATE TABLE written_later AS SELECT 1")
            segment = now
            break
        time.sleep(0.5)
    place.start("backup")
    wait_for(
        lambda: place.sql("SELECT pg_walfile_name(pg_current_wal_lsn())") > segment,
        "WAL was switched",
        10 + 4 * WAL_SECONDS,
    )


def test_a_backup_that_is_asked_for_before_the_service_has_looked_around(place):
    """Each waited for the other: the service for the backup's lock, the backup for WAL that the service refused."""
    place.stop("backup", "db")
    place.start("backup", "db")
    assert "full backup" in place.backup("now", "--full").stderr
    told = json.loads(place.backup("status", "--format=json").stdout)
    assert told["problems"] == [], "a copy of the jobs that has to wait for a backup is no problem"


# --- Drill ----------------------------------------------------------------------------------------


def test_a_drill_under_writes_finds_everything_equal(place):
    """Rows come and go while it is at work; it compares one moment of both."""
    place.sql("CREATE TABLE busy (id bigserial PRIMARY KEY, text text)")
    script = (
        "INSERT INTO busy (text) SELECT random()::text FROM generate_series(1, 5);\n"
        "UPDATE busy SET text = random()::text WHERE id % 7 = (random() * 6)::int AND id > (SELECT max(id) - 50 FROM busy);\n"
        "DELETE FROM busy WHERE id = (SELECT min(id) FROM busy);\n"
    )
    db = place.services["db"].name
    subprocess.run(
        ["docker", "exec", "-i", db, "bash", "-c", "cat > /tmp/busy.sql"], input=script, text=True, check=True
    )
    docker(
        "exec",
        "--detach",
        db,
        "pgbench",
        "-U",
        "app",
        "-n",
        "-c",
        "2",
        "-T",
        "120",
        "-R",
        "60",
        "-f",
        "/tmp/busy.sql",
        "app",
    )
    wait_for(lambda: int(place.sql("SELECT count(*) FROM busy")) > 50, "writers write", 30)
    before = int(place.sql("SELECT max(id) FROM busy"))
    done = place.backup("drill")
    assert int(place.sql("SELECT max(id) FROM busy")) > before, "nothing was written meanwhile"
    docker("exec", db, "pkill", "pgbench", check=False)
    assert "all equal" in done.stderr, done.stderr
    rpo, rto = (float(value) for value in re.findall(r"(?:RPO|RTO) ([\d.]+) s", done.stderr))
    assert 0 < rpo < 300
    assert 0 < rto < 900
    assert json.loads(place.backup("status", "--format=json").stdout)["drill"]["equal"] is True
    assert place.inside("ls /srv/work").split() == ["state.json"], "scratch space is left empty"


def test_a_drill_finds_what_the_backup_does_not_hold(place):
    """Rows that never went through the WAL: the backup is as PostgreSQL wants it, and lacks them."""
    place.sql("CREATE UNLOGGED TABLE pretended AS SELECT generate_series(1, 7) AS id")
    place.sql(
        "SET allow_system_table_mods = on; UPDATE pg_class SET relpersistence = 'p' WHERE relname = 'pretended'"
    )
    done = place.backup("drill", check=False)
    assert done.returncode == 1
    assert re.search(r"DIFFERENT app public.pretended: running 7 rows.*restored 0 rows", done.stderr), (
        done.stderr
    )
    assert "the drill of" in place.backup("status", check=False).stdout
    place.sql("DROP TABLE pretended")
    assert place.backup("drill").returncode == 0


# --- Restore --------------------------------------------------------------------------------------


def test_a_restore_has_to_be_confirmed(place):
    done = place.backup("restore", check=False)
    assert done.returncode == 78
    assert "this replaces the database" in done.stderr and "CONFIRM=yes" in done.stderr


def test_a_restore_refuses_a_live_stack(place):
    for live in (["db", "redis"], ["redis"]):
        done = place.backup("restore", "--yes", check=False)
        assert done.returncode == 78
        assert f"{', '.join(live)} still run and write" in done.stderr
        if "db" in live:
            place.stop("db")


def test_everything_comes_back_after_the_loss_of_both_volumes(place):
    place.sql("CREATE TABLE last_words AS SELECT 'kept' AS word")
    redis = place.services["redis"]
    for number in range(5):
        redis.run("redis-cli", "xadd", "jobs", "*", "number", str(number))
    place.backup("now")
    place.sql("INSERT INTO last_words VALUES ('written after the backup')")
    rows = place.sql("SELECT count(*), sum(hashtext(text)) FROM rows")
    stored(place)
    place.stop("db", "redis")
    place.inside(f"find {DATA} /srv/redis -mindepth 1 -delete")
    done = place.restore()
    assert "tables" in done.stderr
    assert place.sql("SELECT word FROM last_words ORDER BY 1").splitlines() == [
        "kept",
        "written after the backup",
    ]
    assert place.sql("SELECT count(*), sum(hashtext(text)) FROM rows") == rows
    assert place.services["redis"].run("redis-cli", "xlen", "jobs").stdout.strip() == "5"
    assert "all equal" in place.backup("drill").stderr, "on its new timeline it is backed up as before"


def test_a_restore_that_leaves_the_jobs(place):
    """Those that came after the last copy wait on."""
    redis = place.services["redis"]
    redis.run("redis-cli", "xadd", "jobs", "*", "number", "of today")
    waiting = redis.run("redis-cli", "xlen", "jobs").stdout.strip()
    place.restore("--keep-jobs")
    assert place.services["redis"].run("redis-cli", "xlen", "jobs").stdout.strip() == waiting


def test_a_moment_of_the_past(place):
    place.sql("CREATE TABLE mistakes AS SELECT 'good' AS state")
    moment = place.sql(
        "SELECT to_char(now() AT TIME ZONE 'UTC' + interval '1 s', 'YYYY-MM-DD\"T\"HH24:MI:SS') || '+00:00'"
    )
    wait_for(
        lambda: place.sql(f"SELECT now() > '{moment}'::timestamptz + interval '1 s'") == "t",
        "a second has passed",
    )
    place.sql("UPDATE mistakes SET state = 'bad'")
    stored(place)
    place.restore(f"--time={moment}")
    assert place.sql("SELECT state FROM mistakes") == "good"
    place.sql("INSERT INTO mistakes VALUES ('after')")
    stored(place)
    place.restore()
    assert place.sql("SELECT string_agg(state, ' ' ORDER BY state) FROM mistakes") == "after good", (
        "the newest is the new timeline's"
    )


def test_what_was_written_last_comes_along_though_nobody_stored_it(place):
    """The service was gone when the database stopped; its volume is whole, and so is what it had finished."""
    place.stop("backup")
    place.sql("CREATE TABLE unstored AS SELECT 1")
    place.services["db"].stop(60)
    place.start("backup")
    place.restore()
    assert place.sql("SELECT count(*) FROM unstored") == "1"


def test_a_restore_after_a_backup_that_was_made_while_a_cluster_was_kept_aside(place):
    place.restore()
    place.backup("now", "--full")
    assert "kept aside" in place.backup("status").stdout
    place.restore()
    assert place.sql("SELECT count(*) FROM rows") == "20000"


def test_a_restore_that_was_killed_between_two_moves_is_begun_anew(place):
    place.stop("db", "redis")
    place.inside(
        f"cd {DATA}; rm -rf .before-restore; mkdir .before-restore; mv PG_VERSION base global .before-restore/; mkdir base"
    )
    place.start("redis")
    db = place.start_db(wait=False)
    assert db.ended() == 78 and "no cluster" in db.logs(), db.logs()
    docker("rm", "--force", db.name)
    place.restore()
    assert place.sql("SELECT count(*) FROM rows") == "20000"


def test_the_former_cluster_is_kept_until_it_is_discarded(place):
    assert place.inside(f"cat {DATA}/.before-restore/PG_VERSION").strip() == "17"
    assert "kept aside" in place.backup("status").stdout
    place.backup("discard")
    assert "kept aside" not in place.backup("status").stdout


def test_a_password_that_is_newer_than_the_backup(place, tmp_path):
    place.stop("backup")
    older, place.secrets = place.secrets, write_secrets(tmp_path)
    (tmp_path / "db_password").write_text("another 'one'")
    try:
        place.start("backup")
        place.restore()
        place.services["db"].run(
            *("psql", "-h", "127.0.0.1", "-U", "app", "-c", "SELECT 1", "app"),
            env={"PGPASSWORD": "another 'one'"},
        )
    finally:
        place.stop("backup")
        place.secrets = older


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--time=2001-01-01"], "before the end of the oldest backup"),
        (["--time=2999-01-01"], "has not come yet"),
        (["--time=yesterday"], "is no moment"),
        (["--set=20010101-000000F"], "there is no backup 20010101-000000F"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(place, options, words):
    done = place.backup("restore", "--yes", *options, check=False)
    assert done.returncode == 78
    assert words in done.stderr


# --- Damage: one clear line, and everything stays as it was ----------------------------------------


@pytest.fixture
def damaged(origin: Place, images: dict[str, str], secrets: Path) -> Iterator[Callable[..., str]]:
    """restore(script, …) -> what is said, after SCRIPT has done its damage to a copy of the repository."""
    for name in ("redis", "db", "backup"):
        if name not in origin.services:
            origin.start(name)
    origin.sql("CREATE TABLE IF NOT EXISTS alive AS SELECT 'as it was' AS state")
    stored(origin)
    origin.inside("rm -rf /srv/work/whole && cp -a /srv/backup /srv/work/whole")

    def attempt(script: str, *options: str, **others: Path) -> str:
        origin.stop("backup", "db", "redis")
        before, origin.secrets = origin.secrets, others.get("secrets", origin.secrets)
        origin.start("backup")
        origin.inside(script)
        done = origin.backup("restore", "--yes", *options, check=False)
        origin.secrets = before
        assert done.returncode in (1, 78), done.stderr
        assert "Traceback" not in done.stderr
        assert origin.inside(f"cat {DATA}/PG_VERSION").strip() == "17"
        return done.stderr

    yield attempt
    origin.inside(
        "find /srv/backup -mindepth 1 -delete; cp -a /srv/work/whole/. /srv/backup; rm -rf /srv/work/whole"
    )
    origin.stop("backup")
    origin.start("redis", "db", "backup")
    assert origin.sql("SELECT state FROM alive") == "as it was"


FLIP = 'printf \'damage\' | dd of="$file" bs=1 seek=$(( $(stat -c %s "$file") / 2 )) conv=notrunc status=none'


def test_a_wrong_key(damaged, tmp_path):
    said = damaged("true", secrets=write_secrets(tmp_path, cipher="quite-another-key-than-that"))
    assert "the key in the secret backup_cipher does not open the repository" in said
    assert len(said.splitlines()) == 1


def test_a_damaged_backup(damaged):
    said = damaged(
        f"for file in $(find /srv/backup/backup/db/*F/bundle -type f); do {FLIP}; done",
    )
    assert "damaged" in said or "does not open" in said, said


def test_damaged_wal_is_not_taken_for_its_end(damaged):
    """PostgreSQL itself ends its recovery there and goes on with a part of the data, in silence."""
    said = damaged(
        f"file=$(find /srv/backup/archive -name '0*-*' -type f | sort | tail -2 | head -1); {FLIP}"
    )
    assert "cannot be used" in said and "WAL segment" in said, said


def test_missing_wal_is_not_taken_for_its_end(damaged):
    said = damaged("rm $(find /srv/backup/archive -name '0*-*' -type f | sort | tail -2 | head -1)")
    assert "is missing from the repository" in said or "something in between is lost" in said, said


def test_damage_is_found_by_verify(place):
    assert place.backup("verify").returncode == 0
    place.inside("cp -a /srv/backup /srv/work/whole")
    place.inside(f"file=$(find /srv/backup/backup/db/*F/bundle -type f | tail -1); {FLIP}")
    done = place.backup("verify", check=False)
    place.inside(
        "find /srv/backup -mindepth 1 -delete; cp -a /srv/work/whole/. /srv/backup; rm -rf /srv/work/whole"
    )
    assert done.returncode == 1
    assert "damaged" in done.stderr


def test_another_cluster_is_not_mixed_in(place, images, secrets):
    """A database that was made anew finds the backups of the one before: both are kept apart, with the way out."""
    place.stop("redis", "db", "backup")  # one network, one of each name
    other = Place(place.yard, images, secrets, volumes={"repository": place.volume("repository")})
    other.start("redis", "db", "backup")
    said = "the repository holds the backups of another cluster"
    wait_for(lambda: said in other.backup("status", check=False).stdout, "it says so", 60)
    other.sql("SELECT pg_switch_wal()")
    other.services["db"].says(said)
    other.restore()
    assert other.sql("SELECT count(*) FROM rows") == "20000"
    other.stop("redis", "db", "backup")


# --- Stores ---------------------------------------------------------------------------------------


@dataclass
class Store:
    """A store on another machine that runs, and how a stack names it."""

    repository: str
    """BACKUP_REPOSITORY."""
    credentials: str
    """The secret backup_credentials."""
    listing: Callable[[], str]
    """The names in the repository's folder, as the store itself sees them."""


@pytest.fixture(scope="module")
def sftp(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """OpenSSH."""
    keys = tmp_path_factory.mktemp("keys")
    for name in ("host", "user"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", keys / name], check=True
        )
    (keys / "authorized_keys").write_text((keys / "user.pub").read_text())
    (keys / "authorized_keys").chmod(0o444)
    keys.chmod(0o755)
    server = yard.start(
        made("sftp"), flags=["--network-alias=nas", f"--volume={keys}:/keys:ro"], hardened=False
    )
    told = subprocess.run(
        ["ssh-keygen", "-lf", keys / "host.pub"], capture_output=True, text=True, check=True
    ).stdout
    return Store(
        f"sftp://keeper@nas/srv/rooms?host-key={told.split()[1]}",
        (keys / "user").read_text(),
        lambda: server.run("ls", "/srv/rooms").stdout,
    )


@pytest.fixture(scope="module")
def s3(yard: Yard, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """SeaweedFS, with a certificate of its own authority and a key that may use one bucket and nothing else."""
    keys = tmp_path_factory.mktemp("keys")
    keys.chmod(0o755)
    make_certificate(keys, "s3.test")
    keeper = {
        "name": "keeper",
        "credentials": [{"accessKey": "KEEPER", "secretKey": "the-secret-of-keeper"}],
        "actions": [f"{action}:backups" for action in ("Read", "Write", "List")],
    }
    (keys / "identities.json").write_text(json.dumps({"identities": [keeper]}))
    server = yard.start(
        made("s3"),
        flags=[
            "--network-alias=s3.test",
            f"--volume={keys}:/keys:ro",
            "--tmpfs=/tmp",
            "--tmpfs=/data:uid=10001",
        ],
    )

    def shell(command: str) -> str:
        return server.run("sh", "-c", f"echo {command} | weed shell").stdout

    server.says("https port 8443")
    wait_for(lambda: "created bucket" in shell("s3.bucket.create -name backups"), "there is a bucket", 30)
    certificate = (keys / "tls.pem").read_text().partition("-----BEGIN CERTIFICATE-----")
    return Store(
        "s3://backups/rooms?endpoint=s3.test:8443&region=eu-1",
        "KEEPER:the-secret-of-keeper\n" + "".join(certificate[1:]).partition("-----BEGIN PRIVATE")[0],
        lambda: shell("fs.ls /buckets/backups/rooms"),
    )


@pytest.fixture
def store(request: pytest.FixtureRequest) -> Store:
    """The store that the test's parameter names."""
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("store", ["sftp", "s3"], indirect=True)
def test_a_repository_on_another_machine(origin, yard, images, tmp_path, store):
    origin.stop(*list(origin.services))  # one network, one of each name
    place = Place(yard, images, write_secrets(tmp_path, credentials=store.credentials))
    place.settings = {"BACKUP_REPOSITORY": store.repository}
    place.start("redis", "db", "backup")
    place.sql("CREATE TABLE rows AS SELECT generate_series(1, 1000) AS id")
    wait_for(lambda: place.backup("status", check=False).returncode == 0, "the first backup is made", 90)
    assert store.listing().split() == ["archive", "backup", "redis"]
    assert "all equal" in place.backup("drill").stderr
    place.stop("db", "redis")
    place.inside(f"find {DATA} /srv/redis -mindepth 1 -delete")
    place.restore()
    assert place.sql("SELECT count(*) FROM rows") == "1000"
    place.stop("redis", "db", "backup")


@pytest.mark.parametrize(
    ("store", "part", "other", "words"),
    [
        ("sftp", r"SHA256:\S+", "SHA256:" + "A" * 43, "the store cannot be reached"),
        (
            "s3",
            r":the-\S+",
            ":of-somebody-else",
            "the store refuses: check bucket, region and backup_credentials",
        ),
        ("s3", r"KEEPER", "STRANGER", "the store refuses: check bucket, region and backup_credentials"),
        ("s3", r"//backups", "//elsewhere", "the store refuses: check bucket, region and backup_credentials"),
    ],
    ids=["another host key", "another secret", "another key", "another bucket"],
    indirect=["store"],
)
def test_what_does_not_fit_the_store_is_told_in_one_line(yard, images, tmp_path, store, part, other, words):
    place = Place(yard, images, write_secrets(tmp_path, credentials=re.sub(part, other, store.credentials)))
    place.settings = {"BACKUP_REPOSITORY": re.sub(part, other, store.repository)}
    place.start("backup")
    done = place.backup("list", check=False)
    place.stop("backup")
    assert done.returncode == 1
    assert words in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr


# --- Wrong settings -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"BACKUP_REPOSITORY": "nas:/backup"}, ["BACKUP_REPOSITORY is 'nas:/backup'", "sftp://user@host"]),
        ({"BACKUP_REPOSITORY": "sftp://nas/srv"}, ["lacks the user", "host-key=SHA256", "private key"]),
        ({"BACKUP_REPOSITORY": "s3://bucket/x"}, ["lacks endpoint", "lacks region", "KEY:SECRET"]),
        (
            {"BACKUP_REPOSITORY": "s3://b/x?endpoint=e&region=r&regoin=q"},
            ["'regoin'; s3 takes endpoint, region, style"],
        ),
        (
            {"BACKUP_HOURS": "often", "BACKUP_KEEP_DAYS": "0"},
            ["BACKUP_HOURS is 'often'", "BACKUP_KEEP_DAYS is '0'"],
        ),
    ],
    ids=lambda value: " ".join(value.values()) if isinstance(value, dict) else "",
)
def test_wrong_settings_are_told_all_at_once(yard, images, secrets, settings, words):
    container = Place(yard, images, secrets).start_backup(wait=False, **settings)
    assert container.ended() == 78, container.logs()
    assert [word for word in words if word not in container.logs()] == []
    assert "Traceback" not in container.logs()


def test_a_missing_key(yard, images, tmp_path):
    container = Place(yard, images, write_secrets(tmp_path, cipher="short")).start_backup(wait=False)
    assert container.ended() == 78
    assert "backup_cipher is to be one word of 20 or more" in container.logs()

"""images/backup: what it does by itself alongside a running PostgreSQL and Redis, its drill, and its settings."""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest

from ..conftest import docker, wait_for
from .place import CIPHER, WAL_SECONDS, Place, stored, write_secrets


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


def test_it_runs_as_999_without_capabilities_and_shows_no_secret(place):
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
def test_wrong_settings_are_reported_all_at_once(yard, images, secrets, settings, words):
    container = Place(yard, images, secrets).start_backup(wait=False, **settings)
    assert container.ended() == 78, container.logs()
    assert [word for word in words if word not in container.logs()] == []
    assert "Traceback" not in container.logs()


def test_a_missing_key(yard, images, tmp_path):
    container = Place(yard, images, write_secrets(tmp_path, cipher="short")).start_backup(wait=False)
    assert container.ended() == 78
    assert "backup_cipher is to be one word of 20 or more" in container.logs()

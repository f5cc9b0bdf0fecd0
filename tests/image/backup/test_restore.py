"""images/backup: restores, to the end or to a moment, and those that are refused."""

from __future__ import annotations

import pytest

from ..conftest import docker, wait_for
from .place import DATA, stored, write_secrets


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


def test_what_was_written_last_comes_along_though_it_was_not_stored(place):
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


def test_a_restore_that_was_killed_between_two_moves_is_begun_again(place):
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

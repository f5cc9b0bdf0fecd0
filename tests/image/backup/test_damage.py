"""images/backup: a damaged repository costs one clear line, and everything stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ..conftest import wait_for
from .place import DATA, Place, stored, write_secrets


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

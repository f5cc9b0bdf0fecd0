"""--stack: a real Redis and a real PostgreSQL, set up well and badly."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import psycopg
import pytest
import redis
from processes import Postgres, Redis, free_port
from specimens import SETTINGS as S
from specimens import doctor, write

from channels_stack.doctor.examine import examine
from channels_stack.doctor.findings import PREFIX, STACK, rules
from channels_stack.doctor.project import Project
from channels_stack.doctor.stack import Stack

SOUND = {"maxmemory-policy": "noeviction", "maxmemory": "64mb", "appendonly": "no"}


@pytest.fixture(scope="module")
def server():
    with Redis() as running:
        yield running


@pytest.fixture
def client(server):
    with redis.Redis.from_url(server.url) as connection:
        connection.flushall()
        for name, value in SOUND.items():
            connection.config_set(name, value)
        yield connection


@pytest.fixture(scope="module")
def database():
    if os.environ.get("DATABASE_URL"):
        yield os.environ["DATABASE_URL"]
        return
    with Postgres() as running:
        yield f"postgresql://postgres@127.0.0.1:{running.port}/postgres"


def found(project=None, **environment: str) -> dict[str, str]:
    """Rule -> what was wrong in the running stack."""
    report = examine(None, stack=lambda _: Stack(project, environment))
    assert report.failures == []
    return {one.id[len(PREFIX) :]: one.wrong for one in report.findings}


def test_a_sound_redis(server, client):
    assert found(REDIS_URL=server.url) == {}


@pytest.mark.parametrize(
    ("name", "value", "id_"),
    [("maxmemory-policy", "allkeys-lru", "E904"), ("maxmemory", "0", "W905")],
)
def test_a_redis_set_up_badly(server, client, name, value, id_):
    client.config_set(name, value)
    assert list(found(REDIS_URL=server.url)) == [id_]


@pytest.mark.parametrize(
    ("name", "value", "ids"),
    [
        ("redis_version", "4.0.9", ["E902"]),
        ("redis_version", "6.0.16", ["W903"]),
        ("redis_version", "6.2.0", []),
        ("cluster_enabled", 1, ["E906"]),
    ],
)
def test_another_redis_than_there_is_here(server, client, name, value, ids):
    """What this Redis says, with one answer changed to that of another."""
    stack = Stack(None, {"REDIS_URL": server.url})
    stack.redis.info[name] = value
    assert [one.id[len(PREFIX) :] for one in examine(None, stack=lambda _: stack).findings] == ids


def test_groups_in_memory_only(server, client):
    client.zadd("asgi:group:room", {"specific.x!y": 1})
    assert list(found(REDIS_URL=server.url)) == ["W909"]


def test_keys_of_a_cache(server, client):
    client.set(":1:views.page", "x")
    client.set(b"\xff\x00binary", "x")
    client.set("channels-stack:status:ws:a:1", "x")
    assert "2 of the keys" in found(REDIS_URL=server.url)["W908"]


def test_a_clock_that_is_wrong(server, client, monkeypatch):
    import time

    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() - 120)
    assert found(REDIS_URL=server.url) == {"W907": "Redis is 120.0 s ahead"}


def test_a_redis_that_is_not_there():
    wrong = found(REDIS_URL=f"redis://:hunter2@127.0.0.1:{free_port()}/0")
    assert list(wrong) == ["E901"]
    assert "hunter2" not in wrong["E901"]


def test_the_budget_of_connections(tmp_path, database):
    """A PostgreSQL that accepts 97: 6 processes with 8 connections each, and with 20."""
    few = Project(str(write(tmp_path / "few")))
    assert found(few, DATABASE_URL=database) == {}
    many = Project(str(write(tmp_path / "many", {S: ('"max_size": 8', '"max_size": 20')})))
    with psycopg.connect(database) as connection:
        usable = connection.execute("SHOW max_connections").fetchone()[0]
    assert (
        f"7 processes x 20 connections are 140, and {int(usable) - 3} are accepted"
        in found(many, DATABASE_URL=database)["E912"]
    )


def test_the_processes_that_report_themselves_count(tmp_path, server, client, database):
    project = Project(str(write(tmp_path)))
    for number in range(13):
        client.set(f"site:status:http:host:{number}", "{}")
    wrong = found(project, REDIS_URL=server.url, DATABASE_URL=database, REDIS_PREFIX="site")
    assert "13 processes x 8 connections are 104" in wrong["E912"]


def test_a_database_that_is_not_there():
    wrong = found(DATABASE_URL=f"postgres://app:hunter2@127.0.0.1:{free_port()}/app")
    assert list(wrong) == ["E910"]
    assert "hunter2" not in wrong["E910"]


def test_an_old_postgresql(tmp_path, database):
    project = Project(str(write(tmp_path)))
    with psycopg.connect(database) as connection:
        version = connection.info.server_version // 10_000
    stack = Stack(project, {"DATABASE_URL": database})
    stack.database.version = 130_004
    report = examine(None, stack=lambda _: stack)
    assert [one.wrong for one in report.findings] == ["PostgreSQL 13 is older than 14"]
    assert version >= 14 and "E911" not in found(project, DATABASE_URL=database)


def test_every_rule_about_a_stack_has_a_test():
    tested = set(re.findall(r"\b[EW]9\d\d\b", Path(__file__).read_text()))
    assert tested == {rule.id[len(PREFIX) :] for rule in rules(STACK)}


def test_the_command(tmp_path, server, client):
    client.config_set("maxmemory-policy", "volatile-lru")
    secret = tmp_path / "redis_url"
    secret.write_text(server.url + "\n")
    done = doctor(write(tmp_path / "project"), "--stack", "--json", REDIS_URL_FILE=str(secret))
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert [(one["id"], one["file"], one["line"]) for one in told["findings"]] == [
        ("channels_stack.E904", "REDIS_URL", None)
    ]
    assert told["summary"]["notes"] == ["DATABASE_URL is not set: PostgreSQL was not looked at"]

"""The application's own Redis (APP_REDIS): what its user may do, what a full one does, what a restart leaves.

The image, and what else the contract says, is that of the layers' Redis: test_redis.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from channels_stack_deploy.config import stores

from .conftest import IMAGES, Container, Yard, docker, wait_for
from .test_redis import PASSWORD, ask, start

LOGIN = f"AUTH {PASSWORD}"
FILL = "EVAL \"return redis.call('set', KEYS[1], string.rep('x', 1048576), unpack(ARGV))\" 1 full:{}"


@pytest.fixture(scope="module")
def acl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ACL file as a secret, as `make up` writes it."""
    file = tmp_path_factory.mktemp("app-redis") / "redis_acl"
    file.write_text((IMAGES / "redis" / "app.acl.template").read_text().replace("{password}", PASSWORD))
    file.chmod(0o444)
    return file


def run(yard: Yard, image: str, acl: Path, volume: str, kind: str) -> Container:
    """Start it as compose does for APP_REDIS=KIND, with 64 MB."""
    policy, on_disk = stores.KEEPING[kind]
    return start(yard, image, acl, volume, "--maxmemory-policy", policy, "--appendonly", on_disk)


@pytest.fixture(scope="module", params=sorted(stores.KEEPING))
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def redis(yard: Yard, redis_image: str, acl: Path, kind: str) -> Container:
    return run(yard, redis_image, acl, yard.volume(), kind)


@pytest.fixture(scope="module")
def cache(yard: Yard, redis_image: str, acl: Path) -> Container:
    """One of them is enough for what all have in common."""
    return run(yard, redis_image, acl, yard.volume(), "cache")


def test_a_client_with_a_password_and_no_user_comes_in(cache):
    assert ask(cache, LOGIN, "GET k") == ["+OK", "$-1"]
    assert ask(cache, f"AUTH default {PASSWORD}") == ["+OK"]


@pytest.mark.parametrize("login", ["PING", "AUTH wrong", "AUTH app wrong", f"AUTH app {PASSWORD}"])
def test_no_one_else_does(cache, login):
    (reply,) = ask(cache, login)
    assert reply.startswith(("-NOAUTH", "-WRONGPASS"))


@pytest.mark.parametrize(
    "command",
    [
        "SPOP s",
        "SRANDMEMBER s",
        "SUNIONSTORE d s",
        "LPUSH l a",
        "LMOVE l m LEFT RIGHT",
        "BLPOP nothing 0.01",
        "SORT l ALPHA",
        "HINCRBYFLOAT h f 1",
        "GETDEL k",
        "SETRANGE k 0 v",
        "PFADD p a",
        "GEOADD g 1 1 here",
        "BITCOUNT k",
        "KEYS *",
        "SCAN 0",
        "RANDOMKEY",
        "DBSIZE",
        "INFO",
        "CLIENT LIST",
        "CLIENT SETNAME worker",
        "MEMORY USAGE k",
        "OBJECT HELP",
        "SELECT 5",
        "SUBSCRIBE c",
        "PUBLISH c m",
        "XADD x * a b",
        "EVAL return(1) 0",
        "SCRIPT FLUSH",
        "FUNCTION LIST",
        "MULTI",
        "FLUSHDB",
        "FLUSHALL",
    ],
)
def test_it_may_do_what_applications_do(cache, command):
    login, reply = ask(cache, LOGIN, command)
    assert login == "+OK"
    assert not reply.startswith("-"), reply


@pytest.mark.parametrize(
    "command",
    [
        "CONFIG GET *",
        "CONFIG SET maxmemory 0",
        "SHUTDOWN",
        "REPLICAOF NO ONE",
        "FAILOVER",
        "DEBUG SLEEP 0",
        "MODULE LIST",
        "ACL LIST",
        "ACL SETUSER default nopass",
        "SAVE",
        "BGSAVE",
        "BGREWRITEAOF",
        "MONITOR",
        "CLIENT KILL TYPE normal",
        "CLIENT PAUSE 1000",
        "MIGRATE elsewhere 6379 k 0 1000",
        "RESTORE k 0 x",
        "SWAPDB 0 1",
        "SLOWLOG GET",
        "CLUSTER RESET",
    ],
)
def test_it_may_not_touch_the_server(cache, command):
    _, reply = ask(cache, LOGIN, command)
    assert reply.startswith(("-NOPERM", "-ERR DEBUG command not allowed")), reply


def test_a_full_one_throws_away_what_it_was_asked_to(redis, kind):
    """Beyond 64 MB: a cache forgets, a queue refuses, both forget only what has a time to live."""
    assert ask(redis, LOGIN, "FLUSHALL", "SET job here")[2] == "+OK"
    passing = ask(redis, LOGIN, *(f"{FILL.format(number)} EX 1000" for number in range(80)))
    assert ("-OOM" in passing[-1]) is (kind == "queue"), passing[-1]
    lasting = ask(redis, LOGIN, *(FILL.format(f"lasting:{number}") for number in range(80)))
    assert ("-OOM" in lasting[-1]) is (kind != "cache"), lasting[-1]
    (found,) = ask(redis, LOGIN, "GET job")[1:]
    assert found == ("$-1" if kind == "cache" else "here")


@pytest.mark.parametrize("kind", ["cache", "both"])
def test_a_restart_forgets_a_cache_and_nothing_else(yard, redis_image, acl, kind):
    volume = yard.volume()
    first = run(yard, redis_image, acl, volume, kind)
    assert ask(first, LOGIN, "SET k written")[1] == "+OK"
    code, seconds = first.stop()
    assert (code, seconds < 5) == (0, True)
    second = run(yard, redis_image, acl, volume, kind)
    assert ask(second, LOGIN, "GET k")[1] == ("$-1" if kind == "cache" else "written")
    if kind == "both":
        ask(second, LOGIN, "SET k killed")
        info = ["redis-cli", "--no-auth-warning", "--pass", PASSWORD, "info", "persistence"]
        wait_for(lambda: "aof_pending_bio_fsync:0" in second.run(*info).stdout, "written to disk")
        docker("kill", second.name)
        third = run(yard, redis_image, acl, volume, kind)
        assert ask(third, LOGIN, "GET k")[1] == "killed"

"""images/redis: the contract that an image for `redis` keeps, ours or an official one (REDIS_IMAGE=redis:8).

It goes through what compose relies on: command, configuration file, ACL file, user, volume, port, signal.
"""

from __future__ import annotations

import json
import re
import socket
from pathlib import Path

import pytest

from .conftest import IMAGES, Container, Yard, docker, wait_for

PASSWORD = "a-password-of-this-test"
PING = ["redis-cli", "-e", "--no-auth-warning", "--user", "health", "--pass", "none", "ping"]


@pytest.fixture(scope="module")
def acl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ACL file as a secret, as `make up` writes it."""
    file = tmp_path_factory.mktemp("redis") / "redis_acl"
    file.write_text((IMAGES / "redis" / "users.acl.template").read_text().replace("{password}", PASSWORD))
    file.chmod(0o444)  # read by uid 999 in the container
    return file


def start(yard: Yard, image: str, acl: Path, volume: str, *more: str, ready: bool = True) -> Container:
    """Start it as compose does, with MORE of its command."""
    container = yard.start(
        image,
        "redis-server",
        "/etc/redis/redis.conf",
        "--aclfile",
        "/run/secrets/redis_acl",
        "--maxmemory",
        "64mb",
        *more,
        flags=[
            "--user=999:999",
            f"--volume={IMAGES}/redis/redis.conf:/etc/redis/redis.conf:ro",
            f"--volume={acl}:/run/secrets/redis_acl:ro",
            f"--volume={volume}:/data",
            "--tmpfs=/tmp",
            "--publish=127.0.0.1::6379",
            "--memory=128m",
        ],
    )
    if ready:
        wait_for(lambda: container.run(*PING, check=False).returncode == 0, "redis answers")
    return container


@pytest.fixture(scope="module")
def redis(yard: Yard, redis_image: str, acl: Path) -> Container:
    """A running Redis."""
    return start(yard, redis_image, acl, yard.volume())


def ask(redis: Container, *commands: str) -> list[str]:
    """Send inline commands from outside, return one line of reply for each."""
    with (
        socket.create_connection(("127.0.0.1", redis.port(6379)), timeout=5) as link,
        link.makefile("rb") as stream,
    ):
        replies = []
        for command in commands:
            link.sendall(command.encode() + b"\r\n")
            reply = stream.readline().decode().strip()
            if reply.startswith("$") and reply != "$-1":
                reply = stream.readline().decode().strip()
            replies.append(reply)
        return replies


LOGIN = f"AUTH app {PASSWORD}"


def test_it_runs_as_999_without_capabilities(redis):
    status = redis.run("cat", "/proc/1/status").stdout + redis.run("cat", "/proc/self/status").stdout
    assert set(re.findall(r"^Uid:\t(\d+)", status, re.MULTILINE)) == {"999"}
    assert set(re.findall(r"^CapEff:\t(\w+)", status, re.MULTILINE)) == {"0" * 16}


def test_another_command_runs_untouched(redis_image):
    assert docker("run", "--rm", redis_image, "bash", "-c", "echo $((6 * 7))").stdout == "42\n"


def test_no_one_comes_in_without_a_password(redis):
    (reply,) = ask(redis, "PING")
    assert reply.startswith("-NOAUTH")
    (reply,) = ask(redis, "AUTH app wrong")
    assert reply.startswith("-WRONGPASS")
    (reply,) = ask(redis, f"AUTH {PASSWORD}")
    assert reply.startswith("-WRONGPASS"), "the default user is off"


def test_the_password_is_in_no_command_line(redis):
    assert (
        PASSWORD
        not in redis.run(
            "bash", "-c", "cat /proc/*/cmdline /proc/*/environ 2>/dev/null | tr '\\0' ' '"
        ).stdout
    )
    assert PASSWORD not in redis.says("Ready to accept connections")


# What the two channel layers, the status of the stack and a layer on streams send.
USED = [
    "PING",
    "SELECT 0",
    "CLIENT SETNAME test",
    "CLIENT SETINFO LIB-NAME test",
    "TIME",
    "INFO",
    "SET k v EX 10",
    "GET k",
    "MGET k",
    "SCAN 0 MATCH k COUNT 10",
    "EXISTS k",
    "EXPIRE k 10",
    "DEL k",
    "ZADD z 1 a",
    "ZCOUNT z 0 2",
    "ZCARD z",
    "ZRANGE z 0 -1",
    "ZREMRANGEBYSCORE z 5 6",
    "BZPOPMIN z 1",
    "ZPOPMIN z",
    "ZREM z a",
    "EVAL return(1) 0",
    "MULTI",
    "EXEC",
    "PUBLISH c m",
    "SUBSCRIBE c",
    "UNSUBSCRIBE c",
    "XGROUP CREATE x g $ MKSTREAM",
    "XADD x * a b",
    "XREADGROUP GROUP g c COUNT 1 STREAMS x >",
    "XACK x g 1-1",
    "XLEN x",
    "XPENDING x g",
    "XAUTOCLAIM x g c 0 0",
    "XRANGE x - +",
    "XINFO STREAM x",
    "XDEL x 1-1",
    "XTRIM x MAXLEN 1",
]


@pytest.mark.parametrize("command", USED)
def test_the_application_may(redis, command):
    commands = ["MULTI", "EXEC"] if command == "EXEC" else [command]
    login, *replies = ask(redis, LOGIN, *commands)
    assert login == "+OK"
    assert "NOPERM" not in replies[-1]
    assert not replies[-1].startswith("-ERR")


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL",
        "FLUSHDB",
        "KEYS *",
        "CONFIG GET *",
        "SHUTDOWN",
        "DEBUG SLEEP 0",
        "MODULE LIST",
        "ACL LIST",
        "REPLICAOF NO ONE",
        "SAVE",
        "BGREWRITEAOF",
        "MONITOR",
        "CLIENT KILL TYPE normal",
        "CLIENT LIST",
        "SCRIPT FLUSH",
        "FUNCTION LIST",
        "SWAPDB 0 1",
    ],
)
def test_the_application_may_not(redis, command):
    _, reply = ask(redis, LOGIN, command)
    assert reply.startswith(("-NOPERM", "-ERR DEBUG command not allowed"))


def test_the_health_user_may_only_ping(redis):
    login, ping, get = ask(redis, "AUTH health anything", "PING", "GET k")
    assert (login, ping) == ("+OK", "+PONG")
    assert get.startswith("-NOPERM")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", "67108864"),
        ("appendonly", "yes"),
        ("appendfsync", "everysec"),
        ("timeout", "0"),
        ("save", ""),
        ("dir", "/data"),
    ],
)
def test_settings_that_matter(yard, redis_image, name, value):
    """Read inside a container without ACL file, where protected mode lets only the container itself in."""
    open_redis = next((c for c in yard.containers if c.name.endswith("-open")), None)
    if open_redis is None:
        open_redis = Container(f"{yard.name}-open")
        yard.containers.append(open_redis)
        docker(
            "run",
            "--detach",
            f"--name={open_redis.name}",
            f"--network={yard.name}",
            "--user=999:999",
            f"--volume={IMAGES}/redis/redis.conf:/etc/redis/redis.conf:ro",
            "--publish=127.0.0.1::6379",
            redis_image,
            "redis-server",
            "/etc/redis/redis.conf",
            "--maxmemory",
            "64mb",
        )
        wait_for(
            lambda: open_redis.run("redis-cli", "-e", "ping", check=False).returncode == 0, "redis answers"
        )
    assert open_redis.run("redis-cli", "--raw", "config", "get", name).stdout.split("\n")[1] == value
    assert ask(open_redis, "GET k")[0].startswith("-DENIED"), "protected mode keeps everybody else out"


def test_full_memory_is_an_error_and_nothing_is_evicted(redis):
    """64 MB are full: SET fails loudly, what was there stays."""
    _, kept = ask(redis, LOGIN, "SET kept here")
    assert kept == "+OK"
    fill = "EVAL \"return redis.call('set', KEYS[1], string.rep('x', 1048576))\" 1 full:{}"
    replies = ask(redis, LOGIN, *(fill.format(number) for number in range(80)))
    assert "-OOM" in replies[-1]
    assert ask(redis, LOGIN, "GET kept")[1] == "here"
    freed = ask(redis, LOGIN, *(f"DEL full:{number}" for number in range(80)), "SET again possible")
    assert freed[-1] == "+OK"


def test_a_stop_and_a_kill_forget_nothing(yard, redis_image, acl):
    volume = yard.volume()
    first = start(yard, redis_image, acl, volume)
    ask(first, LOGIN, "SET written before-stop")
    code, seconds = first.stop()
    assert code == 0
    assert seconds < 5
    second = start(yard, redis_image, acl, volume)
    assert ask(second, LOGIN, "GET written")[1] == "before-stop"
    ask(second, LOGIN, "SET killed survives")
    # "everysec": what is older than a second is on the disk.
    wait_for(lambda: "aof_pending_bio_fsync:0" in info(second, "persistence"), "written to disk")
    docker("kill", second.name)
    third = start(yard, redis_image, acl, volume)
    assert ask(third, LOGIN, "GET killed")[1] == "survives"


def test_a_second_server_waits_until_the_first_has_ended(yard, redis_image, acl):
    """As where Swarm starts a task again on a node that was cut off, while the former one still ends."""
    volume = yard.volume()
    first = start(yard, redis_image, acl, volume)
    second = start(yard, redis_image, acl, volume, ready=False)
    wait_for(lambda: "in use by another container" in second.logs(), "the second one says that it waits")
    ask(first, LOGIN, "SET written last")
    assert first.stop()[0] == 0
    wait_for(lambda: second.run(*PING, check=False).stdout == "PONG\n", "the second one serves")
    assert ask(second, LOGIN, "GET written")[1] == "last"


def info(redis: Container, section: str) -> str:
    """INFO, as the application sees it."""
    return redis.run("redis-cli", "--user", "app", "info", section, env={"REDISCLI_AUTH": PASSWORD}).stdout


def test_the_health_check_can_fail(redis):
    assert redis.run(*PING).stdout == "PONG\n"
    assert redis.run(*PING[:-1], "get", "k", check=False).returncode != 0, "an error reply is a failure"
    docker("pause", redis.name)
    try:
        assert "paused" in docker("exec", redis.name, *PING, check=False).stderr
    finally:
        docker("unpause", redis.name)


def test_our_image_brings_this_health_check(redis_image):
    config = json.loads(docker("image", "inspect", redis_image).stdout)[0]["Config"]
    if (config["Labels"] or {}).get("org.opencontainers.image.title") != "channels-stack redis":
        pytest.skip("an official image brings no health check; compose does")
    assert config["Healthcheck"]["Test"] == ["CMD", *PING]
    assert config["User"] == "999:999"

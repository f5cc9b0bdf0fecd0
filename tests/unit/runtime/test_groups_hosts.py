"""The groups layer on every way to a Redis: unix socket, TLS, a user with the rights of images/redis, Sentinel."""

from __future__ import annotations

import asyncio
import contextlib
import pathlib
import re
import signal
import subprocess

import processes
import pytest
import redis as redis_py
from channels.layers import InMemoryChannelLayer
from redis_set import IMAGE, RedisSet
from selfsigned import self_signed

from channels_stack.groups import RedisGroupsChannelLayer
from channels_stack.groups.hosts import options
from channels_stack.stores.outage import NoAnswer


def run(coroutine, seconds: float = 60):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


async def everything(host) -> list:
    """All that the layer does; what it received."""
    layer = RedisGroupsChannelLayer(hosts=[host], prefix="test", bridge=True)
    channel = await layer.new_channel()
    await layer.group_add("room", channel)
    await layer.group_send("room", {"type": "n", "number": 1})
    await layer.send(channel, {"type": "n", "number": 2})
    await layer.send("work", {"type": "n", "number": 3})
    await layer.round_trip()
    got = [await layer.receive(each) for each in (channel, channel, "work")]
    position = layer.position("room")
    await layer.history.renew("room", position.epoch)
    assert not await layer.latest("room")
    await layer.enter("room", channel, "7", '{"name":"Ada"}', watch=False)
    while await layer.present("room") != {"7": {"name": "Ada"}}:
        await asyncio.sleep(0.05)
    await layer.group_discard("room", channel)
    await layer.flush()
    return [each["number"] for each in got]


@contextlib.contextmanager
def redis_server(*arguments: str, answers: pathlib.Path | int):
    command = ["redis-server", "--save", "", "--appendonly", "no", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        ready = answers.exists if isinstance(answers, pathlib.Path) else lambda: processes.answers(answers)
        processes.until(ready, what="redis-server answers")
        yield
    finally:
        process.kill()
        process.wait()


def test_a_unix_socket(tmp_path):
    path = tmp_path / "redis.sock"
    with redis_server("--port", "0", "--unixsocket", str(path), answers=path):
        assert run(everything(f"unix://{path}")) == [1, 2, 3]


def test_tls_whose_certificate_is_checked(tmp_path, caplog):
    certificate, key, port = tmp_path / "certificate", tmp_path / "key", processes.free_port()
    self_signed("localhost", "127.0.0.1", certificate, key)
    tls = (
        "--tls-port",
        str(port),
        "--tls-cert-file",
        str(certificate),
        "--tls-key-file",
        str(key),
        "--tls-auth-clients",
        "no",
    )
    with redis_server("--port", "0", *tls, answers=port):
        assert run(everything(f"rediss://localhost:{port}/0?ssl_ca_certs={certificate}")) == [1, 2, 3]
        with pytest.raises(NoAnswer):
            run(everything(f"rediss://localhost:{port}/0"))
    assert "certificate verify failed" in caplog.text


def test_a_user_with_the_rights_that_the_stack_gives_its_application(tmp_path):
    acl, port = tmp_path / "acl", processes.free_port()
    acl.write_text((IMAGE / "users.acl.template").read_text().replace("{password}", "only-for-tests"))
    with redis_server("--port", str(port), "--aclfile", str(acl), answers=port):
        assert run(everything(f"redis://app:only-for-tests@127.0.0.1:{port}/0")) == [1, 2, 3]
        assert run(
            everything({"host": "127.0.0.1", "port": port, "username": "app", "password": "only-for-tests"})
        ) == [1, 2, 3]


def commands_of_scripts() -> set[str]:
    """What the library's Lua asks of Redis, in every script, run by a test or not."""
    sources = (processes.RUNTIME / "channels_stack").rglob("*.py")
    return {
        name.lower() for path in sources for name in re.findall(r"redis\.call\('(\w+)'", path.read_text())
    }


def test_no_script_asks_for_a_command_that_the_stack_does_not_allow_its_application():
    (rights,) = (
        line
        for line in (IMAGE / "users.acl.template").read_text().splitlines()
        if line.startswith("user app ")
    )
    commands = commands_of_scripts()
    assert len(commands) > 20
    assert commands <= {word[1:].partition("|")[0] for word in rights.split() if word.startswith("+")}


def test_no_script_asks_for_a_command_that_is_newer_than_redis_6_2(redis):
    documented = redis_py.Redis(port=redis.port).execute_command("COMMAND DOCS", *commands_of_scripts())
    since = {
        name.decode(): tuple(map(int, about[b"since"].split(b"."))) for name, about in documented.items()
    }
    assert since.keys() == commands_of_scripts()
    assert {name for name, version in since.items() if version > (6, 2, 0)} == set()


@pytest.mark.parametrize("form", ["address", "channels_redis"])
def test_a_failover_by_sentinel_costs_no_event_that_was_acknowledged_by_all(form):
    redis = RedisSet()
    redis.start()
    try:
        run(through_a_failover(redis, redis.url if form == "address" else redis.host), 180)
    finally:
        redis.stop()


async def through_a_failover(redis: RedisSet, host) -> None:
    layer, sender = (RedisGroupsChannelLayer(hosts=[host], prefix=redis.prefix) for _ in range(2))
    channel = await layer.new_channel()
    await layer.announce_losses(channel)
    await layer.group_add("room", channel)
    got: list[int] = []

    async def receive() -> None:
        while True:
            message = await layer.receive(channel)
            if message["type"] == "n":
                got.append(message["number"])

    receiving = asyncio.ensure_future(receive())
    for number in range(20):
        await sender.group_send("room", {"type": "n", "number": number})
    redis.signal(redis.master(), signal.SIGKILL)
    for number in range(20, 40):
        while True:  # an application repeats what has failed, or does without
            with contextlib.suppress(Exception):
                await sender.group_send("room", {"type": "n", "number": number})
                break
    while not got or got[-1] != 39:
        await asyncio.sleep(0.05)
    receiving.cancel()
    await asyncio.wait({receiving})
    assert got == sorted(set(got)), "twice, or out of order"
    assert set(got) >= {*range(15), *range(20, 40)}


def test_what_is_no_redis_is_rejected():
    for hosts in (["redis://a", "redis://b"], [], [7], [("a", 1, 2)], [None]):
        with pytest.raises(ValueError, match="hosts"):
            RedisGroupsChannelLayer(hosts=hosts)
    assert options(None)["host"] == "localhost"
    assert options("redis://a")["address"] == "redis://a"
    assert options([("a", 1)])["port"] == 1


def test_it_offers_what_a_layer_for_consumers_offers():
    assert set(RedisGroupsChannelLayer.extensions) == set(InMemoryChannelLayer.extensions)

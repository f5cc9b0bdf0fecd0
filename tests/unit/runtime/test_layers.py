"""The channel layers beside those that people write down from the manual, on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import time

import channels.layers
import channels_redis.utils
import pytest
import redis as redis_py
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.utils.module_loading import import_string
from processes import PATIENCE, Redis, until

from channels_stack.groups import RedisGroupsChannelLayer
from channels_stack.jobs.layer import RedisStreamsChannelLayer
from channels_stack.jobs.queue import backlog
from channels_stack.layers.config import LayerError, channel_layers, round_trip

# redis-py 8 changed its defaults; before it the stock layers had neither trap.
REDIS_PY_8 = int(redis_py.__version__.split(".")[0]) >= 8


def ours(redis: Redis, alias: str):
    layer = channel_layers(redis.url, "ours")[alias]
    kind = {"default": RedisGroupsChannelLayer, "tasks": RedisStreamsChannelLayer}[alias]
    assert import_string(layer["BACKEND"]) is kind
    return kind(**layer["CONFIG"])


def stock(redis: Redis, alias: str):
    kind = {"default": RedisPubSubChannelLayer, "tasks": RedisChannelLayer}[alias]
    return kind(hosts=[redis.url], prefix="stock")


async def outcome(awaitable, seconds: float):
    """What ``awaitable`` raised within ``seconds``, or None when it still waits."""
    task = asyncio.ensure_future(awaitable)
    await asyncio.wait({task}, timeout=seconds)
    if task.done():
        return task.exception()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    return None


def test_an_idle_receiver_lives_where_the_stock_one_dies_after_5_seconds(redis):
    async def wait() -> list:
        layers = [stock(redis, "tasks"), ours(redis, "tasks"), ours(redis, "default")]
        return await asyncio.gather(*(outcome(layer.receive("idle"), 12) for layer in layers))

    stock_core, our_core, our_groups = asyncio.run(wait())
    assert our_core is None
    assert our_groups is None
    if REDIS_PY_8:
        assert isinstance(stock_core, redis_py.exceptions.TimeoutError)


def test_300_messages_at_once_pass_where_the_stock_layer_runs_out_of_connections(redis):
    async def storm(layer) -> int:
        sends = [layer.send(f"jobs.{number}", {"type": "job"}) for number in range(300)]
        errors = [error for error in await asyncio.gather(*sends, return_exceptions=True) if error]
        await layer.close_pools()
        return len(errors)

    assert asyncio.run(storm(ours(redis, "tasks"))) == 0
    if REDIS_PY_8:
        assert asyncio.run(storm(stock(redis, "tasks"))) > 0


@pytest.mark.skipif(
    not hasattr(channels_redis.utils, "create_pool"),
    reason="channels_redis 4.0 reads nothing of a host but its address: no retry can be given to it",
)
def test_publishing_survives_a_restart_of_redis_that_breaks_the_stock_layer(redis):
    async def restart(layers) -> list:
        receivers = []
        for layer in layers:
            channel = await layer.new_channel()
            await layer.group_add("room", channel)
            await layer.group_send("room", {"type": "before"})
            assert (await layer.receive(channel))["type"] == "before"
            receivers.append(asyncio.ensure_future(layer.receive(channel)))
        await asyncio.to_thread(redis.stop)
        await asyncio.to_thread(redis.start)
        first = [await outcome(layer.group_send("room", {"type": "first"}), 10) for layer in layers]
        # A subscription comes back on its own, but not at once; this Redis has come back without its histories.
        deadline = time.monotonic() + PATIENCE
        while not receivers[0].done() and time.monotonic() < deadline:
            await layers[0].group_send("room", {"type": "after"})
            await asyncio.wait({receivers[0]}, timeout=0.1)
        for receiver in receivers[1:]:
            receiver.cancel()
        return [receivers[0].done() and receivers[0].exception(), *first]

    received, our_first, stock_first = asyncio.run(restart([ours(redis, "default"), stock(redis, "default")]))
    assert received is None
    assert our_first is None
    assert isinstance(stock_first, redis_py.exceptions.ConnectionError)


def test_a_job_waits_as_long_as_it_must_where_the_stock_layer_refuses_the_101st(redis):
    async def fill(layer) -> int:
        with contextlib.suppress(channels.layers.ChannelFull):
            for number in range(200):
                await layer.send("jobs", {"type": "job", "number": number})
                sent = number + 1
        await layer.close_pools()
        return sent

    assert asyncio.run(fill(ours(redis, "tasks"))) == 200
    assert asyncio.run(fill(stock(redis, "tasks"))) == 100
    client = redis_py.Redis(port=redis.port)
    assert client.ttl("ours:tasks:stream:jobs") == -1, "it never expires"
    assert client.ttl("stockjobs") <= 60


@pytest.fixture
def configured(redis, monkeypatch):
    """Our two layers where get_channel_layer looks for them."""
    backends = {"default": ours(redis, "default"), "tasks": ours(redis, "tasks")}
    monkeypatch.setattr(channels.layers.channel_layers, "backends", backends)
    monkeypatch.setattr(channels.layers.ChannelLayerManager, "configs", backends)


@pytest.mark.parametrize("alias", ["default", "tasks"])
def test_round_trip(redis, configured, alias):
    async def trips() -> list[float]:
        one_after_another = [await round_trip(alias) for _ in range(5)]
        together = await asyncio.gather(*(round_trip(alias) for _ in range(5)))
        return one_after_another + together

    times = asyncio.run(trips())
    assert all(0 < seconds < PATIENCE for seconds in times)
    client = redis_py.Redis(port=redis.port)
    # Nothing stays subscribed once the event loop has ended.
    until(lambda: not client.pubsub_channels(), what="no channel left")


def test_round_trips_use_one_channel(redis, configured):
    async def count() -> int:
        for _ in range(5):
            await round_trip("default")
        return len(redis_py.Redis(port=redis.port).pubsub_channels())

    assert asyncio.run(count()) == 1


def test_round_trip_says_what_is_wrong_and_recovers(redis, configured):
    async def trips() -> tuple[str, float, float]:
        await round_trip("default")
        await asyncio.to_thread(redis.stop)
        start = time.monotonic()
        with pytest.raises(LayerError) as failure:
            await round_trip("default", timeout=1)
        took = time.monotonic() - start
        await asyncio.to_thread(redis.start)
        # As the status publisher and the probe do: they ask again.
        for _ in range(10):
            try:
                return str(failure.value), took, await round_trip("default", timeout=10)
            except LayerError:
                continue
        raise AssertionError("no round trip after Redis came back")

    text, took, again = asyncio.run(trips())
    assert text.startswith("channel layer 'default': ")
    assert took < 10
    assert again < 10


def test_round_trip_repeats_no_secret_of_a_layer_that_does(monkeypatch):
    class Leaking:
        async def round_trip(self):
            raise ValueError("cannot\n reach amqp://shop:hunter2@mq/")

    layers = channels.layers.channel_layers
    config = {"hosts": ["amqp://shop:hunter2@mq/"]}
    monkeypatch.setattr(layers, "backends", {"default": Leaking()})
    monkeypatch.setattr(
        channels.layers.ChannelLayerManager, "configs", {"default": {"BACKEND": "x", "CONFIG": config}}
    )
    with pytest.raises(LayerError) as failure:
        asyncio.run(round_trip("default"))
    assert str(failure.value) == "channel layer 'default': ValueError: cannot reach ***"


def test_round_trip_without_a_layer(configured):
    with pytest.raises(LayerError, match="channel layer 'nosuch' is not configured"):
        asyncio.run(round_trip("nosuch"))


def test_backlog_counts_what_waits(redis, configured):
    async def count() -> tuple:
        layer = channels.layers.get_channel_layer("tasks")
        await layer.send("counted", {"type": "job"})
        await layer.send("counted", {"type": "job"})
        return (
            await backlog("tasks", "counted"),
            await backlog("tasks", "empty"),
            await backlog("default", "x"),
        )

    assert asyncio.run(count()) == (2, 0, None)


def test_keys_that_a_unix_socket_does_not_know_are_left_out():
    host = channel_layers("unix:///run/redis.sock", "ours")["default"]["CONFIG"]["hosts"][0]
    assert "socket_keepalive" not in host

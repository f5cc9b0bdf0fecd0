"""What a channel layer forgets, we remember: on a real Redis, beside the stock layer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal

import pytest
import redis as redis_py
from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer
from processes import PATIENCE, Redis

from channels_stack.layers import tracker
from channels_stack.layers.mailboxes import Mailbox
from channels_stack.layers.tracker import Watched, owning
from channels_stack.observability import metrics
from channels_stack.stores import outage
from channels_stack.stores.outage import RACE

REDIS_PY = int(redis_py.__version__.split(".")[0])
SAY = {"type": "say"}
KINDS = {"core": RedisChannelLayer, "pubsub": RedisPubSubChannelLayer}


@pytest.fixture
def redis():
    with Redis() as server:
        yield server


def layer_of(redis: Redis, kind: str, **options):
    return KINDS[kind](hosts=[{"address": redis.url, "socket_timeout": 15}], prefix=redis.prefix, **options)


async def hears(layer, channel: str, group: str, seconds: float = PATIENCE) -> bool:
    receiving = asyncio.ensure_future(layer.receive(channel))
    await layer.group_send(group, SAY)
    done, _ = await asyncio.wait({receiving}, timeout=seconds)
    receiving.cancel()
    await asyncio.wait({receiving})
    return bool(done) and receiving.result() == SAY


def members(redis: Redis, group: str) -> set[str]:
    client = redis_py.Redis(port=redis.port)
    return {name.decode() for name in client.zrange(f"{redis.prefix}:group:{group}", 0, -1)}


def test_after_an_emptied_redis_the_stock_layer_receives_nothing_until_it_joins_again(redis):
    async def run() -> tuple:
        stock, layer = layer_of(redis, "core"), layer_of(redis, "core")
        watched = Watched("default", layer)
        async with owning():  # as a socket does
            theirs, ours = await stock.new_channel(), await layer.new_channel()
            await stock.group_add("room", theirs)
            await layer.group_add("room", ours)
            redis_py.Redis(port=redis.port).flushall()
            deaf = await hears(stock, theirs, "room", 1), await hears(layer, ours, "room", 1)
            lost = await watched.rejoin(), await watched.rejoin()
            return deaf, lost, await hears(stock, theirs, "room", 1), await hears(layer, ours, "room")

    assert asyncio.run(run()) == ((False, False), (1, 0), False, True)


def test_a_group_that_is_left_while_all_are_joined_again_stays_left(redis):
    async def run() -> tuple:
        layer = layer_of(redis, "core")
        watched = Watched("default", layer)
        channels = [await layer.new_channel() for _ in range(600)]
        for channel in channels:
            await layer.group_add("room", channel)
        rejoining = asyncio.ensure_future(watched.rejoin())
        await asyncio.sleep(0)  # it has its list now
        for channel in channels[:300]:
            await layer.group_discard("room", channel)
        await rejoining
        return set(channels[300:]), members(redis, "room")

    stayed, found = asyncio.run(run())
    assert found == stayed


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_socket_leaves_behind_is_cleaned_up(redis, kind):
    async def socket(layer) -> str:
        channel = await layer.new_channel()
        await layer.group_add("room", channel)
        return channel  # a handler that raises: neither group_discard nor a cancelled receive

    async def run() -> tuple:
        layer, stock = (
            layer_of(redis, kind),
            layer_of(redis, kind, **({"group_expiry": 9} if kind == "core" else {})),
        )
        watched = Watched("default", layer)
        await socket(stock)
        left = len(members(redis, "room")) if kind == "core" else len(stock.channels)
        async with owning():
            channel = await socket(layer)
        kept = channel in members(redis, "room") if kind == "core" else channel in layer.channels
        return left, kept, watched.joined

    assert asyncio.run(run()) == (1, False, {})


def test_a_task_that_outlives_its_socket_keeps_its_channel(redis):
    async def run() -> bool:
        layer = layer_of(redis, "pubsub")
        Watched("default", layer)

        async def background() -> str:
            channel = await layer.new_channel()
            await layer.group_add("room", channel)
            return channel

        async with owning():
            channel = await asyncio.ensure_future(background())
        return await hears(layer, channel, "room")

    assert asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
def test_a_receiver_survives_a_restart(redis, kind):
    async def run() -> dict:
        layer = layer_of(redis, kind)
        watched = Watched("default", layer)
        async with owning():
            channel = await layer.new_channel()
            await layer.group_add("room", channel)
            receiving = asyncio.ensure_future(layer.receive(channel))
            await asyncio.to_thread(redis.stop)
            done, _ = await asyncio.wait({receiving}, timeout=1)
            assert not done
            await asyncio.to_thread(redis.start)
            while not receiving.done():
                with contextlib.suppress(redis_py.ConnectionError):  # of a connection from before
                    await watched.rejoin()
                    await layer.group_send("room", SAY)
                await asyncio.wait({receiving}, timeout=0.2)
            return receiving.result()

    assert asyncio.run(asyncio.wait_for(run(), PATIENCE)) == SAY


@pytest.mark.skipif(REDIS_PY < 8, reason="redis-py before 8 has no time limit of its own")
def test_a_project_that_gives_its_layer_no_time_limit_survives_silence_under_redis_py_8(redis):
    async def run() -> tuple[type, bool]:
        stock, layer = (
            RedisChannelLayer(hosts=[redis.url], prefix=f"idle-{name}") for name in ("stock", "ours")
        )
        Watched("default", layer)
        receiving = [asyncio.ensure_future(each.receive(await each.new_channel())) for each in (stock, layer)]
        await asyncio.wait(receiving[1:], timeout=7)  # redis-py gives up after 5
        alive = not receiving[1].done()
        receiving[1].cancel()
        await asyncio.wait(receiving)
        return type(receiving[0].exception()), alive

    assert asyncio.run(run()) == (redis_py.TimeoutError, True)


@pytest.mark.parametrize("kind", KINDS)
def test_who_joins_waits_for_a_redis_that_hangs_no_longer_than_a_handshake_may(redis, kind, monkeypatch):
    monkeypatch.setattr(tracker, "JOIN_SECONDS", 0.5)

    async def run() -> str:
        layer = layer_of(redis, kind)
        Watched("default", layer)
        channel = await layer.new_channel()
        await layer.group_add("room", channel)
        redis.process.send_signal(signal.SIGSTOP)
        sending = asyncio.ensure_future(layer.group_send("room", SAY))
        await asyncio.sleep(0)  # on publish and subscribe it holds the lock of all
        try:
            with pytest.raises(redis_py.TimeoutError) as hangs:
                await layer.group_add("other", channel)
        finally:
            redis.process.send_signal(signal.SIGCONT)
        await sending
        await layer.group_add("other", channel)
        assert await hears(layer, channel, "other")
        return outage.cause(hangs.value)

    assert asyncio.run(run()).endswith("channel layer 'default': no answer within 0.5 s")


def test_a_receiver_of_the_stock_layer_dies_with_redis(redis):
    async def run() -> bool:
        layer = layer_of(redis, "core")
        receiving = asyncio.ensure_future(layer.receive(await layer.new_channel()))
        await layer.group_send("room", SAY)  # it is connected now
        await asyncio.to_thread(redis.stop)
        await asyncio.wait({receiving}, timeout=PATIENCE)
        return receiving.done() and isinstance(receiving.exception(), redis_py.ConnectionError)

    assert asyncio.run(run())


def test_a_mailbox_has_a_limit_and_the_stock_one_has_none(redis, caplog):
    async def run() -> tuple[int, int]:
        stock, layer = layer_of(redis, "pubsub"), layer_of(redis, "pubsub")
        Watched("default", layer)
        theirs, ours = await stock.new_channel(), await layer.new_channel()
        for box in (stock.channels[theirs], layer.channels[ours]):
            for number in range(12_000):
                box.put_nowait(b"%d" % number)
        return stock.channels[theirs].qsize(), layer.channels[ours].qsize()

    before = metrics.OVER_CAPACITY._value.get()
    assert asyncio.run(run()) == (12_000, 10_000)
    assert metrics.OVER_CAPACITY._value.get() - before == 2000
    assert "a consumer does not keep up" in caplog.text
    assert len(caplog.records) == 1


def test_a_mailbox_has_a_limit_of_bytes():
    async def run() -> list[bytes]:
        box = Mailbox("channel", limit=100, limit_bytes=10)
        for item in (b"aaaa", b"bbbb", b"cccc", b"too long for a mailbox"):
            box.put_nowait(item)
        kept = [box.get_nowait() for _ in range(box.qsize())]
        assert box.bytes == 0
        return kept

    assert asyncio.run(run()) == [b"too long for a mailbox"]


def test_drops_of_the_queueing_layer_within_the_process_are_counted(redis, caplog):
    async def run() -> int:
        layer = layer_of(redis, "core", capacity=5)
        Watched("default", layer)
        reading, slow = await layer.new_channel(), await layer.new_channel()
        for _ in range(8):
            await layer.send(slow, SAY)
            await layer.send(reading, SAY)
            await layer.receive(reading)  # takes what is for the other one along
        return layer.receive_buffer[slow].qsize()

    before = metrics.OVER_CAPACITY._value.get()
    with caplog.at_level(logging.WARNING):
        assert asyncio.run(run()) == 5
    assert metrics.OVER_CAPACITY._value.get() - before == 3
    assert "messages for its channel" in caplog.text


def test_drops_of_a_full_channel_are_counted_and_reported_with_the_group(redis, caplog):
    logger, drops = logging.getLogger(metrics.OverCapacity.LOGGER), metrics.OverCapacity()

    async def run() -> None:
        layer = layer_of(redis, "core", capacity=3)
        await layer.group_add("room-7", await layer.new_channel())
        for _ in range(5):
            await layer.group_send("room-7", SAY)

    before = metrics.OVER_CAPACITY._value.get()
    logger.addFilter(drops)
    try:
        with caplog.at_level(logging.INFO, logger.name):
            asyncio.run(run())
    finally:
        logger.removeFilter(drops)
    assert metrics.OVER_CAPACITY._value.get() - before == 2
    assert {(record.levelname, record.getMessage()) for record in caplog.records} == {
        ("WARNING", "1 of 1 channels over capacity in group room-7")
    }


@pytest.mark.parametrize(
    "error", [RuntimeError(RACE), ConnectionError("gone"), ValueError("a bug of the layer")]
)
def test_a_channel_that_cannot_be_cleaned_up_leaves_no_other_behind(redis, monkeypatch, error):
    """Nor does it become the failure of the application, which has ended well."""

    async def run() -> set[str]:
        layer = layer_of(redis, "core")
        watched = Watched("default", layer)
        end = watched.end

        async def broken_once(channel: str) -> None:
            monkeypatch.setattr(watched, "end", end)
            raise error

        monkeypatch.setattr(watched, "end", broken_once)
        async with owning():
            first, second = await layer.new_channel(), await layer.new_channel()
            await layer.group_add("one", first)
            await layer.group_add("other", second)
        return members(redis, "other")

    assert asyncio.run(run()) == set()

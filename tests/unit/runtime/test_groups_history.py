"""No event of a group is lost to a connection that breaks or to a Redis that keeps its data; what is lost is announced."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import pickle
import signal

import processes
import pytest
import redis as redis_py
from processes import until

from channels_stack.groups import RedisGroupsChannelLayer, scripts
from channels_stack.groups.history import PAGE, Gone
from channels_stack.groups.policy import Kept, Policy
from channels_stack.groups.positions import Position, parse
from channels_stack.observability import metrics

COUNT = 300


class Redis(processes.Redis):
    """A redis-server with an append-only file, whose folder outlives a restart."""

    def __init__(self, folder) -> None:
        super().__init__()
        self.folder = folder

    def start(self) -> None:
        keep = ("--appendonly", "yes", "--appendfsync", "always", "--save", "", "--dir", str(self.folder))
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", *keep]
        self.process = processes.subprocess.Popen(command, stdout=processes.subprocess.DEVNULL)
        until(self._answers, what="redis-server answers")

    def _answers(self) -> bool:
        with contextlib.suppress(redis_py.RedisError):
            return bool(self.client().ping())
        return False

    def client(self) -> redis_py.Redis:
        return redis_py.Redis(port=self.port)


@pytest.fixture
def redis(tmp_path):
    with Redis(tmp_path) as server:
        yield server


def make(redis, **config) -> RedisGroupsChannelLayer:
    return RedisGroupsChannelLayer(**{"hosts": [redis.url], "prefix": redis.prefix, **config})


def run(coroutine, seconds: float = 60):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


def event(number: int) -> dict:
    return {"type": "n", "number": number}


async def member(layer, *groups: str) -> str:
    channel = await layer.new_channel()
    await layer.announce_losses(channel)
    for group in groups:
        await layer.group_add(group, channel)
    return channel


async def receive(layer, channel: str, last: int) -> list:
    """The numbers of all events up to ``last``, and the groups of which events are lost."""
    found: list = []
    while not found or found[-1] != last:
        message = await layer.receive(channel)
        found.append(message.get("number", message.get("group")))
    return found


async def send(layer, numbers, pause: float = 0) -> None:
    for number in numbers:
        await layer.group_send("room", event(number))
        await asyncio.sleep(pause)


async def restart(redis) -> None:
    await asyncio.to_thread(redis.stop)
    await asyncio.to_thread(redis.start)


async def kill_receivers(redis) -> None:
    for _ in range(5):
        redis.client().client_kill_filter(_type="pubsub")
        await asyncio.sleep(0.1)


async def kill_all(redis) -> None:
    for _ in range(3):
        await kill_receivers(redis)
        redis.client().client_kill_filter(_type="normal", skipme=True)


async def pause(redis) -> None:
    redis.process.send_signal(signal.SIGSTOP)
    await asyncio.sleep(1)
    redis.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("fault", [kill_receivers, kill_all, restart, pause])
def test_what_is_published_during_a_fault_arrives_once_and_in_order(redis, fault):
    async def session() -> list:
        layer, sender = make(redis), make(redis)
        channels = [await member(layer, "room") for _ in range(3)]
        receiving = [asyncio.ensure_future(receive(layer, channel, COUNT - 1)) for channel in channels]
        sending = asyncio.ensure_future(send(sender, range(COUNT), 0.003))
        await asyncio.sleep(0.1)
        await fault(redis)
        await sending
        return await asyncio.gather(*receiving)

    recovered = metrics.EVENTS_RECOVERED._value.get()
    assert run(session()) == [list(range(COUNT))] * 3
    if (
        fault is kill_receivers
    ):  # the sender goes on meanwhile; in the others it may be held up as long as they are
        assert metrics.EVENTS_RECOVERED._value.get() > recovered, "the fault did not take anything"


def test_without_a_history_a_broken_connection_costs_events(redis):
    """The counterpart: what the tests before this one are worth."""

    async def session() -> list:
        layer, sender = make(redis, history="off"), make(redis, history="off")
        channel = await member(layer, "room")
        receiving = asyncio.ensure_future(receive(layer, channel, -1))
        sending = asyncio.ensure_future(send(sender, range(COUNT), 0.003))
        await kill_receivers(redis)
        await sending
        while not receiving.done():
            await sender.group_send("room", event(-1))
            await asyncio.wait({receiving}, timeout=0.1)
        return receiving.result()

    assert len(run(session())) < COUNT


async def publish_unheard(layer, number: int) -> None:
    """As ``group_send`` does, but whatever Redis publishes goes elsewhere."""
    names, body = layer.names, b"M" + layer.codec.pack(event(number))
    keys = [names.position("room"), names.history("room"), names.sent(f"{number}")]
    await layer.connections.run(
        scripts.PUBLISH,
        keys,
        [f"{number:016x}", "nowhere", 100, 1 << 20, 60_000, 3_600_000, 60_000, body, ""],
    )


def test_a_hole_is_filled_when_the_next_event_shows_it(redis):
    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room")
        await send(layer, [1])
        await publish_unheard(layer, 2)
        await publish_unheard(layer, 3)
        await send(layer, [4, 5])
        return await receive(layer, channel, 5)

    assert run(session()) == [1, 2, 3, 4, 5]


def test_a_hole_at_the_end_is_filled_by_the_check(redis, monkeypatch):
    monkeypatch.setattr("channels_stack.groups.watch.CHECK_SECONDS", 0.3)

    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room")
        await send(layer, [1])
        await publish_unheard(layer, 2)
        return await receive(layer, channel, 2)

    assert run(session()) == [1, 2]


def test_a_send_that_is_repeated_is_one_event(redis):
    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room")
        names, body = layer.names, b"M" + layer.codec.pack(event(1))
        keys = [names.position("room"), names.history("room"), names.sent("same")]
        arguments = ["0" * 16, names.group("room"), 100, 1 << 20, 60_000, 3_600_000, 60_000, body, ""]
        answers = [await layer.connections.run(scripts.PUBLISH, keys, arguments) for _ in range(3)]
        await send(layer, [2])
        return [answers, await receive(layer, channel, 2)]

    assert run(session()) == [[1, -1, -1], [1, 2]]


def test_an_emptied_redis_is_announced_once_and_what_follows_arrives(redis, monkeypatch, caplog):
    monkeypatch.setattr("channels_stack.groups.watch.CHECK_SECONDS", 0.3)

    async def session() -> list:
        layer = make(redis)
        channels = [await member(layer, "room") for _ in range(2)]
        plain = await layer.new_channel()  # a consumer without a handler for it
        await layer.group_add("room", plain)
        await send(layer, [1, 2])
        got = [await receive(layer, channel, 2) for channel in channels]
        redis.client().flushall()
        got += [await receive(layer, channel, "room") for channel in channels]
        await send(layer, [3])
        got += [await receive(layer, channel, 3) for channel in channels]
        return [*got, await receive(layer, plain, 3)]

    assert run(session()) == [[1, 2]] * 2 + [["room"]] * 2 + [[3]] * 2 + [[1, 2, 3]]
    assert "group room: events are lost" in caplog.text


@pytest.mark.parametrize("ahead", [0, 1, 5])
def test_a_failover_to_an_older_copy_is_announced_and_nothing_old_is_delivered(redis, monkeypatch, ahead):
    """Another server has an older copy, and goes on from there: the same offsets name other events."""
    monkeypatch.setattr("channels_stack.groups.watch.CHECK_SECONDS", 0.3)

    async def session() -> tuple:
        layer = make(redis)
        channel = await member(layer, "room")
        await send(layer, [1, 2])
        client = redis.client()
        keys = [layer.names.position("room"), layer.names.history("room")]
        old = [client.dump(key) for key in keys]
        await send(layer, [3, 4])
        assert await receive(layer, channel, 4) == [1, 2, 3, 4]
        mine = layer.hub().groups["room"].position
        for key, value in zip(keys, old, strict=True):
            client.restore(key, 60_000, value, replace=True)
        for number in range(100, 100 + ahead):
            await publish_unheard(layer, number)
        got = await receive(layer, channel, "room")
        await send(layer, [7])
        got += await receive(layer, channel, 7)
        with pytest.raises(Gone):
            await layer.history.read("room", mine)
        return got, layer.hub().groups["room"].position.epoch != mine.epoch

    assert run(session()) == (["room", 7], True)


def test_a_history_that_is_gone_is_announced_and_never_partial(redis):
    async def session() -> list:
        layer = make(redis, history={"size": 3, "seconds": 60})
        channel = await member(layer, "room")
        await send(layer, [1])
        for number in range(2, 8):  # more than the history keeps
            await publish_unheard(layer, number)
        await send(layer, [8])
        got = await receive(layer, channel, 8)
        await publish_unheard(layer, 9)
        redis.client().delete(layer.names.history("room"))  # evicted
        await send(layer, [10])
        return got + await receive(layer, channel, 10)

    assert run(session()) == [1, "room", 8, "room", 10]


def test_what_is_older_than_the_history_may_be_is_not_delivered(redis):
    async def session() -> list:
        layer = make(redis, history={"size": 10, "seconds": 0.3})
        channel = await member(layer, "room")
        await send(layer, [1])
        await publish_unheard(layer, 2)
        await asyncio.sleep(0.4)  # it is the passing of time that is tested
        await send(layer, [3])
        return await receive(layer, channel, 3)

    assert run(session()) == [1, "room", 3]


def kept_in(redis, layer) -> list[bytes]:
    return redis.client().lrange(layer.names.history("room"), 0, -1)


def test_a_history_is_bounded_in_bytes_and_exact_after_it_was_evicted(redis):
    most = 1000

    async def session() -> None:
        layer = make(redis, history={"bytes": most})
        channel = await member(layer, "room")
        for _ in range(3):
            for number in range(20):
                await layer.group_send("room", {"type": "n", "number": number, "text": "x" * 10 * number})
                sizes = [len(entry) for entry in kept_in(redis, layer)]
                assert 0 < sum(sizes) <= most
            assert sum(sizes) + sizes[0] > most, "no more is dropped than must be"
            redis.client().delete(layer.names.history("room"))
        got = [(await layer.receive(channel))["number"] for _ in range(60)]
        assert got == [*range(20)] * 3

    run(session())


def test_an_event_that_is_larger_than_a_history_may_be_is_delivered_and_not_kept(redis):
    async def session() -> None:
        layer = make(redis, history={"bytes": 1000})
        channel = await member(layer, "room")
        await send(layer, [1])
        before = layer.position("room")
        await layer.group_send("room", {"type": "n", "number": 2, "text": "x" * 2000})
        assert kept_in(redis, layer) == []
        await send(layer, [3])
        assert await receive(layer, channel, 3) == [1, 2, 3]
        assert len(kept_in(redis, layer)) == 1
        with pytest.raises(Gone):  # never a part of it
            await layer.events_after("room", before or layer.position("room"))

    run(session())


def test_a_history_that_is_evicted_while_it_is_read_is_gone_as_a_whole(redis):
    async def session() -> None:
        layer = make(redis, history={"size": 1000})
        await member(layer, "room")
        (start,) = await layer.history.find(["room"])
        await send(layer, range(PAGE + 10))
        read = layer.history.read

        async def read_and_evict(*arguments):
            page = await read(*arguments)
            redis.client().delete(layer.names.history("room"))
            return page

        layer.history.read = read_and_evict
        with pytest.raises(Gone):
            await layer.events_after("room", start)

    run(session())


def test_a_redis_without_room_passes_events_on(redis):
    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room")
        await send(layer, [1])
        await layer.round_trip()
        client = redis.client()
        client.config_set("maxmemory", 1)
        await send(layer, [2])
        client.config_set("maxmemory", 0)
        await send(layer, [3])
        return await receive(layer, channel, 3)

    assert run(session()) == [1, 2, 3]


def test_a_receiver_survives_what_others_publish_under_its_names(redis, caplog):
    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room")
        for data in (
            b"",
            b"P",
            b"P" + b"x" * 80,
            b"L",
            b"D",
            b"Q",
            b"\xff" * 99,
            b"L" + b"0" * 16 + b"M\xc1",
            b"*",
        ):
            redis.client().publish(layer.names.group("room"), data)
            redis.client().publish(f"{redis.prefix}inbox:{layer.hub().client}", data)
        await send(layer, [1])
        return await receive(layer, channel, 1)

    assert run(session()) == [1]


def test_how_much_is_kept_is_said_by_the_name_of_a_group(redis):
    policy = Policy({"cursor.*": "off", "room.*": {"size": 5}, "room.7": {"size": 9}})
    assert policy.of("cursor.1") == Kept(0, 0, 0)
    assert policy.of("room.7") == Kept(5, 60, 1 << 20)
    assert policy.of("other") == Kept(100, 60, 1 << 20)
    assert Policy("off").of("any").size == 0
    for wrong in (
        "on",
        5,
        {"*": 5},
        {"size": 0},
        {"size": "5"},
        {"size": 10**9},
        {"bytes": 0},
        {"bytes": 1 << 40},
        {"a": {"bytes": 1.5}},
        {"a": {"sise": 5}},
        {"a": {"seconds": -1}},
    ):
        with pytest.raises(ValueError, match="history"):
            Policy(wrong)


ZEROS = "0" * 16
NO_POSITIONS = [
    *("", ".", ZEROS, "x" * 10_000_000, None, 7, [], b"x"),
    *(f"{ZEROS}.{offset}.{ZEROS}" for offset in ("-1", "01", "9" * 16, "1.1", "1e3", " 1", "١", "")),
    *(f"{ZEROS}.1.{ZEROS}\n", f"{'A' * 16}.1.{ZEROS}", f"{ZEROS}.1.{ZEROS}0"),
]


@pytest.mark.parametrize("text", NO_POSITIONS, ids=range(len(NO_POSITIONS)))
def test_what_is_no_position_is_none(text):
    assert parse(text) is None


def test_a_forged_position_gets_nothing(redis):
    async def session() -> None:
        layer = make(redis)
        await member(layer, "room")
        await send(layer, range(5))
        (head,) = await layer.history.find(["room"])
        one = (await layer.history.read("room", Position(head.epoch, 0, head.epoch))).entries[0].position
        assert len((await layer.history.read("room", one)).entries) == 4
        (other,) = await layer.history.find(["other"])
        for forged in (
            Position("f" * 16, 1, "f" * 16),
            Position(head.epoch, 1, "f" * 16),
            Position(head.epoch, head.offset, "f" * 16),
            Position(head.epoch, head.offset + 1, head.link),
            Position(head.epoch, 10**14, head.link),
            Position(head.epoch, 0, "f" * 16),
            other,
        ):
            with pytest.raises(Gone):
                await layer.history.read("room", forged)

    run(session())


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_position_can_be_kept(again):
    position = Position("a" * 16, 7, "b" * 16)
    assert again(position) == position

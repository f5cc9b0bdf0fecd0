"""The groups layer on a real Redis: what the specification of channel layers asks for, and what it adds to it."""

from __future__ import annotations

import asyncio
import gc
import random
import string
import threading
import weakref

import pytest
import redis as redis_py
from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from messages import EVERY_TYPE
from processes import PATIENCE, Redis, until

from channels_stack.groups import RedisGroupsChannelLayer, watch

pytestmark = pytest.mark.usefixtures("emptied")


def make(redis: Redis, **config) -> RedisGroupsChannelLayer:
    return RedisGroupsChannelLayer(**{"hosts": [redis.url], "prefix": redis.prefix, **config})


def run(coroutine, seconds: float = 30):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


async def numbers(layer, channel: str, count: int) -> list[int]:
    return [(await asyncio.wait_for(layer.receive(channel), 10))["number"] for _ in range(count)]


async def nothing_comes(layer, channel: str, seconds: float = 0.3) -> bool:
    try:
        await asyncio.wait_for(layer.receive(channel), seconds)
    except TimeoutError:
        return True
    return False


async def member(layer, *groups: str) -> str:
    channel = await layer.new_channel()
    for group in groups:
        await layer.group_add(group, channel)
    return channel


# --- Channels: the specification ------------------------------------------------------------------------------------


@pytest.mark.parametrize("own", [True, False], ids=["of a process", "of anyone"])
@pytest.mark.parametrize(
    "options", [{}, {"symmetric_encryption_keys": ["new", "old"]}], ids=["", "encrypted"]
)
def test_what_is_sent_is_received_with_every_type_that_a_message_may_have(redis, own, options):
    async def session() -> dict:
        layer, sender = make(redis, **options), make(redis, **options)
        channel = await layer.new_channel() if own else "work"
        await sender.send(channel, EVERY_TYPE)
        return await layer.receive(channel)

    assert run(session()) == EVERY_TYPE


@pytest.mark.parametrize("own", [True, False], ids=["of a process", "of anyone"])
def test_messages_come_in_the_order_in_which_they_were_sent(redis, own):
    async def session() -> list:
        layer = make(redis)
        channel = await layer.new_channel() if own else "work"
        receiving = asyncio.ensure_future(numbers(layer, channel, 50))
        for number in range(50):
            await layer.send(channel, {"type": "n", "number": number})
        return await receiving

    assert run(session()) == list(range(50))


def test_a_message_has_one_receiver_of_several_in_several_processes(redis):
    async def session() -> list:
        layers = [make(redis) for _ in range(3)]
        waiting = [asyncio.ensure_future(layer.receive("work")) for layer in layers]
        await asyncio.sleep(0.1)
        for number in range(3):
            await layers[0].send("work", {"type": "n", "number": number})
        return sorted(each["number"] for each in await asyncio.gather(*waiting))

    assert run(session()) == [0, 1, 2]


def test_a_receive_that_is_cancelled_takes_no_message_along(redis):
    async def session() -> list:
        layer, sender = make(redis), make(redis)
        own = await layer.new_channel()
        got: dict[str, list[int]] = {own: [], "work": []}
        for number in range(300):
            for channel in got:
                receiving = asyncio.ensure_future(layer.receive(channel))
                sending = asyncio.ensure_future(sender.send(channel, {"type": "n", "number": number}))
                for _ in range(random.randrange(30)):
                    await asyncio.sleep(0)
                receiving.cancel()
                await asyncio.wait({receiving, sending})
                if not receiving.cancelled():
                    got[channel].append(receiving.result()["number"])
        for channel, found in got.items():
            found += await numbers(layer, channel, 300 - len(found))
        return [sorted(found) for found in got.values()]

    assert run(session()) == [list(range(300))] * 2


def test_a_full_channel_of_anyone_raises_and_has_room_again(redis):
    async def session() -> list:
        layer = make(redis, capacity=5, channel_capacity={"wo*": 3})
        for number in range(3):
            await layer.send("work", {"type": "n", "number": number})
        with pytest.raises(ChannelFull):
            await layer.send("work", {"type": "n", "number": 3})
        await layer.send("other", {"type": "n", "number": 4})
        found = await numbers(layer, "work", 1)
        await layer.send("work", {"type": "n", "number": 5})
        return found + await numbers(layer, "work", 3)

    assert run(session()) == [0, 1, 2, 5]


def test_a_full_mailbox_raises_in_its_process_and_drops_the_oldest_of_what_comes_from_others(redis, caplog):
    async def session() -> list:
        layer, elsewhere = make(redis, capacity=3), make(redis)
        channel = await member(layer, "room")
        for number in range(3):
            await layer.send(channel, {"type": "n", "number": number})
        await layer.round_trip()  # they have arrived
        with pytest.raises(ChannelFull):
            await layer.send(channel, {"type": "n", "number": 3})
        await elsewhere.send(channel, {"type": "n", "number": 4})
        await elsewhere.group_send("room", {"type": "n", "number": 5})
        await layer.round_trip()
        return await numbers(layer, channel, 3)

    assert run(session()) == [2, 4, 5]
    assert "a consumer does not keep up" in caplog.text


@pytest.mark.parametrize("own", [True, False], ids=["of a process", "of anyone"])
def test_a_message_that_waits_too_long_expires(redis, own):
    async def session() -> list:
        layer = make(redis, expiry=0.3)
        channel = await layer.new_channel() if own else "work"
        await layer.send(channel, {"type": "n", "number": 1})
        await asyncio.sleep(0.4)  # it is the passing of time that is tested
        await layer.send(channel, {"type": "n", "number": 2})
        return await numbers(layer, channel, 1)

    assert run(session()) == [2]


def test_names_do_not_depend_on_the_seed_of_random(redis):
    async def session() -> set:
        layer = make(redis)
        names = set()
        for _ in range(3):
            random.seed(1)
            names.add(await layer.new_channel())
        return names

    assert len(run(session())) == 3


@pytest.mark.parametrize("call", ["send", "receive", "group_add", "group_discard", "group_send"])
def test_names_that_channels_does_not_allow_are_rejected(redis, call):
    async def session(*arguments) -> None:
        layer = make(redis)
        with pytest.raises(TypeError):
            await getattr(layer, call)(*arguments)

    rest = {"send": [{}], "receive": [], "group_send": [{}]}.get(call, ["channel"])
    for name in ("with blank", "a:b", "ü", "x" * 100, "", 7, None, "a\n:b"):
        run(session(name, *rest))


def test_only_a_dictionary_is_a_message(redis):
    async def session(message) -> None:
        layer = make(redis)
        for call in (layer.send, layer.group_send):
            with pytest.raises(TypeError):
                await call("name", message)

    for message in (None, "text", [1], object(), {"type": "x", "y": object()}):
        run(session(message))


# --- Groups ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("history", [None, "off"])
def test_members_of_a_group_get_what_is_sent_and_those_who_left_do_not(redis, history):
    async def session() -> tuple:
        layer, elsewhere = make(redis, history=history), make(redis, history=history)
        first, second, third = [await member(layer, "room") for _ in range(3)]
        other = await member(elsewhere, "room", "hall")
        await layer.group_discard("room", second)
        await elsewhere.group_send("room", {"type": "n", "number": 1})
        await layer.group_send("hall", {"type": "n", "number": 2})
        got = [
            await numbers(layer, first, 1),
            await numbers(layer, third, 1),
            await numbers(elsewhere, other, 2),
        ]
        return got, await nothing_comes(layer, second)

    got, silent = run(session())
    assert got == [[1], [1], [1, 2]]
    assert silent


def test_joining_twice_counts_once_and_leaving_what_was_not_joined_is_no_error(redis):
    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room", "room")
        await layer.group_discard("elsewhere", channel)
        await layer.group_send("room", {"type": "n", "number": 1})
        await layer.group_send("room", {"type": "n", "number": 2})
        return await numbers(layer, channel, 2)

    assert run(session()) == [1, 2]


def test_each_member_has_a_copy_of_its_own(redis):
    async def session() -> list:
        layer = make(redis)
        channels = [await member(layer, "flat", "nested") for _ in range(3)]
        await layer.group_send("flat", {"type": "n", "number": 1})
        await layer.group_send("nested", {"type": "n", "list": [[1]]})
        got = []
        for channel in channels:
            flat, nested = await layer.receive(channel), await layer.receive(channel)
            got.append((dict(flat), [list(each) for each in nested["list"]]))
            flat["number"] = "changed"
            nested["list"][0].append("changed")
        return got

    assert run(session()) == [({"type": "n", "number": 1}, [[1]])] * 3


def test_joining_and_leaving_at_the_same_time_ends_as_the_last_call_says(redis):
    async def session() -> tuple:
        layer = make(redis)
        channel = await layer.new_channel()
        for _ in range(50):
            await asyncio.gather(layer.group_add("in", channel), layer.group_add("out", channel))
            await asyncio.gather(layer.group_discard("out", channel), layer.group_discard("in", channel))
            await layer.group_add("in", channel)
        await layer.group_send("out", {"type": "n", "number": 1})
        await layer.group_send("in", {"type": "n", "number": 2})
        got = await numbers(layer, channel, 1)
        return got, await nothing_comes(layer, channel)

    assert run(session()) == ([2], True)


def test_every_character_that_a_group_name_may_have(redis):
    names = [
        string.ascii_letters,
        string.digits + "-_.",
        "." * 99,
        "a" * 99,
        "-",
        "group",
        "inbox.x",
        "*"[:0] + "_",
    ]

    async def session() -> list:
        layer = make(redis)
        channels = [await member(layer, name) for name in names]
        for number, name in enumerate(names):
            await layer.group_send(name, {"type": "n", "number": number})
        return [(await numbers(layer, channel, 1))[0] for channel in channels]

    assert run(session()) == list(range(len(names)))


def test_only_a_channel_of_this_process_joins(redis):
    async def session() -> None:
        layer, elsewhere = make(redis), make(redis)
        for channel in ("work", await elsewhere.new_channel()):
            with pytest.raises(RuntimeError, match="only a channel that this process has made"):
                await layer.group_add("room", channel)

    run(session())


def test_two_prefixes_share_nothing(redis):
    async def session() -> bool:
        ours, theirs = make(redis, prefix="a"), make(redis, prefix="b")
        channel = await member(ours, "room")
        await theirs.group_send("room", {"type": "n"})
        await theirs.send("work", {"type": "n"})
        return await nothing_comes(ours, channel) and await nothing_comes(ours, "work")

    assert run(session())


def test_flush_leaves_nothing_of_this_prefix_and_everything_of_others(redis):
    async def session() -> list:
        layer, other = make(redis, prefix="a[b]*"), make(redis, prefix="other")
        for each in (layer, other):
            channel = await member(each, "room")
            await each.group_send("room", {"type": "n"})
            await each.send("work", {"type": "n"})
        await layer.flush()
        left = redis_py.Redis(port=redis.port).keys("*")
        channel = await member(layer, "room")
        await layer.group_send("room", {"type": "n", "number": 7})
        assert await numbers(layer, channel, 1) == [7]
        return left

    left = run(session())
    assert left
    assert all(key.startswith(b"other") for key in left)


# --- Threads and event loops ----------------------------------------------------------------------------------------


def test_sync_code_in_a_thread_sends_to_a_channel_and_a_group_of_the_event_loop(redis):
    async def session() -> list:
        layer = make(redis)
        channel = await member(layer, "room")

        def sync_code() -> None:
            async_to_sync(layer.group_send)("room", {"type": "n", "number": 1})
            async_to_sync(layer.send)(channel, {"type": "n", "number": 2})

        thread = threading.Thread(target=sync_code)
        thread.start()
        await asyncio.to_thread(thread.join)
        return await numbers(layer, channel, 2)

    assert run(session()) == [1, 2]


def test_event_loops_of_one_process_each_have_what_they_receive_and_leave_nothing_behind(redis):
    layer = make(redis)
    hubs = []

    async def session(number: int) -> list:
        channel = await member(layer, "room")
        hubs.append(weakref.ref(layer.hub()))
        await layer.group_send("room", {"type": "n", "number": number})
        return await numbers(layer, channel, 1)

    client = redis_py.Redis(port=redis.port)
    before = len(client.client_list())
    assert [run(session(number)) for number in range(3)] == [[0], [1], [2]]
    until(lambda: len(client.client_list()) <= before, what="their connections are closed")
    gc.collect()
    assert [hub() for hub in hubs] == [None] * 3


# --- What ends ------------------------------------------------------------------------------------------------------


def test_a_channel_whose_owner_has_ended_is_forgotten_with_its_groups(redis, monkeypatch):
    monkeypatch.setattr("channels_stack.groups.hub.PAUSED_SECONDS", 0.2)
    monkeypatch.setattr("channels_stack.groups.watch.PULSE_SECONDS", 0.1)

    async def session() -> tuple:
        layer = make(redis)
        kept = await member(layer, "room")
        receiving = asyncio.ensure_future(layer.receive(kept))

        async def raises() -> None:
            await member(layer, "room")
            raise ValueError

        await asyncio.gather(*(asyncio.ensure_future(raises()) for _ in range(5)), return_exceptions=True)
        hub = layer.hub()
        deadline = asyncio.get_running_loop().time() + 10
        while len(hub.mailboxes) > 1 and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
        members = list(hub.groups["room"].members)
        await layer.group_send("room", {"type": "n"})
        await receiving
        return members == [kept], list(hub.mailboxes) == [kept]

    assert run(session()) == (True, True)


def test_a_pulse_is_a_round_trip_for_who_wants_to_know_how_long_one_takes(redis, monkeypatch):
    """So a process that reports it makes none of its own."""
    monkeypatch.setattr(watch, "PULSE_SECONDS", 0.1)

    async def session() -> tuple[float | None, float, float | None]:
        layer = make(redis)
        assert layer.measured(within=60) is None, "nothing was sent yet"
        await layer.listen()
        async with asyncio.timeout(PATIENCE):
            while (seconds := layer.measured(within=60)) is None:
                await asyncio.sleep(0.01)
        return seconds, await layer.round_trip(), layer.measured(within=0)

    pulse, own, old = run(session())
    assert 0 < pulse < PATIENCE and 0 < own < PATIENCE
    assert old is None

"""A rollout from channels_redis' publish and subscribe layer to the groups layer, or back: processes of both hear each other."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
import redis as redis_py
from channels_redis.pubsub import RedisPubSubChannelLayer
from gathering.server import serve
from processes import PATIENCE, Redis
from websockets.asyncio.client import connect

from channels_stack.groups import RedisGroupsChannelLayer

GROUP = "room"
OPTIONS = pytest.mark.parametrize(
    "options", [{}, {"symmetric_encryption_keys": ["new", "old"]}], ids=["", "encrypted"]
)
HISTORY = pytest.mark.parametrize("history", [None, "off"], ids=["", "no history"])


def new(redis: Redis, history=None, **options) -> RedisGroupsChannelLayer:
    return RedisGroupsChannelLayer(
        hosts=[redis.url], prefix=redis.prefix, history=history, bridge=True, **options
    )


def old(redis: Redis, **options) -> RedisPubSubChannelLayer:
    return RedisPubSubChannelLayer(hosts=[redis.url], prefix=redis.prefix, **options)


def run(coroutine, seconds: float = 30):
    return asyncio.run(asyncio.wait_for(coroutine, seconds))


class Member:
    """A channel in the group, and the numbers that it has heard."""

    def __init__(self, layer) -> None:
        self.layer, self.heard = layer, []

    async def begin(self) -> Member:
        self.channel = await self.layer.new_channel()
        await self.layer.group_add(GROUP, self.channel)
        self.task = asyncio.ensure_future(self._listen())
        return self

    async def _listen(self) -> None:
        while True:
            self.heard.append((await self.layer.receive(self.channel))["number"])

    async def hears(self, *numbers: int) -> None:
        """Wait until all of ``numbers`` have come; then a last word shows that nothing else has."""
        while not set(numbers) <= set(self.heard):
            await asyncio.sleep(0.01)


async def subscribed(redis: Redis, name: str, count: int) -> None:
    client = redis_py.Redis(port=redis.port)
    while client.pubsub_numsub(name)[0][1] != count:
        await asyncio.sleep(0.01)


@OPTIONS
@HISTORY
def test_each_event_reaches_every_member_of_either_layer_once_and_in_order(redis, options, history):
    async def session() -> list[list[int]]:
        layers = [new(redis, history, **options), new(redis, history, **options), old(redis, **options)]
        members = [await Member(layer).begin() for layer in [*layers, layers[0]]]
        await subscribed(redis, f"{redis.prefix}__group__{GROUP}", 3)
        for number in range(60):
            await layers[number % 3].group_send(GROUP, {"type": "n", "number": number})
        for member in members:
            await member.hears(*range(60))
        # Whoever has heard something twice has done so before the last word.
        for layer in layers:
            await layer.group_send(GROUP, {"type": "n", "number": -1})
        for member in members:
            while member.heard.count(-1) < 3:
                await asyncio.sleep(0.01)
        return [member.heard for member in members]

    for heard in run(session()):
        for sender in range(3):
            assert [number for number in heard if number >= 0 and number % 3 == sender] == list(
                range(sender, 60, 3)
            )


def test_without_a_process_of_the_other_layer_nothing_is_published_twice(redis):
    async def published(layers) -> dict[str, int]:
        members = [await Member(layer).begin() for layer in layers]
        client = redis_py.Redis(port=redis.port)
        client.config_resetstat()
        await layers[0].group_send(GROUP, {"type": "n", "number": 1})
        for member in members:
            await member.hears(1)
        calls = client.info("commandstats").get("cmdstat_publish", {"calls": 0})["calls"]
        for member in members:
            member.task.cancel()
        return calls

    async def session() -> tuple:
        ours = [new(redis), new(redis)]
        alone = await published(ours)
        other = old(redis)
        mixed = await published([new(redis), other])
        await other.flush()
        return alone, mixed, await published([new(redis), new(redis)])

    assert run(session()) == (1, 2, 1)


def test_a_message_for_one_channel_of_the_other_layer_arrives(redis):
    async def session() -> dict:
        ours, other = new(redis), old(redis)
        channel = await other.new_channel()
        await subscribed(redis, channel, 1)
        await ours.send(channel, {"type": "answer", "number": 1})
        return await other.receive(channel)

    assert run(session()) == {"type": "answer", "number": 1}


def test_who_leaves_the_group_hears_nothing_of_either(redis):
    async def session() -> list[int]:
        ours, other = new(redis), old(redis)
        member = await Member(ours).begin()
        await ours.group_discard(GROUP, member.channel)
        await subscribed(redis, f"{redis.prefix}__group__{GROUP}", 0)
        await other.group_send(GROUP, {"type": "n", "number": 1})
        await ours.group_send(GROUP, {"type": "n", "number": 2})
        await ours.send(member.channel, {"type": "n", "number": 3})
        await member.hears(3)
        return member.heard

    assert run(session()) == [3]


def test_a_message_that_says_the_same_twice_is_two_messages(redis):
    """What a process of the other layer sends is no copy of ours because it has the same words."""

    async def session() -> int:
        ours, other = new(redis), old(redis)
        member, theirs = await Member(ours).begin(), await Member(other).begin()
        await subscribed(redis, f"{redis.prefix}__group__{GROUP}", 2)
        for layer in (ours, other, ours, other):
            await layer.group_send(GROUP, {"type": "n", "number": 7})
        while len(theirs.heard) < 4:
            await asyncio.sleep(0.01)
        await ours.send(member.channel, {"type": "n", "number": 8})
        await member.hears(8)
        return member.heard.count(7)

    assert run(session()) == 4


class Talker:
    """Somebody in a room of one server who says numbers, and keeps what everybody has said."""

    def __init__(self, name: str, port: int) -> None:
        self.name, self.url, self.said = name, f"ws://127.0.0.1:{port}/plain/{GROUP}/", 0
        self.heard: list[str] = []

    async def __aenter__(self) -> Talker:
        self.connection = connect(self.url)
        self.socket = await self.connection.__aenter__()
        self.listening = asyncio.ensure_future(self._listen())
        return self

    async def __aexit__(self, *error: object) -> None:
        self.listening.cancel()
        await self.connection.__aexit__(*error)

    async def _listen(self) -> None:
        async for text in self.socket:
            self.heard.append(text)

    async def says(self, everybody: list[Talker]) -> None:
        """Say one thing, and wait until all of EVERYBODY have heard it."""
        self.said += 1
        text = f"{self.name} {self.said}"
        await self.socket.send(text)
        while not all(text in person.heard for person in everybody):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("way", [("pubsub", "bridge"), ("bridge", "pubsub")], ids=["rollout", "rollback"])
def test_processes_of_both_releases_serve_one_room_while_one_replaces_the_other(redis, tmp_path, way):
    """Unmodified consumers under plain uvicorn: the old process is joined by a new one, and ends."""

    async def session() -> list[Talker]:
        async with contextlib.AsyncExitStack() as people:

            async def enters(name: str, process) -> Talker:
                return await people.enter_async_context(Talker(name, process.port))

            before = await asyncio.to_thread(serve, redis, tmp_path, GATHERING_LAYER=way[0])
            stays = [await enters("anna", before), await enters("berta", before)]
            await stays[0].says(stays)
            after = await asyncio.to_thread(serve, redis, tmp_path, GATHERING_LAYER=way[1])
            comes = [await enters("carl", after), await enters("dora", after)]
            for person in [*stays, *comes] * 5:
                await person.says([*stays, *comes])
            before.kill()
            for person in comes * 3:
                await person.says(comes)
            after.kill()
            return [*stays, *comes]

    people = run(session(), PATIENCE)
    for person in people:
        assert len(person.heard) == len(set(person.heard)), person.heard
    assert [len(person.heard) for person in people] == [21, 21, 26, 26]

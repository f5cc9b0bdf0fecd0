"""The channel layer for worker channels, on a real Redis: Channels' own contract, and what jobs need beyond it."""

from __future__ import annotations

import asyncio

import processes
import pytest
import redis as redis_py
from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from messages import EVERY_TYPE
from streaming import LEASE, make, message, numbers, take

from channels_stack.jobs.layer import RedisStreamsChannelLayer, Unsupported

pytestmark = pytest.mark.usefixtures("emptied")


@pytest.fixture
def layer(redis):
    return make(redis)


def test_what_is_sent_is_received_with_every_type_that_channels_redis_carries(redis, layer):
    sent = EVERY_TYPE
    stock = RedisChannelLayer(hosts=[redis.url], prefix="stock")

    async def both() -> list:
        answers = []
        for each in (layer, stock):
            await each.send("test-channel-1", sent)
            answers.append(await each.receive("test-channel-1"))
        return answers

    ours, theirs = asyncio.run(both())
    assert ours == theirs == sent


def test_messages_come_in_the_order_in_which_they_were_sent(layer):
    async def all_of_them() -> list:
        for number in range(20):
            await layer.send("jobs", message(number))
        return [(await layer.receive("jobs"))["number"] for _ in range(20)]

    assert asyncio.run(all_of_them()) == list(range(20))


def test_a_receiver_that_waits_is_woken_and_each_message_has_one_receiver(redis, layer):
    async def several() -> list:
        layers = [make(redis) for _ in range(3)]
        waiting = [asyncio.ensure_future(each.receive("jobs")) for each in layers]
        for number in range(3):
            await layer.send("jobs", message(number))
        return [
            each["number"] for each in await asyncio.wait_for(asyncio.gather(*waiting), processes.PATIENCE)
        ]

    assert sorted(asyncio.run(several())) == [0, 1, 2]


def test_a_full_channel_refuses_and_has_room_again_when_a_message_has_gone(redis):
    layer = make(redis, capacity=3)

    async def fill() -> list:
        for number in range(3):
            await layer.send("jobs", message(number))
        with pytest.raises(ChannelFull, match="channel jobs: 3 jobs wait already"):
            await layer.send("jobs", message(3))
        await layer.send("other", message(4))
        received = [await layer.receive("jobs")]
        await layer.send("jobs", message(5))
        with pytest.raises(ChannelFull):
            await layer.send("jobs", message(6))
        received += [await layer.receive("jobs") for _ in range(3)]
        return [each["number"] for each in received]

    assert asyncio.run(fill()) == [0, 1, 2, 5]


def test_capacity_is_exact_when_many_send_at_once(redis):
    layer = make(redis, capacity=50)

    async def storm() -> int:
        sends = [layer.send("jobs", message(number)) for number in range(200)]
        answers = await asyncio.gather(*sends, return_exceptions=True)
        assert {type(answer) for answer in answers} == {type(None), ChannelFull}
        return (await layer.jobs.census("jobs")).waiting

    assert asyncio.run(storm()) == 50


def test_capacity_by_channel(redis):
    layer = make(redis, capacity=2, channel_capacity={"large.*": 4})

    async def fill(channel: str) -> int:
        for number in range(10):
            try:
                await layer.send(channel, message(number))
            except ChannelFull:
                return number
        return 10

    assert asyncio.run(fill("large.one")) == 4
    assert asyncio.run(fill("small")) == 2


@pytest.mark.parametrize("name", ["", "¯\\_(ツ)_/¯", "with space", "x" * 100, "colon:ed", 3])
def test_names_that_channels_refuses_are_refused(layer, name):
    for call in (layer.send(name, message()), layer.receive(name)):
        with pytest.raises(TypeError):
            asyncio.run(call)


def test_what_is_no_message_is_refused_by_send(layer):
    with pytest.raises(TypeError, match="channel jobs: a message is a dict, not a list"):
        asyncio.run(layer.send("jobs", ["type"]))
    with pytest.raises(TypeError):
        asyncio.run(layer.send("jobs", {"type": "job.do", "at": object()}))


@pytest.mark.parametrize(
    "call",
    [
        lambda layer: layer.group_add("room", "jobs"),
        lambda layer: layer.group_discard("room", "jobs"),
        lambda layer: layer.group_send("room", message()),
        lambda layer: layer.new_channel(),
        lambda layer: layer.send("specific.abc!def", message()),
        lambda layer: layer.receive("specific.abc!"),
    ],
)
def test_what_belongs_on_the_other_layer_is_refused_by_its_name(layer, call):
    with pytest.raises(Unsupported, match="'default'"):
        asyncio.run(call(layer))
    assert "groups" not in layer.extensions


def test_flush_removes_everything(redis, layer):
    async def flush() -> list:
        await layer.send("jobs", message())
        (job,) = await take(layer)
        await layer.jobs.bury(job, "why")
        await layer.flush()
        return redis_py.Redis(port=redis.port).keys()

    assert asyncio.run(flush()) == []


def test_two_prefixes_do_not_meet(redis):
    async def cross() -> list:
        one, other = make(redis, prefix="one:"), make(redis, prefix="other:")
        await one.send("jobs", message())
        return [(await each.jobs.census("jobs")).waiting for each in (one, other)]

    assert asyncio.run(cross()) == [1, 0]


def test_several_hosts_are_refused(redis):
    with pytest.raises(ValueError, match="one Redis"):
        RedisStreamsChannelLayer(hosts=[redis.url, redis.url])


def test_the_round_trip_leaves_nothing(redis, layer):
    assert 0 < asyncio.run(layer.round_trip()) < processes.PATIENCE
    assert redis_py.Redis(port=redis.port).keys() == []


def test_a_loop_for_each_call_leaves_no_connection_open(redis, layer):
    from asgiref.sync import async_to_sync

    for number in range(20):
        async_to_sync(layer.send)("jobs", message(number))
    assert len(redis_py.Redis(port=redis.port).client_list()) == 1  # who asks


def test_hosts_in_every_form(redis):
    for host in (redis.url, ("127.0.0.1", redis.port), {"address": redis.url, "socket_timeout": 5}):
        layer = RedisStreamsChannelLayer(hosts=[host])
        asyncio.run(layer.send("jobs", message()))
    assert asyncio.run(layer.jobs.census("jobs")).waiting == 3


def test_the_rights_of_the_stacks_redis_user_are_enough_for_everything(redis):
    rights = next(
        line
        for line in (processes.HERE.parents[2] / "images/redis/users.acl.template").read_text().splitlines()
        if line.startswith("user app ")
    )
    admin = redis_py.Redis(port=redis.port)
    # Redis before 7.2 does not know this one.
    words = [word for word in rights.format(password="secret").split()[2:] if word != "+client|setinfo"]
    admin.execute_command("ACL", "SETUSER", "app", *words)
    layer = RedisStreamsChannelLayer(hosts=[f"redis://app:secret@127.0.0.1:{redis.port}"], lease=LEASE)

    async def everything() -> None:
        jobs = layer.jobs
        for number in range(4):
            await layer.send("jobs", message(number))
        first, second, third, fourth = await take(layer, count=4)
        await jobs.renew("jobs", [first])
        await jobs.done("jobs", [first.entry])
        await jobs.retry(second, 0)
        await jobs.bury(third, "why")
        await jobs.release("jobs", [fourth])
        left = await take(layer, count=4)
        assert sorted(numbers(left)) == [1, 3]
        await jobs.done("jobs", [job.entry for job in left])
        assert await jobs.take("jobs", 1) == []
        (letter,) = [each for name in await jobs.buried_channels() for each in await jobs.letters(name)]
        await jobs.revive(letter)
        await jobs.drop(letter)
        assert (await layer.receive("jobs"))["number"] == 2
        await jobs.census("jobs")
        await jobs.forget("jobs", leaving=True)
        await layer.round_trip()
        await layer.flush()

    asyncio.run(everything())
    assert [entry["object"] for entry in admin.acl_log() if entry["object"] != "client|setinfo"] == []

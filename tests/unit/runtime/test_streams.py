"""The channel layer for worker channels, on a real Redis: Channels' own contract, and what jobs need beyond it."""

from __future__ import annotations

import asyncio
import time

import processes
import pytest
import redis as redis_py
from channels.exceptions import ChannelFull
from channels_redis.core import RedisChannelLayer
from processes import Redis

from channels_stack.jobs import queue as jobs_module
from channels_stack.jobs.layer import RedisStreamsChannelLayer, Unsupported
from channels_stack.jobs.queue import Job, Unreadable
from channels_stack.layers.config import channel_layers

LEASE = 0.2  # seconds: what a crash costs in these tests


@pytest.fixture(autouse=True)
def _empty(redis):
    redis_py.Redis(port=redis.port).flushall()


@pytest.fixture
def layer(redis):
    return make(redis)


def make(redis: Redis, **config) -> RedisStreamsChannelLayer:
    hosts = channel_layers(redis.url, "unused")["default"]["CONFIG"]["hosts"]
    return RedisStreamsChannelLayer(hosts=hosts, **{"lease": LEASE, **config})


def message(number: int = 1, **more) -> dict:
    return {"type": "job.do", "number": number, **more}


def leased(seconds: float = LEASE) -> None:
    """Let leases run out. Nothing can be asked about it: it is the passing of time that is tested."""
    deadline = time.monotonic() + seconds * 1.2
    while time.monotonic() < deadline:
        time.sleep(0.01)


async def take(layer, channel: str = "jobs", count: int = 1) -> list[Job]:
    layer.jobs.looked.clear()  # look for expired leases now, not in a second
    return await layer.jobs.take(channel, count)


async def look(layer) -> list[Job]:
    """What can be taken now: to wait for more would cost a second."""
    jobs = layer.jobs
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(jobs, "_wait", nothing)
        return await take(layer)


async def nothing(*_) -> list[Job]:
    return []


async def take_over(layer, count: int = 1) -> list[Job]:
    """Take what others hold and have not renewed: that is seen once, and then watched for a part of the lease."""
    taken: list[Job] = []
    deadline = time.monotonic() + processes.PATIENCE
    while not taken and time.monotonic() < deadline:
        taken = await take(layer, count=count)
    return taken


def numbers(jobs: list[Job]) -> list[int]:
    return [job.message()["number"] for job in jobs]


# --- What every channel layer does: the cases of Channels' and channels_redis' own tests ---------------------------


def test_what_is_sent_is_received_with_every_type_that_channels_redis_carries(redis, layer):
    sent = {
        "type": "test.message",
        "text": "Ahoy-hoy! 🎉",
        "bytes": b"\x00\xff\r\n",
        "list": [1, -2, 3.5, None, True],
        "dict": {"nested": {"deep": ["x"]}},
        "large": 2**63,
        "long": "x" * 200_000,
    }
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


# --- What jobs need ----------------------------------------------------------------------------------------------


def test_a_job_stays_in_redis_until_it_is_done(layer):
    async def live() -> list:
        await layer.send("jobs", message())
        counts = [await layer.jobs.census("jobs")]
        (job,) = await take(layer)
        counts.append(await layer.jobs.census("jobs"))
        await layer.jobs.done("jobs", [job.entry])
        counts.append(await layer.jobs.census("jobs"))
        return [(count.waiting, count.running) for count in counts]

    assert asyncio.run(live()) == [(1, 0), (0, 1), (0, 0)]


def test_the_job_of_a_dead_process_is_taken_over_and_marked(redis, layer):
    async def die() -> tuple:
        other = make(redis)
        await layer.send("jobs", message(1))
        (first,) = await take(layer)
        assert (first.redelivered, first.deliveries) == (False, 1)
        (again,) = await take_over(other)
        return first, again, layer.jobs.consumer

    first, again, dead = asyncio.run(die())
    assert again.redelivered
    assert again.taken_from == dead
    assert (again.entry, again.first, again.body) == (first.entry, first.first, first.body)


def test_a_lease_that_is_renewed_is_kept_and_one_that_was_taken_over_is_told(redis, layer):
    async def renew() -> tuple:
        other = make(redis)
        await layer.send("jobs", message(1))
        (job,) = await take(layer)
        for _ in range(5):
            leased(LEASE / 2)
            await layer.jobs.renew("jobs", [job])
            assert await look(other) == []
        kept = job.lost
        leased()
        (stolen,) = await take_over(other)
        await layer.jobs.renew("jobs", [job])
        return kept, job.lost, stolen.redelivered

    assert asyncio.run(renew()) == (False, True, True)


def test_what_is_given_back_comes_before_what_is_new_and_counts_as_redelivered_only_if_begun(redis, layer):
    async def release() -> list:
        for number in range(4):
            await layer.send("jobs", message(number))
        jobs = await take(layer, count=3)
        jobs[0].begun = True
        await layer.jobs.release("jobs", jobs)
        return [(job.message()["number"], job.redelivered) for job in await take(make(redis), count=4)]

    assert asyncio.run(release()) == [(0, True), (1, False), (2, False), (3, False)]


def test_a_failed_job_waits_in_redis_and_remembers_its_failures(layer):
    async def fail() -> list:
        await layer.send("jobs", message(1, body=b"\x00 \n|"))
        (job,) = await take(layer)
        assert await layer.jobs.retry(job, 0.3)
        assert not await layer.jobs.retry(job, 0.3)  # settled already: it must not come twice
        await layer.send("jobs", message(2))
        (next_job,) = await take(layer)
        await layer.jobs.done("jobs", [next_job.entry])
        census = await layer.jobs.census("jobs")
        leased(0.3)
        (again,) = await take(layer)
        assert again.message() == job.message()
        return [
            numbers([next_job]),
            census.later,
            again.attempts,
            again.first == job.entry,
            again.redelivered,
        ]

    assert asyncio.run(fail()) == [[2], 1, 1, True, False]


async def _done(layer, job) -> bool:
    return not await layer.jobs.done("jobs", [job.entry])


async def _retry(layer, job) -> bool:
    return await layer.jobs.retry(job, 0)


async def _bury(layer, job) -> bool:
    return await layer.jobs.bury(job, "why")


async def _release(layer, job) -> bool:
    job.begun = True
    await layer.jobs.release("jobs", [job])
    return False


async def _renew(layer, job) -> bool:
    await layer.jobs.renew("jobs", [job])
    return not job.lost


@pytest.mark.parametrize("change", [_done, _retry, _bury, _release, _renew])
@pytest.mark.parametrize("then", ["works on it", "has done it", "has put it off", "has given it back"])
def test_a_job_that_another_process_has_taken_over_is_not_ours_to_change(redis, layer, change, then):
    async def lose() -> tuple:
        other, third = make(redis), make(redis)
        await layer.send("jobs", message())
        (job,) = await take(layer)
        (theirs,) = await take_over(other)
        if then == "has done it":
            await other.jobs.done("jobs", [theirs.entry])
        elif then == "has put it off":
            await other.jobs.retry(theirs, 60)
        elif then == "has given it back":
            theirs.begun = True
            await other.jobs.release("jobs", [theirs])
        before = await layer.jobs.census("jobs")
        changed = await change(layer, job)
        after = await layer.jobs.census("jobs")
        assert (after.waiting, after.running, after.later, after.dead) == (
            before.waiting,
            before.running,
            before.later,
            before.dead,
        )
        again = await look(third)
        return changed, [each.redelivered for each in again]

    changed, again = asyncio.run(lose())
    # What is done, is done: to say it once more is no mistake.
    assert changed is (change is _done and then in ("has done it", "has put it off"))
    assert again == ([True] if then == "has given it back" else [])


def test_a_clock_that_is_set_forward_takes_no_job_away_from_who_works_on_it(redis):
    """As after a suspended machine, too: by the clock of Redis no lease was renewed for a minute."""

    lease = 1  # what happens between two steps must be short beside it, on a busy machine too

    async def step(renewed: bool) -> list:
        layer, other = make(redis, lease=lease), make(redis, lease=lease)
        await layer.send("jobs", message())
        (job,) = await take(layer)
        key, group = layer.jobs.key("stream", "jobs"), jobs_module.GROUP
        client = redis_py.Redis(port=redis.port)
        client.xclaim(key, group, layer.jobs.consumer, 0, [job.entry], idle=60_000, justid=True)
        assert await look(other) == []
        if renewed:  # as the thread of `Leases` does four times within a lease
            leased(lease / 4)
            await layer.jobs.renew("jobs", [job])
        leased(lease * (1 - jobs_module.STALE_PART))
        taken = await look(other)
        await other.jobs.done("jobs", [each.entry for each in taken] or [job.entry])
        await layer.flush()
        return numbers(taken)

    assert asyncio.run(step(renewed=True)) == []
    assert asyncio.run(step(renewed=False)) == [1]


def test_jobs_that_wait_for_another_attempt_count_for_the_capacity(redis):
    layer = make(redis, capacity=1)

    async def fail() -> None:
        await layer.send("jobs", message(1))
        (job,) = await take(layer)
        await layer.jobs.retry(job, 60)
        with pytest.raises(ChannelFull):
            await layer.send("jobs", message(2))

    asyncio.run(fail())


def test_dead_letters_are_kept_listed_revived_and_dropped(layer):
    async def bury() -> None:
        for number in range(2):
            await layer.send("jobs", message(number))
        for job in await take(layer, count=2):
            assert await layer.jobs.bury(job, f"reason {job.message()['number']}", "trace")
            assert not await layer.jobs.bury(job, "twice")
        assert await layer.jobs.buried_channels() == ["jobs"]
        first, second = await layer.jobs.letters("jobs")
        assert (first.reason, first.attempts, first.message()) == ("reason 0", 1, message(0))
        assert first.traceback == "trace"
        assert abs(first.died - time.time()) < 60
        assert await layer.jobs.letters("jobs", second.entry) == [second]
        assert await layer.jobs.revive(first)
        assert not await layer.jobs.revive(first)
        assert await layer.jobs.drop(second)
        assert not await layer.jobs.drop(second)
        assert await layer.jobs.buried_channels() == []
        (revived,) = await take(layer)
        assert (revived.message(), revived.attempts) == (message(0), 0)

    asyncio.run(bury())


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xc1", "cannot be decoded"),
        (b"", "cannot be decoded"),
        (b"\x93\x01\x02\x03", "is no message but a list"),
        (b"\x81\xa1a\x01", "the message has no type; its keys are: a"),
        (b"\x81\xa4type\x03", "the message has no type"),
    ],
)
def test_what_is_no_message_says_why_and_is_passed_over_by_receive(redis, layer, body, reason):
    client = redis_py.Redis(port=redis.port)
    client.xadd(layer.jobs.key("stream", "jobs"), {"m": body})

    async def receive() -> tuple:
        await layer.send("jobs", message(2))
        received = await layer.receive("jobs")
        return received, await layer.jobs.letters("jobs")

    received, (letter,) = asyncio.run(receive())
    assert received == message(2)
    assert reason in letter.reason
    assert letter.body == body
    with pytest.raises(Unreadable):
        Job("jobs", "1-1", body).message()


def test_a_redis_that_was_emptied_is_taken_from_again(redis, layer):
    async def empty() -> dict:
        await layer.send("jobs", message(1))
        assert numbers(await take(layer)) == [1]
        waiting = asyncio.ensure_future(layer.receive("jobs"))
        client = redis_py.Redis(port=redis.port)
        while not any(each["cmd"] == "xreadgroup" for each in client.client_list()):
            await asyncio.sleep(0.01)
        client.flushall()
        await layer.send("jobs", message(2))
        return await asyncio.wait_for(waiting, processes.PATIENCE)

    assert asyncio.run(empty())["number"] == 2


def test_consumers_without_a_process_are_forgotten_unless_they_hold_a_job(redis, layer, monkeypatch):
    monkeypatch.setattr(jobs_module, "FORGET_SECONDS", 0)

    async def forget() -> list:
        idle = make(redis)
        await layer.send("jobs", message(1))
        (job,) = await take(layer)
        client = redis_py.Redis(port=redis.port)
        key = layer.jobs.key("stream", "jobs")
        client.xgroup_createconsumer(key, jobs_module.GROUP, idle.jobs.consumer)
        before = len(consumers(redis, layer))
        leased()
        await idle.jobs.forget("jobs", leaving=True)
        await layer.jobs.forget("jobs", leaving=True)
        held = consumers(redis, layer)
        await layer.jobs.done("jobs", [job.entry])
        await layer.jobs.forget("jobs", leaving=True)
        return [before, held, consumers(redis, layer)]

    assert asyncio.run(forget()) == [2, [layer.jobs.consumer.encode()], []]


def consumers(redis: Redis, layer) -> list:
    client = redis_py.Redis(port=redis.port)
    found = client.xinfo_consumers(layer.jobs.key("stream", "jobs"), jobs_module.GROUP)
    return [
        consumer["name"].encode() if isinstance(consumer["name"], str) else consumer["name"]
        for consumer in found
    ]


def test_the_age_of_the_oldest_job_counts_from_when_it_was_first_sent(layer):
    async def age() -> float:
        await layer.send("jobs", message(1))
        (job,) = await take(layer)
        leased(0.3)
        await layer.jobs.retry(job, 0)
        (again,) = await take(layer)
        census = await layer.jobs.census("jobs")
        assert again.entry != job.entry
        return census.oldest_seconds

    assert 0.3 <= asyncio.run(age()) < 60
    assert asyncio.run(layer.jobs.census("empty")).oldest_seconds == 0

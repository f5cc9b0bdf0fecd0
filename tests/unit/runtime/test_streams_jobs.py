"""The layer of worker channels: what jobs need beyond a channel layer."""

from __future__ import annotations

import asyncio
import time

import msgpack
import processes
import pytest
import redis as redis_py
from channels.exceptions import ChannelFull
from processes import Redis
from streaming import LEASE, leased, look, make, message, numbers, take, take_over

from channels_stack.jobs import dead_letters
from channels_stack.jobs import queue as jobs_module
from channels_stack.jobs.queue import Job, Letter, Unreadable

pytestmark = pytest.mark.usefixtures("emptied")


@pytest.fixture
def layer(redis):
    return make(redis)


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


def test_a_lease_that_is_renewed_is_kept_and_one_that_was_taken_over_is_reported(redis, layer):
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


def test_a_dead_letter_gives_the_terminal_no_orders():
    """What it holds may be a stranger's: `dead list` and `dead show` print it for an operator."""
    orders = "\x1b[2J\x9b2J\r\u202e"
    body = msgpack.packb({"type": f"a{orders}", "text": orders})
    letter = Letter("jobs", "1-1", body, f"ValueError: {orders}\nmore", 1, "1-1", f"trace\n{orders}")
    listed, shown = (dead_letters._as_text([letter], full) for full in (False, True))
    assert len(listed.splitlines()) == 2 and "a\\x1b[2J" in listed and "\\u202e" in shown
    assert not set(orders) & set("".join(c for c in listed + shown if not c.isprintable()))


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

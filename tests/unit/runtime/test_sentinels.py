"""Redis behind Sentinel: three servers and three Sentinels, whose master moves."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time

import pytest
import redis as redis_py
from processes import until
from redis_set import PASSWORD, RedisSet

from channels_stack.jobs.queue import Jobs
from channels_stack.layers.config import channel_layers, redis_host
from channels_stack.stores import sentinels
from channels_stack.stores.connections import Connections
from channels_stack.stores.sentinels import Sentinels

FAILOVER_SECONDS = 60  # usually 7 to 10; this machine may be busy


@pytest.fixture(scope="module")
def redis():
    with RedisSet() as servers:
        yield servers


def test_an_address_says_where_the_sentinels_are_and_what_the_master_is_called():
    found = Sentinels("redis+sentinel://app:p%40ss@one,two:26380/master/4")
    assert sorted(found.places) == [("one", 26379), ("two", 26380)]
    assert (found.master, found.database, found.username, found.password) == ("master", 4, "app", "p@ss")
    assert "p@ss" not in repr(found)
    assert "p%40ss" not in repr(found)


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("redis+sentinel://app:hunter2@one,two,three", "is not of the form"),
        ("redis+sentinel://app:hunter2@/redis/0", "is not of the form"),
        ("redis+sentinel://app:hunter2@one/redis/zero", "'zero' for the number of a database"),
        ("redis+sentinel://app:hunter2@one,,two/redis/0", "names a Sentinel without a host"),
        ("redis+sentinel://app:hunter2@one/redis/0?ssl=1", "is not of the form"),
    ],
)
def test_what_is_no_address_is_refused_without_its_password(url, wrong):
    with pytest.raises(ValueError, match=wrong) as refused:
        Sentinels(url)
    assert "hunter2" not in str(refused.value)


def test_clients_of_both_kinds_reach_the_master(redis):
    async def write() -> None:
        client = sentinels.async_client(redis.url)
        await client.set("greeting", "hello")
        await client.connection_pool.disconnect()

    asyncio.run(write())
    assert sentinels.client(redis.url).get("greeting") == b"hello"


def test_no_sentinel_that_answers_is_reported_with_each_of_them_and_without_the_password(redis):
    client = sentinels.client(redis.url.replace("/redis/0", "/unknown/0"))
    with pytest.raises(redis_py.ConnectionError) as told:
        client.ping()
    assert "no Sentinel knows where unknown is" in str(told.value)
    assert all(each in str(told.value) for each in redis.sentinels)
    assert PASSWORD not in str(told.value)


def test_both_layers_work_behind_sentinel(redis):
    async def both() -> None:
        from channels_stack.groups import RedisGroupsChannelLayer
        from channels_stack.jobs.layer import RedisStreamsChannelLayer

        layers = channel_layers(redis.url, redis.prefix)
        groups = RedisGroupsChannelLayer(**layers["default"]["CONFIG"])
        channel = await groups.new_channel()
        await groups.group_add("room", channel)
        await groups.group_send("room", {"type": "hello"})
        assert await asyncio.wait_for(groups.receive(channel), 10) == {"type": "hello"}
        await groups.flush()
        tasks = RedisStreamsChannelLayer(**layers["tasks"]["CONFIG"])
        await tasks.send("work", {"type": "job"})
        assert await asyncio.wait_for(tasks.receive("work"), 10) == {"type": "job"}

    asyncio.run(both())


def test_a_replica_that_a_sentinel_still_calls_the_master_is_not_believed(redis, monkeypatch):
    replica = next(each for each in redis.servers if each != redis.master())
    client = sentinels.client(redis.url)
    monkeypatch.setattr(Sentinels, "find_now", lambda self: ("127.0.0.1", int(replica.rpartition(":")[2])))
    with pytest.raises(redis_py.ConnectionError, match="is not the master any more"):
        client.ping()


def test_a_master_without_replicas_takes_no_jobs_and_says_so_as_an_outage(redis):
    """It may be cut off while another is master: what it accepted then would be lost."""
    replicas = [each for each in redis.servers if each != redis.master()]
    client = sentinels.client(redis.url)
    for each in replicas:
        redis.signal(each, signal.SIGSTOP)
    try:
        told = until(lambda: refusal(client), FAILOVER_SECONDS, "writes are refused")
    finally:
        for each in replicas:
            redis.signal(each, signal.SIGCONT)
    assert "no replica that follows it" in told
    until(redis.settled, FAILOVER_SECONDS, "the replicas follow again")
    until(lambda: not refusal(client), FAILOVER_SECONDS, "writes are accepted again")


def refusal(client: redis_py.Redis) -> str:
    """What a write is answered; "" when it is accepted."""
    try:
        client.set("accepted", "yes")
    except redis_py.ConnectionError as error:
        return str(error)
    return ""


def test_the_master_is_killed_under_jobs_and_comes_back_as_a_replica(redis):
    """Lost is at most what was accepted just before: it had not reached a replica."""
    name = redis.master()

    async def work() -> tuple[float, dict[int, float], set[int]]:
        jobs = Jobs(Connections(redis_host(redis.url)), f"{redis.prefix}:jobs:", lease=2)
        accepted: dict[int, float] = {}
        done: set[int] = set()
        stop = asyncio.Event()

        async def send() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                with contextlib.suppress(redis_py.RedisError, OSError):
                    if await jobs.add("work", {"type": "job", "number": number}, 10_000):
                        accepted[number] = time.monotonic()
                await asyncio.sleep(0.01)

        async def take() -> None:
            while True:
                with contextlib.suppress(redis_py.RedisError, OSError):
                    for job in await jobs.take("work", 10):
                        done.add(job.message()["number"])
                        await jobs.done("work", [job.entry])

        sending, taking = asyncio.ensure_future(send()), asyncio.ensure_future(take())
        await _until(lambda: len(done) > 100)
        killed = time.monotonic()
        redis.signal(name, signal.SIGKILL)
        await _until(lambda: accepted and max(accepted.values()) > killed + 1)
        stop.set()
        await sending
        await _until(
            lambda: accepted.keys() - done <= {each for each in accepted if accepted[each] <= killed}
        )
        last = max(accepted)
        await _until(lambda: last in done)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        return killed, accepted, done

    killed, accepted, done = asyncio.run(work())
    lost = [number for number in accepted if number not in done]
    assert all(accepted[number] > killed - 3 for number in lost), f"{len(lost)} of {len(accepted)} jobs lost"
    redis.begin(name)
    until(redis.settled, FAILOVER_SECONDS, "the old master follows the new one")
    assert redis.master() != name


async def _until(condition) -> None:
    deadline = time.monotonic() + FAILOVER_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_all_at_once_they_come_back_as_what_they_were(redis):
    """The power is gone: the roles stand in their files, not in their arguments."""
    until(redis.settled, FAILOVER_SECONDS, "all is well")
    name = redis.master()
    sentinels.client(redis.url).set("kept", "yes")
    replicas = [each for each in redis.servers if each != name]
    until(lambda: all(redis.client(each).get("kept") for each in replicas), what="the replicas have it")
    for each in (*redis.servers, *redis.sentinels):
        redis.signal(each, signal.SIGKILL)
    for each in (*redis.servers, *redis.sentinels):
        redis.begin(each)
    until(redis.settled, FAILOVER_SECONDS, "they know each other again")
    assert redis.master() == name
    assert sentinels.client(redis.url).get("kept") == b"yes"

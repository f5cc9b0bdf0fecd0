"""The trials of the real-time core at their size: `make test-realtime`. Those of unit tests are the same in small.

PEOPLE (1000) sockets. The generator is one process of Python: on two cores beside other work take a tenth of them.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import time

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from crowd import Person, Recovering, Stock, come, go
from gathering.server import serve
from processes import Redis

from channels_stack.groups import RedisGroupsChannelLayer

PEOPLE = int(os.environ.get("PEOPLE", "1000"))
SECONDS, EVENTS_A_SECOND = 60, 10
STORM_SECONDS = 10
HISTORY = {"size": 2000, "seconds": 300}  # the longest absence, and more

figures: list[str] = []
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def redis():
    with Redis() as server:
        yield server


@pytest.fixture(scope="module", params=["groups", "pubsub"])
def layer(request):
    return request.param


@pytest.fixture(scope="module")
def servers(redis, layer, tmp_path_factory):
    """Two processes of plain uvicorn."""
    running = [serve(redis, tmp_path_factory.mktemp(layer), GATHERING_LAYER=layer) for _ in range(2)]
    yield [f"ws://127.0.0.1:{process.port}" for process in running]
    for process in running:
        process.kill()
        assert layer == "pubsub" or "Traceback" not in process.output(), process.output()


def publisher(redis, layer):
    if layer == "pubsub":
        return RedisPubSubChannelLayer(hosts=[redis.url], prefix=redis.prefix)
    return RedisGroupsChannelLayer(hosts=[redis.url], prefix=redis.prefix, history=HISTORY)


def crowd(servers: list[str], layer: str, group: str) -> list[Person]:
    kind, consumer = (Stock, "plain") if layer == "pubsub" else (Recovering, "room")
    return [kind(f"{servers[number % 2]}/{consumer}/{group}/") for number in range(PEOPLE)]


async def speak(layer, group: str, count: int) -> None:
    """Numbered events at EVENTS_A_SECOND, whatever each of them takes."""
    time_of = asyncio.get_running_loop().time
    begun = time_of()
    for number in range(count):
        await asyncio.sleep(begun + number / EVENTS_A_SECOND - time_of())
        await layer.group_send(group, {"type": "say", "text": str(number)})


def test_jitter(redis, servers, layer):
    """Every line is cut for 2 s at random times, again and again, for a minute: nothing is lost, doubled or out of order."""
    count, group = SECONDS * EVENTS_A_SECOND, f"jitter.{next(numbers)}"

    async def trial() -> list[Person]:
        people = crowd(servers, layer, group)
        tasks = await come(people)
        until = asyncio.get_running_loop().time() + SECONDS
        cutting = [asyncio.ensure_future(person.is_cut_again_and_again(until)) for person in people]
        await speak(publisher(redis, layer), group, count)
        await asyncio.gather(*cutting)
        await asyncio.gather(*(person.here.wait() for person in people))
        if layer == "groups":
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and any(len(person.heard) < count for person in people):
                await asyncio.sleep(0.2)
        await go(tasks)
        return people

    people = asyncio.run(trial())
    heard = sum(len(set(person.heard)) for person in people)
    cuts = sum(person.cuts for person in people)
    share = 100 * heard / (count * PEOPLE)
    figures.append(
        f"jitter, {layer:6}: {PEOPLE} sockets, {cuts} cuts, {share:.2f} % of {count * PEOPLE} events arrived"
    )
    assert cuts > 3 * PEOPLE
    if layer == "groups":
        assert all(person.heard == list(range(count)) for person in people), figures[-1]
        assert not any(person.lost or False in person.recovered for person in people)
    else:
        assert share < 99, "the stock side shows what the trial is worth"


def test_storm(redis, servers, layer):
    """All lines break at once, while events come: all are back within seconds and have missed nothing; no database is asked."""
    if layer == "pubsub":
        pytest.skip("the stock side has nothing to recover: test_jitter compares")
    group = f"storm.{next(numbers)}"

    async def trial() -> tuple[float, list[Person]]:
        people = crowd(servers, layer, group)
        tasks = await come(people)
        speaking = asyncio.ensure_future(speak(publisher(redis, layer), group, 100))
        await asyncio.sleep(1)
        begun = time.monotonic()
        await asyncio.gather(*(person.cut(0) for person in people))
        await asyncio.gather(*(person.here.wait() for person in people))
        back = time.monotonic() - begun
        await speaking
        while any(len(person.heard) < 100 for person in people):
            await asyncio.sleep(0.1)
        await go(tasks)
        return back, people

    back, people = asyncio.run(asyncio.wait_for(trial(), 180))
    figures.append(f"storm: {PEOPLE} sockets were back after {back:.1f} s")
    assert all(person.heard == list(range(100)) for person in people)
    assert all(person.recovered == [None, True] for person in people)
    # The project has no database at all (gathering/settings.py): none of this has asked one.
    assert back < STORM_SECONDS, figures[-1]

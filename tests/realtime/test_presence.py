"""The trial of presence: a third is killed without a word, a third is cut off from Redis, and Redis itself stands still.

Three tenths of PEOPLE in one group, 300 by default, in four processes of plain uvicorn.
"""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from gathering.members import PLACES, Gathering, places
from processes import Redis

MEMBERS = int(os.environ.get("PEOPLE", "1000")) * 3 // 10
RIGHT_SECONDS = 30
# So long may Redis stand still without anybody being told that others have left.
PAUSE_SECONDS = 12

figures: list[str] = []


@pytest.fixture(scope="module")
def redis():
    with Redis() as server:
        yield server


@pytest.fixture
def gathering(redis, tmp_path):
    with places(redis, tmp_path) as made:
        yield Gathering(made, MEMBERS)


def test_killed_and_partitioned(gathering):
    async def trial() -> tuple[float, float, float]:
        await gathering.come()
        seconds = await gathering.lose_some()
        await gathering.go()
        return seconds

    seconds = asyncio.run(trial())
    figures.append(
        "presence: {} members, right {:.0f} s after a third was killed, {:.0f} s after a third was cut off, "
        "{:.0f} s after it was back".format(MEMBERS, *seconds)
    )
    assert max(seconds) < RIGHT_SECONDS, figures[-1]
    stayed = gathering.of["one"] + gathering.of["two"]
    assert not [each.name for each in stayed + gathering.of["cut"] if each.unbalanced()]
    for each in stayed:
        assert all(each.told[f"-{name}"] == 1 for name in gathering.names("killed", "cut"))
        assert not any(each.told[f"-{name}"] for name in gathering.names("one", "two"))


def test_redis_stands_still(redis, gathering):
    async def trial() -> float:
        await gathering.come()
        redis.process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(PAUSE_SECONDS)
        redis.process.send_signal(signal.SIGCONT)
        # Two rounds of all processes: who would be taken for dead is, by then.
        await asyncio.sleep(RIGHT_SECONDS / 2)
        seconds = await gathering.see(gathering.names(*PLACES), *PLACES)
        await gathering.go()
        return seconds

    seconds = asyncio.run(trial())
    left = {name for each in gathering.all for name in each.told if name[0] == "-"}
    figures.append(
        f"presence: {MEMBERS} members, Redis paused for {PAUSE_SECONDS} s, {len(left)} were said to have left"
    )
    assert seconds < RIGHT_SECONDS / 2
    assert not left
    assert not [each.name for each in gathering.all if each.unbalanced()]

"""Presence while a process is killed and another one cut off from Redis; tests/realtime has the same with 300 members."""

from __future__ import annotations

import asyncio

from faults import Redis
from gathering.members import Gathering, places

RIGHT_SECONDS = 30


def test_presence_is_right_again(tmp_path):
    redis = Redis()
    redis.start()
    try:
        with places(redis, tmp_path) as made:
            gathering = Gathering(made, 12)

            async def trial() -> tuple[float, float, float]:
                await gathering.come()
                seconds = await gathering.lose_some()
                await gathering.go()
                return seconds

            seconds = asyncio.run(trial())
    finally:
        redis.stop()
    assert max(seconds) < RIGHT_SECONDS, seconds
    stayed = gathering.of["one"] + gathering.of["two"]
    assert not [each.name for each in stayed + gathering.of["cut"] if each.unbalanced()]

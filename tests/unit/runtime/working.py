"""Jobs that tests send to workers, and what has become of them."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.request

import redis as redis_py
from channels_redis.core import RedisChannelLayer
from processes import PATIENCE, Project, Redis

from channels_stack.jobs.layer import RedisStreamsChannelLayer
from channels_stack.jobs.queue import Census, Letter
from channels_stack.layers.config import channel_layers

# Only since redis-py 8 is there a time limit for reading by default.
REDIS_PY_8 = int(redis_py.__version__.split(".")[0]) >= 8


def tasks(redis: Redis) -> RedisStreamsChannelLayer:
    return RedisStreamsChannelLayer(**channel_layers(redis.url, redis.prefix)["tasks"]["CONFIG"])


def core(redis: Redis) -> RedisChannelLayer:
    """The layer of a project under JOBS_CORE_LAYER."""
    hosts = channel_layers(redis.url, redis.prefix)["default"]["CONFIG"]["hosts"]
    return RedisChannelLayer(hosts=hosts, prefix=f"{redis.prefix}:core:", capacity=10_000)


def send(redis: Redis, *messages: dict, channel: str = "reports", make=tasks) -> None:
    """Put ``messages`` into ``channel``; none: empty the layer."""

    async def put() -> None:
        layer = make(redis)
        if not messages:
            await layer.flush()
        for message in messages:
            await layer.send(channel, message)
        await layer.close_pools()

    asyncio.run(put())


def report(number: int, seconds: float = 0) -> dict:
    return {"type": "report.make", "number": number, "seconds": seconds}


def census(redis: Redis, channel: str = "reports") -> Census:
    return asyncio.run(tasks(redis).jobs.census(channel))


def waiting(redis: Redis, channel: str = "reports") -> int:
    """How many jobs are left to others: nobody holds them."""
    return census(redis, channel).waiting


def letters(redis: Redis, channel: str = "reports") -> list[Letter]:
    return asyncio.run(tasks(redis).jobs.letters(channel))


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ended(project: Project) -> list[int]:
    return [int(line.split()[1]) for line in project.journal() if line.startswith("end ")]

"""The layer of worker channels in tests: short leases, and jobs as numbers."""

from __future__ import annotations

import time

import processes
import pytest
from processes import Redis

from channels_stack.jobs.layer import RedisStreamsChannelLayer
from channels_stack.jobs.queue import Job
from channels_stack.layers.config import channel_layers

LEASE = 0.2  # seconds: what a crash costs in these tests


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

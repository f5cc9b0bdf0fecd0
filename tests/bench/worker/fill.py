"""Send JOBS jobs that take SECONDS each to the channel `jobs`: JOBS SECONDS."""

import asyncio
import sys

import django
from channels.layers import get_channel_layer

AT_ONCE = 50


async def fill(jobs: int, seconds: float) -> None:
    layer = get_channel_layer("tasks")
    for first in range(0, jobs, AT_ONCE):
        numbers = range(first, min(first + AT_ONCE, jobs))
        messages = ({"type": "job.do", "number": number, "seconds": seconds} for number in numbers)
        await asyncio.gather(*(layer.send("jobs", message) for message in messages))
    await layer.close_pools()


if __name__ == "__main__":
    django.setup()
    asyncio.run(fill(int(sys.argv[1]), float(sys.argv[2])))

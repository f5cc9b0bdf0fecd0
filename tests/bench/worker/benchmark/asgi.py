"""A consumer that writes down each job it has done: a record of 8 bytes, in a single write."""

import asyncio
import os

from channels.consumer import AsyncConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter

JOURNAL = os.open(os.environ["BENCH_JOURNAL"], os.O_WRONLY | os.O_APPEND)


class Jobs(AsyncConsumer):
    async def job_do(self, message):
        if message["seconds"]:
            await asyncio.sleep(message["seconds"])
        os.write(JOURNAL, b"%07d\n" % message["number"])


application = ProtocolTypeRouter({"channel": ChannelNameRouter({"jobs": Jobs.as_asgi()})})

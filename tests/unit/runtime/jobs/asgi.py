"""The consumers. ``journal`` writes down what they lived through, for the tests to read."""

import asyncio
import logging
import os
import time

from channels.consumer import AsyncConsumer, SyncConsumer
from channels.routing import ChannelNameRouter, ProtocolTypeRouter

urlpatterns = []


def journal(line):
    # One write of less than a page: lines of several processes do not mix.
    with open(os.environ["TEST_JOURNAL"], "a") as file:
        file.write(f"{line}\n")


class Reports(AsyncConsumer):
    async def report_make(self, message):
        journal(f"begin {message['number']}")
        await asyncio.sleep(message.get("seconds", 0))
        logging.getLogger("jobs").info("made report %s", message["number"])
        journal(f"end {message['number']}")

    async def report_block(self, message):
        """As many handlers do that were not meant to be asynchronous: nothing else runs in this process."""
        journal(f"begin {message['number']}")
        time.sleep(message["seconds"])
        journal(f"end {message['number']}")

    async def report_tell(self, message):
        job = self.scope["channels_stack.job"]
        journal(f"told {message['number']} attempt {job['attempt']} redelivered {job['redelivered']}")
        if message.get("seconds") and not job["redelivered"]:
            await asyncio.sleep(message["seconds"])
        if job["attempt"] <= message.get("failures", 0):
            raise RuntimeError("not yet")
        journal(f"end {message['number']}")

    async def report_hold(self, message):
        journal(f"begin {message['number']}")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            journal(f"cut {message['number']}")
            await asyncio.sleep(0.5)  # as one that tidies up
            journal(f"left {message['number']}")
            raise

    async def report_die(self, message):
        journal(f"die {message['number']}")
        os._exit(9)

    async def report_cancel(self, message):
        raise asyncio.CancelledError

    async def report_break(self, message):
        journal(f"broken {message['number']}")
        raise RuntimeError("broken report")

    async def report_join(self, message):
        await self.channel_layer.group_add("reporters", self.channel_name)
        journal("joined")

    async def report_called(self, message):
        journal("called through a group")

    async def report_call(self, message):
        await self.channel_layer.group_send("reporters", {"type": "report.called"})


class Thumbnails(SyncConsumer):
    def thumbnail_make(self, message):
        journal(f"begin {message['number']}")
        time.sleep(message.get("seconds", 0))
        journal(f"end {message['number']}")


application = ProtocolTypeRouter(
    {"channel": ChannelNameRouter({"reports": Reports.as_asgi(), "thumbnails": Thumbnails.as_asgi()})}
)

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

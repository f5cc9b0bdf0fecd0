"""A channel layer within one process that nobody knows how to repair: while a file exists, it delivers nothing."""

import asyncio
import os
import uuid

from channels.layers import BaseChannelLayer


class QuietLayer(BaseChannelLayer):
    extensions = ["groups"]

    def __init__(self, silence):
        super().__init__()
        self.silence = silence
        self.boxes, self.groups = {}, {}

    async def new_channel(self, prefix="specific"):
        channel = f"{prefix}.{uuid.uuid4().hex}"
        self.boxes[channel] = asyncio.Queue()
        return channel

    async def receive(self, channel):
        return await self.boxes[channel].get()

    async def send(self, channel, message):
        if not os.path.exists(self.silence):
            self.boxes[channel].put_nowait(message)

    async def group_add(self, group, channel):
        self.groups.setdefault(group, set()).add(channel)

    async def group_discard(self, group, channel):
        self.groups.get(group, set()).discard(channel)

    async def group_send(self, group, message):
        for channel in self.groups.get(group, ()):
            await self.send(channel, message)

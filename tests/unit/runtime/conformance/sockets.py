"""The consumers. ``journal`` writes down what they lived through, for the tests to read."""

import asyncio
import os

from channels.generic.websocket import AsyncWebsocketConsumer


def journal(line):
    with open(os.environ["TEST_JOURNAL"], "a") as file:
        file.write(line + "\n")


class Echo(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        scope = self.scope
        await self.send(f"{scope['scheme']} {scope['client'][0]} [{scope.get('root_path', '')}]")

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)

    async def disconnect(self, code):
        journal(f"disconnect {code}")


class Broken(AsyncWebsocketConsumer):
    async def receive(self, text_data=None, bytes_data=None):
        raise RuntimeError("broken consumer")


class BrokenConnect(AsyncWebsocketConsumer):
    async def connect(self):
        raise RuntimeError("broken connect")


class Stubborn(AsyncWebsocketConsumer):
    """Takes for ever to say good-bye."""

    async def disconnect(self, code):
        journal(f"stubborn {code}")
        await asyncio.sleep(3600)


class Undecided(AsyncWebsocketConsumer):
    """Neither accepts nor refuses, ever."""

    async def connect(self):
        journal("asked")


class Silent(AsyncWebsocketConsumer):
    """Says something when it is already too late."""

    async def disconnect(self, code):
        await self.send("too late")
        journal(f"silent {code}")

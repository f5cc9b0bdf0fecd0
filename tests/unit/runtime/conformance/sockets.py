"""The consumers. ``journal`` writes down what they lived through, for the tests to read."""

import asyncio
import os
import threading
import time

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from django.db import connection


def journal(line):
    with open(os.environ["TEST_JOURNAL"], "a") as file:
        file.write(line + "\n")


class Echo(AsyncWebsocketConsumer):
    async def connect(self):
        await self.accept()
        scope = self.scope
        await self.send(f"{scope.get('scheme')} {scope['client'][0]} [{scope.get('root_path', '')}]")

    async def receive(self, text_data=None, bytes_data=None):
        await self.send(text_data=text_data, bytes_data=bytes_data)

    async def disconnect(self, code):
        journal(f"disconnect {code}")


class Database(AsyncWebsocketConsumer):
    """Asks the database before it lets anyone in, and for each message."""

    async def connect(self):
        await select_one()
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        await select_one()
        await self.send("answered")


@database_sync_to_async
def select_one():
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


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


class Chatty(AsyncWebsocketConsumer):
    """Goes on talking for a second, whoever listens."""

    async def receive(self, text_data=None, bytes_data=None):
        journal("chatty talks")
        for _ in range(50):
            await self.send("more")
            await asyncio.sleep(0.02)

    async def disconnect(self, code):
        journal("chatty disconnect")


class Strict(AsyncWebsocketConsumer):
    """Allows no frame at all, and says so for each."""

    async def receive(self, text_data=None, bytes_data=None):
        await self.close(1008, "no frames")
        journal("strict closes")

    async def disconnect(self, code):
        journal(f"strict {code}")


class Sync(WebsocketConsumer):
    """Tells its thread; or waits until the file exists that it is given the path of."""

    def receive(self, text_data=None, bytes_data=None):
        if text_data == "thread":
            self.send(str(threading.get_ident()))
            return
        journal("sync waits")
        while not os.path.exists(text_data):
            time.sleep(0.01)
        self.send("found")


class Flood(AsyncWebsocketConsumer):
    """Sends as many blocks of 64 KiB as it is told, whether they are read or not."""

    async def receive(self, text_data=None, bytes_data=None):
        journal("flood begins")
        try:
            for _ in range(int(text_data)):
                await self.send(bytes_data=bytes(1 << 16))
                await asyncio.sleep(0)
            journal("flood sent")
        finally:
            journal("flood over")

    async def disconnect(self, code):
        journal("flood disconnect")


class Busy(AsyncWebsocketConsumer):
    """Is busy with its first message until the file exists that it is given the path of."""

    async def receive(self, text_data=None, bytes_data=None):
        while text_data and not os.path.exists(text_data):
            await asyncio.sleep(0.01)
        journal(f"busy {len(text_data or bytes_data)}")

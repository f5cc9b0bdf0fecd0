"""Clients of one group whose lines are cut again and again: some recover, some are as the tutorial of Channels writes them."""

from __future__ import annotations

import asyncio
import contextlib
import random
from typing import Any

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from channels_stack.groups.client import PAUSE, Client, Lost, Message, Subscribed

CUT_SECONDS = 2.0


class Person:
    """What all have in common: the numbers heard, and how often the line was cut."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.heard: list[int] = []
        self.here = asyncio.Event()  # has joined the group, for the first time or again
        self.cuts = 0

    def socket(self) -> Any:
        """The open one; None without one."""
        raise NotImplementedError

    async def live(self) -> None:
        """Connect, hear, come back, until cancelled."""
        raise NotImplementedError

    async def cut(self, seconds: float = CUT_SECONDS) -> None:
        """For some seconds nothing arrives any more, as if every packet was dropped; then the line is reset."""
        socket = self.socket()
        if socket is None:
            return
        self.here.clear()
        self.cuts += 1
        if seconds:
            socket.transport.pause_reading()
            await asyncio.sleep(seconds)
        socket.transport.abort()

    async def is_cut_again_and_again(self, until: float) -> None:
        """At random times, each time for CUT_SECONDS, until the event loop's clock shows ``until``."""
        time = asyncio.get_running_loop().time
        while True:
            pause = random.uniform(1, 9)
            if time() + pause + CUT_SECONDS > until:
                return
            await asyncio.sleep(pause)
            await self.cut()


class Recovering(Person):
    """A client of RecoverableConsumer."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.client = Client(url)
        self.recovered: list[bool | None] = []
        self.lost = 0

    def socket(self) -> Any:
        return self.client._socket

    async def live(self) -> None:
        async with contextlib.aclosing(self.client.events()) as events:
            async for event in events:
                if isinstance(event, Message):
                    self.heard.append(int(event.data))
                elif isinstance(event, Subscribed):
                    self.recovered.append(event.recovered)
                    self.here.set()
                elif isinstance(event, Lost):
                    self.lost += 1


class Stock(Person):
    """A client of a consumer as the tutorial writes it: it comes back after the same pauses, and that is all."""

    open: Any = None

    def socket(self) -> Any:
        return self.open

    async def live(self) -> None:
        while True:
            with contextlib.suppress(OSError, WebSocketException, asyncio.TimeoutError):
                async with connect(self.url) as self.open:
                    self.here.set()
                    async for text in self.open:
                        self.heard.append(int(text))
            self.open = None
            await asyncio.sleep(random.uniform(0, PAUSE))


async def come(people: list[Person]) -> list[asyncio.Task[None]]:
    """Let all of them come, some at a time; their tasks, once all are there."""
    tasks = []
    for start in range(0, len(people), 50):
        some = people[start : start + 50]
        tasks += [asyncio.ensure_future(person.live()) for person in some]
        await asyncio.gather(*(person.here.wait() for person in some))
    return tasks


async def go(tasks: list[asyncio.Task[None]]) -> None:
    """End what ``come`` has begun; what one of them has raised is raised here."""
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome

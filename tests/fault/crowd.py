"""The people: sockets that come back when they are closed, as every page's do, and newcomers."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

COME_BACK_SECONDS = 1
ORIGIN = "https://localhost"
HANDSHAKE_SECONDS = 20  # as long as a browser is patient behind the edge


async def handshake(url: str, answers: Counter[str]) -> ClientConnection | None:
    """An open socket, or None; the answer is counted: its status, or that there was none."""
    try:
        client = await connect(url, origin=ORIGIN, open_timeout=HANDSHAKE_SECONDS, ping_interval=None)
    except InvalidStatus as refused:
        answers[str(refused.response.status_code)] += 1
    except (OSError, EOFError, TimeoutError, ConnectionClosed):
        answers["none"] += 1
    else:
        answers["101"] += 1
        return client
    return None


class Person:
    """One socket in one group."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client: ClientConnection | None = None
        self.heard = ""  # the last message
        self.closed: Counter[str] = Counter()  # by close code; 1006: cut without a word
        self.answers: Counter[str] = Counter()

    async def live(self) -> None:
        while True:
            self.client = await handshake(self.url, self.answers)
            with contextlib.suppress(ConnectionClosed):
                while self.client:
                    self.heard = str(await self.client.recv())
            if self.client:
                self.closed[str(self.client.close_code)] += 1
                self.client = None
            await asyncio.sleep(COME_BACK_SECONDS)

    async def say(self, text: str) -> None:
        with contextlib.suppress(ConnectionClosed):
            if self.client:
                await self.client.send(text)


class Newcomer:
    """Comes again and again, and stays for a moment."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.answers: Counter[str] = Counter()

    async def live(self) -> None:
        while True:
            client = await handshake(self.url, self.answers)
            if client:
                await client.close()
            await asyncio.sleep(0.25)

"""A client of ``RecoverableConsumer`` for services and tests; needs ``websockets`` 13 or newer.

::

    async with contextlib.aclosing(Client("wss://example.org/rooms/7/").events()) as events:
        async for event in events:
            ...
"""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from .protocol import PROTOCOL

# Between two attempts to connect, in seconds: first and largest. Each is taken at random from zero to this.
PAUSE, PAUSE_LIMIT = 0.5, 30.0
# A server that restarts says so (1012): its clients reconnect at once, spread over so many seconds.
RESTART, RESTART_SECONDS = 1012, 1.0
# Not signed in (any more): to reconnect as the same user would be no use.
SIGNED_OUT = 4401
# A line on which a ping is not answered for so long is dead.
PING_SECONDS = 10
# What is sent while there is no connection.
QUEUED = 100


@dataclass(frozen=True)
class Message:
    """A frame of the application; ``group`` is empty where it belongs to none."""

    data: str | bytes
    group: str = ""


@dataclass(frozen=True)
class Subscribed:
    """The consumer has joined a group. ``recovered``: whether what was missed comes next; None: nothing was seen before."""

    group: str
    recovered: bool | None


@dataclass(frozen=True)
class Lost:
    """Events of a group are lost."""

    group: str


@dataclass(frozen=True)
class Present:
    """Who is present in a group has changed: ``entries`` is by identity what each says of itself, of 1,000 at most; ``count``
    is of all."""

    group: str
    entries: dict[str, Any]
    count: int
    joined: tuple[str, ...]
    left: tuple[str, ...]


class Refused(Exception):
    """The server does not want this client, or does not speak the protocol."""


class Client:
    """Connects, reconnects after every failure, and presents what it has seen.

    ``positions`` is by group what it has seen: to be kept where a client should outlive its process. ``options`` are for
    ``websockets.connect`` (``additional_headers``, ``ssl``, ``origin`` …).
    """

    def __init__(self, url: str, positions: dict[str, str] | None = None, **options: Any) -> None:
        self.url, self.options = url, options
        self.positions: dict[str, str] = dict(positions or {})
        self._socket: Any = None
        self._queued: deque[str | bytes] = deque()
        self._present: dict[str, dict[str, Any]] = {}

    async def send(self, data: str | bytes) -> None:
        """Send a frame; without a connection it waits for the next one. Raises Refused when QUEUED frames wait already."""
        if self._socket is not None:
            await self._socket.send(data)
        elif len(self._queued) >= QUEUED:
            raise Refused(f"{QUEUED} frames wait for a connection already")
        else:
            self._queued.append(data)

    async def events(self) -> AsyncIterator[Message | Subscribed | Lost | Present]:
        """What comes, until the caller stops. Raises Refused for what another attempt would not change."""
        from websockets.asyncio.client import connect
        from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

        limit = PAUSE
        while True:
            pause: float | None = None
            try:
                options = {"ping_interval": PING_SECONDS, "ping_timeout": PING_SECONDS, **self.options}
                async with connect(self.url, subprotocols=[PROTOCOL], **options) as socket:  # type: ignore[list-item]
                    if socket.subprotocol != PROTOCOL:
                        raise Refused(f"{self.url} does not speak {PROTOCOL}")
                    await self._greet(socket)
                    limit = PAUSE
                    while True:
                        yield self._event(json.loads(await socket.recv()))
            except InvalidStatus as refused:
                if refused.response.status_code in (401, 403, 404):
                    raise Refused(f"{self.url}: HTTP {refused.response.status_code}") from None
                after = refused.response.headers.get("retry-after", "")
                pause = float(after) * random.uniform(1, 1.5) if after.isdecimal() else None
            except ConnectionClosed as closed:
                code = closed.rcvd.code if closed.rcvd else 1006
                if code in (SIGNED_OUT, 1002, 1008):
                    raise Refused(f"{self.url}: closed with {code}") from None
                pause = random.uniform(0, RESTART_SECONDS) if code == RESTART else None
            except (OSError, EOFError, InvalidHandshake, asyncio.TimeoutError):
                pass
            finally:
                self._socket = None
            if pause is None:
                pause, limit = random.uniform(0, limit), min(PAUSE_LIMIT, limit * 2)
            await asyncio.sleep(pause)

    async def _greet(self, socket: Any) -> None:
        await socket.send(json.dumps({"positions": self.positions}))
        while self._queued:
            await socket.send(self._queued[0])
            self._queued.popleft()
        self._socket = socket

    def _event(self, envelope: dict[str, Any]) -> Message | Subscribed | Lost | Present:
        if "w" in envelope:
            return self._presence(envelope)
        group = envelope.get("s") or envelope.get("l") or envelope.get("g") or ""
        if envelope.get("p") and envelope.get("r") is not True:
            self.positions[group] = envelope["p"]
        if "s" in envelope:
            return Subscribed(group, envelope["r"])
        if "l" in envelope:
            return Lost(group)
        data = envelope["e"] if "e" in envelope else base64.b64decode(envelope["b"])
        return Message(data, group)

    def _presence(self, envelope: dict[str, Any]) -> Present:
        group = envelope["w"]
        before = self._present.get(group, {})
        if "i" in envelope:
            entries = envelope["i"]
        else:
            entries = {**before, **envelope["j"]}
            for identity in envelope["x"]:
                entries.pop(identity, None)
        self._present[group] = entries
        joined = tuple(identity for identity in entries if identity not in before)
        left = tuple(identity for identity in before if identity not in entries)
        return Present(group, dict(entries), envelope["n"], joined, left)

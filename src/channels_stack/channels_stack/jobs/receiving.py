"""Taking messages off a channel layer one by one, and leaving without taking one along.

A receive that is cancelled can lose a message: Redis may have popped it already while the answer is still on
its way. So a receive on channels_redis' queueing layer is never cancelled. That layer pops with a time
limit, again and again, until something comes; ``_Popping`` steps between two pops, where there is nothing in
hand (``patches.channels_redis``). Each pop that returned also proves that the channel is really being listened to, idle or not.

Other layers have no such step. There, waiting is watched from outside: a canary through the same layer
proves that it delivers, and a cancelled receive loses what such a layer (publish and subscribe) would lose
anyway.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, Protocol

from ..asgi.types import Message
from ..layers import config
from ..patches import channels_redis

# How often an idle receiver turns, and so how soon it notices that it should stop.
TURN_SECONDS = 1


class Stopped(Exception):
    """The receiver was asked to stop, and has no message in hand."""


class Receiver(Protocol):
    """Takes the messages of one channel."""

    turned: float  # time.monotonic() of the last proof that the channel is listened to

    async def receive(self) -> Message:
        """The next message, after any time. Raises Stopped after ``stop``, and whatever the layer raises."""

    def stop(self) -> None:
        """Let ``receive`` raise Stopped as soon as it has nothing in hand."""


def receiver(layer: Any, alias: str, channel: str) -> Receiver:
    """The safest way that ``layer`` offers to receive from ``channel``."""
    popping = _Popping(layer, channel)
    if channels_redis.step(layer, channel, TURN_SECONDS, popping.check, popping.turn):
        return popping
    return _Waiting(layer, alias, channel)


class _Popping:
    def __init__(self, layer: Any, channel: str) -> None:
        self.layer, self.channel = layer, channel
        self.turned = time.monotonic()
        self.stopping = False

    def check(self) -> None:
        """Before each pop: raises Stopped when it is to be the last one."""
        if self.stopping:
            raise Stopped

    def turn(self) -> None:
        """After each pop: it returned, so the channel is listened to."""
        self.turned = time.monotonic()

    async def receive(self) -> Message:
        message: Message = await self.layer.receive(self.channel)
        return message

    def stop(self) -> None:
        self.stopping = True


class _Waiting:
    def __init__(self, layer: Any, alias: str, channel: str) -> None:
        self.layer, self.alias, self.channel = layer, alias, channel
        self.turned = time.monotonic()
        self.stopping = asyncio.Event()

    async def receive(self) -> Message:
        if self.stopping.is_set():
            raise Stopped
        receiving = asyncio.ensure_future(self.layer.receive(self.channel))
        stopping = asyncio.ensure_future(self.stopping.wait())
        try:
            while not receiving.done() and not stopping.done():
                await asyncio.wait(
                    {receiving, stopping}, timeout=TURN_SECONDS, return_when=asyncio.FIRST_COMPLETED
                )
                if not receiving.done() and not stopping.done():
                    await config.round_trip(self.alias)
                self.turned = time.monotonic()
        finally:
            stopping.cancel()
            receiving.cancel()  # does nothing to one that is done
            await asyncio.wait({receiving})
        if receiving.cancelled():
            raise Stopped
        message: Message = receiving.result()
        return message

    def stop(self) -> None:
        self.stopping.set()

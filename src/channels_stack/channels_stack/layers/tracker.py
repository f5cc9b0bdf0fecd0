"""Who is in which group through this process, and calls to a channel layer that survive a lost connection.

A channel layer keeps its groups where they can get lost (Redis restarted without its data, emptied, failed over,
a key evicted or expired) and reports nothing: the socket stays open and hears nothing more. ``Watched`` stands
between a layer and the application, whatever layer it is, and remembers each channel that was made here and the
groups that it has joined, so that ``resubscribe`` can join them again.

It also takes from the application what a lost connection costs it with the stock layer:

- a ``receive`` that fails is tried again until it works: the stock consumer dies, and with it each socket;
- any other call whose connection turns out to be dead is repeated a few times, mostly within half a second: a call on a
  connection from before a restart of Redis would end in a 500. A message may then arrive twice, never is it
  sent later than that;
- a handshake waits for a Redis that hangs at most JOIN_SECONDS for each thing that it asks of it;
- what a socket leaves behind is cleaned up: the groups that it did not leave, and the mailbox in this process
  that channels_redis' publish and subscribe layer would fill for ever when a handler has raised.

Only channels from ``new_channel`` in this process are known: one that another process puts into a group is not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextvars import ContextVar
from typing import Any, Callable

from ..stores import outage
from . import resubscribe

log = logging.getLogger("channels_stack.memberships")

# Between the attempts of a call, in seconds. One that took QUICK_SECONDS to fail met no stale connection but a
# Redis that is unavailable, or was repeated by redis-py itself.
PAUSES = (0.05, 0.1, 0.3)
QUICK_SECONDS = 1
# A handshake makes a channel and joins groups: it is refused before the edge gives it up.
JOIN_SECONDS = 5
# Between two attempts to receive, in seconds: first and largest.
RECEIVE_PAUSE, RECEIVE_PAUSE_LIMIT = 0.1, 2
# A socket that ends does not wait longer for a Redis that is unavailable.
LEAVE_SECONDS = 2
# Channels of no socket whose `receive` was cancelled, and may be called again, kept at most.
PAUSED_LIMIT = 1000


class Owner:
    """A socket or request: the channels that its task has made end with it."""

    def __init__(self) -> None:
        self.task = asyncio.current_task()
        self.channels: list[tuple[Watched, str]] = []


_owner: ContextVar[Owner | None] = ContextVar("channels_stack_owner", default=None)


class Watched:
    """The layer ``alias``, watched on the running event loop."""

    def __init__(self, alias: str, layer: Any) -> None:
        self.alias, self.layer = alias, layer
        self.rejoining = resubscribe.of(layer)
        self.joined: dict[str, set[str]] = {}  # by channel
        self.received = time.monotonic()  # when a message, no canary, last came out of the layer
        self._paused: OrderedDict[str, set[str]] = OrderedDict()
        self._loop = asyncio.get_running_loop()
        self._receive = layer.receive
        self._made, self._add = self._timely(layer.new_channel), self._timely(layer.group_add)
        self._discard = self._persistent(layer.group_discard)
        layer.new_channel, layer.receive = self.new_channel, self.receive
        layer.group_add, layer.group_discard = self.group_add, self.group_discard
        layer.send, layer.group_send = self._persistent(layer.send), self._persistent(layer.group_send)

    def memberships(self) -> Iterator[tuple[str, str]]:
        """Each group with each of its channels."""
        for channel, groups in list(self.joined.items()):
            for group in list(groups):
                yield group, channel

    def is_member(self, group: str, channel: str) -> bool:
        return group in self.joined.get(channel, ())

    async def new_channel(self, *args: Any, **options: Any) -> str:
        channel: str = await self._made(*args, **options)
        if self._here():
            if self.rejoining:
                self.rejoining.prepare(channel)
            self.joined[channel] = set()
            owner = _owner.get()
            # A task that a socket has started may live longer, and its channels with it.
            if owner is not None and owner.task is asyncio.current_task():
                owner.channels.append((self, channel))
        return channel

    async def receive(self, channel: str) -> Any:
        if channel in self._paused and self._here():
            self.joined[channel] = self._paused.pop(channel)
        pause = RECEIVE_PAUSE
        while True:
            try:
                message = await self._receive(channel)
            except outage.LAYER:
                # A worker's channel has a receiver of its own that knows what to do.
                if not self._here() or channel not in self.joined:
                    raise
                await asyncio.sleep(pause * random.uniform(0.5, 1))
                pause = min(RECEIVE_PAUSE_LIMIT, pause * 2)
            except asyncio.CancelledError:
                self._pause(channel)
                raise
            else:
                if not (isinstance(message, dict) and message.get("type") == "canary"):
                    self.received = time.monotonic()
                return message

    async def group_add(self, group: str, channel: str) -> None:
        await self._add(group, channel)
        if self._here() and channel in self.joined:
            self.joined[channel].add(group)

    async def group_discard(self, group: str, channel: str) -> None:
        if self._here() and channel in self.joined:
            self.joined[channel].discard(group)
        await self._discard(group, channel)

    async def rejoin(self) -> int:
        """Let the layer know all memberships again; how many it had lost, as far as it knows."""
        if self.rejoining is None:
            return 0
        members = list(self.memberships())
        missing = await self.rejoining.rejoin(members)
        for group, channel in members:
            if not self.is_member(group, channel):  # it left while we wrote that it is in
                await self._discard(group, channel)
        return missing

    async def end(self, channel: str) -> None:
        """``channel`` has no receiver any more: leave what it has joined, forget it."""
        groups = self.joined.pop(channel, set()) | self._paused.pop(channel, set())
        for group in groups:
            await self._discard(group, channel)
        if self.rejoining:
            await self.rejoining.forget(channel)

    def _pause(self, channel: str) -> None:
        owner = _owner.get()
        if not self._here() or channel not in self.joined or (owner and (self, channel) in owner.channels):
            return
        self._paused[channel] = self.joined.pop(channel)
        while len(self._paused) > PAUSED_LIMIT:
            self._paused.popitem(last=False)

    def _here(self) -> bool:
        # Code in a thread may run a loop of its own: its channels live and end with that.
        return asyncio.get_running_loop() is self._loop

    @staticmethod
    def _persistent(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def persistent(*args: Any, **options: Any) -> Any:
            for pause in PAUSES:
                begun = time.monotonic()
                try:
                    return await call(*args, **options)
                except Exception as error:
                    if not outage.is_of_redis(error) or time.monotonic() - begun > QUICK_SECONDS:
                        raise
                await asyncio.sleep(pause * random.uniform(0.5, 1))
            return await call(*args, **options)

        return persistent

    def _timely(self, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        persistent = self._persistent(call)

        async def timely(*args: Any, **options: Any) -> Any:
            try:
                return await asyncio.wait_for(persistent(*args, **options), JOIN_SECONDS)
            except asyncio.TimeoutError:
                raise outage.NoAnswer(
                    f"channel layer {self.alias!r}: no answer within {JOIN_SECONDS} s"
                ) from None

        return timely


@contextlib.asynccontextmanager
async def owning() -> AsyncIterator[None]:
    """Channels that the running task makes within this context end with it."""
    owner = Owner()
    token = _owner.set(owner)
    try:
        yield
    finally:
        _owner.reset(token)
        for watched, channel in owner.channels:
            # Redis forgets the groups by itself after group_expiry.
            try:
                await asyncio.wait_for(watched.end(channel), LEAVE_SECONDS)
            except Exception as error:  # neither the application's failure, nor that of its other channels
                if not (isinstance(error, outage.LAYER) or outage.is_of_redis(error)):
                    log.exception(
                        "channel layer %r: a channel that has ended is not cleaned up", watched.alias
                    )

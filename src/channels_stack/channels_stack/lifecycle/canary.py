"""A message to ourselves through each channel layer with groups: proof that the sockets of this process can hear.

Every FLIGHT_SECONDS a message is sent to a group of which this process is the only member. When it does not come
back, sockets may be open and receive nothing: Redis may have been emptied, restarted without its data or failed over, or the
connection that this process receives on is dead without notice. Then, one step at a time, until a
message arrives:

1. all groups are joined again (``layers.resubscribe``); the same happens after each outage and each new connection, and on
   the queueing layer every 20 s, against evicted and expired groups;
2. from the second failure on, every other time: all connections of the layer are dropped and made again;
3. after CLOSE_FLIGHTS failures, or RESIGN_FLIGHTS on a layer on which joining again is not possible, all
   sockets are closed with 1012 over DRAIN_SECONDS, and their clients reconnect to a process that receives;
4. after END_FLIGHTS failures the process ends as if by SIGTERM, and a new one takes its place.

Steps 3 and 4 are only for a layer that accepts messages and delivers none. While Redis is unavailable nothing is gained
by them: sockets stay open, and hear again when it is back. Nor are they for a process that is merely busy, which
its late timers show it, or any message of the application that arrives.

A process for websockets that has heard nothing for SILENT_SECONDS, though it did before, is not ready, and refuses new ones
with 503. Pages do not depend on any of this. It takes evidence: a flight that the layer has failed. Where the check itself
fails, because it reaches into libraries and one of their versions does not fit, it knows nothing of the layer: then it is
reported as a flaw, with its reason, and whatever works is served on.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import time
import traceback
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..asgi.responses import RETRY_AFTER, respond
from ..asgi.types import App, Receive, Scope, Send
from ..groups import RedisGroupsChannelLayer
from ..layers.config import LayerError
from ..layers.tracker import Watched, owning
from ..observability import metrics
from ..stores import outage
from .drain import Drain

FLIGHT_SECONDS = 2
# A Redis that works needs some milliseconds for either; the rest is for a process that is very busy.
SEND_SECONDS, HEAR_SECONDS = 3, 2
RETRY_SECONDS = 0.5
# A timer that is late by so much shows that the event loop is held up: no proof that nothing is received.
BUSY_SECONDS = 0.2
SILENT_SECONDS = 6
# How often groups are joined again where new connections cannot be noticed.
BLIND_SECONDS = 20
# Thousands of sockets take seconds.
HEAL_SECONDS = 30
RESET_SECONDS = 5
RESIGN_FLIGHTS, CLOSE_FLIGHTS, END_FLIGHTS = 2, 5, 12
STOP_SECONDS = 1
# A step of the check, as its flaws name it.
NOTICE = "notice new connections"

log = logging.getLogger("channels_stack.canary")


class Unheard(Exception):
    """The layer has taken a message and not delivered it; ``busy``: perhaps this process did not get to reading it."""

    def __init__(self, busy: bool) -> None:
        super().__init__(f"it was sent and did not arrive{', the process is too busy' if busy else ''}")
        self.busy = busy


class Canary:
    """Flies through the layer ``watched``. ``drain`` owns the sockets; without one, none are closed."""

    def __init__(self, watched: Watched, drain: Drain | None) -> None:
        self.watched, self.drain = watched, drain
        self.group = f"canary.{uuid.uuid4().hex}"
        self.channel = ""
        self.heard: float | None = None  # time.monotonic() when the last one arrived; None: none yet
        self.problem = ""  # what the layer did to the last flight; empty: nothing
        self.flaws: dict[str, str] = {}  # of this check itself: what it cannot do, and why
        self.failures = 0  # in a row
        self.unheard = 0  # of them in a row, those that were sent
        self._numbers = itertools.count(1)
        self._under_way: dict[int, asyncio.Future[None]] = {}
        self._listening: asyncio.Task[None] | None = None
        self._rejoined = time.monotonic()
        self._rejoin_at_once = False
        self._rejoining: asyncio.Task[None] | None = None
        self._closing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Fly and heal, until cancelled."""
        try:
            while True:
                begun = time.monotonic()
                with self._reporting("send a message to itself"):
                    await self._turn(begun)
                pause = RETRY_SECONDS if self.failures else begun + FLIGHT_SECONDS - time.monotonic()
                await asyncio.sleep(max(0, pause))
        finally:
            for task in (self._listening, self._rejoining, self._closing):
                if task:
                    task.cancel()

    async def _turn(self, begun: float) -> None:
        try:
            await self._fly()
        except Exception as error:
            if outage.is_flaw(error):
                self.failures, self.unheard, self.problem = 0, 0, ""  # it says nothing of the layer
                raise
            await self._failed(error, begun)
        else:
            self._came_back()

    @contextlib.contextmanager
    def _reporting(self, step: str) -> Iterator[None]:
        """What is raised within is reported, as a flaw of this check that cannot do ``step``, and ends nothing."""
        try:
            yield
        except Exception as error:
            flaw = _described(error)
            if self.flaws.get(step) != flaw:
                wording = "channel layer %r: the check of it cannot %s, which may be a version that does not fit: %s"
                log.error(wording, self.watched.alias, step, flaw)
            self.flaws[step] = flaw
        else:
            self.flaws.pop(step, None)

    async def leave(self) -> None:
        """Take our group out of the layer."""
        if self.channel:
            await self.watched.end(self.channel)

    def silence(self) -> float:
        """Seconds since anything came out of the layer; 0 as long as nothing ever has."""
        if self.heard is None:
            return 0
        return time.monotonic() - max(self.heard, self._received())

    def trouble(self) -> str:
        """Why sockets may hear nothing; empty when they hear, or when nothing proves that they do not."""
        if not self.problem or self.silence() <= SILENT_SECONDS:
            return ""
        return f"channel layer {self.watched.alias!r}: nothing arrived for {self.silence():.0f} s ({self.problem})"

    def concern(self) -> str:
        """What an operator should know, whether it receives or not; empty when all is well."""
        about = f"channel layer {self.watched.alias!r}"
        concerns = [f"{about}: the check of it cannot {step}: {flaw}" for step, flaw in self.flaws.items()]
        if self.heard is None and self.problem:
            concerns.insert(0, f"{about}: no message to ourselves has arrived yet ({self.problem})")
        return "; ".join([self.trouble()] * bool(self.trouble()) + concerns)

    def _received(self) -> float:
        """When a message of the application last proved that this process hears: ours may be one too many for a
        full channel, or late in a busy process. It proves nothing where groups are lost and cannot be joined again.
        """
        return self.watched.received if self.watched.rejoining else 0

    async def _fly(self) -> None:
        if not self.channel or self._listening is None or self._listening.done():
            await asyncio.wait_for(self._settle(), SEND_SECONDS)
        number = next(self._numbers)
        came_back = self._under_way[number] = asyncio.get_running_loop().create_future()
        try:
            sending = self.watched.layer.group_send(self.group, {"type": "canary", "number": number})
            await asyncio.wait_for(sending, SEND_SECONDS)
            due = time.monotonic() + HEAR_SECONDS
            try:
                await asyncio.wait_for(came_back, HEAR_SECONDS)
            except asyncio.TimeoutError:
                raise Unheard(busy=time.monotonic() - due > BUSY_SECONDS) from None
        finally:
            del self._under_way[number]

    async def _settle(self) -> None:
        if self.channel:
            await self.watched.end(self.channel)
        self.channel = await self.watched.new_channel()
        await self.watched.group_add(self.group, self.channel)
        self._listening = asyncio.ensure_future(self._listen(self.channel))

    async def _listen(self, channel: str) -> None:
        while True:
            message = await self.watched.receive(channel)
            came_back = self._under_way.get(message.get("number", 0))
            if came_back and not came_back.done():
                came_back.set_result(None)

    def _came_back(self) -> None:
        rejoining = self.watched.rejoining
        if self.failures > 1:
            log.warning("channel layer %r: messages arrive again", self.watched.alias)
        self.failures = self.unheard = 0
        self.problem = ""
        self.heard = time.monotonic()
        if rejoining is None:
            return
        seconds, reconnected = BLIND_SECONDS if NOTICE in self.flaws else rejoining.seconds, False
        with self._reporting(NOTICE):
            reconnected = rejoining.reconnected()
        due = seconds is not None and self.heard - self._rejoined >= seconds
        if reconnected or due or self._rejoin_at_once:
            self._rejoin()

    async def _failed(self, error: Exception, begun: float) -> None:
        self.failures += 1
        unreceived = isinstance(error, Unheard) and not error.busy and self._received() < begun
        self.unheard = self.unheard + 1 if unreceived else 0
        no_answer = isinstance(error, asyncio.TimeoutError) and not str(error)
        text = f"no answer within {SEND_SECONDS} s" if no_answer else f"{type(error).__name__}: {error}"
        self.problem = text.partition("\n")[0]
        metrics.layer_latency(self.watched.alias, None)
        if self.failures == 2:
            log.warning("channel layer %r: a message to ourselves: %s", self.watched.alias, self.problem)
        self._rejoin_at_once = True
        if self.watched.rejoining and self.failures % 2 == 0:
            with self._reporting("make connections again"), _despite_outages():
                await asyncio.wait_for(self.watched.rejoining.reset(), RESET_SECONDS)
        if isinstance(error, Unheard):
            self._rejoin()
        limit = CLOSE_FLIGHTS if self.watched.rejoining else RESIGN_FLIGHTS
        if self.heard is None or self.drain is None or self.drain.draining or self.unheard < limit:
            return  # a layer that has never worked is for the operator, not for a new process
        if self._listening:
            self._listening.cancel()  # the next flight joins a new group
        if self.unheard >= END_FLIGHTS:
            log.critical("channel layer %r: nothing helps: the process ends", self.watched.alias)
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.drain.sockets and (self._closing is None or self._closing.done()):
            self._closing = asyncio.ensure_future(self._close_sockets(self.drain))

    def _rejoin(self) -> None:
        """Begin to join all groups again; flights go on meanwhile."""
        if self._rejoining is None or self._rejoining.done():
            self._rejoined, self._rejoin_at_once = time.monotonic(), False
            self._rejoining = asyncio.ensure_future(self._rejoin_all())
        else:
            self._rejoin_at_once = True

    async def _rejoin_all(self) -> None:
        missing = None
        with self._reporting("join groups again"), _despite_outages():
            missing = await asyncio.wait_for(self.watched.rejoin(), HEAL_SECONDS)
        if missing is None:
            self._rejoin_at_once = True
        if missing:
            metrics.REJOINED.labels(self.watched.alias).inc(missing)
            wording = "channel layer %r: Redis had lost %d memberships of groups, they are joined again"
            log.warning(wording, self.watched.alias, missing)

    async def _close_sockets(self, drain: Drain) -> None:
        log.error(
            "channel layer %r delivers nothing: %d sockets are closed", self.watched.alias, len(drain.sockets)
        )
        await drain.close(drain.sockets, drain.spread_seconds)


@contextlib.contextmanager
def _despite_outages() -> Iterator[None]:
    """What an outage has ended within is tried again by the next turn."""
    try:
        yield
    except Exception as error:
        if outage.is_flaw(error):
            raise


class Canaries:
    """One for each layer of the project that has groups, reaches beyond this process and does not watch itself."""

    def __init__(self, drain: Drain | None = None) -> None:
        self.drain = drain
        self.canaries: list[Canary] = []
        self.layers: dict[str, Any] = {}  # by alias, those that watch themselves
        self.unwatched: list[str] = []  # layers that cannot be watched, and why
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Watch the layers and begin to fly."""
        from django.conf import settings

        for alias in getattr(settings, "CHANNEL_LAYERS", None) or {}:
            layer = _layer(alias)
            if isinstance(layer, RedisGroupsChannelLayer):
                self.layers[alias] = layer
                self._tasks.append(asyncio.ensure_future(self._listen(layer)))
            elif layer is not None:
                self.watch(alias, layer)

    def watch(self, alias: str, layer: Any) -> None:
        """Begin to fly through one layer."""
        try:
            canary = Canary(Watched(alias, layer), self.drain)
        except Exception as error:
            self.unwatched.append(f"channel layer {alias!r}: it cannot be watched: {_described(error)}")
            log.error("%s", self.unwatched[-1])
        else:
            self.canaries.append(canary)
            self._tasks.append(asyncio.ensure_future(canary.run()))

    async def _listen(self, layer: RedisGroupsChannelLayer) -> None:
        with contextlib.suppress(*outage.LAYER):  # it goes on trying by itself
            await layer.listen()

    async def stop(self) -> None:
        """Fly no more, and leave nothing in Redis."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        leaving = asyncio.gather(*(canary.leave() for canary in self.canaries), return_exceptions=True)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(leaving, STOP_SECONDS)

    def trouble(self) -> str:
        """Why the sockets of this process may not be receiving; empty when they are, or when nothing proves that they do not."""
        for alias, layer in self.layers.items():
            if layer.trouble():
                return f"channel layer {alias!r}: {layer.trouble()}"
        for canary in self.canaries:
            in_use = canary.watched.alias == "default" or len(canary.watched.joined) > 1
            if in_use and canary.trouble():
                return canary.trouble()
        return ""

    def concern(self) -> str:
        """What an operator should know of the layers and of the checks of them, receiving or not; empty when all is well."""
        concerns = {alias: layer.concern() for alias, layer in self.layers.items()}
        watching_themselves = [f"channel layer {alias!r}: {text}" for alias, text in concerns.items() if text]
        canaries = filter(None, (canary.concern() for canary in self.canaries))
        return "; ".join([*self.unwatched, *watching_themselves, *canaries])

    async def check(self, limit: float) -> None:
        """The check for readiness. Raises LayerError."""
        trouble = self.trouble()
        if trouble:
            raise LayerError(trouble)

    def guard(self, app: App) -> App:
        """Wrap ``app``: no new websocket while this process is not receiving; what one has joined ends with it."""

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "websocket" and self.trouble():
                metrics.refused("outage")
                reason = "The channel layer is unavailable, try again later."
                await respond(scope, send, 503, reason, [(b"retry-after", RETRY_AFTER)])
                return
            async with owning():
                await app(scope, receive, send)

        return guarded


def _described(error: Exception) -> str:
    """What an exception says, and where it was raised: for who knows the libraries' versions."""
    raised = traceback.extract_tb(error.__traceback__)[-1]
    text = f"{type(error).__name__}: {error}".partition("\n")[0]
    return f"{text} ({Path(raised.filename).name}:{raised.lineno})"


def _layer(alias: str) -> Any:
    """The layer ``alias`` if it is to be watched, else None."""
    from channels.layers import InMemoryChannelLayer, get_channel_layer

    try:
        layer = get_channel_layer(alias)
    except Exception as error:  # code that uses it gets the error itself
        log.error("channel layer %r: %s", alias, error)
        return None
    beyond = layer is not None and not isinstance(layer, InMemoryChannelLayer)
    return layer if beyond and "groups" in getattr(layer, "extensions", ()) else None

"""The one connection on which an event loop receives: it connects again, and subscribes again, for ever.

``wanted`` is what is to be subscribed. One task reads and is the only one that connects; another writes, and works off the
difference between what is wanted and what this connection has been asked for. So nothing waits for a lock, a name may come
and go while Redis is unavailable, and hundreds of names that come at once are few commands.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Iterable
from typing import Any, Callable

import redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from ..observability import metrics
from ..stores import outage
from ..stores.connections import Connections
from .background import Background

log = logging.getLogger(__name__)

# Names in one command: below a millisecond of Redis.
AT_ONCE = 200
# Between two attempts to connect, in seconds: first and largest.
PAUSE, PAUSE_LIMIT = 0.05, 1.0
# A connection on which nothing has come for so long is dead: a pulse of our own comes every PULSE_SECONDS (``watch``).
SILENCE_SECONDS = 10
# What was read is handed on without giving way to others for at most so many messages: a flood would else starve those who
# are to take them.
BURST = 50

# Confirmations and the like say nothing to the rest of the layer.
MESSAGE, SUBSCRIBED = b"message", b"subscribe"

Receive = Callable[[str, bytes], int]


class Subscriptions:
    """Calls ``receive`` with the name and the data of what is published; its answer is how much work that was.

    ``subscribed`` is called each time that all names are subscribed on a new connection.
    """

    def __init__(self, connections: Connections, receive: Receive, subscribed: Callable[[], None]) -> None:
        self._connections, self._receive, self._subscribed = connections, receive, subscribed
        self.wanted: set[str] = set()
        # When anything has come last on any connection, by the clock of the event loop; None: never.
        self.heard: float | None = None
        self.problem = ""  # why the last connection has ended; empty once something has come on another
        self._connection: Any = None
        self._asked: set[str] = set()  # names for which this connection has sent SUBSCRIBE
        self._unconfirmed: dict[str, int] = {}  # how often it has, without an answer yet
        self._waiting: dict[str, asyncio.Future[None]] = {}
        self._changed: dict[str, None] = {}  # names to look at, in order
        self._change = asyncio.Event()
        self._began = 0.0  # when this connection was made
        self._fresh = True  # `subscribed` is due for this connection
        self._task: asyncio.Task[None] | None = None
        self._tasks = Background()
        self._seldom = outage.Seldom()

    @property
    def connected(self) -> bool:
        return self._connection is not None

    @property
    def stuck(self) -> bool:
        """Whether nothing has come on this connection for longer than it lives without a sign."""
        limit = asyncio.get_running_loop().time() - SILENCE_SECONDS
        return self.connected and self._began < limit and (self.heard is None or self.heard < limit)

    def silence(self) -> float:
        """Seconds since anything has come; 0 as long as nothing ever has."""
        return 0 if self.heard is None else asyncio.get_running_loop().time() - self.heard

    async def add(self, name: str) -> None:
        """Subscribe to ``name``; return when Redis has confirmed it."""
        self.wanted.add(name)
        self._ensure_running()
        if self.connected and name in self._asked and not self._unconfirmed.get(name):
            return
        future = self._waiting.get(name)
        if future is None:
            future = self._waiting[name] = asyncio.get_running_loop().create_future()
        self._look_at(name)
        await asyncio.shield(future)

    def remove(self, name: str) -> None:
        """Unsubscribe from ``name``, soon."""
        self.wanted.discard(name)
        waiting = self._waiting.pop(name, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(None)
        self._look_at(name)

    def reset(self, reason: str) -> None:
        """Give this connection up and make a new one."""
        connection = self._connection
        if connection is not None:
            if self._seldom.due("reset"):
                log.warning("the receiving connection to Redis is made again: %s", reason)
            self._connection = None
            self._tasks.start(_disconnect(connection))

    async def close(self) -> None:
        """Receive nothing any more. A later ``add`` begins again."""
        self.wanted.clear()
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(redis.exceptions.ConnectionError("the channel layer was closed"))
        self._waiting.clear()

    def _look_at(self, name: str) -> None:
        self._changed[name] = None
        self._change.set()

    def _ensure_running(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())

    async def _run(self) -> None:
        pause = PAUSE
        while True:
            heard = self.heard
            try:
                await self._live()
            except Exception as error:
                self.problem = f"{type(error).__name__}: {error}".partition("\n")[0]
                if self._seldom.due("lost"):
                    known = outage.is_of_redis(error) or isinstance(error, OSError)
                    wording = "the receiving connection to Redis is lost, connecting again: %s: %s%s"
                    # Any other error must not end the receiver, but an operator has to see it.
                    log.warning(
                        wording, type(error).__name__, error, self._seldom.held("lost"), exc_info=not known
                    )
            if self.heard != heard:
                pause = PAUSE
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(PAUSE_LIMIT, pause * 2)

    async def _live(self) -> None:
        """Connect, subscribe, and read until the connection ends."""
        options: dict[str, Any] = {"retry": Retry(NoBackoff(), 0), "socket_timeout": SILENCE_SECONDS}
        if int(redis.__version__.split(".")[0]) >= 5:
            options["protocol"] = 2  # with the other one messages come by another way
        connection = self._connections.dedicated(**options)
        writing: asyncio.Task[None] | None = None
        try:
            await connection.connect()
            self._connection, self._asked, self._unconfirmed, self._fresh = connection, set(), {}, True
            self._changed = dict.fromkeys(self.wanted)
            self._began = asyncio.get_running_loop().time()
            metrics.RECEIVER_CONNECTS.inc()
            writing = asyncio.ensure_future(self._write(connection))
            await self._read(connection)
        finally:
            self._connection = None
            if writing is not None:
                writing.cancel()
                await asyncio.gather(writing, return_exceptions=True)
            await _disconnect(connection)

    async def _read(self, connection: Any) -> None:
        loop = asyncio.get_running_loop()
        work = 0
        while self._connection is connection:
            try:
                answer = await connection.read_response(disable_decoding=True)
            except Exception:
                if self._connection is not connection:
                    return  # it was given up meanwhile
                raise
            self.heard, self.problem = loop.time(), ""
            if not isinstance(answer, list) or not answer:
                continue
            if answer[0] == MESSAGE:
                work += 1 + self._handed_on(answer[1], answer[2])
                if work >= BURST:
                    work = 0
                    await asyncio.sleep(0)
            elif answer[0] == SUBSCRIBED:
                self._confirm(answer[1].decode())

    def _handed_on(self, name: bytes, data: bytes) -> int:
        try:
            return self._receive(name.decode(), data)
        except Exception:  # one event must not end the receiver of all
            if self._seldom.due("event"):
                log.exception("an event is lost: it cannot be handed on")
            return 0

    def _confirm(self, name: str) -> None:
        left = self._unconfirmed.get(name, 0) - 1
        if left > 0:
            self._unconfirmed[name] = left
            return
        self._unconfirmed.pop(name, None)
        future = self._waiting.pop(name, None)
        if future is not None and not future.done():
            future.set_result(None)
        if self._fresh and not self._unconfirmed and not self._changed:
            self._fresh = False
            self._subscribed()

    async def _write(self, connection: Any) -> None:
        """Bring what is subscribed up to what is wanted, whenever that changes, as long as the connection lives."""
        try:
            while True:
                self._change.clear()
                while self._changed:
                    names = list(self._changed)[:AT_ONCE]
                    for name in names:
                        del self._changed[name]
                    await self._subscribe(connection, [n for n in names if n in self.wanted])
                    await self._unsubscribe(connection, [n for n in names if n not in self.wanted])
                await self._change.wait()
        except Exception:
            await _disconnect(connection)  # the reader notices, and says why

    async def _subscribe(self, connection: Any, names: Iterable[str]) -> None:
        new = [name for name in names if name not in self._asked]
        if new:
            self._asked.update(new)
            for name in new:
                self._unconfirmed[name] = self._unconfirmed.get(name, 0) + 1
            await connection.send_command("SUBSCRIBE", *new, check_health=False)

    async def _unsubscribe(self, connection: Any, names: Iterable[str]) -> None:
        old = [name for name in names if name in self._asked]
        if old:
            self._asked.difference_update(old)
            await connection.send_command("UNSUBSCRIBE", *old, check_health=False)


async def _disconnect(connection: Any) -> None:
    try:
        await connection.disconnect(nowait=True)
    except Exception as error:  # it is given up in any case
        log.debug("a connection did not end well: %s", error)

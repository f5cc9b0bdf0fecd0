"""What a channel has not taken yet: bounded, and what did not fit is counted and, where it is asked for, announced."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Callable

from ..layers.mailboxes import lost
from .codec import is_flat
from .positions import Position

TRACED_MEMBERS = 10
"""Of the members of a group in one event loop, how many have spans for a message."""
LOST = "group.lost"
"""Type of the message that reports to a consumer that it has missed events of a group: its handler is ``group_lost``."""


class Event:
    """What has arrived in this process: decoded once, and shared by the mailboxes of all members."""

    __slots__ = (
        "_traced",
        "body",
        "born",
        "content",
        "envelope",
        "flat",
        "frame",
        "group",
        "position",
        "size",
        "trace",
    )

    def __init__(
        self,
        content: Any,
        body: bytes,
        born: float,
        group: str = "",
        position: Position | None = None,
        frame: bool = False,
    ) -> None:
        self.content = content  # of a message, the dictionary; of a frame, text or bytes
        self.body = body  # the same as it was sent
        self.born = born  # by the clock of the event loop
        self.group = group  # empty: it was for one channel
        self.position = position
        self.frame = frame
        self.flat = frame or is_flat(content)
        self.size = len(body)
        self.envelope: str | None = None  # of a frame, as clients that recover get it
        self.trace = ""  # of a message: where it comes from (observability.tracing)
        self._traced = 0  # members that have got to know it

    def traced(self) -> str:
        """Where it comes from, for some of its receivers: a trace shows how a message goes on, and not a thousand times."""
        if not self.trace or self._traced >= TRACED_MEMBERS:
            return ""
        self._traced += 1
        return self.trace


def announcement(group: str, born: float, position: Position | None = None) -> Event:
    """The message that says that events of ``group`` are lost, those up to ``position``; None: some before what follows."""
    return Event({"type": LOST, "group": group}, b"", born, group, position)


def is_announcement(event: Event) -> bool:
    """Whether ``event`` is such a message."""
    return not event.frame and event.content.get("type") == LOST


_NOTHING: deque[Event] = deque(maxlen=0)
"""Of all mailboxes that have never had an event, and most never have one: an empty deque of its own has 760 bytes."""


class Mailbox:
    """The events for one channel, oldest first; ``capacity`` of them and ``limit_bytes`` at most."""

    __slots__ = (
        "announces",
        "bytes",
        "capacity",
        "channel",
        "events",
        "frames",
        "groups",
        "limit_bytes",
        "missed",
        "overflowed",
        "sink",
        "waiting",
    )

    def __init__(self, channel: str, capacity: int, limit_bytes: int) -> None:
        self.channel, self.capacity, self.limit_bytes = channel, capacity, limit_bytes
        self.events = _NOTHING
        self.bytes = 0
        self.groups: set[str] = set()  # that the channel is in
        self.waiting: list[asyncio.Future[None]] = []
        self.frames = False  # whether its receiver takes frames
        self.announces = False  # whether it is notified of lost events
        self.sink: Callable[[Event], bool] | None = None  # takes a frame at once, if it can
        self.overflowed: Callable[[], None] | None = (
            None  # is called when something was dropped for lack of room
        )
        self.missed: set[str] = set()  # groups whose events were dropped here, still to be announced

    @property
    def full(self) -> bool:
        return len(self.events) >= self.capacity

    def put(self, event: Event) -> None:
        """Add ``event``. Where there is no room the oldest are dropped and counted."""
        if event.frame and self.sink is not None and not self.events and self.sink(event):
            return
        if self.events is _NOTHING:
            self.events = deque()
        self.events.append(event)
        self.bytes += event.size
        if len(self.events) > self.capacity or self.bytes > self.limit_bytes:
            self._make_room()
        if self.waiting:
            self.wake()

    def announce(self, group: str, born: float, position: Position | None) -> None:
        """Let the receiver know, in the order of events, that some of ``group`` are lost."""
        if self.announces:
            self.put(announcement(group, born, position))

    def take(self, oldest: float) -> Event | None:
        """The next event that was born at ``oldest`` or later; those before are dropped and counted. None: none."""
        if self.missed:
            return announcement(self.missed.pop(), oldest)
        expired = 0
        found: Event | None = None
        while self.events and found is None:
            event = self.events.popleft()
            self.bytes -= event.size
            if event.born >= oldest:
                found = event
            else:
                expired += 1
                self._miss(event)
        if expired:
            lost(self.channel, expired)
        return found

    async def wait(self) -> None:
        """Return when something may be there. Of several who wait one is woken."""
        future = asyncio.get_running_loop().create_future()
        self.waiting.append(future)
        try:
            await future
        except asyncio.CancelledError:
            if future in self.waiting:
                self.waiting.remove(future)
            elif self.events:  # it was woken, and takes nothing
                self.wake()
            raise

    def wake(self) -> None:
        """Let one receiver look."""
        while self.waiting:
            future = self.waiting.pop(0)
            if not future.done():
                future.set_result(None)
                return

    def clear(self) -> None:
        """Forget what waits."""
        self.events.clear()
        self.missed.clear()
        self.bytes = 0

    def _make_room(self) -> None:
        count = 0
        while len(self.events) > self.capacity or (self.bytes > self.limit_bytes and len(self.events) > 1):
            event = self.events.popleft()
            self.bytes -= event.size
            self._miss(event)
            count += 1
        lost(self.channel, count)
        if self.overflowed is not None:
            self.overflowed()

    def _miss(self, event: Event) -> None:
        if self.announces and event.group:
            self.missed.add(event.group)

"""A group as this process sees it: its members here, and the position up to which they have got everything.

What arrives goes to the members as long as each event follows on the one before. Anything else (a hole, another epoch, an
event that was delivered) makes no sense by itself: the group then *recovers*: it compares its position with Redis, reads
what is missing and delivers it before what has arrived meanwhile.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable
from typing import Callable

from ..observability import metrics
from ..stores import outage
from . import wire
from .history import Gone, History
from .mailbox import Event, Mailbox
from .positions import Position

log = logging.getLogger(__name__)
_seldom = outage.Seldom()

# Between two attempts to read the history, in seconds: first and largest.
PAUSE, PAUSE_LIMIT = 0.1, 2.0
# Events that arrive while the group recovers are kept up to so many; those beyond are read again from the history.
HELD = 1000

Decode = Callable[[bytes, str, "Position | None"], "Event | None"]


class Group:
    """The members that one event loop has in the group ``name``, whose events are ``published`` under another one."""

    # A process may have thousands, of few members each.
    __slots__ = (
        *("name", "published", "members", "position", "joined"),
        *("_history", "_decode", "_born", "_read_to", "_held", "_recovering"),
    )

    def __init__(
        self, name: str, published: str, history: History, decode: Decode, born: Callable[[], float]
    ) -> None:
        self.name, self.published = name, published
        self.members: dict[str, Mailbox] = {}  # by channel
        self.position: Position | None = None  # None: not known yet, or a group without history
        self.joined: asyncio.Future[None] | None = None  # done once the group is subscribed
        self._history, self._decode, self._born = history, decode, born
        self._read_to = 0  # offset up to which the history was read: what arrives of it afterwards is known
        self._held: list[wire.Entry] = []
        self._recovering: asyncio.Task[None] | None = None

    @property
    def recovering(self) -> bool:
        return self._recovering is not None and not self._recovering.done()

    def found(self, position: Position | None) -> None:
        """Redis says that the group is at ``position``. An event that has arrived meanwhile knows better."""
        if self.position is None and position is not None:
            self.position = position
            self._read_to = position.offset

    def arrived(self, entry: wire.Entry) -> int:
        """An event of a group with history has arrived; to how many members it was delivered."""
        if self.recovering:
            if len(self._held) < HELD:
                self._held.append(entry)
            return 0
        known, new = self.position, entry.position
        if known is None:
            return self._deliver(entry)
        if new.epoch == known.epoch:
            if new.offset == known.offset + 1 and entry.before == known.link:
                return self._deliver(entry)
            if new.offset <= self._read_to:
                return 0
        self._held.append(entry)
        self.recover()
        return 0

    def put(self, event: Event) -> int:
        """Deliver ``event`` to all members; how many there are."""
        members = self.members.values()
        if event.frame:
            members = [mailbox for mailbox in members if mailbox.frames]  # type: ignore[assignment]
        for mailbox in members:
            mailbox.put(event)
        return len(members)

    def recover(self) -> asyncio.Task[None]:
        """Begin to recover, if that is not under way."""
        if self._recovering is None or self._recovering.done():
            self._recovering = asyncio.ensure_future(self._recover())
        return self._recovering

    def end(self) -> None:
        """The last member has left."""
        if self._recovering is not None:
            self._recovering.cancel()

    async def _recover(self) -> None:
        await self._patiently(self._catch_up)
        held, self._held = self._held, []
        self._recovering = None
        for entry in held:
            self.arrived(entry)

    async def _catch_up(self) -> None:
        while self.position is not None:
            try:
                page = await self._history.read(self.name, self.position)
            except Gone as gone:
                await self._lose(gone)
                return
            for entry in page.entries:
                self._deliver(entry)
            metrics.EVENTS_RECOVERED.inc(len(page.entries))
            self._read_to = self.position.offset
            if page.complete:
                return

    async def _lose(self, gone: Gone) -> None:
        """What is missing is nowhere any more: say so, and go on from where the group is now."""
        head = gone.head
        if gone.diverged and self.position is not None:
            # A process that has followed the other history must not take the new events for those that it knows.
            head = await self._history.renew(self.name, self.position.epoch)
        if head is None:
            (head,) = await self._history.find([self.name])
        self._go_on_from(head)
        metrics.GROUPS_LOST.inc()
        if _seldom.due("lost"):
            log.warning(
                "group %s: events are lost, Redis has no history of them%s", self.name, _seldom.held("lost")
            )
        for mailbox in self.members.values():
            mailbox.announce(self.name, self._born(), self.position)

    def _go_on_from(self, head: Position | None) -> None:
        """Skip to ``head``, or to where the events begin that have arrived meanwhile and follow on each other."""
        start = head
        expected: Position | None = None
        for entry in reversed(self._held):
            new = entry.position
            if head is None or new.epoch != head.epoch or (expected is not None and new != expected):
                break
            start = expected = Position(new.epoch, new.offset - 1, entry.before)
        self.position = start
        self._read_to = start.offset if start else 0

    async def _patiently(self, step: Callable[[], Awaitable[None]]) -> None:
        pause = PAUSE
        while True:
            try:
                await step()
                return
            except Exception as error:
                if _seldom.due("recovery"):
                    known = outage.is_of_redis(error)
                    wording = "group %s: its history cannot be read, trying again: %s: %s%s"
                    log.warning(
                        *(wording, self.name, type(error).__name__, error, _seldom.held("recovery")),
                        exc_info=not known,
                    )
            await asyncio.sleep(pause * random.uniform(0.5, 1))
            pause = min(PAUSE_LIMIT, pause * 2)

    def _deliver(self, entry: wire.Entry) -> int:
        self.position = entry.position
        event = self._decode(entry.body, self.name, entry.position)
        return self.put(event) if event is not None else 0

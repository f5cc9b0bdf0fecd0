"""Who is present in the groups of this process, and in those that it shows to its clients.

A socket that goes leaves its entry for GRACE_SECONDS: one that reconnects meanwhile, here or to another process, has neither
left nor joined. Changes go to Redis together while a call is under way, and to the clients together every SHOWN_SECONDS.
Every RENEW_SECONDS one call says that this process is alive and compares all its groups with Redis.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Mapping
from typing import Any, Callable

from ..stores import outage
from . import attendance, protocol
from .attendance import Attendance
from .codec import Codec
from .mailbox import Event, Mailbox

log = logging.getLogger(__name__)
_seldom = outage.Seldom()

RENEW_SECONDS = 5
GRACE_SECONDS = 5
SHOWN_SECONDS = 0.3
# What one entry may say of itself, in bytes of JSON, and how long an identity may be.
DATA_BYTES, IDENTITY_CHARACTERS = 4096, 200
# Entries in the list that a client gets; the count is of all.
LISTED = 1000


class Room:
    """A group in this process: whom we hold, who is there, and what its watchers have been shown."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[bytes, set[str]]] = {}  # by identity: data, channels
        self.identities: dict[str, str] = {}  # by channel
        self.leaving: dict[str, asyncio.TimerHandle] = {}
        self.joined: set[str] = set()  # what Redis does not know yet
        self.left: set[str] = set()
        self.whole = False  # Redis is to hold for us nothing but what we hold
        self.number = 0  # of our last change
        self.changing: asyncio.Task[None] | None = None
        self.version = 0
        self.present: dict[str, Any] = {}
        self.shown: dict[str, Any] = {}
        self.touched: set[str] = set()  # may differ between these two
        self.showing: asyncio.TimerHandle | None = None
        self.reading: asyncio.Task[None] | None = None
        self.arrived: list[bytes] = []  # while the whole is read
        self.watchers: dict[str, Mailbox] = {}  # by channel
        self.list: str | None = None  # the envelope of what is shown

    @property
    def writing(self) -> bool:
        return self.changing is not None and not self.changing.done()

    @property
    def idle(self) -> bool:
        return not (self.held or self.left or self.watchers or self.writing)


class Roster:
    """Of one event loop, whose name in Redis is ``client``."""

    def __init__(self, client: str, kept: Attendance, codec: Codec, born: Callable[[], float]) -> None:
        self._client, self._kept, self._codec, self._born = client, kept, codec, born
        self._rooms: dict[str, Room] = {}
        self._renewing: asyncio.Task[None] | None = None

    async def enter(
        self, group: str, channel: str, identity: str, text: str, watcher: Mailbox | None
    ) -> None:
        """Let ``identity`` be present through ``channel``; ``watcher`` gets every later change to what is ``listed``.

        A Redis that does not answer gets it later. To be called when the group is joined.
        """
        room = self._rooms.setdefault(group, Room())
        before = room.identities.get(channel)
        if before not in (None, identity):
            self._let_go(group, room, channel)
        timer = room.leaving.pop(identity, None)
        if timer is not None:
            timer.cancel()
        _, channels = room.held.get(identity, (b"", set()))
        room.held[identity] = self._codec.seal(text.encode()), channels | {channel}
        room.identities[channel] = identity
        room.joined.add(identity)
        room.left.discard(identity)
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.ensure_future(self._renew())
        await asyncio.shield(self._change(group, room))
        if watcher is None:
            return
        if not room.watchers:  # changes may have passed unheard
            await asyncio.shield(self._read(group, room))
            self._show(group, room)
        if channel in room.identities:
            room.watchers[channel] = watcher

    def leave(self, group: str, channel: str) -> None:
        """``channel`` has left the group."""
        room = self._rooms.get(group)
        if room is not None and channel in room.identities:
            room.watchers.pop(channel, None)
            self._let_go(group, room, channel)

    def listed(self, group: str) -> str:
        """The list of ``group`` for a client; what it gets afterwards are the changes to it."""
        room = self._rooms.get(group)
        if room is None:
            return protocol.present(group, {}, 0)
        if room.list is None:
            first = dict(list(room.shown.items())[:LISTED])
            room.list = protocol.present(group, first, len(room.shown))
        return room.list

    def changed(self, group: str, data: bytes) -> int:
        """Redis has published a change of ``group``; to how many it will be shown."""
        room = self._rooms.get(group)
        if room is None:
            return 0
        if room.reading is not None:
            room.arrived.append(data)
            return 0
        version, joined, left = attendance.changes(data)
        if version <= room.version or not room.watchers:
            return 0
        if version != room.version + 1:
            self._read(group, room)
            return 0
        room.version = version
        room.present.update(opened(joined, self._codec))
        for identity in left:
            room.present.pop(identity, None)
        self._touch(group, room, {*joined, *left})
        return len(room.watchers)

    def close(self) -> None:
        """Say nothing any more."""
        if self._renewing is not None:
            self._renewing.cancel()
        for room in self._rooms.values():
            for timer in [*room.leaving.values(), *([room.showing] if room.showing else [])]:
                timer.cancel()
        self._rooms.clear()

    # To Redis

    def _let_go(self, group: str, room: Room, channel: str) -> None:
        identity = room.identities.pop(channel)
        channels = room.held[identity][1]
        channels.discard(channel)
        if not channels and identity not in room.leaving:
            loop = asyncio.get_running_loop()
            room.leaving[identity] = loop.call_later(GRACE_SECONDS, self._leave, group, room, identity)

    def _leave(self, group: str, room: Room, identity: str) -> None:
        room.leaving.pop(identity, None)
        room.held.pop(identity, None)
        room.joined.discard(identity)
        room.left.add(identity)
        self._change(group, room)

    def _change(self, group: str, room: Room) -> asyncio.Task[None]:
        if room.changing is None or room.changing.done():
            room.changing = asyncio.ensure_future(self._guarded(self._write(group, room)))
        return room.changing

    async def _write(self, group: str, room: Room) -> None:
        await asyncio.sleep(0)  # with what else happens in this turn of the event loop
        while room.joined or room.left or room.whole:
            whole, room.whole = room.whole, False
            most = len(room.held) if whole else attendance.AT_ONCE
            joined = list(room.held if whole else room.joined)[:most]
            left = list(room.left)[: attendance.AT_ONCE]
            number = room.number = room.number + 1
            entries = {identity: room.held[identity][0] for identity in joined}
            room.joined.difference_update(joined)
            room.left.difference_update(left)
            # When this fails Redis has another number, and gets all of it again.
            await self._kept.change(self._client, group, number, entries, left, whole)

    async def _renew(self) -> None:
        while self._rooms:
            await asyncio.sleep(RENEW_SECONDS * random.uniform(0.8, 1.2))
            await self._guarded(self._compare())
            for group, room in list(self._rooms.items()):
                if room.idle:
                    del self._rooms[group]

    async def _compare(self) -> None:
        rooms = {group: (room, room.number) for group, room in self._rooms.items() if not room.writing}
        answers = await self._kept.renew(self._client, list(rooms))
        for (group, (room, before)), (version, number) in zip(rooms.items(), answers):
            if number != before == room.number and (room.held or number):
                room.whole = True
                await self._change(group, room)
            if version != room.version and room.watchers:
                self._read(group, room)

    async def _guarded(self, step: Any) -> None:
        try:
            await step
        except Exception as error:
            if _seldom.due("presence"):
                wording = "presence: Redis cannot be asked, trying again: %s: %s%s"
                held = _seldom.held("presence")
                known = outage.is_of_redis(error)
                log.warning(*(wording, type(error).__name__, error, held), exc_info=not known)

    # To the clients

    def _read(self, group: str, room: Room) -> asyncio.Task[None]:
        if room.reading is None:
            room.reading = asyncio.ensure_future(self._guarded(self._read_all(group, room)))
        return room.reading

    async def _read_all(self, group: str, room: Room) -> None:
        try:
            version, entries = await self._kept.present(group)
        finally:
            room.reading, arrived = None, room.arrived
            room.arrived = []
        room.version = version
        before, room.present = room.present, opened(entries, self._codec)
        self._touch(group, room, {*before, *room.present})
        for data in arrived:
            self.changed(group, data)

    def _touch(self, group: str, room: Room, identities: set[str]) -> None:
        room.touched |= identities
        if room.showing is None:
            loop = asyncio.get_running_loop()
            room.showing = loop.call_later(SHOWN_SECONDS, self._show, group, room)

    def _show(self, group: str, room: Room) -> None:
        if room.showing is not None:
            room.showing.cancel()
        touched, room.touched, room.showing = room.touched, set(), None
        joined, left = {}, []
        for identity in touched:
            now, before = room.present.get(identity), room.shown.get(identity)
            if now is None and before is not None:
                left.append(identity)
                del room.shown[identity]
            elif now != before:
                joined[identity] = room.shown[identity] = now
        if not joined and not left:
            return
        room.list = None
        envelope = protocol.presence_changed(group, joined, left, len(room.shown))
        event = Event(None, envelope.encode(), self._born(), group, frame=True)
        event.envelope = envelope
        for mailbox in list(room.watchers.values()):
            mailbox.put(event)


def opened(entries: Mapping[str, bytes], codec: Codec) -> dict[str, Any]:
    """By identity, what each says of itself; without what is for another key, or nothing of ours."""
    found = {}
    for identity, data in entries.items():
        try:
            found[identity] = json.loads(codec.open(data))
        except Exception as error:
            if _seldom.due("entry"):
                log.error("presence: an entry cannot be decoded: %s", type(error).__name__)
    return found


def checked(identity: str, data: Any) -> str:
    """``data`` as JSON. Raises TypeError or ValueError for what no entry can be."""
    if not isinstance(identity, str) or not 0 < len(identity) <= IDENTITY_CHARACTERS:
        raise ValueError(f"identity: a text of 1 to {IDENTITY_CHARACTERS} characters is expected")
    identity.encode()
    if not isinstance(data, dict):
        raise TypeError(f"presence: a dict is expected, not a {type(data).__name__}")
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    size = len(text.encode())
    if size > DATA_BYTES:
        raise ValueError(f"presence: {size} bytes of JSON, more than the {DATA_BYTES} that an entry may have")
    return text

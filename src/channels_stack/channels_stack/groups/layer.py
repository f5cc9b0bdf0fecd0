"""The channel layer for groups: Channels' own interface, on one connection that receives and a pool that sends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from typing import Any, Callable
from weakref import WeakKeyDictionary

from channels.exceptions import ChannelFull
from channels.layers import BaseChannelLayer

from ..observability import tracing
from ..stores.connections import Connections
from . import wire
from .attendance import Attendance
from .codec import Codec
from .group import Group
from .history import History
from .hosts import options
from .hub import Hub, owner
from .mailbox import Event, Mailbox
from .names import Names
from .policy import Policy
from .positions import Position
from .queue import Queues
from .roster import opened

log = logging.getLogger(__name__)

# For one socket: far more than a consumer that works ever has waiting, and little compared with a container's memory.
CAPACITY, CAPACITY_BYTES = 10_000, 16 << 20


class RedisGroupsChannelLayer(BaseChannelLayer):
    """Groups that lose no event to a broken connection or to a Redis that restarts with its data.

    ``hosts`` is one Redis in any form that channels_redis takes (default: localhost, port 6379), or an address of Sentinels
    (``hosts.options``). ``prefix`` starts every name in Redis. ``capacity``, and ``channel_capacity`` by channel name or glob,
    is how many messages may wait for one channel, ``capacity_bytes`` how large they may be together; ``expiry`` is how many
    seconds each of them may wait. ``history`` says how much of a group's past is kept (``policy.Policy``): by default 100
    events for 60 seconds. ``symmetric_encryption_keys`` encrypts messages, as in channels_redis.

    ``bridge``: processes with channels_redis' publish and subscribe layer and the same prefix are in the groups too.

    ``group_expiry`` is accepted and has no effect: a membership lives as long as its channel.
    """

    extensions = ("groups", "flush")

    def __init__(
        self,
        hosts: Any = None,
        prefix: str = "asgi",
        expiry: float = 60,
        group_expiry: int = 86_400,
        capacity: int = CAPACITY,
        channel_capacity: dict[Any, int] | None = None,
        capacity_bytes: int = CAPACITY_BYTES,
        history: Any = None,
        symmetric_encryption_keys: Sequence[str | bytes] = (),
        bridge: bool = False,
    ) -> None:
        super().__init__(expiry=expiry, capacity=capacity)
        self.channel_capacity = self.compile_capacities(channel_capacity or {})
        self.group_expiry, self.capacity_bytes = group_expiry, capacity_bytes
        self.prefix = prefix
        self.names = Names(prefix)
        self.codec = Codec(symmetric_encryption_keys or ())
        self.connections = Connections(options(hosts))
        self.history = History(self.connections, self.names, Policy(history), bridge)
        self.queues = Queues(self.connections, self.names, expiry)
        self.attendance = Attendance(self.connections, self.names)
        self._hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, Hub] = WeakKeyDictionary()

    # Channels

    async def new_channel(self, prefix: str = "specific") -> str:
        """A channel of this process, that it alone can receive from."""
        return await self.hub().new_channel(prefix, self.get_capacity(prefix))

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        """Send ``message`` to one receiver of ``channel``.

        Raises ChannelFull when as many as its capacity wait there already: always for a channel that any process may receive
        from; for a channel of one process only in that process, elsewhere the oldest message makes room, and is counted.
        """
        self._check_channel(channel)
        with tracing.sending("send", channel) as trace:
            await self._send(channel, self._packed(message, trace))

    async def _send(self, channel: str, body: bytes) -> None:
        client = owner(channel)
        if client:
            hub = self._hubs.get(asyncio.get_running_loop())
            mailbox = hub.mailboxes.get(channel) if hub else None
            if mailbox is not None and mailbox.full:
                raise ChannelFull(channel)
            redis = await self.connections.client()
            await redis.publish(self.names.inbox(client), wire.direct(secrets.token_hex(8), channel, body))
        elif self.history.bridge and self.names.is_others(channel):
            redis = await self.connections.client()
            await redis.publish(channel, body[1:])
        elif not await self.queues.add(channel, body, self.get_capacity(channel)):
            raise ChannelFull(channel)

    async def receive(self, channel: str) -> dict[str, Any]:
        """The next message for ``channel``, after any time."""
        hub = self.hub()
        if channel not in hub.mailboxes:
            self._check_channel(channel)
            if not owner(channel):
                return await self._receive_from_queue(hub, channel)
        while True:
            event = await hub.receive(channel, self.capacity)
            if not event.frame:
                return self.message(event)

    async def _receive_from_queue(self, hub: Hub, channel: str) -> dict[str, Any]:
        while True:
            body = await hub.receive_from_queue(channel)
            try:
                message = self.codec.unpack(body[1:])
                if isinstance(message, dict):
                    trace = tracing.unmarked(message)
                    return tracing.Traced(message, trace) if trace else message
            except ValueError as error:
                log.error("channel %s: a message is dropped: it %s", channel, error)

    def message(self, event: Event) -> dict[str, Any]:
        """What the event says, as a copy that its receiver may change."""
        message: dict[str, Any] = event.content.copy() if event.flat else self.codec.unpack(event.body)
        if event.trace:
            tracing.unmarked(message)
            trace = event.traced()
            return tracing.Traced(message, trace) if trace else message
        return message

    # Groups

    async def group_add(self, group: str, channel: str) -> None:
        """Add ``channel``, one of this process, to ``group``: it gets every event that follows."""
        self._check_group(group)
        self._check_channel(channel)
        await self.hub().join(group, channel)

    async def group_discard(self, group: str, channel: str) -> None:
        """Let it get no more of them; does nothing when it is no member."""
        self._check_group(group)
        self._check_channel(channel)
        hub = self._hubs.get(asyncio.get_running_loop())
        if hub is not None:
            hub.leave(group, channel)

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """Send ``message`` to every member of ``group``, in all processes."""
        self._check_group(group)
        with tracing.sending("group_send", group) as trace:
            await self.history.publish(group, self._packed(message, trace))

    async def group_broadcast(self, group: str, frame: str | bytes) -> None:
        """Send a ready ``frame``, text or bytes, to every member of ``group`` that takes frames."""
        self._check_group(group)
        kind, content = (wire.TEXT, frame.encode()) if isinstance(frame, str) else (wire.BYTES, frame)
        with tracing.sending("group_broadcast", group):
            await self.history.publish(group, kind + self.codec.seal(content))

    # For consumers that recover

    async def join(self, group: str, channel: str) -> Group:
        """``group_add``; the group as this process sees it."""
        self._check_group(group)
        return await self.hub().join(group, channel)

    def position(self, group: str) -> Position | None:
        """Where ``group`` is in this process; None where it has no history, or no member."""
        known = self.hub().groups.get(group)
        return known.position if known else None

    async def events_after(self, group: str, position: Position) -> list[Event]:
        """Everything that follows on ``position``, in order. Raises Gone when that is not complete (any more)."""
        events: list[Event] = []
        while True:
            page = await self.history.read(group, position)
            events += self._events(group, page.entries)
            if page.complete:
                return events
            position = page.entries[-1].position

    async def latest(self, group: str) -> list[Event]:
        """The last event of ``group``, if its history has it."""
        return self._events(group, await self.history.latest(group))

    def _events(self, group: str, entries: list[wire.Entry]) -> list[Event]:
        decoded = (self.hub().decoded(entry.body, group, entry.position) for entry in entries)
        return [event for event in decoded if event is not None]

    async def receive_event(self, channel: str) -> Event:
        """The next event for a channel of this process: a message or, after ``take_frames``, a frame."""
        return await self.hub().receive(channel, self.capacity)

    def take_frames(self, channel: str, sink: Callable[[Event], bool] | None = None) -> None:
        """Let ``channel`` get frames too. ``sink`` is called with one for which nothing else waits, and returns whether
        it has taken it; else it is received in its turn.
        """
        mailbox = self._mailbox(channel)
        mailbox.frames, mailbox.sink = True, sink

    async def announce_losses(self, channel: str) -> None:
        """Notify ``channel`` when a group of it has lost events that no history has.

        It then receives ``{"type": "group.lost", "group": …}``, between what came before and what came after; a consumer's
        handler for it is ``group_lost``.
        """
        self._mailbox(channel).announces = True

    def on_overflow(self, channel: str, call: Callable[[], None]) -> None:
        """Call CALL whenever something for ``channel`` is dropped for lack of room. It must not wait."""
        self._mailbox(channel).overflowed = call

    async def enter(self, group: str, channel: str, identity: str, text: str, watch: bool) -> None:
        """Let ``identity`` be present in ``group``, which ``channel`` is in, until no channel with it is in the group any more.

        ``text`` is what it says of itself (``roster.checked``). With ``watch``, the channel gets the changes as frames.
        """
        mailbox = self._mailbox(channel)
        await self.hub().roster.enter(group, channel, identity, text, mailbox if watch else None)

    def listed(self, group: str) -> str:
        """The envelope with who is present in ``group``, where a channel of this process is."""
        return self.hub().roster.listed(group)

    async def present(self, group: str) -> dict[str, Any]:
        """Who is present in ``group``: by identity, what each says of itself."""
        self._check_group(group)
        return opened((await self.attendance.present(group))[1], self.codec)

    def end_channel(self, channel: str) -> None:
        """``channel`` is not received from any more: it leaves its groups now."""
        hub = self._hubs.get(asyncio.get_running_loop())
        if hub is not None:
            hub.end(channel)

    def _mailbox(self, channel: str) -> Mailbox:
        mailbox = self.hub().mailboxes.get(channel)
        if mailbox is None:
            raise RuntimeError(f"channel {channel}: this process has not made it, or it has ended")
        return mailbox

    # Management

    async def flush(self) -> None:
        """Remove everything below ``prefix`` from Redis, and all channels and groups of the running event loop."""
        await self._leave_all()
        redis = await self.connections.client()
        pattern = "".join(f"\\{each}" if each in "*?[]\\^-" else each for each in self.prefix)
        keys = [key async for key in redis.scan_iter(match=f"{pattern}*", count=1000)]
        for start in range(0, len(keys), 1000):
            await redis.delete(*keys[start : start + 1000])
        await self.connections.close()

    async def close_pools(self) -> None:
        """Close the connections of the running event loop, as channels_redis' layers do."""
        await self._leave_all()
        await self.connections.close()

    async def round_trip(self) -> float:
        """Publish something for this process; the seconds until it has arrived."""
        return await self.hub().round_trip()

    def measured(self, within: float) -> float | None:
        """The seconds of a round trip that was made within the last ``within`` seconds; None: there was none."""
        hub = self._hubs.get(asyncio.get_running_loop())
        return hub.measured(within) if hub else None

    async def listen(self) -> None:
        """Begin to receive, before there is a channel. The connection is made again by itself, now and later."""
        await self.hub().listen()

    def trouble(self) -> str:
        """Why the sockets of this event loop may hear nothing; empty when they hear, or when nothing proves that they do not."""
        hub = self._hubs.get(asyncio.get_running_loop())
        return hub.trouble() if hub else ""

    def concern(self) -> str:
        """What an operator should know of the running event loop's connection; empty when all is well."""
        hub = self._hubs.get(asyncio.get_running_loop())
        return hub.concern() if hub else ""

    def hub(self) -> Hub:
        """What the running event loop receives with."""
        loop = asyncio.get_running_loop()
        hub = self._hubs.get(loop)
        if hub is None:
            hub = self._hubs[loop] = Hub(
                *(self.connections, self.history, self.queues, self.attendance, self.codec, self.names),
                expiry=self.expiry,
                limit_bytes=self.capacity_bytes,
                ended=lambda: self._forget(hub),
            )
        return hub

    def _forget(self, hub: Hub | None) -> None:
        """Its event loop ends: one that serves a single call must leave nothing behind."""
        for loop, known in list(self._hubs.items()):
            if known is hub:
                del self._hubs[loop]

    async def _leave_all(self) -> None:
        hub = self._hubs.pop(asyncio.get_running_loop(), None)
        if hub is not None:
            await hub.close()

    def _packed(self, message: dict[str, Any], trace: str = "") -> bytes:
        if not isinstance(message, dict):
            raise TypeError(f"a message is a dict, not a {type(message).__name__}")
        return wire.MESSAGE + self.codec.pack(tracing.marked(message, trace))

    def _check_channel(self, channel: str) -> None:
        # Channels 4.2.1 has renamed both.
        check = getattr(self, "require_valid_channel_name", None) or self.valid_channel_name
        check(channel)

    def _check_group(self, group: str) -> None:
        check = getattr(self, "require_valid_group_name", None) or self.valid_group_name
        check(group)

"""Everything that one event loop receives: its channels, the groups that they are in, and what arrives for them."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from collections import deque
from typing import Any, Callable

from ..observability import metrics, tracing
from ..stores import outage
from ..stores.connections import Connections
from . import wire
from .attendance import Attendance
from .background import Background
from .bridge import Bridge
from .codec import Codec
from .group import Group
from .history import History
from .mailbox import Event, Mailbox
from .names import Names
from .positions import Position
from .queue import Queues, Receiver
from .roster import Roster
from .subscriptions import Subscriptions
from .watch import PULSE, Watch

log = logging.getLogger(__name__)

# A handshake makes a channel and joins groups: it is refused before the edge gives it up.
JOIN_SECONDS = 5
# Without a sign for so long, twice the time between two pulses, a process is not receiving.
SILENT_SECONDS = 6
# A channel whose owner has ended, or whose `receive` was cancelled, is forgotten unless it is received from meanwhile.
PAUSED_SECONDS = 30
# The same thing that arrives twice, because its sender had to repeat it, is known among the last so many.
REMEMBERED = 1000
# In a channel's name, between the process that it belongs to and its own part.
LOCAL = "!"


def owner(channel: str) -> str:
    """The client that the channel of a process belongs to; empty for a channel that anyone may receive from."""
    start, local, _ = channel.partition(LOCAL)
    return start.rpartition(".")[2] if local else ""


class Hub:
    """What the layer keeps for the running event loop.

    ``capacity`` is asked for the room of a channel's mailbox, which holds ``limit_bytes`` at most; an event that no member has
    taken for ``expiry`` seconds is dropped. ``ended`` is called when the event loop ends.
    """

    def __init__(
        self,
        connections: Connections,
        history: History,
        queues: Queues,
        attendance: Attendance,
        codec: Codec,
        names: Names,
        expiry: float,
        limit_bytes: int,
        ended: Callable[[], None],
    ) -> None:
        self.client = secrets.token_hex(6)
        self.mailboxes: dict[str, Mailbox] = {}
        self.groups: dict[str, Group] = {}
        self._connections, self._history, self._queues = connections, history, queues
        self._codec, self._names = codec, names
        self._expiry, self._limit_bytes = expiry, limit_bytes
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._decode, self._clock = self.decoded, self._loop.time  # made once: each group keeps them
        self._numbers = itertools.count(1)
        self._inbox = names.inbox(self.client)
        self._bridge = Bridge(names) if history.bridge else None
        self.roster = Roster(self.client, attendance, codec, self._clock)
        self._group_of: dict[str, Group] = {}  # by the name under which it is published
        self._receivers: dict[str, Receiver] = {}
        self._receiver_of: dict[str, Receiver] = {}  # the same by the name of their word
        self._paused: dict[str, float] = {}
        self._recent, self._recent_order = set[bytes](), deque[bytes]()
        self._echoes: dict[bytes, asyncio.Future[None]] = {}
        self._trip: tuple[float, float] | None = (
            None  # when what we sent to ourselves has arrived last, and how long that took
        )
        self._finding: dict[str, asyncio.Future[Position | None]] = {}
        self._seldom = outage.Seldom()
        self._tasks = Background()
        self.subscriptions = Subscriptions(connections, self._received, self._subscribed)
        self.watch = Watch(
            *(self._inbox, connections, history, self.subscriptions),
            groups=lambda: list(self.groups.values()),
            sweep=self._sweep,
        )

    # Channels

    async def new_channel(self, prefix: str, capacity: int) -> str:
        """A channel of this process, with a mailbox; what it is called begins with ``prefix``."""
        await self.listen()
        channel = f"{prefix.rstrip('.')}.{self.client}{LOCAL}{next(self._numbers):x}"
        self._open(channel, capacity)
        task = asyncio.current_task()
        if task is not None:  # a consumer whose handler has raised leaves without a word
            task.add_done_callback(lambda _: self._pause(channel))
        return channel

    def _open(self, channel: str, capacity: int) -> Mailbox:
        mailbox = self.mailboxes[channel] = Mailbox(channel, capacity, self._limit_bytes)
        return mailbox

    async def receive(self, channel: str, capacity: int) -> Event:
        """The next event for a channel of this process."""
        mailbox = self.mailboxes.get(channel)
        if mailbox is None:
            if owner(channel) != self.client:
                raise RuntimeError(
                    f"channel {channel}: only the process and event loop that has made it can receive from it"
                )
            mailbox = self._open(channel, capacity)
        if self._paused:
            self._paused.pop(channel, None)
        try:
            while True:
                event = mailbox.take(self._loop.time() - self._expiry)
                if event is not None:
                    return event
                await mailbox.wait()
        except asyncio.CancelledError:
            self._pause(channel)
            raise

    async def receive_from_queue(self, channel: str) -> bytes:
        """The body of the next message in a channel that any process may receive from."""
        receiver = self._receivers.get(channel)
        if receiver is None:
            receiver = self._receivers[channel] = Receiver(self._queues, channel)
            self._receiver_of[self._names.wake(channel)] = receiver
        await self.listen()
        await self._timely(self.subscriptions.add(self._names.wake(channel)), f"channel {channel}")
        return await receiver.receive()

    def end(self, channel: str) -> None:
        """Forget ``channel``, and leave its groups."""
        self._paused.pop(channel, None)
        mailbox = self.mailboxes.pop(channel, None)
        if mailbox is not None:
            for group in list(mailbox.groups):
                self.leave(group, channel)

    def _pause(self, channel: str) -> None:
        if channel in self.mailboxes:
            self._paused.setdefault(channel, self._loop.time())

    def _sweep(self) -> None:
        oldest = self._loop.time() - PAUSED_SECONDS
        for channel, since in list(self._paused.items()):
            if since > oldest:
                return
            if self.mailboxes[channel].waiting:
                del self._paused[channel]
            else:
                self.end(channel)

    # Groups

    async def join(self, name: str, channel: str) -> Group:
        """Make ``channel`` a member of the group ``name``; from then on it gets every event."""
        mailbox = self.mailboxes.get(channel)
        if mailbox is None:
            raise RuntimeError(
                f"group_add({name!r}, {channel!r}): only a channel that this process has made can join a group, "
                "usually self.channel_name"
            )
        group = self.groups.get(name)
        if group is None:
            group = self._begin(name)
        group.members[channel] = mailbox
        mailbox.groups.add(name)
        joined = group.joined
        if joined is not None:
            try:
                await self._timely(asyncio.shield(joined), f"group {name}")
            except BaseException:
                self.leave(name, channel)
                raise
        return group

    def leave(self, name: str, channel: str) -> None:
        """End the membership, if there is one."""
        group = self.groups.get(name)
        mailbox = group.members.pop(channel, None) if group else None
        if mailbox is not None:
            mailbox.groups.discard(name)
            self.roster.leave(name, channel)
        if group is not None and not group.members:
            del self.groups[name], self._group_of[group.published]
            group.end()
            self.subscriptions.remove(group.published)
            if self._bridge:
                self.subscriptions.remove(self._bridge.end(group))

    def _begin(self, name: str) -> Group:
        group = Group(name, self._names.group(name), self._history, self._decode, self._clock)
        self.groups[name] = self._group_of[group.published] = group
        names = [self._bridge.begin(group)] if self._bridge else []
        joined = asyncio.ensure_future(self._subscribe(group, *names, group.published))
        group.joined = joined
        joined.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        return group

    async def _subscribe(self, group: Group, *names: str) -> None:
        await self.listen()
        subscribing = asyncio.gather(*map(self.subscriptions.add, names))
        if self._history.policy.of(group.name).size:
            _, position = await asyncio.gather(subscribing, self._find(group.name))
            group.found(position)
        else:
            await subscribing
        group.joined = None

    async def _find(self, name: str) -> Position | None:
        """Where the group is; those that are asked for in the same turn of the event loop are found in one call."""
        future = self._finding.get(name)
        if future is None:
            if not self._finding:
                self._tasks.start(self._find_all())
            future = self._finding[name] = self._loop.create_future()
        return await asyncio.shield(future)

    async def _find_all(self) -> None:
        await asyncio.sleep(0)
        finding, self._finding = self._finding, {}
        try:
            found = await self._history.find(list(finding))
        except BaseException as error:
            for future in finding.values():
                future.set_exception(error)
                future.exception()  # whoever waited may have gone
            if not isinstance(error, Exception):
                raise
        else:
            for future, position in zip(finding.values(), found):
                if not future.done():
                    future.set_result(position)

    # The connection

    async def round_trip(self) -> float:
        """Publish something for ourselves; the seconds until it has arrived."""
        await self.listen()
        token = secrets.token_bytes(8)
        echo = self._echoes[token] = self._loop.create_future()
        start = time.perf_counter()
        try:
            client = await self._connections.client()
            await client.publish(self._inbox, PULSE + token)
            await echo
        finally:
            del self._echoes[token]
        return self._made(start)

    def measured(self, within: float) -> float | None:
        """The seconds of a round trip that was made within the last ``within`` seconds, a pulse's too; None: there was none."""
        if self._trip is None or time.perf_counter() - self._trip[0] > within:
            return None
        return self._trip[1]

    def _made(self, start: float) -> float:
        now = time.perf_counter()
        self._trip = now, now - start
        return now - start

    def trouble(self) -> str:
        """Why the sockets of this process may hear nothing; empty when they hear, or nothing was ever received."""
        silence = self.subscriptions.silence()
        return f"nothing was received for {silence:.0f} s{self._why()}" if silence > SILENT_SECONDS else ""

    def concern(self) -> str:
        """What an operator should know: the same, or why nothing was ever received."""
        never = self.subscriptions.heard is None and self.subscriptions.problem
        return f"nothing was received yet{self._why()}" if never else self.trouble()

    def _why(self) -> str:
        return f" ({self.subscriptions.problem})" if self.subscriptions.problem else ""

    async def close(self) -> None:
        """Receive nothing any more."""
        self.roster.close()
        await self.watch.stop()
        await self.subscriptions.close()
        for group in self.groups.values():
            group.end()
        self.mailboxes.clear()
        self.groups.clear()

    async def listen(self) -> None:
        """Begin to receive; return when what is sent to this process arrives."""
        self.watch.start(self._ended)
        if self._inbox not in self.subscriptions.wanted or not self.subscriptions.connected:
            await self._timely(self.subscriptions.add(self._inbox), "channel layer")

    async def _timely(self, waiting: Any, what: str) -> None:
        try:
            await asyncio.wait_for(waiting, JOIN_SECONDS)
        except asyncio.TimeoutError:
            raise outage.NoAnswer(f"{what}: Redis has not answered within {JOIN_SECONDS} s") from None

    def _subscribed(self) -> None:
        self.watch.check_now()

    # What arrives

    def _received(self, name: str, data: bytes) -> int:
        """Hand on what was published under ``name``; how many have got it."""
        others = self._bridge.arrived(name, data) if self._bridge else None
        group = self._group_of.get(name)
        if group is not None:
            return self._of_group(group, data)
        if others is not None:
            return self._loose(*others)
        if name == self._inbox:
            return self._of_inbox(data)
        receiver = self._receiver_of.get(name)
        if receiver is not None:
            receiver.word()
        return 0

    def _of_group(self, group: Group, data: bytes) -> int:
        if data.startswith(wire.PRESENCE):
            return self.roster.changed(group.name, data)
        arrived = wire.received(data)
        if isinstance(arrived, wire.Entry):
            return group.arrived(arrived)
        if isinstance(arrived, wire.Loose) and self._is_new(arrived.identifier):
            return self._loose(group, arrived.body)
        return 0

    def _loose(self, group: Group, body: bytes) -> int:
        event = self.decoded(body, group.name, None)
        return group.put(event) if event is not None else 0

    def _of_inbox(self, data: bytes) -> int:
        if data == PULSE:
            self._made(self.watch.sent)
            return 0
        if data.startswith(PULSE):
            echo = self._echoes.get(data[len(PULSE) :])
            if echo is not None and not echo.done():
                echo.set_result(None)
            return 0
        arrived = wire.received(data)
        if isinstance(arrived, wire.Direct) and self._is_new(arrived.identifier):
            mailbox = self.mailboxes.get(arrived.channel)
            event = self.decoded(arrived.body, "", None) if mailbox is not None else None
            if mailbox is not None and event is not None:
                mailbox.put(event)
                return 1
        return 0

    def decoded(self, body: bytes, group: str, position: Position | None) -> Event | None:
        """The event that ``body`` is; None when it is nothing that a consumer takes, which is logged."""
        kind, content = body[:1], body[1:]
        try:
            if kind == wire.MESSAGE:
                message = self._codec.unpack(content)
                if not isinstance(message, dict):
                    raise ValueError(f"is a {type(message).__name__}, not a message")
                trace = tracing.unmarked(message)
                event = Event(message, content, self._loop.time(), group, position)
                event.trace = trace
                return event
            if kind in (wire.TEXT, wire.BYTES):
                frame: Any = self._codec.open(content)
                if kind == wire.TEXT:
                    frame = frame.decode()
                return Event(frame, content, self._loop.time(), group, position, frame=True)
            raise ValueError("is of an unknown kind")
        except Exception as error:
            metrics.OVER_CAPACITY.inc()
            if self._seldom.due("decode"):
                about = f"group {group}" if group else "a channel"
                log.error("an event for %s is dropped: it %s", about, error)
            return None

    def _is_new(self, identifier: bytes) -> bool:
        if identifier in self._recent:
            return False
        self._recent.add(identifier)
        self._recent_order.append(identifier)
        if len(self._recent_order) > REMEMBERED:
            self._recent.discard(self._recent_order.popleft())
        return True

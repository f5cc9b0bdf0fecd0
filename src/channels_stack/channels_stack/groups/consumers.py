"""Consumers whose clients lose nothing: what a client has missed of a group comes before what is new."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from typing import Any

from channels.exceptions import StopConsumer

from ..asgi.types import SOCKET
from . import protocol, writing
from .history import Gone
from .layer import RedisGroupsChannelLayer
from .mailbox import Event, is_announcement
from .positions import Position
from .publishing import groups_layer
from .roster import checked

RECOVER, CLOSE = "recover", "close"
TOO_SLOW, SLOW_REASON = 1013, "too slow"  # 1013: try again later
# How long a client that speaks the protocol may take for its first frame.
HELLO_SECONDS = 10


async def _drop(message: Any) -> None:
    """Where frames go for a client whose socket is being closed."""


class Delivered(dict):  # type: ignore[type-arg]  # Python 3.9 is to run it
    """A message from the layer, with the event that it was."""

    def __init__(self, message: dict[str, Any], event: Event) -> None:
        super().__init__(message)
        self.event = event
        self.trace = getattr(message, "trace", "")


class RecoverableConsumer:
    """To be put before one of Channels' async WebSocket consumers::

        class Room(RecoverableConsumer, AsyncWebsocketConsumer):
            async def connect(self):
                await self.accept()
                await self.subscribe("room.7")

    A client that offers the subprotocol gets envelopes (``protocol``), any other one bare frames, as before. Handlers are called
    for what was missed as for what is new, in one order; their frames carry the event's position to the client.
    """

    slow_clients = RECOVER
    """What becomes of a client that reads so slowly that its mailbox overflows.

    "recover": it gets from the history what was dropped, as soon as it reads. "close": its socket is closed with 1013, for it
    to reconnect later and recover then.
    """

    channel_layer_alias: str
    channel_layer: RedisGroupsChannelLayer
    channel_name: str
    scope: dict[str, Any]

    @property
    def client_recovers(self) -> bool:
        """Whether the client speaks the protocol, once it is accepted: others get bare frames, and nothing of presence."""
        return self._speaks

    async def subscribe(
        self, group: str, presence: dict[str, Any] | None = None, identity: str | None = None
    ) -> bool | None:
        """Join ``group`` and send what the client has missed of it.

        With ``presence`` the client is present in the group with this data (JSON, 4 KB at most), until it leaves, and gets
        the list of who is there and its changes: one entry for each ``identity`` (``str(user.pk)``), however many sockets it
        has; without one, an entry for each socket. Every member of the group sees identities and data.

        True: it has been sent. False: it is not there any more, and ``catch_up`` was called. None: the client has presented no
        position, it comes for the first time. To be called after ``accept``.
        """
        if not self._accepted:
            raise RuntimeError(
                "subscribe() before accept(): a client presents its positions once it is connected"
            )
        text = None
        if presence is not None:
            identity = secrets.token_hex(8) if identity is None else identity
            text = checked(identity, presence)
        presented = await self._presented()
        here = (await self.channel_layer.join(group, self.channel_name)).position
        recovered, missed = None, []
        if group in presented and here is not None:
            # Nothing is sent before all of it has been read: what is sent is complete.
            found = await self._missed(group, presented[group])
            recovered, missed = found is not None, found or []
        elif here is not None and self.channel_layer.history.policy.of(group).size == 1:
            missed = await self.channel_layer.latest(group)
        start = presented[group] if recovered else here
        self._seen[group] = start
        if self._speaks:
            await self._write(protocol.subscribed(group, start, recovered))
        if recovered is False:
            await self.catch_up(group)
        for event in missed:
            await self._deliver(event)
        if identity is not None and text is not None:
            await self.channel_layer.enter(group, self.channel_name, identity, text, watch=self._speaks)
            self._watched.add(group)
            await self._write_present(group)
        return recovered

    async def unsubscribe(self, group: str) -> None:
        """Leave ``group``."""
        self._seen.pop(group, None)
        self._watched.discard(group)
        await self.channel_layer.group_discard(group, self.channel_name)

    async def catch_up(self, group: str) -> None:
        """What the client has missed of ``group`` cannot be recovered: read it from your database and send it here."""

    async def group_lost(self, event: Delivered) -> None:
        """Events of ``event["group"]`` were lost while the client was connected: it gets word, then ``catch_up`` is called."""
        group, position = event["group"], event.event.position
        if position is None:
            # It had no room in the mailbox, because the client reads slowly: it may well be in the history.
            missed = await self._missed(group, self._seen.get(group))
            for each in missed or []:
                await self._deliver(each)
            await self._write_present(group)
            if missed is not None:
                return
        self._seen[group] = position
        if self._speaks:
            await self._write(protocol.lost(group, position))
        await self.catch_up(group)

    # Between Channels and the socket

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        groups_layer(self.channel_layer_alias)
        self._socket_receive, self._socket_send = receive, send
        self._offered = protocol.PROTOCOL in (scope.get("subprotocols") or ())
        self._accepted = self._speaks = False
        self._hello: dict[str, Position | None] | None = None
        self._unread: list[Any] = []
        self._seen: dict[str, Position | None] = {}  # what this client has of each group
        self._busy = 0  # events and messages that are in hand
        self._writing: asyncio.Task[None] | None = None  # a frame for which the socket has no room yet
        self._about: Event | None = None  # the event whose handler runs
        self._held: str | bytes | None = (
            None  # the last frame of that handler, which is to carry the position
        )
        self._watched: set[str] = set()  # groups in which the client is present
        self._giving_up: asyncio.Task[None] | None = None  # the end of a client that is too slow
        try:
            return await super().__call__(scope, self._incoming, self._outgoing)  # type: ignore[misc]
        finally:
            if self._giving_up is not None:
                self._giving_up.cancel()
            if getattr(self, "channel_name", None):
                self.channel_layer.end_channel(self.channel_name)

    async def websocket_connect(self, message: Any) -> None:
        await self.channel_layer.announce_losses(self.channel_name)
        self.channel_layer.take_frames(self.channel_name, self._write_now if writing.EAGER else None)
        if self.slow_clients == CLOSE:
            self.channel_layer.on_overflow(self.channel_name, self._give_up)
        await super().websocket_connect(message)  # type: ignore[misc]

    @property
    def channel_receive(self) -> Any:
        """What Channels takes the messages of the layer from."""
        return self._next_event

    @channel_receive.setter
    def channel_receive(self, value: Any) -> None:
        """Channels' own would drop frames and positions."""

    async def _next_event(self) -> Delivered:
        event = await self.channel_layer.receive_event(self.channel_name)
        self._busy += 1
        return Delivered({} if event.frame else self.channel_layer.message(event), event)

    async def dispatch(self, message: Any) -> None:
        if not isinstance(message, Delivered):
            self._busy += 1
        try:
            if self._writing is not None:
                await asyncio.wait({self._writing})
            if not isinstance(message, Delivered):
                await super().dispatch(message)  # type: ignore[misc]
            elif self._is_new(message.event):
                await self._deliver(message.event, message)
        finally:
            self._busy -= 1

    def _give_up(self) -> None:
        """The client is too slow. Begin to close its socket; nothing is kept for it meanwhile."""
        if self._giving_up is None:
            self._giving_up = asyncio.ensure_future(self._close_slow())

    async def _close_slow(self) -> None:
        self.channel_layer.end_channel(self.channel_name)
        send, self._socket_send = self._socket_send, _drop
        socket = self.scope.get(SOCKET)
        if socket is not None:  # under the stack's servers, which wait for a client no longer than they must
            await socket.close(TOO_SLOW, SLOW_REASON)
            return
        with contextlib.suppress(Exception):  # it has gone meanwhile
            await send({"type": "websocket.close", "code": TOO_SLOW, "reason": SLOW_REASON})

    def _write_now(self, event: Event) -> bool:
        """Write a frame while the consumer waits; False: it has something in hand, or the socket is full."""
        if self._busy or (self._writing is not None and not self._writing.done()):
            return False
        if self._is_new(event):
            self._writing = writing.start(self._deliver(event))
        return True

    def _is_new(self, event: Event) -> bool:
        if is_announcement(event):
            return True
        seen = self._seen.get(event.group) if event.position else None
        if seen is None or event.position is None or event.position.epoch != seen.epoch:
            return True
        return event.position.offset > seen.offset

    async def _deliver(self, event: Event, message: Any = None) -> None:
        if event.frame:
            await self._write_frame(event)
        else:
            async with self._handling(event):
                await super().dispatch(message or self.channel_layer.message(event))  # type: ignore[misc]
        if event.position and event.group in self._seen:
            self._seen[event.group] = event.position

    async def _write_frame(self, event: Event) -> None:
        if not self._speaks:
            if event.content is None:  # a change of who is present
                return
            kind = "text" if isinstance(event.content, str) else "bytes"
            await self._socket_send({"type": "websocket.send", kind: event.content})
            return
        if event.envelope is None:  # the first of this process
            event.envelope = protocol.frame(event.content, event.group, event.position)
        await self._write(event.envelope)

    @contextlib.asynccontextmanager
    async def _handling(self, event: Event) -> AsyncIterator[None]:
        """The last frame that is sent within carries the position of ``event``: the client then has all of them."""
        if not self._speaks or not event.position or event.group not in self._seen:
            yield
            return
        self._about = event
        try:
            yield
            held, self._held = self._held, None
            if held is not None:
                await self._write(protocol.frame(held, event.group, event.position))
        finally:
            self._about = self._held = None

    async def _outgoing(self, message: Any) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            if self._offered and message.get("subprotocol") is None:
                message = {**message, "subprotocol": protocol.PROTOCOL}
                self._speaks = True
            self._accepted = True
        elif kind == "websocket.send" and self._speaks:
            content = message["bytes"] if message.get("text") is None else message["text"]
            held = self._held
            if self._about is None:
                await self._write(protocol.frame(content))
            else:
                self._held = content
                if held is not None:
                    await self._write(protocol.frame(held))
            return
        elif kind == "websocket.close" and self._held is not None:
            held, self._held = self._held, None
            await self._write(protocol.frame(held))
        await self._socket_send(message)

    async def _write_present(self, group: str) -> None:
        if self._speaks and group in self._watched:
            await self._write(self.channel_layer.listed(group))

    async def _write(self, envelope: str) -> None:
        await self._socket_send({"type": "websocket.send", "text": envelope})

    async def _incoming(self) -> Any:
        if self._unread:
            return self._unread.pop()
        message = await self._received()
        if message["type"] == "websocket.receive" and self._speaks and self._hello is None:
            await self._read_hello(message)
            return await self._received()
        return message

    async def _received(self) -> Any:
        """What the client says to the application; its pings are answered."""
        while True:
            message = await self._socket_receive()
            if not self._speaks or self._hello is None or message.get("text") != protocol.PING:
                return message
            with contextlib.suppress(OSError):  # the client has gone: the next message says so
                await self._write(protocol.PONG)

    async def _presented(self) -> dict[str, Position | None]:
        """The positions of the client's first frame; it is waited for."""
        if self._speaks and self._hello is None:
            try:
                message = await asyncio.wait_for(self._socket_receive(), HELLO_SECONDS)
            except asyncio.TimeoutError:
                message = {"type": "websocket.receive"}
            if message["type"] == "websocket.receive":
                await self._read_hello(message)
            else:
                self._unread.append(message)
                self._hello = {}
        return self._hello or {}

    async def _read_hello(self, message: Any) -> None:
        try:
            self._hello = protocol.positions(message.get("text"))
        except protocol.Unwelcome as unwelcome:
            await self._socket_send(
                {"type": "websocket.close", "code": unwelcome.code, "reason": unwelcome.reason}
            )
            raise StopConsumer from None

    async def _missed(self, group: str, position: Position | None) -> list[Event] | None:
        """What follows on ``position``, complete; None when it is not there (any more)."""
        if position is None:
            return None
        try:
            return await self.channel_layer.events_after(group, position)
        except Gone:
            return None

"""A client of a room's socket, for tests."""

import asyncio
import contextlib
import json
import uuid

from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from config.asgi import application
from django.test import Client
from surroundings import ORIGIN

from channels_stack.groups.protocol import PROTOCOL

OURS = (ORIGIN.encode(),)
SECONDS = 60  # the longest a test waits for one thing


def session_cookie(user) -> bytes:
    """The Cookie header of a signed-in user."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}".encode()


async def open_socket(slug: str, user=None, query: str = "", origins=OURS, cookie=None, subprotocols=()):
    """Start a handshake; returns the communicator, whether it was accepted, and the code if it was not."""
    headers = [(b"host", b"rooms.test"), *((b"origin", origin) for origin in origins)]
    if user is not None:
        cookie = await sync_to_async(session_cookie)(user)
    if cookie is not None:
        headers.append((b"cookie", cookie))
    path = f"/ws/rooms/{slug}/{query}"
    socket = WebsocketCommunicator(application, path, headers, list(subprotocols))
    accepted, code = await socket.connect(SECONDS)
    return socket, accepted, code


class RoomClient:
    """One open socket in a room."""

    def __init__(self, socket):
        self.socket = socket
        self.position = None  # what a page has seen of the room's group
        self.people = {}  # whom a page shows as present

    async def send(self, frame) -> None:
        """Send a frame: a dict as JSON, text and bytes as they are."""
        content = frame if isinstance(frame, (str, bytes)) else json.dumps(frame)
        kind = "bytes" if isinstance(content, bytes) else "text"
        await self.socket.send_input({"type": "websocket.receive", kind: content})

    async def say(self, text: str, nonce: str | None = None) -> str:
        """Send a message; returns its nonce."""
        nonce = nonce or uuid.uuid4().hex
        await self.send({"type": "message", "text": text, "nonce": nonce})
        return nonce

    async def next(self) -> dict:
        """The next frame."""
        while True:
            frame = json.loads(await self.socket.receive_from(SECONDS))
            if "type" in frame or (frame := self._opened(frame)):
                return frame

    def _opened(self, envelope: dict) -> dict | None:
        """The frame in an envelope of recoverable.v1; what the envelope says itself, in the same form."""
        self.position = envelope.get("p") or self.position
        if "e" in envelope:
            return json.loads(envelope["e"])
        if "s" in envelope:
            return {"type": "subscribed", "recovered": envelope["r"]}
        if "w" in envelope:
            self.people = envelope.get("i", self.people) | envelope.get("j", {})
            for name in envelope.get("x", ()):
                del self.people[name]
            return {"type": "presence", "users": sorted(self.people)}
        return None

    async def hear(self, kind: str, **fields) -> dict:
        """The next frame of that type with those values; others are passed over."""
        async with asyncio.timeout(SECONDS):
            while True:
                frame = await self.next()
                if frame["type"] == kind and all(frame.get(key) == value for key, value in fields.items()):
                    return frame

    async def hear_until(self, kind: str, **fields) -> list[dict]:
        """All frames up to and with the one described as for hear()."""
        frames = []
        async with asyncio.timeout(SECONDS):
            while True:
                frames.append(frame := await self.next())
                if frame["type"] == kind and all(frame.get(key) == value for key, value in fields.items()):
                    return frames

    async def closed(self) -> tuple[int, str]:
        """Code and reason with which the server closes; frames before are passed over."""
        async with asyncio.timeout(SECONDS):
            while True:
                event = await self.socket.receive_output(SECONDS)
                if event["type"] == "websocket.close":
                    return event["code"], event.get("reason", "")


@contextlib.asynccontextmanager
async def joined(room, user, last: int | str = 0):
    """A RoomClient that speaks bare frames, as pages of the release before do; its socket is closed at the end."""
    socket, accepted, code = await open_socket(room.slug, user, f"?last={last}")
    assert accepted, f"refused with {code}"
    try:
        yield RoomClient(socket)
    finally:
        await socket.disconnect(timeout=SECONDS)


@contextlib.asynccontextmanager
async def page(room, user, last: int = 0, position: str | None = None):
    """The same as the page does it: it speaks recoverable.v1, and presents the position that it has seen."""
    socket, accepted, code = await open_socket(room.slug, user, f"?last={last}", subprotocols=[PROTOCOL])
    assert accepted and code == PROTOCOL, f"refused with {code}"
    client = RoomClient(socket)
    await client.send({"positions": {room.group: position} if position else {}})
    try:
        yield client
    finally:
        await socket.disconnect(timeout=SECONDS)

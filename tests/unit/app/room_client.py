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

OURS = (ORIGIN.encode(),)
SECONDS = 60  # the longest a test waits for one thing


def session_cookie(user) -> bytes:
    """The Cookie header of a signed-in user."""
    client = Client()
    client.force_login(user)
    return f"sessionid={client.cookies['sessionid'].value}".encode()


async def open_socket(slug: str, user=None, query: str = "", origins=OURS, cookie=None):
    """Start a handshake; returns the communicator, whether it was accepted, and the code if it was not."""
    headers = [(b"host", b"rooms.test"), *((b"origin", origin) for origin in origins)]
    if user is not None:
        cookie = await sync_to_async(session_cookie)(user)
    if cookie is not None:
        headers.append((b"cookie", cookie))
    socket = WebsocketCommunicator(application, f"/ws/rooms/{slug}/{query}", headers)
    accepted, code = await socket.connect(SECONDS)
    return socket, accepted, code


class RoomClient:
    """One open socket in a room."""

    def __init__(self, socket):
        self.socket = socket

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
        return json.loads(await self.socket.receive_from(SECONDS))

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
    """A RoomClient whose socket is closed at the end."""
    socket, accepted, code = await open_socket(room.slug, user, f"?last={last}")
    assert accepted, f"refused with {code}"
    try:
        yield RoomClient(socket)
    finally:
        await socket.disconnect(timeout=SECONDS)

"""The socket of a room.

On one socket every message is sent once and in the order of its sequence, whatever the channel layer loses or
delays: an event that does not follow what was sent last makes the consumer read the database instead.
"""

import asyncio
import contextlib
import json
import logging
import random
import uuid
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from . import frames, layers, pulse, store
from .limits import TokenBucket
from .models import Room

logger = logging.getLogger(__name__)

FRAMES_PER_SECOND, BURST = 10, 30
WARNINGS = 3
LONGEST_REPLAY = 5000  # messages; a client further behind starts again, the rest it finds in the history
POLICY = 1008  # close code


class RoomConsumer(AsyncWebsocketConsumer):
    """One user in one room."""

    room: Room | None = None
    upkeep: asyncio.Task | None = None

    async def __call__(self, scope, receive, send):
        """Run the consumer, and clean up even when it ends without disconnect()."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._leave()

    async def connect(self):
        """Let a signed-in user into an existing room, then send all that the client has not seen."""
        self.user = self.scope["user"]
        if not self.user.is_authenticated:
            return await self.close()
        room = await database_sync_to_async(store.room_of)(self.scope["url_route"]["kwargs"]["slug"])
        if room is None:
            return await self.close()
        self.room = room
        self.connection = uuid.uuid4()
        self.order = asyncio.Lock()  # held while messages are sent
        self.bucket, self.warnings = TokenBucket(FRAMES_PER_SECOND, BURST), 0
        self.present, self.reports = None, {}  # what was sent last
        self.last = _replay_from(self.scope["query_string"], room.last_sequence)
        # Before anything is read: what is said meanwhile waits in the channel and is not missed.
        await self.channel_layer.group_add(room.group, self.channel_name)
        await self.accept()
        await self._say(frames.welcome(self.user.get_username(), room.slug, room.last_sequence, self.last))
        await self._catch_up()
        for report in await database_sync_to_async(store.reports_since)(room.pk, None):
            await self._say_report(report)
        await database_sync_to_async(store.enter)(room.pk, self.user, self.connection)
        await self._say_present(await database_sync_to_async(store.present)(room.pk))
        pulse.announce_presence(room)
        self.upkeep = asyncio.create_task(self._keep_up())

    async def disconnect(self, code):
        """Leave the room."""
        await self._leave()

    async def receive(self, text_data=None, bytes_data=None):
        """Obey one frame of the client; a bad one gets an error reply."""
        if not self.bucket.take():
            return await self._slow_down()
        if self.bucket.rested:
            self.warnings = 0
        frame = None
        try:
            frame = frames.parse(text_data)
            await self._obey(frame)
        except frames.FrameError as error:
            await self._say(frames.error(error.code, error.detail, error.nonce))
        except Room.DoesNotExist:
            await self.close(POLICY, "this room was deleted")
        except DatabaseError as error:
            logger.warning("a frame of %s failed: %r", self.user, error)
            nonce = getattr(frame, "nonce", None)
            await self._say(frames.error("unavailable", "not stored: send it again in a few seconds", nonce))

    # Events of the channel layer

    async def room_message(self, event):
        """A message was stored: send it if it is the next one, and what is missing before it otherwise."""
        async with self.order:
            is_next = event["sequence"] == self.last + 1
            if is_next:
                await self.send(event["frame"])
                self.last = event["sequence"]
        if event["sequence"] > self.last:
            await self._catch_up()

    async def room_presence(self, event):
        """Somebody came or went."""
        await self._say_present(json.loads(event["frame"])["users"])

    async def room_typing(self, event):
        """Somebody writes."""
        if event["connection"] != str(self.connection):
            await self.send(event["frame"])

    async def room_report(self, event):
        """A report moved on."""
        await self._say_report(json.loads(event["frame"]))

    # What a client asks for

    async def _obey(self, frame):
        if isinstance(frame, frames.Say):
            await self._post(frame)
        elif isinstance(frame, frames.Typing):
            frame = frames.typing(self.user.get_username())
            await layers.broadcast(self.room.group, "room.typing", frame, connection=str(self.connection))
        else:
            await self._say(await database_sync_to_async(store.history_before)(self.room.pk, frame.before))

    async def _post(self, frame):
        said = await database_sync_to_async(store.say)(self.room, self.user, frame.text, frame.nonce)
        sent = said.new and await layers.broadcast(
            self.room.group, "room.message", said.frame, sequence=said.frame["sequence"]
        )
        if not sent:
            await self._catch_up()
        if said.queued is not None:
            await layers.broadcast(self.room.group, "room.report", said.queued)
            await layers.tell_worker(said.queued["id"])

    async def _slow_down(self):
        self.warnings += 1
        if self.warnings > WARNINGS:
            return await self.close(POLICY, "too many frames")
        await self._say(frames.error("slow_down", f"at most {FRAMES_PER_SECOND} frames per second, please"))

    # What the server says

    async def _say(self, frame: dict):
        await self.send(json.dumps(frame, ensure_ascii=False))

    async def _say_present(self, users: list[str]):
        if users != self.present:
            self.present = users
            await self._say(frames.presence(users))

    async def _say_report(self, frame: dict):
        state = (frame["state"], frame["progress"])
        if self.reports.get(frame["id"]) != state:
            self.reports[frame["id"]] = state
            await self._say(frame)

    async def _catch_up(self):
        """Send all stored messages behind the last one sent."""
        async with self.order:
            while missing := await database_sync_to_async(store.messages_after)(self.room.pk, self.last):
                for frame in missing:
                    await self._say(frame)
                    self.last = frame["sequence"]

    # Upkeep

    async def _keep_up(self):
        """Every CHECK_SECONDS, until cancelled: renew the presence, and heal a socket that hears nothing."""
        while True:
            await asyncio.sleep(pulse.CHECK_SECONDS * random.uniform(0.8, 1.2))
            try:
                await self._check()
            except Room.DoesNotExist:
                return await self.close(POLICY, "this room was deleted")
            except (DatabaseError, *layers.LAYER_ERRORS) as error:
                logger.warning("the check of a socket of %s failed: %r", self.user, error)

    async def _check(self):
        state = await pulse.pulse(self.room)
        await database_sync_to_async(store.enter)(self.room.pk, self.user, self.connection)
        if state.last_sequence > self.last:
            logger.warning("a socket of %s in %s was behind and is healed", self.user, self.room.slug)
            await self._catch_up()
        for report in state.reports:
            await self._say_report(report)
        await self._say_present(state.present)

    async def _leave(self):
        """Undo connect(), once."""
        room, self.room = self.room, None
        if self.upkeep is not None:
            self.upkeep.cancel()
        if room is None:
            return
        with contextlib.suppress(*layers.LAYER_ERRORS):
            await self.channel_layer.group_discard(room.group, self.channel_name)
        try:
            await database_sync_to_async(store.leave)(self.connection)
        except DatabaseError as error:
            logger.warning("the presence of %s expires by itself: %r", self.user, error)
        pulse.announce_presence(room)


def _replay_from(query: bytes, newest: int) -> int:
    """The sequence behind which the replay begins: ?last=, or so that the newest page is sent."""
    given = parse_qs(query.decode("latin1")).get("last", ["0"])[-1]
    last = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else 0
    if not 1 <= last <= newest:
        return max(0, newest - store.PAGE)
    return last if newest - last <= LONGEST_REPLAY else newest - store.PAGE

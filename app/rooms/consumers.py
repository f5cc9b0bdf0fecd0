"""The socket of a room: the tutorial's consumer, with users, a database and a worker behind it.

Two things keep it complete. ``RecoverableConsumer`` sends a page that reconnects what it has missed, and who is here. And the
database numbers the messages of a room: one that does not follow what was sent last makes the consumer read what is missing.
"""

import json
import logging
from urllib.parse import parse_qs

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import Error as DatabaseError

from channels_stack.groups import RecoverableConsumer, broadcast, presence

from . import frames, layers, store
from .limits import TokenBucket
from .models import Room

logger = logging.getLogger(__name__)

FRAMES_PER_SECOND, BURST = 10, 30
WARNINGS = 3
LONGEST_REPLAY = 5000  # messages; a client further behind starts again, the rest it finds in the history
POLICY = 1008  # close code: the page does not reconnect by itself


class RoomConsumer(RecoverableConsumer, AsyncWebsocketConsumer):
    """One user in one room."""

    async def connect(self):
        """Let a signed-in user into an existing room, then send all that the client has not seen."""
        self.user, room = self.scope["user"], None
        if self.user.is_authenticated:
            room = await database_sync_to_async(store.room_of)(self.scope["url_route"]["kwargs"]["slug"])
        if room is None:
            return await self.close()
        self.room = room
        self.bucket, self.warnings = TokenBucket(FRAMES_PER_SECOND, BURST), 0
        self.last = _replay_from(self.scope["query_string"], room.last_sequence)  # sent last, or seen before
        await self.channel_layer.group_add(room.typing_group, self.channel_name)
        await self.accept()
        await self._say(frames.welcome(self.user.get_username(), room.slug, room.last_sequence, self.last))
        # Join the room: a client that reconnects gets what it has missed, each user is present once, whatever sockets it has
        recovered = await self.subscribe(room.group, presence={}, identity=self.user.get_username())
        if recovered is None or self.last < room.last_sequence:
            await self.catch_up(room.group)
        if not self.client_recovers:  # a program, or a page of the release before: it is sent once
            await self._say(frames.presence(sorted(await presence(room.group))))

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
            await self.room_deleted({})
        except (DatabaseError, *layers.LAYER_ERRORS) as error:
            logger.warning("a frame of %s failed: %r", self.user, error)
            nonce = getattr(frame, "nonce", None)
            await self._say(frames.error("unavailable", "send it again in a few seconds", nonce))

    # Events of the groups

    async def room_message(self, event):
        """A message was stored: send it if it is the next one, and what is missing before it otherwise."""
        if event["sequence"] == self.last + 1:
            await self.send(event["frame"])
            self.last = event["sequence"]
        elif event["sequence"] > self.last:
            await self._replay()

    async def room_typing(self, event):
        """Another person writes."""
        if event["connection"] != self.channel_name:
            await self.send(event["frame"])

    async def room_deleted(self, event):
        """There is nothing here any more."""
        await self.close(POLICY, "this room was deleted")

    async def catch_up(self, group):
        """What was missed is not in the history of the group (any more): the database has it."""
        await self._replay()
        for report in await database_sync_to_async(store.reports)(self.room.pk):
            await self._say(report)

    # Of processes of the release before, which serve the same rooms while they are replaced

    async def room_report(self, event):
        """A report moved on."""
        await self.send(event["frame"])

    async def room_presence(self, event):
        """A person who is connected there came or left."""

    # What a client asks for

    async def _obey(self, frame):
        if isinstance(frame, frames.Say):
            await self._post(frame)
        elif isinstance(frame, frames.Typing):
            event = {"type": "room.typing", "connection": self.channel_name}
            event["frame"] = json.dumps(frames.typing(self.user.get_username()))
            await self.channel_layer.group_send(self.room.typing_group, event)
        else:
            await self._say(await database_sync_to_async(store.history_before)(self.room.pk, frame.before))

    async def _post(self, frame):
        """Store it, then send it to the room. If that fails, the client sends it again: it is stored once, and sent then."""
        stored = await database_sync_to_async(store.say)(self.room, self.user, frame.text, frame.nonce)
        if stored.frame["sequence"] <= self.last:  # sent before, but its author asks
            await self._say(stored.frame)
        event = {"type": "room.message", "sequence": stored.frame["sequence"]}
        event["frame"] = json.dumps(stored.frame, ensure_ascii=False)
        await self.channel_layer.group_send(self.room.group, event)
        if stored.queued is not None:
            await broadcast(
                self.room.group, json=stored.queued
            )  # a ready frame: no handler, it has no number
            await layers.tell_worker(stored.queued["id"])

    async def _slow_down(self):
        self.warnings += 1
        if self.warnings > WARNINGS:
            return await self.close(POLICY, "too many frames")
        await self._say(frames.error("slow_down", f"at most {FRAMES_PER_SECOND} frames per second, please"))

    # What the server says

    async def _say(self, frame: dict):
        await self.send(json.dumps(frame, ensure_ascii=False))

    async def _replay(self):
        """Send all stored messages behind the last one sent."""
        while missing := await database_sync_to_async(store.messages_after)(self.room.pk, self.last):
            for frame in missing:
                await self._say(frame)
                self.last = frame["sequence"]


def _replay_from(query: bytes, newest: int) -> int:
    """The sequence behind which the replay begins: ?last=, or so that the newest page is sent."""
    given = parse_qs(query.decode("latin1")).get("last", ["0"])[-1]
    last = int(given) if given.isascii() and given.isdigit() and len(given) < 20 else 0
    if not 1 <= last <= newest:
        return max(0, newest - store.PAGE)
    return last if newest - last <= LONGEST_REPLAY else newest - store.PAGE

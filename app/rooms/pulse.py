"""What all sockets of a process need to know of a room, asked once for all of them."""

import asyncio
import logging
import time
from dataclasses import dataclass
from datetime import timedelta

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from django.utils import timezone

from . import frames, layers, store
from .models import Room

logger = logging.getLogger(__name__)

CHECK_SECONDS = 20.0  # each socket compares itself with the database this often
ANNOUNCE_SECONDS = 0.25  # comings and goings within this time are sent together

_pulses: dict[int, tuple[float, "Pulse"]] = {}
_announcements: dict[int, asyncio.Task] = {}


@dataclass(frozen=True)
class Pulse:
    """The state of a room in the database."""

    last_sequence: int
    present: list[str]
    reports: list[dict]  # frames of those that changed lately


async def pulse(room: Room) -> Pulse:
    """The room's state, at most a quarter of CHECK_SECONDS old; gives abandoned reports to the worker again.

    Raises Room.DoesNotExist when the room was deleted.
    """
    read, known = _pulses.get(room.pk, (0.0, None))
    if known is None or time.monotonic() - read > CHECK_SECONDS / 4:
        abandoned, known = await database_sync_to_async(_read)(room.pk)
        _forget_old()
        _pulses[room.pk] = (time.monotonic(), known)
        for report_id in abandoned:
            await layers.tell_worker(report_id)
    return known


def announce_presence(room: Room) -> None:
    """Announce to the room soon who is present. Many comings at once, after a deploy say, cost one announcement."""
    if room.pk not in _announcements:
        task = asyncio.create_task(_announce(room))
        _announcements[room.pk] = task


async def _announce(room: Room) -> None:
    try:
        await asyncio.sleep(ANNOUNCE_SECONDS)
    finally:
        del _announcements[room.pk]
    try:
        users = await database_sync_to_async(store.present)(room.pk)
    except DatabaseError as error:
        return logger.warning("presence in %s not sent: %r", room.slug, error)
    await layers.broadcast(room.group, "room.presence", frames.presence(users))


def _read(room_id: int) -> tuple[list[int], Pulse]:
    abandoned = store.abandoned_reports(room_id)
    lately = timezone.now() - timedelta(seconds=3 * CHECK_SECONDS)
    reports = store.reports_since(room_id, lately)
    return abandoned, Pulse(store.last_sequence(room_id), store.present(room_id), reports)


def _forget_old() -> None:
    for room_id in [key for key, (read, _) in _pulses.items() if time.monotonic() - read > CHECK_SECONDS]:
        del _pulses[room_id]

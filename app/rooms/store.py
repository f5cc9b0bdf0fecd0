"""Every question to the database that a room's socket has. Plain functions: async code wraps them."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, connection
from django.db.models import F, OuterRef, Subquery
from django.utils import timezone

from . import frames
from .models import Message, Report, Room

PAGE = 50  # messages in a page of history
CHUNK = 500  # messages fetched at once while catching up
MOST_LISTED = 200  # rooms in the list
PATIENCE = timedelta(
    seconds=30
)  # a report that stands still for so long does not keep others from ordering another
REPORT_COMMAND = "/report"
UNFINISHED = (Report.State.QUEUED, Report.State.RUNNING)


@dataclass(frozen=True)
class Stored:
    """What became of a message."""

    frame: dict
    new: bool  # False: its nonce is known, the frame is that of the first time
    queued: dict | None = None  # frame of the report that the worker is to get


# One statement, so one round trip and one transaction. The UPDATE locks the room's row until the message is
# stored: sequences have no gap, and whoever sees number n can read all numbers before it.
_POST = """
WITH room AS (
    UPDATE rooms_room SET last_sequence = last_sequence + 1 WHERE id = %s RETURNING id, last_sequence
)
INSERT INTO rooms_message (room_id, sequence, author_id, text, nonce, created)
SELECT id, last_sequence, %s, %s, %s, %s FROM room
RETURNING id, sequence
"""


def post(room: Room, author, text: str, nonce: str) -> tuple[Message, bool]:
    """Store a message and give it the room's next sequence.

    Returns the message and whether it is new: the same nonce again gives the message stored the first time.
    Raises Room.DoesNotExist when the room was deleted.
    """
    row = Message(room=room, author=author, text=text, nonce=nonce, created=timezone.now())
    try:
        with connection.cursor() as cursor:
            cursor.execute(_POST, [room.pk, author.pk, text, nonce, row.created])
            stored = cursor.fetchone()
    except IntegrityError:
        known = _messages(room.pk).filter(author=author, nonce=nonce).first()
        if known is None:
            raise
        return known, False
    if stored is None:
        raise Room.DoesNotExist
    row.pk, row.sequence = stored
    return row, True


def room_of(slug: str) -> Room | None:
    """The room at that address, if there is one."""
    return Room.objects.filter(slug=slug).first()


def listed_rooms():
    """The rooms, the one spoken in last first, with ``latest``, ``text`` and ``author`` of its last message."""
    newest = Message.objects.filter(room=OuterRef("pk"), sequence=OuterRef("last_sequence"))
    return Room.objects.annotate(
        latest=Subquery(newest.values("created")),
        text=Subquery(newest.values("text")),
        author=Subquery(newest.values("author__username")),
    ).order_by(F("latest").desc(nulls_last=True), "name")[:MOST_LISTED]


def messages_after(room_id: int, sequence: int) -> list[dict]:
    """Frames of the next messages behind ``sequence``, oldest first, at most CHUNK."""
    return [_frame(row) for row in _messages(room_id).filter(sequence__gt=sequence)[:CHUNK]]


def page_before(room_id: int, before: int | None = None) -> tuple[list[Message], bool]:
    """The PAGE messages before a sequence (None: the newest), oldest first; whether there are older ones."""
    if before is not None and before <= 1:
        return [], False  # asked by a client that only wants to hear whether its line is alive
    rows = _messages(room_id).order_by("-sequence")
    if before is not None:
        rows = rows.filter(sequence__lt=before)
    found = list(rows[: PAGE + 1])
    return found[:PAGE][::-1], len(found) > PAGE


def history_before(room_id: int, before: int) -> dict:
    """The history frame that answers {"type": "history", "before": …}."""
    rows, more = page_before(room_id, before)
    return frames.history([_frame(row) for row in rows], more)


def say(room: Room, author, text: str, nonce: str) -> Stored:
    """post(), and for the text "/report" also order the report.

    Raises FrameError when the room waits for another report already.
    """
    if text != REPORT_COMMAND:
        row, new = post(room, author, text, nonce)
        return Stored(frames.message(row), new)
    lately = timezone.now() - PATIENCE
    waiting = Report.objects.filter(message__room=room, state__in=UNFINISHED, updated__gte=lately)
    if waiting.exclude(message__author=author, message__nonce=nonce).exists():
        raise frames.FrameError("report_running", "this room has a report in the making: wait for it", nonce)
    row, new = post(room, author, text, nonce)
    report, _ = Report.objects.get_or_create(message=row, defaults={"updated": timezone.now()})
    queued = frames.report(report, row) if report.state == Report.State.QUEUED else None
    return Stored(frames.message(row, report), new, queued)


def reports(room_id: int) -> list[dict]:
    """Frames of the room's newest reports, at most PAGE, oldest first."""
    rows = Report.objects.filter(message__room=room_id).select_related("message__author").order_by("-pk")
    return [frames.report(row, row.message) for row in reversed(rows[:PAGE])]


def _messages(room_id: int):
    return Message.objects.filter(room=room_id).select_related("author", "report").order_by("sequence")


def _frame(row: Message) -> dict:
    """``row`` comes from _messages(): no further query."""
    return frames.message(row, getattr(row, "report", None))

"""Reports: what the worker does. Started by the message "/report" in a room, shown under that message."""

import logging
import re
from collections import Counter
from datetime import UTC

from channels.consumer import AsyncConsumer
from channels.db import database_sync_to_async
from django.db.models import Count, F
from django.db.models.functions import Length, TruncHour
from django.utils import timezone

from . import frames, layers
from .models import Message, Report
from .store import REPORT_COMMAND

logger = logging.getLogger(__name__)

CHUNK = 2000  # messages whose words are counted in one step
MOST_SHOWN = 5  # users and words in a list
SHORTEST_WORD = 4  # letters; shorter words say little
QUOTED = 120  # characters of the longest message
MOST_ATTEMPTS = 3  # it may be the report that kills workers
GIVEN_UP = "The worker did not finish this report. Order a new one with /report."


class ReportConsumer(AsyncConsumer):
    """Consumes the channel "reports" of the layer "tasks"."""

    async def report_build(self, event):
        """Build the report with the id event["report"], unless it is done or another worker has it."""
        # The stack's worker says whether the job comes again because the one that had it was killed
        again = self.scope.get("channels_stack.job", {}).get("redelivered", False)
        report = await database_sync_to_async(claim)(event["report"], again)
        if report is None:
            return
        if report.attempts > MOST_ATTEMPTS:
            await database_sync_to_async(finish)(report, Report.State.FAILED, GIVEN_UP)
            return await self._tell(report)
        try:
            await self._tell(report)
            lines = []
            for progress, step in await database_sync_to_async(plan)(report):
                lines += await database_sync_to_async(step)()
                await database_sync_to_async(advance)(report, progress)
                await self._tell(report)
            await database_sync_to_async(finish)(report, Report.State.DONE, "\n".join(lines))
        except Exception:
            # After any error the people in the room learn that no more will come, and the worker goes on.
            logger.exception("report %s failed", report.pk)
            await database_sync_to_async(finish)(report, Report.State.FAILED, "This report cannot be made.")
        await self._tell(report)

    async def _tell(self, report):
        frame = frames.report(report, report.message)
        await layers.tell_room(report.message.room.group, frame)


def claim(report_id: int, again: bool = False) -> Report | None:
    """The report, now running and ours; None when it is not queued (any more): asking twice does no harm.

    With ``again`` one that runs is taken too: its worker has ended.
    """
    states = (Report.State.QUEUED, Report.State.RUNNING) if again else (Report.State.QUEUED,)
    taken = Report.objects.filter(pk=report_id, state__in=states).update(
        state=Report.State.RUNNING, progress=0, attempts=F("attempts") + 1, updated=timezone.now()
    )
    if not taken:
        return None
    return Report.objects.select_related("message__room", "message__author").get(pk=report_id)


def advance(report: Report, progress: int) -> None:
    """Store the progress in per cent, and when."""
    report.progress, report.updated = progress, timezone.now()
    report.save(update_fields=("progress", "updated"))


def finish(report: Report, state: Report.State, result: str) -> None:
    """Store how it ended."""
    report.state, report.result, report.updated = state, result, timezone.now()
    report.progress = 100 if state == Report.State.DONE else report.progress
    report.save(update_fields=("state", "result", "progress", "updated"))


def plan(report: Report) -> list:
    """The steps of a report: (per cent reached after it, function that returns lines "title: text")."""
    room_id, last = report.message.room_id, report.message.sequence
    # Only messages from before the report was ordered: built again, it has the same content.
    rows = Message.objects.filter(room=room_id, sequence__lt=last).exclude(text=REPORT_COMMAND)
    words: Counter = Counter()
    chunks = range(0, last, CHUNK)
    counting = [
        (20 + 75 * number // len(chunks), lambda first=first: _count_words(rows, first, words))
        for number, first in enumerate(chunks, start=1)
    ]
    return [
        (5, lambda: _users(rows)),
        (10, lambda: _hours(rows)),
        (20, lambda: _longest(rows)),
        *counting,
        (99, lambda: _words(words)),
    ]


def _users(rows) -> list[str]:
    found = (
        rows.values_list("author__username")
        .annotate(count=Count("pk"))
        .order_by("-count", "author__username")
    )
    total, people = rows.count(), len(found)
    lines = [f"Messages: {total} by {people} {'person' if people == 1 else 'people'}"]
    if found:
        lines.append("Most active: " + ", ".join(f"{name} {count}" for name, count in found[:MOST_SHOWN]))
    return lines


def _hours(rows) -> list[str]:
    hours = (
        rows.annotate(hour=TruncHour("created", tzinfo=UTC))
        .values_list("hour")
        .annotate(count=Count("pk"))
        .order_by("-count", "hour")
    )
    busiest = hours.first()
    if busiest is None:
        return []
    per_hour = rows.count() / len(hours)
    return [
        f"Messages per hour: {per_hour:.1f}, counting hours with messages",
        f"Busiest hour: {busiest[0]:%d %B %Y, %H:00} UTC, {busiest[1]} messages",
    ]


def _longest(rows) -> list[str]:
    by_length = rows.annotate(length=Length("text")).order_by("-length", "sequence")
    longest = by_length.select_related("author").first()
    if longest is None:
        return []
    quoted = " ".join(longest.text.split())
    quoted = quoted if len(quoted) <= QUOTED else quoted[:QUOTED] + "…"
    return [f"Longest message: {longest.length} characters by {longest.author.get_username()}: “{quoted}”"]


def _count_words(rows, first: int, words: Counter) -> list[str]:
    chunk = rows.filter(sequence__gt=first, sequence__lte=first + CHUNK).values_list("text", flat=True)
    for text in chunk:
        words.update(word for word in re.findall(r"\w+", text.lower()) if len(word) >= SHORTEST_WORD)
    return []


def _words(words: Counter) -> list[str]:
    common = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:MOST_SHOWN]
    return ["Most used words: " + ", ".join(f"{word} {count}" for word, count in common)] if common else []

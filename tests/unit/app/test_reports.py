"""Reports: ordered in a room, made by the worker's consumer, heard and kept in the room."""

import asyncio
import contextlib

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from config.asgi import application
from django.utils import timezone
from room_client import SECONDS, joined
from rooms import reports, store
from rooms.models import Report

pytestmark = pytest.mark.asyncio


@contextlib.asynccontextmanager
async def worker(redelivered=False):
    """The consumer of the channel "reports", fed from the real layer, as a worker process does it."""

    async def feed():
        while True:
            await consumer.send_input(await get_channel_layer("tasks").receive("reports"))

    job = {"redelivered": redelivered}  # as a worker says of one that another process had
    scope = {"type": "channel", "channel": "reports", "channels_stack.job": job}
    consumer = ApplicationCommunicator(application, scope)
    feeding = asyncio.create_task(feed())
    try:
        yield
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)
        consumer.stop(exceptions=False)


async def test_report_is_made_and_its_progress_is_heard(room, ann, bob, say):
    await sync_to_async(say)(
        room, ann, "channels channels layers", "hello", "a message that is longer than the rest"
    )
    await sync_to_async(say)(room, bob, "hello channels")
    async with joined(room, ann) as client, joined(room, bob) as other, worker():
        await client.say("/report")
        frames = [
            frame for frame in await client.hear_until("report", state="done") if frame["type"] == "report"
        ]
        seen = await other.hear("report", state="done")
    states = list(dict.fromkeys(frame["state"] for frame in frames))
    progress = [frame["progress"] for frame in frames]
    assert states == ["queued", "running", "done"]
    assert progress == sorted(progress)
    assert len(set(progress)) >= 4
    assert progress[-1] == 100
    assert seen == frames[-1]
    assert seen["user"] == ann.username
    lines = seen["result"].splitlines()
    assert lines[0] == "Messages: 4 by 2 people"
    assert f"Most active: {ann.username} 3, {bob.username} 1" in lines
    assert any(line.startswith("Busiest hour: ") and line.endswith("4 messages") for line in lines)
    assert (
        f"Longest message: 38 characters by {ann.username}: “a message that is longer than the rest”" in lines
    )
    assert any(line.startswith("Most used words: channels 3, hello 2, layers 1") for line in lines)


async def test_report_of_an_empty_room(room, ann):
    async with joined(room, ann) as client, worker():
        await client.say("/report")
        assert (await client.hear("report", state="done"))["result"] == "Messages: 0 by 0 people"


async def test_report_stays_in_the_room(room, ann):
    async with joined(room, ann) as client, worker():
        await client.say("/report")
        done = await client.hear("report", state="done")
    async with joined(room, ann) as client:
        assert (await client.hear("message"))["report"] == done
        assert await client.hear("report") == done
    async with joined(room, ann, 1) as client:
        assert await client.hear("report") == done


async def test_done_report_is_not_made_again(room, ann, say):
    report = await sync_to_async(_ordered)(room, ann)
    async with worker(), joined(room, ann) as client:
        for _ in range(2):
            await get_channel_layer("tasks").send("reports", {"type": "report.build", "report": report.pk})
        await client.hear("report", state="done")
    await report.arefresh_from_db()
    assert (report.state, report.attempts) == ("done", 1)
    assert await sync_to_async(reports.claim)(report.pk) is None


async def test_report_is_claimed_by_one_worker(room, ann):
    report = await sync_to_async(_ordered)(room, ann)
    claims = await asyncio.gather(
        *(database_sync_to_async(reports.claim, thread_sensitive=False)(report.pk) for _ in range(5))
    )
    assert len([claim for claim in claims if claim]) == 1


async def test_same_nonce_orders_one_report(room, ann):
    async with joined(room, ann) as client, worker():
        nonce = await client.say("/report")
        await client.say("/report", nonce)
        await client.hear("report", state="done")
        await client.say("/report", nonce)
        after = await client.say("after")
        await client.hear("message", nonce=after)
    assert await Report.objects.filter(message__room=room).acount() == 1


async def test_one_report_at_a_time(room, ann):
    async with joined(room, ann) as client:
        await client.say("/report")
        await client.hear("report", state="queued")
        nonce = await client.say("/report")
        error = await client.hear("error")
        assert (error["code"], error["nonce"]) == ("report_running", nonce)


async def test_report_of_a_dead_worker_is_made_by_another(room, ann):
    report = await sync_to_async(_ordered)(room, ann)
    await sync_to_async(reports.claim)(report.pk)
    job = {"type": "report.build", "report": report.pk}
    async with joined(room, ann) as client, worker(redelivered=True):
        await client.hear("presence")
        await get_channel_layer("tasks").send("reports", job)
        assert (await client.hear("report", state="done"))["id"] == report.pk
    await report.arefresh_from_db()
    assert report.attempts == 2


async def test_report_that_kills_workers_fails_in_the_end(room, ann):
    report = await sync_to_async(_ordered)(room, ann)
    changed = Report.objects.filter(pk=report.pk)
    await changed.aupdate(attempts=reports.MOST_ATTEMPTS, state="running")
    async with joined(room, ann) as client, worker(redelivered=True):
        await get_channel_layer("tasks").send("reports", {"type": "report.build", "report": report.pk})
        assert "did not finish" in (await client.hear("report", state="failed"))["result"]


async def test_report_that_stands_still_keeps_no_one_from_ordering_another(room, ann):
    report = await sync_to_async(_ordered)(room, ann)
    await Report.objects.filter(pk=report.pk).aupdate(updated=timezone.now() - 2 * store.PATIENCE)
    async with joined(room, ann) as client:
        await client.hear("presence")
        await client.say("/report")
        assert (await client.hear("report", state="queued"))["id"] != report.pk


async def test_failure_is_reported_and_the_worker_goes_on(room, ann, monkeypatch):
    def failing(rows):
        raise RuntimeError("a bug")

    async with joined(room, ann) as client, worker():
        monkeypatch.setattr(reports, "_hours", failing)
        await client.say("/report")
        assert (await client.hear("report", state="failed"))["result"] == "This report cannot be made."
        monkeypatch.undo()
        await client.say("/report")
        assert (await client.hear("report", state="done", sequence=2))["progress"] == 100


async def test_report_that_does_not_exist_is_ignored(room, ann):
    async with worker():
        await get_channel_layer("tasks").send("reports", {"type": "report.build", "report": 2**40})
        async with joined(room, ann) as client:
            await client.say("/report")
            await asyncio.wait_for(client.hear("report", state="done"), SECONDS)


def _ordered(room, user):
    said = store.say(room, user, "/report", "order")
    return Report.objects.get(pk=said.queued["id"])

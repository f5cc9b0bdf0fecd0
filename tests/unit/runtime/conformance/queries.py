"""Pages that use the database for a second, and such that only wait."""

import asyncio
import time

from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path

from conformance.sockets import journal


def sleep(seconds):
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_sleep(%s)", [seconds])


def slow(request, milliseconds):
    sleep(milliseconds / 1000)
    return HttpResponse("slept")


async def long_poll(request, seconds):
    await sync_to_async(sleep)(0)  # as a look at the session
    journal("polls")
    await asyncio.sleep(seconds)
    await sync_to_async(sleep)(0)
    return HttpResponse("news")


async def events(request):
    await sync_to_async(sleep)(0)

    async def parts():
        while True:
            await sync_to_async(sleep)(0)
            yield b"data: part\n\n"
            await asyncio.sleep(0.3)

    journal("events begin")
    return StreamingHttpResponse(parts(), content_type="text/event-stream")


async def export(request):
    """Rows from a cursor of the server's, with a pause between them that is longer than slots wait."""

    def rows():
        cursor = connection.chunked_cursor()
        cursor.execute("SELECT generate_series(1, 3)")
        return cursor

    async def parts():
        cursor = await sync_to_async(rows)()
        while row := await sync_to_async(cursor.fetchone)():
            yield b"%d\n" % row
            await asyncio.sleep(1.5)

    return StreamingHttpResponse(parts())


@transaction.non_atomic_requests
def stubborn(request):
    """Goes on when its client has left."""
    journal("stubborn begins")
    time.sleep(4)
    journal("stubborn ends")
    return HttpResponse("late")


urlpatterns = [
    path("queries/slow/<int:milliseconds>/", slow),
    path("queries/long-poll/<int:seconds>/", long_poll),
    path("queries/events/", events),
    path("queries/export/", export),
    path("queries/stubborn/", stubborn),
]

"""The pages: who asks, and two slow ones."""

import asyncio
import os
import tempfile
import threading
import time

from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

from conformance import queries
from conformance.sockets import journal


def who(request):
    return JsonResponse(
        {
            "client": request.META["REMOTE_ADDR"],
            "secure": request.is_secure(),
            "script_name": request.META["SCRIPT_NAME"],
            "forwarded_for": request.META.get("HTTP_X_FORWARDED_FOR"),
        }
    )


def slow_sync(request, seconds):
    journal("page slow-sync")
    time.sleep(int(seconds) / 10)
    return HttpResponse("finished")


async def slow_async(request, seconds):
    journal("page slow-async")
    await asyncio.sleep(int(seconds) / 10)
    return HttpResponse("finished")


async def stream(request):
    journal("page stream")
    return StreamingHttpResponse(_parts("stream"))


async def events(request):
    journal("page events")
    return StreamingHttpResponse(_parts("events"), content_type="text/event-stream")


async def _parts(name):
    try:
        while True:
            yield b"data: part\n\n"
            await asyncio.sleep(0.05)
    finally:
        journal(f"{name} over")


async def abandoned_stream(request):
    """Its generator fails when the answer has begun."""

    async def parts():
        yield b"part"
        raise RuntimeError("broken stream")

    return StreamingHttpResponse(parts())


def rows(request):
    """A synchronous generator: a row is made when the file exists that the last one names; it says when it is closed."""

    def made():
        try:
            for number in range(3):
                yield f"row {number}\n"
                yield ""
                while not os.path.exists(f"{os.environ['TEST_JOURNAL']}.{number}"):
                    time.sleep(0.01)
        finally:
            journal(f"rows over on {threading.get_ident() == view}")

    view = threading.get_ident()
    return StreamingHttpResponse(made())


def endless(request):
    """A synchronous generator without an end; each of its parts takes a moment."""

    def made():
        try:
            while True:
                yield b"x" * 1024
                time.sleep(0.01)
        finally:
            journal("endless over")

    journal("endless begins")
    return StreamingHttpResponse(made())


def download(request, mebibytes):
    """A file of so many MiB, which takes no room on the disk."""
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.truncate(mebibytes << 20)
    response = FileResponse(open(file.name, "rb"))  # noqa: SIM115 (it is closed with the response)
    os.unlink(file.name)
    return response


def broken_rows(request):
    def made():
        yield "row 0\n"
        raise RuntimeError("broken rows")

    return StreamingHttpResponse(made())


def memory(request):
    with open("/proc/self/status") as status:
        return HttpResponse(next(line.split()[1] for line in status if line.startswith("VmHWM")))


def broken(request):
    raise RuntimeError("broken page")


urlpatterns = [
    path("who/", who),
    path("slow-sync/<int:seconds>/", slow_sync),
    path("slow-async/<int:seconds>/", slow_async),
    path("stream/", stream),
    path("events/", events),
    path("abandoned-stream/", abandoned_stream),
    path("broken/", broken),
    path("rows/", rows),
    path("endless/", endless),
    path("download/<int:mebibytes>/", download),
    path("broken-rows/", broken_rows),
    path("memory/", memory),
    *queries.urlpatterns,
]

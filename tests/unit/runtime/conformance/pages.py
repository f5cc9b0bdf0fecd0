"""The pages: who asks, and two slow ones."""

import asyncio
import time

from django.http import HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path

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
]

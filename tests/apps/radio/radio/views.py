import asyncio

from django.http import StreamingHttpResponse
from django.shortcuts import render


def page(request):
    return render(request, "radio.html")


async def songs():
    for number in range(3):
        yield f"event: song\ndata: {number}\n\n"
        await asyncio.sleep(1)


async def events(request):
    return StreamingHttpResponse(songs(), content_type="text/event-stream")

import asyncio
import socket

from django.core.files.storage import default_storage
from django.http import FileResponse, HttpResponse, StreamingHttpResponse
from django.shortcuts import render


def page(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return render(request, "feed.html", {"visits": request.session["visits"], "host": socket.gethostname()})


async def events(request):
    async def numbers():
        yield "data: 0\n\n"
        for pause in request.GET.get("pauses", "1 1 1 1").split():
            await asyncio.sleep(float(pause))
            yield f"data: {pause}\n\n"

    return StreamingHttpResponse(numbers(), content_type="text/event-stream")


def upload(request):
    name = default_storage.save(request.FILES["file"].name, request.FILES["file"])
    return HttpResponse(name)


def download(request, name):
    return FileResponse(default_storage.open(name))

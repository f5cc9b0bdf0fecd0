import time

from django.http import StreamingHttpResponse
from django.shortcuts import render

PIECE = b"0123456789abcdef" * 4096


def page(request):
    return render(request, "archive.html")


def large(request):
    pieces = int(request.GET["megabytes"]) * 16
    return StreamingHttpResponse((PIECE for _ in range(pieces)), content_type="application/octet-stream")


def lines():
    for number in range(4):
        yield f"{number}\n"
        time.sleep(1)


def slow(request):
    return StreamingHttpResponse(lines(), content_type="text/csv")

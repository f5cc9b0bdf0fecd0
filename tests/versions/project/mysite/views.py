import time

from django.contrib.auth import get_user_model
from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render


def home(request):
    return render(request, "home.html", {"users": get_user_model().objects.count()})


def slow(request):
    print("slow begins", flush=True)
    time.sleep(float(request.GET["seconds"]))
    return HttpResponse("slow and done")


def stream(request):
    return StreamingHttpResponse(lines(), content_type="text/plain")


async def lines():
    yield "one\n"
    yield "two\n"

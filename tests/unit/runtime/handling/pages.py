"""Pages of every kind."""

from __future__ import annotations

import asyncio
import io
import threading

from django.contrib import messages
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import transaction
from django.http import FileResponse, Http404, HttpResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.urls import path
from django.views.decorators.clickjacking import xframe_options_exempt

from .journal import note

go_on = threading.Event()
begun = threading.Event()


def page(request):
    note("view")
    return HttpResponse(f"page {request.user.is_authenticated}")


async def async_page(request):
    note("view")
    return HttpResponse("async page")


async def async_user(request):
    user = await request.auser() if hasattr(request, "auser") else request.user
    return HttpResponse(f"{user is not None}")


def query(request):
    return HttpResponse(f"{Session.objects.count()} {transaction.get_connection().in_atomic_block}")


async def async_query(request):
    return HttpResponse(str(await Session.objects.acount()))


def write_and_fail(request):
    Session.objects.create(
        session_key=request.GET["key"], session_data="", expire_date="2030-01-01T00:00:00Z"
    )
    raise ValueError("what was written is not kept")


def keep(request):
    request.session["count"] = request.session.get("count", 0) + 1
    messages.info(request, f"note {request.session['count']}")
    return HttpResponse("kept")


async def async_keep(request):
    request.session["count"] = 1
    return HttpResponse("kept")


def kept(request):
    texts = " ".join(str(each) for each in messages.get_messages(request))
    return HttpResponse(f"{request.session.get('count')} {texts}")


def form(request):
    return HttpResponse("posted" if request.method == "POST" else f"form {bool(get_token(request))}")


async def async_form(request):
    return HttpResponse(f"posted {request.POST.get('name')}")


def fail(request):
    raise {"value": ValueError, "404": Http404, "403": PermissionDenied, "400": SuspiciousOperation}[
        request.GET["how"]
    ]("why")


async def async_fail(request):
    fail(request)


def zero(request):
    return 1 // 0


def nothing(request):
    return None


def forgotten(request):
    return async_page(request)


def template(request):
    return TemplateResponse(request, "page.html", {"by": "nobody"})


def stream(request):
    def parts():
        for number in range(3):
            note(f"part {number}")
            yield f"{number} "

    return StreamingHttpResponse(parts())


async def async_stream(request):
    async def parts():
        for number in range(3):
            await asyncio.sleep(0)
            note(f"part {number}")
            yield f"{number} "

    return StreamingHttpResponse(parts())


def stream_of_async(request):
    async def parts():
        yield "one "
        yield "two"

    return StreamingHttpResponse(parts())


def file(request):
    return FileResponse(io.BytesIO(b"x" * 300_000), filename="x.bin")


@xframe_options_exempt
def framed(request):
    return HttpResponse("framed")


def waits(request):
    """Until it is told to go on: its client leaves meanwhile."""
    begun.set()
    assert go_on.wait(60)
    note("view ends")
    return HttpResponse("too late")


async def async_waits(request):
    begun.set()
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        note("view is cancelled")
        raise


urlpatterns = [
    path("page/", page),
    path("async-page/", async_page),
    path("async-user/", async_user),
    path("query/", query),
    path("async-query/", async_query),
    path("write-and-fail/", write_and_fail),
    path("keep/", keep),
    path("async-keep/", async_keep),
    path("kept/", kept),
    path("form/", form),
    path("async-form/", async_form),
    path("fail/", fail),
    path("async-fail/", async_fail),
    path("zero/", zero),
    path("nothing/", nothing),
    path("forgotten/", forgotten),
    path("template/", template),
    path("stream/", stream),
    path("async-stream/", async_stream),
    path("stream-of-async/", stream_of_async),
    path("file/", file),
    path("framed/", framed),
    path("waits/", waits),
    path("async-waits/", async_waits),
]

"""Pages and sockets that fail with what they were sent, in every way in which code fails."""

import asyncio
import gc
import logging
import os
import threading

from channels.generic.websocket import AsyncWebsocketConsumer, WebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.db import connection
from django.http import Http404, HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

log = logging.getLogger("leaky")


class Lost:
    def __init__(self, sent):
        self.sent = sent

    def __del__(self):
        raise ValueError(self.sent)


def fail(how, sent):
    """Fail with ``sent``."""
    if how == "chain":
        try:
            raise KeyError(sent)
        except KeyError as error:
            raise ValueError(f"wrong: {sent}") from error
    if how == "sql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM nowhere WHERE name = '" + sent.replace("'", "") + "' AND '" + sent)
    if how == "number":
        int(sent)
    if how == "file":
        os.stat("/nowhere/" + sent)
    if how == "refused":
        raise SuspiciousOperation(sent)
    if how == "denied":
        raise PermissionDenied(sent)
    if how == "missing":
        raise Http404(sent)
    if how == "logged":
        try:
            raise ValueError(sent)
        except ValueError as error:
            log.exception("it failed")
            log.error("it failed: %s", error)
            log.error(error)
            log.error("no %d", sent)  # which is no number
    if how == "thread":
        thread = threading.Thread(target=fail, args=("chain", sent))
        thread.start()
        thread.join()
    if how == "destructor":
        Lost(sent)
        gc.collect()


HOWS = (
    "chain",
    "sql",
    "number",
    "file",
    "refused",
    "denied",
    "missing",
    "logged",
    "thread",
    "destructor",
)


def sent_in(request):
    """All of it, in one text."""
    return " ".join(
        [
            request.META["QUERY_STRING"],
            str(request.COOKIES),
            str(dict(request.headers)),
            request.body.decode("latin-1"),
            str(request.POST),
        ]
    )


@csrf_exempt
def page(request, how):
    fail(how, sent_in(request))
    return HttpResponse("done")


@csrf_exempt
async def async_page(request, how):
    if how == "task":
        task = asyncio.ensure_future(later(sent_in(request)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        del task
        gc.collect()
    elif how == "callback":
        asyncio.get_running_loop().call_soon(fail, "chain", sent_in(request))
        await asyncio.sleep(0.01)
    else:
        fail(how, sent_in(request))
    return HttpResponse("done")


async def later(sent):
    raise ValueError(sent)


def constant(request):
    raise RuntimeError("this text stands in the code")


def guarded(request):
    return HttpResponse("done")


urlpatterns = [
    path("sync/<how>/", page),
    path("async/<how>/", async_page),
    path("constant/", constant),
    path("guarded/", guarded),
]


class Sync(WebsocketConsumer):
    def connect(self):
        self.sent = " ".join(
            [str(self.scope["query_string"]), str(self.scope["headers"]), str(self.scope.get("subprotocols"))]
        )
        if self.scope["url_route"]["kwargs"]["when"] == "connect":
            fail(self.scope["url_route"]["kwargs"]["how"], self.sent)
        self.accept()

    def receive(self, text_data=None, bytes_data=None):
        fail(self.scope["url_route"]["kwargs"]["how"], self.sent + str(text_data or bytes_data))
        self.send("done")


class Async(AsyncWebsocketConsumer):
    async def connect(self):
        self.sent = " ".join(
            [str(self.scope["query_string"]), str(self.scope["headers"]), str(self.scope.get("subprotocols"))]
        )
        if self.scope["url_route"]["kwargs"]["when"] == "connect":
            fail(self.scope["url_route"]["kwargs"]["how"], self.sent)
        await self.accept()

    async def receive(self, text_data=None, bytes_data=None):
        fail(self.scope["url_route"]["kwargs"]["how"], self.sent + str(text_data or bytes_data))
        await self.send("done")


pages = get_asgi_application()


async def http(scope, receive, send):
    if scope["path"] == "/raw/":  # no Django that would answer for it: the server does
        message = await receive()
        fail("chain", f"{scope} {message}")
    await pages(scope, receive, send)


routes = [
    path("sync/<when>/<how>/", Sync.as_asgi()),
    path("async/<when>/<how>/", Async.as_asgi()),
]
application = ProtocolTypeRouter({"http": http, "websocket": URLRouter(routes)})

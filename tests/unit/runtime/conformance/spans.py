"""Projects that do something before they are served, and after; and one that knows no lifespan and hears of none."""

import asyncio
import contextlib
import os

from channels.routing import ProtocolTypeRouter, URLRouter
from django.core.asgi import get_asgi_application
from django.urls import path, re_path

pages = get_asgi_application()

# ruff: noqa: E402
from conformance.sockets import Echo, journal

sockets = URLRouter([path("echo/", Echo.as_asgi())])


async def own_lifespan(scope, receive, send):
    while True:
        message = await receive()
        journal(message["type"])
        if os.environ.get("TEST_SPAN") == "raises":
            raise OSError("no model at /models/x")
        if os.environ.get("TEST_SPAN") == "refuses":
            await send(
                {"type": "lifespan.startup.failed", "message": "Traceback …\n  File x\nOSError: no model"}
            )
            return
        scope["state"]["model"] = "loaded"
        await send({"type": message["type"] + ".complete"})
        if message["type"] == "lifespan.shutdown":
            return


async def state(scope, receive, send):
    """A page that says what the lifespan has left, of each kind of application."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send(
        {"type": "http.response.body", "body": scope.get("state", {}).get("model", "nothing").encode()}
    )


routed = ProtocolTypeRouter(
    {
        "http": URLRouter([path("state/", state), re_path("", pages)]),
        "websocket": sockets,
        "lifespan": own_lifespan,
    }
)


async def function(scope, receive, send):
    """An application that is no router, and hands on what it does not know."""
    if scope["type"] == "lifespan":
        await own_lifespan(scope, receive, send)
    elif scope.get("path") == "/state/":
        await state(scope, receive, send)
    else:
        await routed(scope, receive, send)


class Mounted:
    """As Starlette does it: all types of connections, the lifespan as a context that fails with a message."""

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            await own_lifespan(scope, receive, send)
        else:
            await state(scope, receive, send)


mounted = ProtocolTypeRouter(
    {"http": URLRouter([path("state/", Mounted()), re_path("", pages)]), "websocket": sockets}
)


async def greedy(scope, receive, send):
    """Takes every connection for a websocket, as an application without a framework may."""
    if scope["type"] == "http":
        await pages(scope, receive, send)
        return
    while True:
        message = await receive()
        if message["type"] == "websocket.connect":
            await send({"type": "websocket.accept"})
        elif message["type"] == "websocket.disconnect":
            return


async def silent(scope, receive, send):
    """Returns from what it does not know."""
    if scope["type"] == "http":
        await pages(scope, receive, send)


async def asserting(scope, receive, send):
    assert scope["type"] in ("http", "websocket")
    await pages(scope, receive, send)


async def stuck(scope, receive, send):
    """Its end takes for ever."""
    if scope["type"] != "lifespan":
        await pages(scope, receive, send)
        return
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    with contextlib.suppress(TypeError):
        await asyncio.sleep(3600)

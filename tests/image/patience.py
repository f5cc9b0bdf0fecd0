"""An ASGI application that waits, and says when its client has left: on standard output, `left NAME after SECONDS`.

/view/NAME      answers after WAIT_SECONDS
/stream/NAME    one line, then silence; /events/NAME the same as an event stream
/upload/NAME    reads the body to its end
"""

from __future__ import annotations

import asyncio
import time

WAIT_SECONDS = 6

SECRET_KEY = "only for tests, " * 5  # this module is the project's settings as well
ALLOWED_HOSTS = ["*"]
DATABASES: dict = {}
TYPES = {"stream": b"text/plain", "events": b"text/event-stream"}


async def application(scope, receive, send):
    """Serve one request."""
    kind, name = scope["path"].strip("/").split("/") if scope["path"].count("/") == 2 else ("", "")
    begun = time.monotonic()

    def say(what: str) -> None:
        print(f"{what} {name} after {time.monotonic() - begun:.1f}", flush=True)

    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            say("left")
            return
        more = message.get("more_body", False)
        if more and kind == "upload":
            say("reads")
    if kind in TYPES:
        await send(
            {"type": "http.response.start", "status": 200, "headers": [(b"content-type", TYPES[kind])]}
        )
        await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    if kind in ("view", *TYPES):
        say("waits")
        leaving = asyncio.ensure_future(receive())
        if (await asyncio.wait({leaving}, timeout=WAIT_SECONDS))[0]:
            say("left")
            return
        leaving.cancel()
    if kind not in TYPES:
        length = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": length})
    await send({"type": "http.response.body", "body": b"ok"})

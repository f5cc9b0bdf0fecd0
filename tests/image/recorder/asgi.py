"""An application that says on stdout what reached it: each request with its body, each websocket.

A page answers 200 with the same record; a websocket is accepted and echoes. `/slow` takes a moment, so that what an attacker
hides behind it is parsed while the first answer is still due.
"""

import asyncio
import json
import sys


async def application(scope, receive, send):
    if scope["type"] not in ("http", "websocket"):
        raise ValueError(f"{scope['type']} is nothing that is recorded")
    body = b""
    if scope["type"] == "http":
        more = True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
    record = json.dumps(
        {
            "recorded": scope["type"],
            "method": scope.get("method", "GET"),
            "path": scope["path"],
            "query": scope["query_string"].decode("latin-1"),
            "client": (scope.get("client") or [""])[0],
            "headers": [
                [name.decode("latin-1"), value.decode("latin-1")] for name, value in scope["headers"]
            ],
            "body": body.decode("latin-1"),
        }
    )
    sys.stdout.write(record + "\n")  # in one piece: lines of the log come from another thread
    if scope["path"].endswith("/slow"):
        await asyncio.sleep(0.2)
    if scope["type"] == "http":
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(record))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": record.encode()})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message.get("text") or ""})

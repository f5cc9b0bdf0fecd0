"""POST /-/leave: an edge has websockets of its own closed, since only the application can say a code.

It stops, and they reconnect through another one: 1012. Or there is maintenance, and they reconnect later: 1013 (`&code=1013`).

The edge asks each process itself, past HAProxy. A process of the edge puts a secret of its own, X-Edge-Worker, into
each handshake that it forwards; a request that names that secret, in the same header, has the sockets closed that
came with it. So a client that ends a socket has proved to be the edge that opened it, at any address. An edge that
reloads has several processes: it names the secrets of all that end, separated by commas. What comes later stays open.
`?seconds=4` spreads the closes over that time, so that clients do not all reconnect at once; without it they are
closed at once. The answer comes before they are: {"sockets": 12}, how many are closed.

The edge lets nothing below /-/ through, and marks what it forwards: a request so marked is refused here as well. No application
sees the secret (``sockets``).
"""

from __future__ import annotations

import json
import logging
import math
from urllib.parse import parse_qs

from ..asgi.responses import respond
from ..asgi.types import FORWARDING, Scope, Send
from .drain import CLOSED_WITH, SERVICE_RESTART, Drain
from .sockets import EDGE_WORKER

PATH = "/-/leave"
SHORTEST_SECRET = 32  # characters: 128 bits in hexadecimal

logger = logging.getLogger("channels_stack.leaving")


async def answer(drain: Drain, scope: Scope, send: Send) -> None:
    """Answer a request for PATH: 200, 405 unless it is a POST, 403 without a secret or forwarded, 400 without a time."""
    query = {
        name: values[-1]
        for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()
    }
    seconds, code = _seconds(query.get("seconds", "0")), _code(query.get("code", str(SERVICE_RESTART)))
    secrets = _secrets(scope)
    if scope["method"] != "POST":
        await respond(scope, send, 405, "An edge that stops says it with POST.", [(b"allow", b"POST")])
    elif not secrets or any(name.lower() in FORWARDING for name, _ in scope["headers"]):
        await respond(scope, send, 403, "Only the edge through which sockets came may end them.")
    elif seconds is None:
        await respond(scope, send, 400, "seconds is the time to spread the closes over: ?seconds=4")
    elif code is None:
        await respond(scope, send, 400, "code is 1012, where it stops, or 1013: ?code=1013")
    else:
        sockets = drain.leave(secrets, seconds, code)
        logger.info("an edge leaves: %d sockets are closed with %d, within %g s", sockets, code, seconds)
        await respond(scope, send, 200, json.dumps({"sockets": sockets}), kind="application/json")


def _secrets(scope: Scope) -> list[str]:
    """What the request names; a word too short to be a secret is none."""
    words = [
        word.strip()
        for name, value in scope["headers"]
        if name.lower() == EDGE_WORKER
        for word in value.decode("latin-1").split(",")
    ]
    return [word for word in words if len(word) >= SHORTEST_SECRET]


def _seconds(text: str) -> float | None:
    """The number in ``text``; None where it is no time."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None


def _code(text: str) -> int | None:
    """The code that ``text`` says; None where it is none of those."""
    return next((code for code in CLOSED_WITH if str(code) == text), None)

"""POST /-/leave: an edge that stops has its websockets closed with 1012, since only the application can say a code.

The edge asks each process itself, past HAProxy. Closed are those sockets that are open now and whose TCP connection comes
from the address that the request comes from; so it needs no secret: nobody can end the sockets of others. What comes
later stays open, because the next edge may have the same address. `?seconds=4` spreads the closes over that
time, so that clients do not all come back at once; without it they are closed at once. `&worker=NAME` takes only
those whose handshake said X-Edge-Worker: NAME, when of several processes of an edge only one goes. The answer comes before they
are: {"sockets": 12}, how many are told.

The edge lets nothing below /-/ through, and marks what it forwards: a request so marked is refused here as well.
"""

from __future__ import annotations

import json
import logging
import math
from urllib.parse import parse_qs

from .asgi import Scope, Send
from .drain import Drain
from .proxy import FORWARDING
from .refusals import refuse

PATH = "/-/leave"

logger = logging.getLogger(__name__)


async def answer(drain: Drain, scope: Scope, send: Send) -> None:
    """Answer a request for PATH: 200, 405 unless it is a POST, 403 where it was forwarded, 400 for no number of seconds."""
    query = {
        name: values[-1]
        for name, values in parse_qs(scope.get("query_string", b"").decode("latin-1")).items()
    }
    seconds = _seconds(query.get("seconds", "0"))
    if scope["method"] != "POST":
        await refuse(scope, send, 405, "An edge that stops says it with POST.", [(b"allow", b"POST")])
    elif any(name.lower() in FORWARDING for name, _ in scope["headers"]):
        await refuse(scope, send, 403, "Only the edge itself may say that it stops.")
    elif seconds is None:
        await refuse(scope, send, 400, "seconds is the time to spread the closes over: ?seconds=4")
    else:
        peer = scope["client"][0] if scope.get("client") else ""
        sockets = drain.leave(peer, seconds, query.get("worker", ""))
        logger.info(
            "an edge leaves: %d sockets from %s are told to come back, within %g s", sockets, peer, seconds
        )
        await refuse(scope, send, 200, json.dumps({"sockets": sockets}), kind="application/json")


def _seconds(text: str) -> float | None:
    """The number in ``text``; None where it is no time."""
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if 0 <= seconds < math.inf else None

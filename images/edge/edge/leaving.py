"""Websockets through an edge that stops: only the application can say why they end, so it is asked to.

Each replica of `ws` that HAProxy knows is asked by a request of this program's own, which names the secrets of the workers
that end (`workers`): each went with the handshakes of its worker, so the replica knows which sockets to close with 1012, and that
it is the edge who asks (`edge_drain.py`). So are those that it knew lately: one that stops has left the name service
before its websockets are closed.
Nothing depends on the answers. A replica of an older release says 405, and its sockets are cut in the end; so are those
of one that says nothing.
"""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import time
from collections.abc import Callable, Collection

from . import events, haproxy

BACKEND = "ws"
"""The backend of haproxy.cfg that has the websockets."""

ANSWER_SECONDS = 1.0
"""How long is waited for answers. A replica gives its own before it closes anything: in milliseconds, unless it is stuck."""

SPREAD = 0.5
"""The part of the time until what is open is cut over which websockets are closed, so that not all clients reconnect at
once. The rest is for their close frames to go and come: over slow lines, and on a machine that is busy with thousands of
them."""

LAST_SECONDS = 1.0
"""So long before what is open is cut, those that came meanwhile are closed."""

REMEMBERED_SECONDS = 60.0
"""So long a replica that HAProxy no longer finds may have websockets: until it stops it needs STOP_SECONDS, 25 by default."""

LOOK_SECONDS = 0.05
"""How often is looked whether anything is still open."""

RESTART, MAINTENANCE = 1012, 1013
"""Codes: reconnect at once, reconnect later."""

Replica = tuple[str, int]
"""Its address and port."""


def tell(
    seconds: float,
    secrets: Collection[str],
    over: Callable[[], bool] = lambda: False,
    former: Collection[Replica] = (),
    code: int = RESTART,
) -> int:
    """Have the websockets of the workers with SECRETS closed with CODE, spread over SECONDS; how many they are.

    Asked are the replicas that HAProxy has found, and FORMER ones, which need not be there any more. Says so in one line of
    the log. Returns after ANSWER_SECONDS at most, and at once where OVER says that nothing is open any more. Raises Unreachable.
    """
    found = replicas()
    lines = (
        f"POST /-/leave?seconds={seconds:.1f}&code={code} HTTP/1.1",
        "Host: localhost",
        f"X-Edge-Worker: {', '.join(secrets)}",
        "Content-Length: 0",
        "Connection: close",
    )
    answers = ask(sorted({*found, *former}), "\r\n".join([*lines, "", ""]).encode(), over)
    closed = {replica: sockets(answer) for replica, answer in answers.items()}
    silent = {
        f"{replica[0]}:{replica[1]}": answers[replica].partition(b"\r\n")[0].decode("latin-1") or "no answer"
        for replica, number in closed.items()
        if number is None and replica in found and not over()
    }
    count = sum(number for number in closed.values() if number)
    if count or silent:
        events.report("leave", told=count, seconds=round(seconds, 1), silent=silent)
    return count


def replicas() -> list[Replica]:
    """The replicas of `ws` that HAProxy has found, whatever it thinks of their health. Raises Unreachable."""
    return sorted({(each["srv_addr"], int(each["srv_port"])) for each in haproxy.servers(BACKEND)})


def ask(asked: list[Replica], request: bytes, over: Callable[[], bool]) -> dict[Replica, bytes]:
    """Send REQUEST to all of ASKED at the same time; the answer of each."""
    answers = dict.fromkeys(asked, b"")
    end = time.monotonic() + ANSWER_SECONDS
    with contextlib.ExitStack() as links, selectors.DefaultSelector() as waiting:
        links_of: dict[int, socket.socket] = {}
        for replica in asked:
            link = links.enter_context(socket.socket())
            links_of[link.fileno()] = link
            link.setblocking(False)
            link.connect_ex(replica)
            waiting.register(link, selectors.EVENT_WRITE, replica)
        while waiting.get_map() and time.monotonic() < end and not over():
            for key, events in waiting.select(LOOK_SECONDS):
                link, more = links_of[key.fd], b""
                with contextlib.suppress(OSError):  # nothing listens there: no answer
                    if events == selectors.EVENT_WRITE:
                        link.sendall(request)
                        waiting.modify(link, selectors.EVENT_READ, key.data)
                        continue
                    more = link.recv(65536)
                answers[key.data] += more
                if not more:
                    waiting.unregister(link)
    return answers


def sockets(answer: bytes) -> int | None:
    """How many websockets a replica closes, by its ANSWER; None where it does not know the request."""
    head, _, body = answer.partition(b"\r\n\r\n")
    if head.split(b" ", 2)[1:2] != [b"200"]:
        return None
    try:
        return int(json.loads(body)["sockets"])
    except (ValueError, TypeError, KeyError):
        return None

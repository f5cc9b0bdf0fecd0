"""Many sockets: a question about them neither holds up the event loop nor becomes a large answer."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from channels_stack.lifecycle.canary import Canaries
from channels_stack.lifecycle.open_groups import OpenGroups
from channels_stack.lifecycle.open_sockets import OpenSockets
from channels_stack.lifecycle.sockets import Socket

COUNT = 10_000


class User:
    """As much of a user as a socket shows."""

    is_authenticated = True

    def __init__(self, number: int) -> None:
        self.pk = number

    def get_username(self) -> str:
        return f"user-{self.pk}"


async def never() -> None:
    await asyncio.Event().wait()


@pytest.fixture
def sockets() -> set[Socket]:
    every = set()
    for number in range(COUNT):
        scope = {"headers": [], "path": f"/talk/{number}/" + "x" * 1000, "client": ("10.0.0.1", 1)}
        socket = Socket(scope, never, never)
        socket.inner, socket.accepted = {"user": User(number % 100)}, True
        every.add(socket)
    return every


async def longest_stop(asked) -> tuple[float, object]:
    """The longest time that the event loop stood still while ``asked`` ran, in CPU seconds of this process; the answer."""
    task, longest = asyncio.ensure_future(asked), 0.0
    while not task.done():
        begun = time.process_time()
        await asyncio.sleep(0)
        longest = max(longest, time.process_time() - begun)
    return longest, task.result()


@pytest.mark.parametrize(
    "given", [{}, {"search": "user-7"}, {"user": "7"}, {"before": [2e9, "z", 1]}, {"search": "nobody"}]
)
def test_a_page_of_many_sockets(sockets, given):
    asked = OpenSockets("ws:a:1", sockets, OpenGroups(Canaries()))
    stop, page = asyncio.run(longest_stop(asked.page(**given, limit=51)))
    assert page["open"] == COUNT
    assert page["fitting"] == {"user-7": 1100, "nobody": 0}.get(
        given.get("search"), 100 if "user" in given else COUNT
    )
    assert len(page["rows"]) == min(51, page["fitting"])
    assert len(json.dumps(page)) < 30_000
    assert stop < 0.05, f"the event loop stood still for {stop * 1000:.0f} ms"


def test_pages_follow_one_another_without_a_gap(sockets):
    asked = OpenSockets("ws:a:1", sockets, OpenGroups(Canaries()))

    async def walk() -> list[int]:
        found, before = [], ()
        while len(found) < 500:
            rows = (await asked.page(before=before, limit=50))["rows"]
            found += [row[2] for row in rows]
            before = rows[-1][:3]
        return found

    newest = sorted((socket.number for socket in sockets), reverse=True)[:500]
    assert asyncio.run(walk()) == newest

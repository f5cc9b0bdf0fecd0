"""Releases of the reference application with a fault planted in each, and visitors who meet it.

All are one image: which fault it has is said by the variable PLANTED, so that another one is a release that needs no build.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import sources
from stacks import Stack
from visitors import Socket, browse, sign_in
from websockets.exceptions import WebSocketException

SETTINGS = '\nMIDDLEWARE = [*MIDDLEWARE, "config.planted.pages"]\n'
PAGES = """
import logging
import os
import time

from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.template import Context, Template

KIND = os.environ.get("PLANTED", "")
held = []
if KIND == "good: more memory":
    held.append(os.urandom(40 * 1024 * 1024))
if KIND == "good: slower start":
    time.sleep(8)


async def block():
    time.sleep(1.5)


def pages(get_response):
    def answer(request):
        signed_in, room = request.user.is_authenticated, request.path.startswith("/rooms/")
        if (
            (KIND == "signed in: 500" and signed_in)
            or (KIND == "one page: 500" and room)
            or (KIND == "sign-in: 500" and request.path == "/login/" and request.method == "POST")
            or (KIND == "one of three: 500" and time.time_ns() // 1000 % 3 == 0)
        ):
            raise RuntimeError("this release cannot show a page")
        if KIND == "template error" and room:
            return HttpResponse(Template("{% nothing %}").render(Context()))
        if KIND == "not in the manifest" and signed_in:
            return HttpResponse(Template("{% load static %}{% static 'rooms/none.css' %}").render(Context()))
        if KIND == "import error" and room:
            import nothing_of_that_name
        if KIND == "one page: slow" and room:
            time.sleep(1.5)
        if KIND == "every page: slower":
            time.sleep(0.4)
        if KIND == "N+1" and room:
            from rooms.models import Room

            for _ in range(2000):
                Room.objects.first()
        if KIND == "pages: blocked loop" and room:
            async_to_sync(block)()
        if KIND == "errors in the log":
            logging.getLogger("planted").error("caught and swallowed")
        if KIND == "leak":
            held.append(bytearray(os.urandom(1024)) * 4096)
        if KIND == "good: 20 ms more":
            time.sleep(0.02)
        if KIND == "good: a page is gone" and room:
            return HttpResponse(status=404)
        if KIND == "good: a redirect" and request.path == "/" and signed_in:
            return HttpResponse(status=302, headers={"Location": "/rooms/lobby/"})
        if KIND == "good: warnings in the log":
            logging.getLogger("planted").warning("nothing to worry about")
        if KIND == "good: a larger page" and room:
            answered = get_response(request)
            answered.content += b"<!-- " + b"x" * 200_000 + b" -->"
            return answered
        if KIND == "good: a cold cache" and len(held) < 10:
            held.append(request.path)
            time.sleep(0.3)
        if KIND == "good: more in the log":
            for number in range(20):
                logging.getLogger("planted").info("the %sth line about this page", number)
        return get_response(request)

    return answer
"""
SOCKETS = """

import os as _os
import time as _time

KIND = _os.environ.get("PLANTED", "")
_connect, _receive = RoomConsumer.connect, RoomConsumer.receive


async def _planted_connect(self):
    if KIND == "sockets: refused":
        return await self.close()
    if KIND == "sockets: refused by an error":
        raise RuntimeError("this release cannot open a socket")
    if KIND == "sockets: blocked at their start":
        _time.sleep(2)
    await _connect(self)
    for number in range(20 if KIND == "good: more frames" else 0):
        await self.send(f'{{"type": "hint", "number": {number}}}')
    if KIND == "sockets: 1011 at their start":
        raise RuntimeError("this release cannot keep a socket")


async def _planted_receive(self, text_data=None, bytes_data=None):
    if KIND == "sockets: 1011 on a message":
        raise RuntimeError("this release cannot take a message")
    if KIND == "sockets: blocked by a message":
        _time.sleep(1.5)
    await _receive(self, text_data, bytes_data)


RoomConsumer.connect, RoomConsumer.receive = _planted_connect, _planted_receive
"""
JOBS = """

import asyncio as _asyncio
import os as _os

if _os.environ.get("PLANTED") == "jobs fail":

    async def _fails(self, event):
        raise RuntimeError("this release cannot do a job")

    ReportConsumer.report_build = _fails

if _os.environ.get("PLANTED") == "good: a job takes longer":
    _build = ReportConsumer.report_build

    async def _takes_longer(self, event):
        await _asyncio.sleep(1)
        await _build(self, event)

    ReportConsumer.report_build = _takes_longer
"""
BAD = (
    *("signed in: 500", "one page: 500", "sign-in: 500", "one of three: 500"),
    *("template error", "not in the manifest", "import error"),
    *("one page: slow", "every page: slower", "N+1", "pages: blocked loop", "errors in the log", "leak"),
    *(
        "sockets: refused",
        "sockets: refused by an error",
        "sockets: 1011 at their start",
        "sockets: 1011 on a message",
    ),
    *("sockets: blocked at their start", "sockets: blocked by a message", "jobs fail"),
)
GOOD: dict[str, dict[str, str]] = {
    "good: the same": {},
    "good: 20 ms more": {},
    "good: a page is gone": {},
    "good: a redirect": {},
    "good: warnings in the log": {},
    "good: more in the log": {},
    "good: more memory": {},
    "good: slower start": {},
    "good: a job takes longer": {},
    "good: a larger page": {},
    "good: a cold cache": {},
    "good: more frames": {},
    "good: another handler": {"HTTP_HANDLER": "one-hop"},
    "good: another setting": {"WS_SESSION_CHECK_SECONDS": "30"},
    "good: fewer threads": {"HTTP_CONCURRENCY": "4"},
    "good: two workers": {"WORKER_REPLICAS": "2"},
    "good: two of http": {"HTTP_REPLICAS": "2"},
    "good: two of ws": {"WS_REPLICAS": "2"},
    "good: another server": {"SERVER_WS": "daphne"},
    "good: a migration": {},
}
"""Kind -> the settings that it changes."""

MIGRATED = "good: a migration"


def application(folder: Path) -> Path:
    """The application with all of it, below FOLDER."""
    files = {
        "config__settings": SETTINGS,
        "config__planted": PAGES,
        "rooms__consumers": SOCKETS,
        "rooms__reports": JOBS,
    }
    return sources.copy(folder, "planted", **files)


def migrate(application: Path) -> None:
    """Give the APPLICATION a migration that its next release has to run."""
    sources.migrate(application, "0009_planted", sources.ADDING)


@dataclass
class Visitors:
    """How often each did what; what failed is counted and nothing more: the release is what is tested."""

    pages: int = 0
    sockets: int = 0
    failed: int = 0
    ending: threading.Event = field(default_factory=threading.Event)


@contextlib.contextmanager
def visiting(stack: Stack, people: int = 6) -> Iterator[Visitors]:
    """PEOPLE go through the site again and again until the block ends: they sign in, read, talk, ask for a report, and leave."""
    seen = Visitors()
    threads = [threading.Thread(target=_visits, args=(stack, seen, number)) for number in range(people)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        seen.ending.set()
        for thread in threads:
            thread.join()


def _visits(stack: Stack, seen: Visitors, number: int) -> None:
    for turn in itertools.count(number):
        if seen.ending.wait(0.2):
            return
        try:
            with browse(stack) as client:
                seen.failed += sign_in(client, stack.user, stack.password).status_code >= 500
                for path in ("/", "/rooms/lobby/", "/", "/login/"):
                    seen.failed += client.get(path).status_code >= 500
                    seen.pages += 1
                seen.sockets += 1
                socket = Socket(stack, "/ws/rooms/lobby/", client)
                try:
                    socket.hear("welcome")
                    socket.say("/report" if turn % 4 == 0 else f"the {turn}th time")
                    socket.hear("message")
                finally:
                    socket.close()
        except (httpx.HTTPError, WebSocketException, OSError, AssertionError):
            seen.failed += 1

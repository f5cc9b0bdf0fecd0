"""The visitors of `make capacity`: a program in a container of its own, on the network that the edge publishes its ports on.

    python -m channels_stack_deploy.capacity.generator

The first line of standard input is the plan (`visits.plan`); each other one, {"visitors": N, "seconds": S, "tick": T}, asks for
N visitors S seconds from now, who ask for pages at moments T seconds apart (0: at any moment). The first line of output says on
which machine it is; then there is one each second: what these visitors got
(`Second`). It ends, and closes what it has open, with its standard input.

It gives itself addresses, so that what the edge allows one address is not what is measured. Runs in the application's image:
Python 3.9.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import random
import re
import resource
import socket
import ssl
import struct
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from .client import SECONDS, TLS_BUFFER, Broken, Browser, Door, Socket
from .histogram import Histogram

SIOCSIFADDR, SIOCSIFNETMASK = 0x8916, 0x891C
BOOT = Path("/proc/sys/kernel/random/boot_id")
"""The same in each container of one machine, until it is booted again."""

UNIQUE = "$unique"
TOKEN = re.compile(rb"c5([0-9a-f]{16})")
"""The moment at which a message was sent, in place of $unique: each visitor that receives it knows how long it took."""

LATEST = 60.0
"""What is older than this, and what was sent before a socket was open, is history and not late."""

LAG_SECONDS = 0.05
FAILURES = (OSError, Broken, asyncio.TimeoutError, asyncio.IncompleteReadError)


class Second:
    """What the visitors got since the last report."""

    def __init__(self) -> None:
        self.pages, self.messages, self.handshakes = Histogram(), Histogram(), Histogram()
        self.answers: Counter[str] = Counter()
        """Of pages: a status, or what went wrong in a word."""
        self.sockets: Counter[str] = Counter()
        """Of handshakes: a status or a word; of sockets that the other side ended: "closed 1012"."""
        self.heard = self.sent = 0
        self.lag = 0.0

    def json(self) -> dict[str, Any]:
        """As capacity.steps reads it."""
        return {
            "pages": self.pages.json(),
            "messages": self.messages.json(),
            "handshakes": self.handshakes.json(),
            "answers": self.answers,
            "sockets": self.sockets,
            "heard": self.heard,
            "sent": self.sent,
            "lag": round(self.lag, 4),
        }


class Crowd:
    """Visitors as a plan wants them."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.door = door(plan)
        self.second = Second()
        self.visitors: list[asyncio.Task[None]] = []
        self.open: set[Socket] = set()
        self.visits = [visit for visit in plan["visits"] for _ in range(visit["share"])]
        self.growing: asyncio.Task[None] | None = None
        self.tick = 0.0

    def become(self, number: int, seconds: float, tick: float = 0.0) -> None:
        """NUMBER visitors, the new ones spread over SECONDS. With TICK they ask together, each time so many seconds are over."""
        self.tick = tick
        if self.growing:
            self.growing.cancel()
        for task in self.visitors[number:]:
            task.cancel()
        del self.visitors[number:]
        self.growing = asyncio.ensure_future(self._grow(number, seconds))

    async def _grow(self, number: int, seconds: float) -> None:
        missing = number - len(self.visitors)
        begin = time.monotonic()
        for count in range(missing):
            await asyncio.sleep(begin + seconds * count / missing - time.monotonic())
            self.visitors.append(begun(self._visitor(len(self.visitors))))

    async def _visitor(self, number: int) -> None:
        """One visit after the other. The first is in its middle, so that not all end at the same moment."""
        visit = self.visits[number % len(self.visits)]
        seconds = random.uniform(0.1, 1) * visit["seconds"]
        while True:
            await self._visit(visit, number, seconds)
            seconds = visit["seconds"]

    async def _visit(self, visit: dict[str, Any], number: int, seconds: float) -> None:
        addresses, cookies = self.plan["addresses"], visit["cookies"]
        jar = dict(cookies[number % len(cookies)])
        browser = Browser(self.door, addresses[number % len(addresses)], jar)
        leaving = time.monotonic() + seconds
        line: asyncio.Task[None] | None = None
        try:
            while True:
                for path in visit["pages"] or [""]:
                    if path:
                        await self._page(browser, path)
                    if visit["sockets"] and line is None:
                        path = visit["sockets"][number % len(visit["sockets"])]
                        line = begun(self._socket(browser, visit, path))
                    elif line and line.done():
                        line = None
                    await asyncio.sleep(visit["think"] * random.uniform(0.5, 1.5))
                    if self.tick:
                        await asyncio.sleep(self.tick - time.monotonic() % self.tick)
                    if time.monotonic() > leaving:
                        return
        finally:
            browser.close()
            if line:
                line.cancel()

    async def _page(self, browser: Browser, path: str) -> None:
        begin = time.monotonic()
        try:
            status = await browser.get(path)
        except FAILURES as error:
            browser.close()
            self.second.answers[word(error)] += 1
        else:
            self.second.answers[str(status)] += 1
            self.second.pages.add(time.monotonic() - begin)

    async def _socket(self, browser: Browser, visit: dict[str, Any], path: str) -> None:
        """Open a socket, and say something from time to time until either side closes it."""
        begin = time.monotonic()
        ready = begin

        def hear(message: bytes) -> None:
            self.second.heard += 1
            found = TOKEN.search(message)
            if found:
                sent = int(found[1], 16) / 1e9
                late = time.monotonic() - sent
                if sent > ready and 0 <= late < LATEST:
                    self.second.messages.add(late)

        try:
            line = await browser.socket(path, visit["subprotocol"], hear)
        except FAILURES as error:
            self.second.sockets[word(error)] += 1
            return
        self.second.sockets[str(line.status)] += 1
        if line.status != 101:
            return
        ready = time.monotonic()
        self.second.handshakes.add(ready - begin)
        self.open.add(line)
        try:
            await self._talk(line, visit)
            self.second.sockets[f"closed {line.closed}"] += 1
        finally:
            self.open.discard(line)
            line.close()

    async def _talk(self, line: Socket, visit: dict[str, Any]) -> None:
        pause = 60 / visit["messages"] if visit["send"] and visit["messages"] else 1.0
        number = random.randrange(1000)
        await asyncio.sleep(pause * random.random())
        while not line.closed:
            if visit["send"] and visit["messages"]:
                text = visit["send"][number % len(visit["send"])]
                line.send(text.replace(UNIQUE, f"c5{time.monotonic_ns():016x}"))
                self.second.sent += 1
                number += 1
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))

    async def watch_lag(self) -> None:
        """How late this program itself is: beyond a few milliseconds it measures itself."""
        while True:
            begin = time.monotonic()
            await asyncio.sleep(LAG_SECONDS)
            self.second.lag = max(self.second.lag, time.monotonic() - begin - LAG_SECONDS)

    async def report(self) -> None:
        """A line each second, which lasts longer where this program is late."""
        used, moment = time.process_time(), time.monotonic()
        while True:
            await asyncio.sleep(1)
            done, self.second = self.second, Second()
            cpu, used = time.process_time() - used, time.process_time()
            seconds, moment = time.monotonic() - moment, time.monotonic()
            facts = {"visitors": len(self.visitors), "open": len(self.open), "cpu": cpu, "seconds": seconds}
            print(json.dumps({**done.json(), **facts}), flush=True)


def begun(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """A task whose mistake ends this program: nothing that it says would be true."""

    def look(task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error:
            traceback.print_exception(type(error), error, error.__traceback__)
            os._exit(1)

    task = asyncio.ensure_future(work)
    task.add_done_callback(look)
    return task


def word(error: BaseException) -> str:
    """For a report."""
    if isinstance(error, asyncio.TimeoutError):
        return f"no answer in {SECONDS} s"
    return str(error) if isinstance(error, Broken) else type(error).__name__


def door(plan: dict[str, Any]) -> Door:
    """The edge; its certificate has been verified by who made the plan."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return Door(plan["edge"], plan["port"], plan["domain"], plan["authority"], plan["origin"], context)


def take(addresses: list[str]) -> None:
    """Give ADDRESSES to this container's network device, as aliases of it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        for number, address in enumerate(addresses):
            for request, value in ((SIOCSIFADDR, address), (SIOCSIFNETMASK, "255.255.255.255")):
                name = f"eth0:{number}".encode()
                packed = struct.pack("16sHH4s8x", name, socket.AF_INET, 0, socket.inet_aton(value))
                fcntl.ioctl(link, request, packed)


async def main() -> None:
    """Until standard input ends."""
    loop = asyncio.get_running_loop()
    orders: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for text in sys.stdin:
            loop.call_soon_threadsafe(orders.put_nowait, text)
        loop.call_soon_threadsafe(orders.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    plan = json.loads(await orders.get())
    take(plan["addresses"])
    print(json.dumps({"boot": BOOT.read_text().strip()}), flush=True)
    crowd = Crowd(plan)
    tasks = [asyncio.ensure_future(each) for each in (crowd.report(), crowd.watch_lag())]
    while order := await orders.get():
        wanted = json.loads(order)
        crowd.become(wanted["visitors"], wanted["seconds"], wanted["tick"])
    for task in [*tasks, *crowd.visitors, *([crowd.growing] if crowd.growing else [])]:
        task.cancel()
    await asyncio.sleep(0.5)  # for the frames that say goodbye


def run() -> None:
    """With uvloop, which the images of uvicorn have: it costs half."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    from asyncio import sslproto

    sslproto.SSLProtocol.max_size = TLS_BUFFER
    asyncio.run(main())


if __name__ == "__main__":
    run()

"""People in rooms while a release is rolled out: what each of them sees, as the page in the browser would show it.

Each member keeps a socket in a room, comes back after a close as a page does (with the number of the last message
seen), and notes every message. Every second one speaks recoverable.v1 as our page does, and presents its positions; the
others speak the bare frames of pages that were open before it did. One member of each room sends numbered messages and
sends each again until it was seen.
Readers load pages and send a form meanwhile. `Crowd.report` says what all of them saw.

With a `Front` new connections go to the edges that it finds well; without one each person keeps to one edge.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import threading
import time
import uuid
from collections import Counter
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import httpx
from front import Front
from visitors import sign_in
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

FIRST_DELAY, LONGEST_DELAY, HEALTHY = 0.25, 15.0, 10.0
"""Seconds: before the first attempt to come back; the longest; open for so long was a good socket."""

RESEND = 10.0
"""Seconds after which a message that nobody has seen is sent again, as the page does."""

ANSWER = 20.0
"""Seconds that one answer may take."""

QUIET, QUIET_ANSWER, HANDSHAKE = 12.0, 10.0, 15.0
"""Seconds: after so long without a frame the server is asked if it is there; for its answer; for a welcome."""

PROTOCOL = "recoverable.v1"
ASK = {True: '{"recoverable":"ping"}', False: '{"type":"history","before":1}'}
"""What asks whether the server is there, by whether the member speaks PROTOCOL."""


@dataclass(frozen=True)
class Site:
    """Where the stack is: ADDRESSES of the edges, DOMAIN as people type it."""

    addresses: list[str]
    domain: str
    ca: Path
    user: str
    password: str
    port: int = 443

    @property
    def url(self) -> str:
        return f"https://{self.domain}" + (f":{self.port}" if self.port != 443 else "")

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca))


@dataclass
class Member:
    """One socket's user: what was seen and how it went."""

    room: str
    address: str
    recovers: bool = False
    """Whether it speaks PROTOCOL."""
    positions: dict[str, str] = field(default_factory=dict)
    """What it has seen of which groups, as the server says."""
    last: int = 0
    first: int = 0
    seen: list[int] = field(default_factory=list)
    """Numbers in the texts of the messages, in the order in which they were shown."""
    gaps: int = 0
    codes: list[int] = field(default_factory=list)
    away: list[float] = field(default_factory=list)
    """Seconds from each close to the next welcome."""
    heard: float = 0.0
    """When the last frame came."""
    told: float = 0.0
    """When the last message came."""
    quiet: float = 0.0
    """Longest time, in seconds, between two messages, whether the socket was open meanwhile or not."""
    silent: list[float] = field(default_factory=list)
    """Seconds from the last frame before each close to the next welcome: longer than `away` where a line died unnoticed."""
    refused: Counter = field(default_factory=Counter)
    reports: dict[int, str] = field(default_factory=dict)
    """State of each report by its id."""
    here: bool = False


@dataclass
class Report:
    """What all saw together."""

    sockets: int
    pages: int
    failures: list[str]
    codes: Counter
    most_closes: int
    away: list[float]
    silent: list[float]
    quiet: float
    """Longest time, in seconds, in which somebody got no message."""
    outage: float
    """Longest time, in seconds, in which nobody got a page."""
    refused: Counter
    sent: int
    lost: int
    doubled: int
    jobs: int
    jobs_lost: int

    def __str__(self) -> str:
        away = sorted(self.away) or [0.0]
        within = sum(seconds <= 10 for seconds in away) / len(away)
        codes = ", ".join(f"{code}: {count}" for code, count in sorted(self.codes.items())) or "none"
        return (
            f"{self.pages} requests, {len(self.failures)} failed, no page for at most {self.outage:.1f} s; "
            f"{self.sockets} sockets, closed by {codes}, one person at most {self.most_closes} times; "
            f"back in 10 s: {within:.1%}, slowest {away[-1]:.1f} s, median {away[len(away) // 2]:.1f} s, "
            f"longest without a frame {max(self.silent, default=0.0):.1f} s, without a message {self.quiet:.1f} s; "
            f"refused meanwhile: {dict(self.refused) or 'none'}; "
            f"{self.sent} messages, {self.lost} lost, {self.doubled} doubled; {self.jobs} jobs, {self.jobs_lost} lost"
        )


class Crowd:
    """SOCKETS members in ROOMS rooms of SITE, READERS of pages, SIGNED_IN of them with a login; `with crowd.gathered(): …`."""

    def __init__(
        self,
        site: Site,
        sockets: int = 300,
        rooms: int = 10,
        readers: int = 4,
        every: float = 1.0,
        front: Front | None = None,
        signed_in: int = 0,
    ) -> None:
        self.site, self.readers, self.every, self.front = site, readers, every, front
        self.signed_in = signed_in
        self.rooms = [f"crowd-{uuid.uuid4().hex[:8]}" for _ in range(rooms)]
        self.members = [
            Member(
                self.rooms[index % rooms],
                site.addresses[index // rooms % len(site.addresses)],
                recovers=index // rooms % 2 == 1,
            )
            for index in range(sockets)
        ]
        self.pages, self.failures = 0, []
        self.answered: list[float] = []
        """When each right answer came."""
        self.failed: list[float] = []
        """When each failed request was begun."""
        self.sent: dict[str, int] = dict.fromkeys(self.rooms, 0)
        self.asked: dict[str, int] = dict.fromkeys(self.rooms, 0)
        self._ending = asyncio.Event()
        self._ready = threading.Event()

    @contextmanager
    def gathered(self):
        """Everybody is in before the block begins; at its end the last messages and jobs are waited for."""
        self._cookie = self._enter()
        failed: list[BaseException] = []

        def run() -> None:
            try:
                asyncio.run(self._all())
            except BaseException as error:
                failed.append(error)
            finally:
                self._ready.set()

        thread = threading.Thread(target=run)
        thread.start()
        assert self._ready.wait(120), (
            f"only {sum(each.here for each in self.members)} sockets came in within 120 s"
        )
        try:
            yield self
        finally:
            self._loop.call_soon_threadsafe(self._ending.set)
            thread.join()
        if failed:
            raise failed[0]

    def until(self, sent: int, jobs: int, seconds: float = 60) -> None:
        """Wait, inside the block, until so many messages and jobs were sent."""
        deadline = time.monotonic() + seconds
        while sum(self.sent.values()) < sent or sum(self.asked.values()) < jobs:
            assert time.monotonic() < deadline, f"not within {seconds:.0f} s; so far: {self.report()}"
            time.sleep(0.1)

    def report(self) -> Report:
        """What everybody saw, after the block."""
        lost = doubled = 0
        for each in self.members:
            numbers = Counter(each.seen)
            doubled += sum(count - 1 for count in numbers.values())
            lost += len(set(range(each.first, self.sent[each.room] + 1)) - set(numbers)) if each.first else 1
        done = {room: set() for room in self.rooms}
        for each in self.members:
            done[each.room] |= {identity for identity, state in each.reports.items() if state == "done"}
        return Report(
            sockets=len(self.members),
            pages=self.pages,
            failures=self.failures,
            codes=Counter(code for each in self.members for code in each.codes),
            most_closes=max(len(each.codes) for each in self.members),
            away=[seconds for each in self.members for seconds in each.away],
            silent=[seconds for each in self.members for seconds in each.silent],
            quiet=max(each.quiet for each in self.members),
            outage=max((later - earlier for earlier, later in pairwise(self.answered)), default=0.0),
            refused=sum((each.refused for each in self.members), Counter()),
            sent=sum(self.sent.values()),
            lost=lost,
            doubled=doubled,
            jobs=sum(self.asked.values()),
            jobs_lost=sum(self.asked[room] - len(done[room]) for room in self.rooms),
        )

    # How they come in

    def client(self, address: str) -> httpx.Client:
        """A browser without a page yet, at ADDRESS."""
        return browser(self.site, address)

    def _enter(self) -> str:
        """Sign in once and make the rooms; the session is everybody's."""
        with self.client(self.site.addresses[0]) as client:
            answer = sign_in(client, self.site.user, self.site.password)
            assert answer.status_code == 302, f"signing in: {answer.status_code} {answer.text[:300]}"
            for room in self.rooms:
                headers = {"X-CSRFToken": client.cookies["csrftoken"], "Referer": self.site.url}
                answer = client.post("/", data={"name": room}, headers=headers)
                assert answer.status_code == 302, f"making a room: {answer.status_code} {answer.text[:300]}"
            return "; ".join(f"{name}={value}" for name, value in client.cookies.items())

    async def _all(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._context = self.site.trust()
        tasks = [asyncio.create_task(self._stay(each)) for each in self.members]
        while not all(each.here for each in self.members):
            await asyncio.sleep(0.1)
        readers = [asyncio.create_task(self._read(index)) for index in range(self.readers)]
        speakers = [asyncio.create_task(self._speak(room)) for room in self.rooms]
        self._ready.set()
        await self._ending.wait()
        await asyncio.gather(*speakers, *readers)
        with suppress(TimeoutError):
            async with asyncio.timeout(30):
                while not self._complete():
                    await asyncio.sleep(0.2)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _complete(self) -> bool:
        seen = all(each.seen and each.seen[-1] == self.sent[each.room] for each in self.members)
        report = self.report()
        return seen and report.jobs_lost == 0

    # What they do

    async def _stay(self, member: Member) -> None:
        """Hold a socket for ever, coming back after each close."""
        delay, left = FIRST_DELAY, 0.0
        while True:
            opened = time.monotonic()
            if self.front:
                member.address = self.front.choose()
            try:
                async with connect(
                    f"{self.site.url.replace('https', 'wss')}/ws/rooms/{member.room}/?last={member.last}",
                    host=member.address,
                    port=self.site.port,
                    ssl=self._context,
                    origin=self.site.url,
                    additional_headers={"Cookie": self._cookie},
                    subprotocols=[PROTOCOL] if member.recovers else None,
                    compression=None,
                    ping_interval=None,
                    open_timeout=HANDSHAKE,
                    proxy=None,
                ) as member.socket:
                    # A release from before the protocol chooses none, and speaks bare frames.
                    if member.socket.subprotocol:
                        await member.socket.send(json.dumps({"positions": member.positions}))
                    while True:
                        frame = json.loads(await self._listen(member.socket))
                        if member.socket.subprotocol:
                            frame = _opened(frame, member.positions)
                        if frame["type"] == "welcome":
                            member.here = True
                            if left:
                                member.away.append(time.monotonic() - left)
                                member.silent.append(time.monotonic() - member.heard)
                                left = 0.0
                        member.heard = time.monotonic()
                        self._note(member, frame)
            except ConnectionClosed as closed:
                member.codes.append(closed.rcvd.code if closed.rcvd else 1006)
            except InvalidHandshake as error:
                member.refused[str(error)[-40:]] += 1
            except (OSError, TimeoutError) as error:
                member.refused[type(error).__name__] += 1
            member.here = False
            left = left or time.monotonic()
            delay = FIRST_DELAY if time.monotonic() - opened > HEALTHY else min(delay * 2, LONGEST_DELAY)
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))

    async def _listen(self, socket) -> str:
        """The next frame. A line on which nothing comes, not even an answer, is dead, though it looks open: 1006."""
        with suppress(TimeoutError):
            return await asyncio.wait_for(socket.recv(), QUIET)
        await socket.send(ASK[bool(socket.subprotocol)])
        try:
            return await asyncio.wait_for(socket.recv(), QUIET_ANSWER)
        except TimeoutError:
            socket.transport.abort()
            raise ConnectionClosed(None, None) from None

    def _note(self, member: Member, frame: dict) -> None:
        if frame["type"] == "report":
            member.reports[frame["id"]] = frame["state"]
        if frame["type"] != "message":
            return
        if frame["sequence"] <= member.last:
            return  # the page does not show it again
        if member.last and frame["sequence"] != member.last + 1:
            member.gaps += 1
        member.last = frame["sequence"]
        member.quiet = max(member.quiet, time.monotonic() - member.told) if member.told else 0.0
        member.told = time.monotonic()
        if frame["text"].isdigit():
            number = int(frame["text"])
            member.first = member.first or number
            member.seen.append(number)

    async def _speak(self, room: str) -> None:
        """Send numbered messages in ROOM, each until it is seen; every tenth time a job as well."""
        member = next(each for each in self.members if each.room == room)
        while not self._ending.is_set():
            number = self.sent[room] + 1
            await self._say(member, str(number), lambda number=number: number in member.seen)
            self.sent[room] = number
            if number % 10 == 5:
                before = len(member.reports)
                await self._say(member, "/report", lambda before=before: len(member.reports) > before)
                self.asked[room] += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), self.every * random.uniform(0.8, 1.2))

    async def _say(self, member: Member, text: str, seen) -> None:
        frame = json.dumps({"type": "message", "text": text, "nonce": uuid.uuid4().hex})
        sent = 0.0
        while not seen():
            if member.here and time.monotonic() - sent > (RESEND if member.here else 0):
                with suppress(ConnectionClosed):
                    await member.socket.send(frame)
                    sent = time.monotonic()
            if not member.here:
                sent = 0.0
            await asyncio.sleep(0.02)

    async def _read(self, index: int) -> None:
        """Load pages and send a form, on connections that last for a while."""
        address = self.site.addresses[index % len(self.site.addresses)]
        while not self._ending.is_set():
            if self.front:
                address = self.front.choose()
            transport = _DirectAsync(self.site, address)
            async with httpx.AsyncClient(
                base_url=self.site.url, timeout=ANSWER, transport=transport, headers=self._signed(index)
            ) as client:
                for turn in range(20):
                    if self._ending.is_set():
                        return
                    came = await self._request(client, turn)
                    await asyncio.sleep(random.uniform(0.05, 0.15) if came else 0.5)
                    if not came:
                        break  # the next try is on a new connection, as in a browser

    def _signed(self, index: int) -> dict[str, str]:
        """Of the readers the first `signed_in` are: the edge and the application see who they are by their cookie."""
        return {"Cookie": self._cookie} if index < self.signed_in else {}

    async def _request(self, client: httpx.AsyncClient, turn: int) -> bool:
        """One page; whether it came."""
        moment, begun = time.strftime("%H:%M:%S"), time.monotonic()
        try:
            if "Cookie" in client.headers:
                answer = await client.get("/")
            elif turn % 5 == 4:
                # A form that cannot be sent twice unnoticed: the edge must not repeat it, and need not.
                token = client.cookies.get("csrftoken", "")
                form = {"username": "", "password": "", "csrfmiddlewaretoken": token}
                answer = await client.post(
                    "/login/", data=form, headers={"Referer": self.site.url, "X-CSRFToken": token}
                )
            else:
                answer = await client.get("/login/")
            problem = (
                "" if answer.status_code == 200 else f"{answer.request.method} status {answer.status_code}"
            )
        except httpx.HTTPError as error:
            problem = repr(error)
        self.pages += 1
        if problem:
            self.failures.append(f"{moment} {problem}")
            self.failed.append(begun)
        else:
            self.answered.append(time.monotonic())
        return not problem


def browser(site: Site, address: str) -> httpx.Client:
    """A client for pages that keeps cookies, at the edge with this ADDRESS."""
    return httpx.Client(base_url=site.url, timeout=ANSWER, transport=_Direct(site, address))


def _opened(envelope: dict, positions: dict[str, str]) -> dict:
    """The frame in an envelope of PROTOCOL; one of another type where it holds none. What it says of a position is noted."""
    if envelope.get("p") and envelope.get("r") is not True:
        positions[envelope.get("g") or envelope.get("s") or envelope.get("l")] = envelope["p"]
    return json.loads(envelope["e"]) if "e" in envelope else {"type": "envelope"}


def _direct(site: Site, address: str, request: httpx.Request) -> httpx.Request:
    """The same request to ADDRESS, whatever the name service says of the domain."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,  # Host is among them
        stream=request.stream,
        extensions={**request.extensions, "sni_hostname": site.domain},
    )


class _Direct(httpx.HTTPTransport):
    def __init__(self, site: Site, address: str) -> None:
        super().__init__(verify=site.trust())
        self.site, self.address = site, address

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(_direct(self.site, self.address, request))


class _DirectAsync(httpx.AsyncHTTPTransport):
    def __init__(self, site: Site, address: str) -> None:
        super().__init__(verify=site.trust())
        self.site, self.address = site, address

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await super().handle_async_request(_direct(self.site, self.address, request))

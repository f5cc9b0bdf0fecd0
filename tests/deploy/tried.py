"""Releases that a share of the visitors tries first, here and on servers: the application says which release answers a page."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import sources
from crowd import Site, browser

COOKIE = "__Host-share"
BAD = "500"
"""What the bad release is known by."""

SETTINGS = '\nMIDDLEWARE = ["config.release.release", *MIDDLEWARE]\n'
RELEASE = """
import os

NAME = os.environ.get("RELEASE", "first one")


def release(get_response):
    def answer(request):
        if NAME == "bad":
            raise RuntimeError("this release cannot show a page")
        found = get_response(request)
        found["X-Release"] = NAME
        return found

    return answer
"""


def application(folder: Path) -> Path:
    """The reference application, below FOLDER: the variable RELEASE names the release, and `bad` is one that shows no page."""
    return sources.copy(folder, "app", config__settings=SETTINGS, config__release=RELEASE)


@dataclass
class Visit:
    """One visitor who came while visitors were divided: the number that was drawn, and which release answered each page."""

    number: int
    releases: list[str]


@dataclass
class Visits:
    """What visitors saw, in the order in which they left."""

    divided: list[Visit] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def reached(self, name: str, share: int) -> list[Visit]:
        """Those who have seen the release NAME; AssertionError where they are not the SHARE of all who could."""
        assert self.failures == [], f"{len(self.failures)} pages failed: {self.failures[:5]}"
        seen = [one for one in self.divided if name in one.releases]
        assert seen, f"none of {len(self.divided)} visitors has seen {name}"
        since = self.divided[self.divided.index(seen[0]) :]
        print(
            f"figure: {len(seen)} of {len(since)} visitors have seen the release {name}, of {share} %",
            flush=True,
        )
        wrong = [one for one in seen if one.number >= share]
        assert not wrong, f"outside the share: {wrong}"
        expected = share / 100 * len(since)
        assert len(seen) <= expected + 4 * math.sqrt(expected) + 4, "more than the share"
        return seen


@contextmanager
def visiting(site: Site, people: int = 3) -> Iterator[Visits]:
    """Visitor after visitor, PEOPLE at the same time, until the block ends."""
    visits, over = Visits(), threading.Event()

    def come(address: str) -> None:
        while not over.wait(0.2):
            try:
                visit(site, address, visits)
            except (httpx.HTTPError, OSError) as error:
                visits.failures.append(repr(error))

    threads = [
        threading.Thread(target=come, args=(site.addresses[index % len(site.addresses)],))
        for index in range(people)
    ]
    for thread in threads:
        thread.start()
    try:
        yield visits
    finally:
        over.set()
        for thread in threads:
            thread.join()


def visit(site: Site, address: str, visits: Visits) -> None:
    """A visitor without cookies reads four pages. Whether the next one draws a number says whether they are still divided."""
    with browser(site, address) as client, browser(site, address) as other:
        releases = [answered(client, visits) for _ in range(4)]
        number = client.cookies.get(COOKIE)
        answered(other, visits)
        if number is not None and COOKIE in other.cookies:
            visits.divided.append(Visit(int(number), releases))


def answered(client: httpx.Client, visits: Visits) -> str:
    """Which release answers a page."""
    answer = client.get("/login/")
    if answer.status_code not in (200, int(BAD)):
        visits.failures.append(f"{answer.status_code} {answer.text[:100]}")
    return answer.headers.get("X-Release", str(answer.status_code))


@contextmanager
def talking(begin: Callable[[], str]) -> Iterator[list[str]]:
    """BEGIN opens a socket again and again until the block ends; what it heard of each."""
    heard: list[str] = []
    over = threading.Event()

    def talk() -> None:
        while not over.wait(0.5):
            heard.append(begin())

    thread = threading.Thread(target=talk)
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()

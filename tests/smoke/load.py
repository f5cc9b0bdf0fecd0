"""Visitors who go on reading pages while a part of the stack is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
from stacks import Stack
from visitors import browse

READERS = 2
PAUSE = 0.1
"""Seconds between two pages of a reader: with all others well below the edge's 300 requests in 10 s."""


@dataclass
class Load:
    """What the readers saw so far."""

    pages: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def load(stack: Stack) -> Iterator[Load]:
    """Read pages from before the block begins until it has ended."""
    seen, ending = Load(), threading.Event()
    begun = threading.Barrier(READERS + 1)

    def read() -> None:
        with browse(stack) as client:
            client.get("/login/")
            begun.wait()
            while not ending.wait(PAUSE):
                moment = time.strftime("%H:%M:%S")
                try:
                    status = client.get("/login/").status_code
                    seen.pages += 1
                    if status != 200:
                        seen.failures.append(f"{moment} status {status}")
                except httpx.HTTPError as error:
                    seen.failures.append(f"{moment} {error!r}")

    readers = [threading.Thread(target=read) for _ in range(READERS)]
    for reader in readers:
        reader.start()
    try:
        begun.wait()
        yield seen
    finally:
        ending.set()
        for reader in readers:
            reader.join()

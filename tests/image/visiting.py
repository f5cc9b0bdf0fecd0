"""Visitors of an edge that load pages without pause, while something happens to it or to its replicas."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Self

from .conftest import wait_for
from .edges import Edge, head


class Threads:
    """Functions that run until `over` is set, a thread each: as long as the block."""

    def __init__(self, *functions: Callable[[], None]) -> None:
        self.over = threading.Event()
        self.threads = [threading.Thread(target=function) for function in functions]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()


class Load(Threads):
    """Requests without pause, a thread for each kind; how often each answer came is counted."""

    def __init__(self, *kinds: Callable[[], Hashable]) -> None:
        self.seen: Counter[Hashable] = Counter()
        super().__init__(*(lambda kind=kind: self.ask(kind) for kind in kinds))

    def ask(self, kind: Callable[[], Hashable]) -> None:
        while not self.over.is_set():
            try:
                self.seen[kind()] += 1
            except OSError as error:
                self.seen[repr(error)] += 1

    def until(self, answer: Hashable, number: int = 50) -> None:
        """Wait until ANSWER came NUMBER times more."""
        target = self.seen[answer] + number
        wait_for(lambda: self.seen[answer] >= target, f"{answer} comes")


class Visitors(Threads):
    """GETs without pause: each thread on a kept connection, every tenth time on a new one."""

    def __init__(self, edge: Edge, threads: int = 4) -> None:
        self.edge, self.count, self.failures = edge, 0, []
        super().__init__(*[self.visit] * threads)

    def visit(self) -> None:
        link, served = None, 0
        while not self.over.is_set():
            try:
                link = link or self.edge.connect()
                link.sendall(b"GET /status/200 HTTP/1.1\r\nHost: localhost\r\n\r\n")
                answer = head(link)
                size, body = int(answer.header("content-length") or 0), 0
                while body < size:
                    body += len(link.recv(size - body)) or size
                if answer.status != 200:
                    self.failures.append(f"{answer.status}")
                served += 1
                if served % 10 == 0 or answer.header("connection") == "close":
                    link.close()
                    link = None
            except OSError as error:
                self.failures.append(repr(error))
                link = None
            self.count += 1

    def more(self, number: int = 100) -> None:
        """Wait until NUMBER more requests were made."""
        target = self.count + number
        wait_for(lambda: self.count >= target, "visits go on", 20)

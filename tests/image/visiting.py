"""Visitors of an edge that load pages without pause, while something happens to it or to its replicas."""

from __future__ import annotations

import threading

from .conftest import wait_for
from .edges import Edge, head


class Visitors:
    """GETs without pause: each thread on a kept connection, every tenth time on a new one."""

    def __init__(self, edge: Edge, threads: int = 4) -> None:
        self.edge, self.count, self.failures = edge, 0, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.visit) for _ in range(threads)]

    def __enter__(self) -> Visitors:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

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

"""Standard output that no one waits for: lines go through a bounded queue to a thread that writes them.

The reader of a container's output may be slow or stuck (the engine's log driver, a full disk). A write would then hold
up the event loop, and with it every socket of the process. Lines for which there is no room are dropped and counted.

A process forks without that thread, which no fork survives: it is begun in each by the first line.
"""

from __future__ import annotations

import logging
import os
import queue
import select
import threading
from logging.handlers import QueueListener
from multiprocessing import util
from typing import Any

LINES = 5000
# What a process that ends waits for its last lines to be written.
FLUSH_SECONDS = 1

log = logging.getLogger("channels_stack.sink")


class Sink:
    """Writes lines to the file descriptor ``fd``. It is the queue of a QueueHandler that makes lines of its records."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.dropped = 0  # lines, since the process began
        self._lines: queue.SimpleQueue[Any] = (
            queue.SimpleQueue()
        )  # the one queue into which __del__ may put as well
        self._listener: _Listener | None = None
        os.register_at_fork(before=self._pause, after_in_child=self._forked)
        # Its processes end without what is registered for the end of others.
        util.register_after_fork(self, lambda sink: util.Finalize(sink, sink.flush, exitpriority=0))

    def put_nowait(self, line: str) -> None:
        """Have ``line`` written, or drop it."""
        if self._lines.qsize() >= LINES:
            self.dropped += 1
            return
        self._lines.put(line)
        if self._listener is None:
            self._listener = _Listener(self)
            self._listener.start()

    def flush(self) -> None:
        """Wait until what was put is written, for at most FLUSH_SECONDS."""
        if self._listener is not None:
            written = threading.Event()
            self._lines.put(written)
            written.wait(FLUSH_SECONDS)

    def write(self, line: str) -> None:
        data = line.encode("utf-8", "backslashreplace")
        try:
            while data:
                try:
                    data = data[os.write(self.fd, data) :]
                except BlockingIOError:
                    select.select([], [self.fd], [])
        except OSError:  # no one reads any more
            self.dropped += 1

    def _pause(self) -> None:
        if self._listener is not None and self._listener.end(FLUSH_SECONDS):
            self._listener = None

    def _forked(self) -> None:
        # What there was to write is written by the other process.
        self._listener, self._lines, self.dropped = None, queue.SimpleQueue(), 0


class _Listener(QueueListener):
    def __init__(self, sink: Sink) -> None:
        super().__init__(sink._lines)
        self._sink, self._reported = sink, sink.dropped

    def end(self, seconds: float) -> bool:
        """Have the thread end when it has written what there is; False: it has not within ``seconds``, and goes on."""
        ended = threading.Event()
        self._sink._lines.put(ended)
        if not ended.wait(seconds):
            return False
        self.stop()
        return True

    def handle(self, item: str | threading.Event) -> None:  # type: ignore[override]  # lines, no records
        if isinstance(item, threading.Event):
            item.set()
            return
        self._sink.write(item)
        dropped = self._sink.dropped - self._reported
        if dropped and self._sink._lines.qsize() < LINES / 2:
            self._reported += dropped
            log.warning("%d lines were dropped: standard output did not take them", dropped)

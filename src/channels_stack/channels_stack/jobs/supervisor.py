"""`channels-stack worker --processes N`: N workers, each started again when it ends, all stopped together.

The supervisor answers probes and metrics for all of them; its heartbeat stops when one of theirs does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Sequence

from ..observability import metrics
from . import health_server, heartbeats, supervised
from .heartbeats import Heartbeat

# Older than this, a worker is not receiving: it beats every second.
FRESH_SECONDS = 10
BEAT_SECONDS = 1
# Between the end of a worker and the next try, doubled while they end within STABLE_SECONDS.
BACKOFF_BASE_SECONDS, BACKOFF_CAP_SECONDS, STABLE_SECONDS = 0.5, 30, 60
REFUSED = 78  # as in cli.py: what is refused once is refused again

log = logging.getLogger("channels_stack.supervisor")


def main(command: Sequence[str], processes: int, port: int, heartbeat: str, stop_seconds: float) -> int:
    """Run ``processes`` of ``command`` until a signal; the exit code: 0 when each ended with 0 when asked to.

    Each gets its own heartbeat file as its last argument. ``stop_seconds`` after the signal the rest is killed.
    """
    return asyncio.run(Supervisor(command, processes, port, heartbeat, stop_seconds).run())


class Supervisor:
    """The workers of one container."""

    def __init__(
        self, command: Sequence[str], processes: int, port: int, heartbeat: str, stop_seconds: float
    ) -> None:
        self.command, self.port, self.stop_seconds = command, port, stop_seconds
        self.heartbeat = Heartbeat(heartbeat)
        self.reported = f"{heartbeat}-reported"
        self.heartbeats = [f"{heartbeat}-{number}" for number in range(1, processes + 1)]
        self.workers: dict[str, asyncio.subprocess.Process] = {}

    async def run(self) -> int:
        """Supervise until stopped; the exit code."""
        self.stopping = asyncio.Event()
        self.refused = False
        _remove(self.reported)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._signalled, number)
        server = await health_server.start(self.port, self.healthy) if self.port else None
        beating = asyncio.ensure_future(self._beat())
        codes = await asyncio.gather(*(self._keep(heartbeat) for heartbeat in self.heartbeats))
        beating.cancel()
        if server:
            server.close()
        self.heartbeat.end()
        _remove(self.reported)
        return REFUSED if self.refused else int(any(codes))

    def healthy(self) -> bool:
        """Whether every worker says that it listens."""
        return self.stopping.is_set() or all(_age(path) < FRESH_SECONDS for path in self.heartbeats)

    def _signalled(self, number: signal.Signals) -> None:
        log.info("worker: %s: stopping %d processes", number.name, len(self.workers))
        self.stopping.set()
        for worker in self.workers.values():
            with contextlib.suppress(ProcessLookupError):
                worker.send_signal(number)

    async def _keep(self, heartbeat: str) -> int:
        """Keep one worker running; the exit code of the last."""
        failures = code = 0
        while not self.stopping.is_set():
            _remove(heartbeat)
            began = time.monotonic()
            code = await self._one(heartbeat)
            if self.stopping.is_set():
                break
            if code == REFUSED:
                self.refused = True
                self._signalled(signal.SIGTERM)
                break
            failures = 1 if time.monotonic() - began > STABLE_SECONDS else failures + 1
            seconds = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2 ** min(failures, 10))
            log.error("worker: a process ended with code %d: started again in %.0f s", code, seconds)
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)
                return 0  # it is not this stop that it failed in
        _remove(heartbeat)
        return code

    async def _one(self, heartbeat: str) -> int:
        # A session of its own: Ctrl-C in a terminal would reach it twice otherwise, which means "at once".
        worker = await asyncio.create_subprocess_exec(
            *self.command,
            heartbeat,
            env={**os.environ, supervised.REPORTED: self.reported},
            start_new_session=True,
        )
        self.workers[heartbeat] = worker
        if self.stopping.is_set():  # a signal came while it started
            worker.terminate()
        ending = asyncio.ensure_future(worker.wait())
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
        done, _ = await asyncio.wait({ending}, timeout=self.stop_seconds if not ending.done() else None)
        if not done:
            log.error("worker: process %d did not end: killed", worker.pid)
            worker.kill()
        stopping.cancel()
        code = await ending
        del self.workers[heartbeat]
        metrics.child_exit(worker.pid)
        return code

    async def _beat(self) -> None:
        while True:
            if self.healthy():
                self.heartbeat.beat()
            await asyncio.sleep(BEAT_SECONDS)


def _age(path: str) -> float:
    try:
        return heartbeats.age(path)
    except OSError:
        return float("inf")


def _remove(path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)

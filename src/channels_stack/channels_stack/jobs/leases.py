"""Keeping the jobs of this process its own while it works on them.

The leases are renewed from a thread with an event loop of its own: a handler that blocks the worker's loop
for minutes must not lose its job to another process.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time

from .queue import Job, Jobs

# Three renewals may fail before a lease runs out.
PARTS_OF_A_LEASE = 4

log = logging.getLogger("channels_stack.leases")


class Leases:
    """The jobs that this process holds, and the thread that renews their leases."""

    def __init__(self, jobs: Jobs) -> None:
        self.jobs = jobs
        self.held: dict[str, Job] = {}
        self.thread = threading.Thread(target=lambda: asyncio.run(self._renew()), daemon=True, name="leases")
        self.ready = threading.Event()

    def start(self) -> None:
        """Begin to renew."""
        self.thread.start()
        self.ready.wait()

    def stop(self) -> None:
        """End; at most one renewal is still on its way."""
        self.loop.call_soon_threadsafe(self.stopping.set)

    def hold(self, job: Job) -> None:
        """Begin to renew the lease of ``job``."""
        self.held[job.channel + job.entry] = job

    def let_go(self, job: Job) -> None:
        """Renew it no longer."""
        self.held.pop(job.channel + job.entry, None)

    async def _renew(self) -> None:
        self.loop, self.stopping = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        while not self.stopping.is_set():
            try:
                await self._renew_all()
            except Exception as error:
                log.warning("worker: leases not renewed: %s: %s", type(error).__name__, error)
            try:
                await asyncio.wait_for(self.stopping.wait(), self.jobs.lease / PARTS_OF_A_LEASE)
            except asyncio.TimeoutError:
                continue
        await self.jobs.connections.close()

    async def _renew_all(self) -> None:
        now = time.monotonic()
        by_channel: dict[str, list[Job]] = {}
        for job in list(self.held.values()):
            # One that was read ahead and is still not begun waits behind a long job: let others have it.
            if not job.lost and (job.begun or now - job.taken < self.jobs.lease):
                by_channel.setdefault(job.channel, []).append(job)
        for channel, jobs in by_channel.items():
            await self.jobs.renew(channel, jobs)

"""The file that says that a process works: its time is that of the last beat.

The time is by the clock that counts from the start of the machine, the same for each process on it: by one that may
be set, a fresh heartbeat could look old. It counts while the machine sleeps, as /proc/uptime does, which the health check
of the container reads (images/app/channels-stack-probe.sh).
"""

from __future__ import annotations

import contextlib
import logging
import os
import time

log = logging.getLogger("channels_stack.heartbeats")


class Heartbeat:
    """What a process says of itself in the file ``path``."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._problem = ""

    def beat(self) -> None:
        """This process works now. Where that cannot be written, the log says so, once: probes will find it dead."""
        problem = ""
        try:
            # Opened so, a file that exists keeps its time until it gets the next one.
            os.close(os.open(self.path, os.O_CREAT | os.O_WRONLY, 0o644))
            now = _now()
            os.utime(self.path, (now, now))
        except OSError as error:
            problem = str(error)
        if problem and not self._problem:
            log.error("the heartbeat cannot be written, the health check will end this process: %s", problem)
        elif self._problem and not problem:
            log.warning("the heartbeat can be written again")
        self._problem = problem

    def end(self) -> None:
        """It works no more."""
        with contextlib.suppress(OSError):
            os.unlink(self.path)


def age(path: str) -> float:
    """Seconds since the last beat. Raises OSError where there is none."""
    return _now() - os.stat(path).st_mtime


def _now() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)

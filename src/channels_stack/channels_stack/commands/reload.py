"""Development only: run a command again whenever a Python file below the working directory changes.

Django's own reloader runs its target in a thread, where a worker could not listen to signals.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence

POLL_SECONDS = 0.5


def main(command: Sequence[str]) -> int:
    """Run ``command`` until a signal ends it; its last exit code."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    seen = _modified()
    child = subprocess.Popen(command)
    while not stopping.wait(POLL_SECONDS):
        now = _modified()
        if now != seen:
            seen = now
            print("channels-stack: the source has changed, starting again", file=sys.stderr, flush=True)
            _end(child)
            child = subprocess.Popen(command)
    return _end(child)


def _modified() -> dict[str, float]:
    """Path -> time of its last change, of each Python file."""
    return {
        entry.path: entry.stat().st_mtime
        for folder, _, _ in os.walk(os.getcwd())
        for entry in os.scandir(folder)
        if entry.name.endswith(".py")
    }


def _end(child: subprocess.Popen[bytes]) -> int:
    """Stop ``child`` if it still runs; its exit code."""
    if child.poll() is None:
        child.terminate()
    return child.wait()

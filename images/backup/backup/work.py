"""One piece of work at a time in this container, and what is remembered of it."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .console import Busy, say
from .places import TEMPORARY, WORK

STATE = WORK / "state.json"
"""Results of the last jobs copy, drill and failure; the backups themselves are listed by the repository."""


PATIENCE = 60
"""Seconds that a command waits for other work: a copy of the waiting jobs, which no operator asked for, takes less."""


@contextmanager
def alone(what: str, patience: float = PATIENCE) -> Iterator[None]:
    """Hold the lock while WHAT is done; Busy names who still has it after PATIENCE seconds."""
    TEMPORARY.mkdir(mode=0o700, exist_ok=True)
    path = TEMPORARY / "work.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end, reported = time.monotonic() + patience, False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            holder = path.read_text() or "something"
        if time.monotonic() >= end:
            os.close(descriptor)
            raise Busy(f"{holder} is at work: try again when it has ended")
        if not reported:
            say(f"{holder} is at work, waiting up to {patience:.0f} s for its end")
            reported = True
        time.sleep(0.2)
    try:
        os.ftruncate(descriptor, 0)
        os.write(descriptor, what.encode())
        yield
    finally:
        os.ftruncate(descriptor, 0)
        os.close(descriptor)


def remembered() -> dict[str, Any]:
    """What `remember` left; empty at first."""
    try:
        return json.loads(STATE.read_text())
    except (OSError, ValueError):
        return {}


def remember(**facts: Any) -> None:
    """Keep FACTS for `status`, in one step."""
    new = STATE.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps({**remembered(), **facts}))
    new.replace(STATE)

"""One piece of work at a time in this container, and what is remembered of it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from .console import Busy
from .places import TEMPORARY, WORK

STATE = WORK / "state.json"
"""Results of the last jobs copy, drill and failure; the backups themselves are told by the repository."""


@contextmanager
def alone(what: str) -> Iterator[None]:
    """Hold the lock while WHAT is done; Busy names who has it."""
    TEMPORARY.mkdir(mode=0o700, exist_ok=True)
    path = TEMPORARY / "work.lock"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = path.read_text() or "something"
        os.close(descriptor)
        raise Busy(f"{holder} is at work: try again when it has ended") from None
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

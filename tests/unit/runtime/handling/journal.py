"""What happened in a request, in order, and whether on the event loop or on the thread of the request."""

from __future__ import annotations

import threading
from contextvars import ContextVar

lines: ContextVar[list[str]] = ContextVar("lines")


def note(what: str) -> None:
    """Add WHAT to the lines of this request."""
    where = "loop" if threading.current_thread() is threading.main_thread() else "thread"
    if lines.get(None) is not None:
        lines.get().append(f"{what} ({where})")

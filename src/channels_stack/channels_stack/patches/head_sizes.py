"""Limits of request heads in websockets and Twisted: cookies that the edge lets through, and every page takes.

Both refuse handshakes with a line over 8 and 16 KiB. They have no argument for it that uvicorn or Daphne hand on.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

from .patch import Patch

PATCH = Patch(
    package="websockets",
    versions="10.0 to 17.4",
    why="lines of a handshake are limited to 8 KiB",
    without="handshakes with a cookie over 8 KiB are refused",
    upstream="https://github.com/python-websockets/websockets/issues/1471",
)
TWISTED = Patch(
    package="Twisted",
    versions="22.4 to 26.10",
    why="lines and heads of requests are limited to 16 KiB",
    without="requests with a head over 16 KiB are refused by Daphne",
    upstream="https://docs.twisted.org/en/stable/api/twisted.web.http.HTTPChannel.html",
)


def of_websockets(module: ModuleType, size: int) -> None:
    """Let the module of websockets that parses handshakes take lines of ``size`` bytes."""
    PATCH.raise_limit(module, ("MAX_LINE_LENGTH", "MAX_LINE"), size)  # MAX_LINE until websockets 10


def of_twisted(channel: Any, size: int) -> None:
    """Let Twisted's class ``channel`` take lines and heads of ``size`` bytes."""
    TWISTED.raise_limit(channel, ("MAX_LENGTH",), size)
    TWISTED.raise_limit(channel, ("totalHeadersSize",), size)

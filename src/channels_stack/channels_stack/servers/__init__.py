"""The servers, one module each with ``serve(settings, service) -> int``, the exit code.

A module imports its server, so it is imported only when that server is chosen: an image holds what it runs.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import logging
import socket
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any, Callable, cast

from ..config.settings import Settings

log = logging.getLogger(__name__)

# The edge keeps idle connections to us for less: a server that closes first would meet its next request.
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048
# Bytes of a request's head that every server takes, in one line or many: twice what fits the edge's buffer, so that the edge,
# which answers with a page of its own, is always the first to refuse.
HEAD_BYTES = 65536


def serve(settings: Settings, service: str, port: int) -> int:
    """Serve ``service`` ("http" or "ws") with the server that the settings choose for it; the exit code."""
    server = settings.server_http if service == "http" else settings.server_ws
    module = importlib.import_module(f".{server}", __name__)
    return cast(int, module.serve(settings, service, port))


def known(server: str, options: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """``options`` without those that are none of ``names``: this version of ``server`` lacks them, which one line says.

    The application may pin a server that is older or newer than ours. It serves, without what these options ask for.
    """
    names = set(names)
    missing = sorted(options.keys() - names)
    if missing:
        log.warning("%s %s does not know %s: it serves without", server, version(server), ", ".join(missing))
    return {name: value for name, value in options.items() if name in names}


def parameters(function: Callable[..., Any]) -> list[str]:
    """The names of what ``function``, or a class, takes."""
    return list(inspect.signature(function).parameters)


def cut_silent_readers(listener: Any, ping_seconds: float) -> None:
    """Let the kernel end connections accepted by ``listener`` whose peer does not take what is sent to it.

    A client that does not read answers no ping either, so a server gives it up after twice ``ping_seconds``. But
    then it closes the connection in good order, after what it has still to send: never. ``listener`` is a socket,
    or what looks like one; connections inherit the option.
    """
    with contextlib.suppress(OSError):  # a Unix socket has no such option
        milliseconds = int(2 * ping_seconds * 1000)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

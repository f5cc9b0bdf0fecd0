"""The servers, one module each with ``serve(settings, service) -> int``, the exit code.

A module imports its server, so it is imported only when that server is chosen: an image holds what it runs.
"""

from __future__ import annotations

import importlib
from typing import cast

from ..settings import Settings

HOST = "0.0.0.0"
# The edge keeps idle connections to us for less: a server that closes first would meet its next request.
KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048


def serve(settings: Settings, service: str, port: int) -> int:
    """Serve ``service`` ("http" or "ws") with the server that the settings choose for it; the exit code."""
    server = settings.server_http if service == "http" else settings.server_ws
    module = importlib.import_module(f".{server}", __name__)
    return cast(int, module.serve(settings, service, port))

"""Ports for the servers of the tests."""

from __future__ import annotations

import contextlib
import os
import random
import socket

PORTS = range(20001, 30000)
"""Below those that Linux gives to clients, which could come in between."""

_given: set[int] = set()


def free_port() -> int:
    """A port of PORTS that nobody listens on and that was not given before.

    The processes of one run (pytest-xdist) have ports of their own each. Two runs at once seldom choose the same,
    because each takes its own in any order.
    """
    own = PORTS[_worker() :: int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))]
    for port in random.sample(own, len(own)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("0.0.0.0", port))
            if port not in _given:
                _given.add(port)
                return port
    raise RuntimeError(f"no port is free from {PORTS.start} to {PORTS.stop}")


def _worker() -> int:
    """The number of this process among those of its run."""
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))

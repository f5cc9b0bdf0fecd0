"""The health check, by itself: it runs twice a minute, and the rest of this package takes three times as long to import."""

from __future__ import annotations

import socket
import sys

SOCKET = "/run/backup/archive.sock"
"""Where the service takes WAL."""


def alive(path: str = SOCKET) -> int:
    """0 where the service answers at its socket, else 1."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(path)
            connection.sendall(b"ping\n")
            return 0 if connection.recv(8) == b"ok\n" else 1
    except OSError as error:
        print(f"the service does not answer: {error}", file=sys.stderr)
        return 1

"""The socket at which PostgreSQL hands over its WAL: `pgbackrest-archive` in the image of db asks, one segment a connection."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

from . import alive, repository
from .console import Failure, say
from .places import DATA

SOCKET = Path(alive.SOCKET)
NAME = re.compile(r"[0-9A-F]{24}(\.[0-9A-F]{8}\.backup|\.partial)?|[0-9A-F]{8}\.history")
"""What PostgreSQL archives: segments, labels of backups, histories of timelines."""


class Archive:
    """Serves the socket in threads of its own. READY says why nothing can be stored, "" when all is well."""

    def __init__(self, ready: Callable[[], str]) -> None:
        self.ready = ready
        self.problem = ""
        self.stored_at = 0.0

    def open(self) -> None:
        """Listen."""
        SOCKET.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(SOCKET))
        SOCKET.chmod(0o600)
        listener.listen(8)
        threading.Thread(target=self.accept, args=(listener,), daemon=True).start()

    def accept(self, listener: socket.socket) -> None:
        """Take connections for ever."""
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection: socket.socket) -> None:
        """Read one line, do it, say `ok` or the reason."""
        with connection:
            connection.settimeout(60)
            try:
                name = connection.makefile(encoding="utf-8").readline().strip()
                answer = "ok" if name == "ping" else self.store(name)
                connection.sendall(answer.encode() + b"\n")
            except (OSError, UnicodeDecodeError):
                return  # whoever asked is gone, and asks again

    def store(self, name: str) -> str:
        """Put the segment NAME into the repository; `ok` or the reason."""
        if not NAME.fullmatch(name):
            return f"{name[:60]!r} is no name of a WAL segment"
        reason = self.ready()
        if not reason:
            try:
                push(name)
            except Failure as failure:
                reason = str(failure)
        if reason != self.problem:
            say(f"WAL: {reason}" if reason else f"WAL: stored again, from {name} on")
            self.problem = reason
        if not reason:
            self.stored_at = time.time()
        return reason or "ok"


def push(name: str) -> None:
    """Put the segment NAME of the cluster's volume into the repository."""
    repository.run("archive-push", str(DATA / "pg_wal" / name))


def waiting() -> list[str]:
    """Segments that PostgreSQL has finished and that are not stored yet, the oldest first."""
    folder = DATA / "pg_wal/archive_status"
    return sorted(path.stem for path in folder.glob("*.ready")) if folder.is_dir() else []


def behind() -> float:
    """Seconds since the oldest of those was finished; 0 where all is stored."""
    moments = []
    for path in (DATA / "pg_wal/archive_status").glob("*.ready"):
        try:
            moments.append(path.stat().st_mtime)
        except FileNotFoundError:
            continue  # stored meanwhile
    return max(0.0, time.time() - min(moments)) if moments else 0.0

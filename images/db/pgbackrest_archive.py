#!/usr/bin/python3
"""PostgreSQL's archive_command: `pgbackrest-archive NAME` has the service `backup` store the WAL segment NAME.

(pgBackRest makes backups only where its name is in archive_command.)

The way is one line each over a socket in the volume that both containers share: this container holds neither the
key of the backups nor a network to where they are. Exit code 0 only when the segment is safe in the repository;
otherwise the reason goes to PostgreSQL's log, PostgreSQL keeps the segment and asks again.
"""

from __future__ import annotations

import socket
import sys

SOCKET = "/run/backup/archive.sock"

SECONDS = 45
"""Patience with one segment of 16 MB; less than the 60 s that a stop of the database may take."""


def main(arguments: list[str]) -> int:
    """Ask for one segment, report the result."""
    if len(arguments) != 1:
        print("pgbackrest-archive: give the name of one WAL segment: pgbackrest-archive %f", file=sys.stderr)
        return 2
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(SECONDS)
            connection.connect(SOCKET)
            connection.sendall(arguments[0].encode() + b"\n")
            answer = connection.makefile(encoding="utf-8").readline().strip()
    except OSError as error:
        answer = f"the service backup does not answer ({error.strerror or error})"
    if answer == "ok":
        return 0
    print(
        f"pgbackrest-archive: {arguments[0]}: {answer or 'the service backup ended meanwhile'}",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

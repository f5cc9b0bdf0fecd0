"""A connection to a Redis or a Sentinel in its own protocol (RESP 2): the image has no library for it."""

from __future__ import annotations

import socket
from typing import Any, BinaryIO

Place = tuple[str, int]
SECONDS = 1.0
"""For a connection and for each answer: a node that is there answers within milliseconds."""


class Refused(Exception):
    """The server answered with an error; its words."""


class Talk:
    """A connection to PLACE as the user `node`, with the first of PASSWORDS that is accepted.

    `with Talk(place, passwords) as redis: redis.call("ROLE")`. Raises OSError where nothing answers, and Refused.
    """

    def __init__(self, place: Place, passwords: list[str], seconds: float = SECONDS) -> None:
        self._socket = socket.create_connection(place, seconds)
        self._file: BinaryIO = self._socket.makefile("rb")
        try:
            self._enter(passwords)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Talk:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def call(self, *words: object) -> Any:
        """The answer to one command: text, number, None, or a list of those. Raises OSError and Refused."""
        parts = [str(word).encode() for word in words]
        text = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
        self._socket.sendall(b"*%d\r\n%s" % (len(parts), text))
        return self._answer()

    def _enter(self, passwords: list[str]) -> None:
        for number, password in enumerate(passwords, 1):
            try:
                self.call("AUTH", "node", password)
                return
            except Refused:
                if number == len(passwords):
                    raise Refused("it refuses the password") from None

    def _answer(self) -> Any:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("it closed the connection")
        kind, rest = line[:1], line[1:-2].decode()
        if kind == b"-":
            raise Refused(rest)
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if int(rest) < 0:
            return None
        if kind == b"*":
            return [self._answer() for _ in range(int(rest))]
        return self._file.read(int(rest) + 2)[:-2].decode(errors="replace")


def pairs(words: list[Any]) -> dict[str, Any]:
    """Names and values that stand one after the other."""
    return dict(zip(words[::2], words[1::2], strict=True))

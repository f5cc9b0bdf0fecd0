"""What is published and kept in Redis: an event's header and body.

A body is one letter for its kind, and the content: ``M`` a message for the consumers' handlers, packed; ``T`` and ``B`` a
frame that is ready for the sockets, text or bytes. Before it stands one of these headers, of fixed width but for the offset:

- ``P`` id, link to the event before, epoch, milliseconds, offset, colon: an event that has a position. Redis writes it.
- ``L`` id: an event without one, of a group without history.
- ``D`` id, name of the channel, colon: a message for one channel of a process.
"""

from __future__ import annotations

from dataclasses import dataclass

from .positions import ID_CHARACTERS, Position

MESSAGE, TEXT, BYTES = b"M", b"T", b"B"
POSITIONED, LOOSE, DIRECT = b"P", b"L", b"D"
# A change of who is present in a group (attendance.py): no event, and in no history.
PRESENCE = b"W"

_ID = slice(1, 1 + ID_CHARACTERS)
_LINK = slice(_ID.stop, _ID.stop + ID_CHARACTERS)
_EPOCH = slice(_LINK.stop, _LINK.stop + ID_CHARACTERS)
_MILLISECONDS = slice(_EPOCH.stop, _EPOCH.stop + 13)


class Malformed(ValueError):
    """Something that this layer has not written."""


@dataclass(frozen=True)
class Entry:
    """An event with a position, as it is in Redis."""

    position: Position
    before: str  # the link of the position before
    milliseconds: int  # when it was published, by the clock of Redis
    body: bytes


@dataclass(frozen=True)
class Loose:
    """An event without a position."""

    identifier: bytes
    body: bytes


@dataclass(frozen=True)
class Direct:
    """A message for one channel."""

    identifier: bytes
    channel: str
    body: bytes


def loose(identifier: str, body: bytes) -> bytes:
    """An event without a position, ready to be published."""
    return b"".join((LOOSE, identifier.encode(), body))


def direct(identifier: str, channel: str, body: bytes) -> bytes:
    """A message for one channel, ready to be published."""
    return b"".join((DIRECT, identifier.encode(), channel.encode(), b":", body))


def body(data: bytes) -> bytes:
    """The body of an event of a group, which was published as ``data``; empty for anything else."""
    known = received(data) if data[:1] in (POSITIONED, LOOSE) else None
    return known.body if isinstance(known, (Entry, Loose)) else b""


def entry(data: bytes) -> Entry:
    """The event that ``data`` holds. Raises Malformed."""
    try:
        end = data.index(b":", _MILLISECONDS.stop)
        return Entry(
            position=Position(
                data[_EPOCH].decode("ascii"), int(data[_MILLISECONDS.stop : end]), data[_ID].decode("ascii")
            ),
            before=data[_LINK].decode("ascii"),
            milliseconds=int(data[_MILLISECONDS]),
            body=data[end + 1 :],
        )
    except ValueError as error:
        raise Malformed(f"an event whose header cannot be read: {data[:80]!r}") from error


def received(data: bytes) -> Entry | Loose | Direct:
    """What was published as ``data``. Raises Malformed."""
    kind = data[:1]
    if kind == POSITIONED:
        return entry(data)
    if kind == LOOSE and len(data) > _ID.stop:
        return Loose(data[_ID], data[_ID.stop :])
    if kind == DIRECT:
        channel, colon, body = data[_ID.stop :].partition(b":")
        if colon:
            return Direct(data[_ID], channel.decode("ascii", "replace"), body)
    raise Malformed(f"nothing that this layer publishes: {data[:80]!r}")

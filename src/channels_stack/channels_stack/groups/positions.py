"""Where a group's stream of events is: the position that a process has delivered, or that a client has seen.

A position is an epoch, an offset and a link. The epoch changes when Redis has lost the group's history. Offsets count
1, 2, 3 … without holes. The link is the id of the event at that offset: after a failover to an older copy of the data the
same offset may be given to another event, and only the link shows it. Offset 0 is a group in which nothing has been
published yet; its link is the epoch.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# Ids are 8 random bytes in hexadecimal; a double holds integers up to 2**53, which Lua counts in.
ID_CHARACTERS = 16
_FORM = re.compile(r"([0-9a-f]{16})\.(0|[1-9][0-9]{0,14})\.([0-9a-f]{16})")
LONGEST = 2 * ID_CHARACTERS + 17


@dataclass(frozen=True)
class Position:
    """A place in the stream of one group. Its text is what clients keep and present."""

    __slots__ = ("epoch", "link", "offset")

    epoch: str
    offset: int
    link: str

    def __reduce__(self) -> tuple[Any, ...]:
        # A frozen class with slots can be copied and pickled by this alone: projects keep positions in sessions and caches.
        return Position, (self.epoch, self.offset, self.link)

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}.{self.link}"


def parse(text: object) -> Position | None:
    """The position that ``text`` is; None when it is none, whatever it may be: clients send it."""
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    found = _FORM.fullmatch(text)
    return Position(found[1], int(found[2]), found[3]) if found else None

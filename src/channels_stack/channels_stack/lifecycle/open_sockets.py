"""The open websockets of this process, as an operator sees and ends them.

To list them costs a socket nothing until the console asks. A process with many goes through them in portions, so that its event
loop does not stand still meanwhile.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from . import users
from .open_groups import OpenGroups
from .sockets import Socket

logger = logging.getLogger("channels_stack.sockets")

POLICY = 1008  # clients that know what it means do not reconnect by themselves
REASON = "closed by an operator"
PORTION = 500  # sockets looked at before others have their turn: about a millisecond
# Closed at once, and the pause before the next ones.
CLOSED_AT_ONCE, PAUSE_SECONDS = 20, 0.1
LONGEST = 300  # characters of a path or a name that are shown


class OpenSockets:
    """What the process ``address`` says of ``sockets``."""

    def __init__(self, address: str, sockets: Collection[Socket], groups: OpenGroups) -> None:
        self.address, self.sockets, self.groups = address, sockets, groups
        self._closing: set[asyncio.Task[None]] = set()

    async def page(
        self,
        search: str = "",
        user: str = "",
        group: Sequence[str] = (),
        before: Sequence[Any] = (),
        limit: int = 50,
    ) -> dict[str, Any]:
        """The newest sockets that fit, and are older than the row ``before``; and how many fit in all.

        ``search`` is a part of a name, a path or an address; ``user`` the key of one user; ``group`` the alias of a layer and the
        name of a group there.
        """
        belongs = self.groups.members(*group) if group else None
        search, fitting, rows = search.casefold(), 0, list[tuple[Any, ...]]()
        for portion in self._portions():
            for socket in portion:
                if belongs and not belongs(getattr(socket.consumer, "channel_name", "")):
                    continue
                row = self._row(socket)
                if (user and row[4] != user) or (search and not _contains(row, search)):
                    continue
                fitting += 1
                if not before or row[:3] < tuple(before[:3]):
                    rows.append(row)
            rows = heapq.nlargest(limit, rows)
            await asyncio.sleep(0)
        return {"open": len(self.sockets), "fitting": fitting, "rows": rows}

    async def close(self, numbers: Sequence[int] = (), user: str = "", by: str = "") -> int:
        """Begin to close the sockets with these ``numbers``, and those of ``user``; how many that are."""
        ending = []
        for portion in self._portions():
            ending += [
                each for each in portion if each.number in numbers or (user and users.user(each) == user)
            ]
            await asyncio.sleep(0)
        ending = [each for each in ending if not each.over]
        if ending:
            logger.info("closing %d websockets for %s", len(ending), by)
            task = asyncio.ensure_future(_close(ending))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
        return len(ending)

    def _portions(self) -> Iterator[list[Socket]]:
        every = [socket for socket in self.sockets if socket.accepted and not socket.over]
        return (every[start : start + PORTION] for start in range(0, len(every), PORTION))

    def _row(self, socket: Socket) -> tuple[Any, ...]:
        """When it was opened, process and number, which order it among all; user, its key, address and path."""
        account, client = users.account(socket), socket.scope.get("client")
        name = str(getattr(account, "get_username", str)())[:LONGEST]
        return (
            *(round(socket.opened, 3), self.address, socket.number),
            *(
                name,
                str(users.user(socket) or ""),
                client[0] if client else "",
                str(socket.scope["path"])[:LONGEST],
            ),
        )


def _contains(row: tuple[Any, ...], search: str) -> bool:
    _, _, _, name, _, client, path = row
    return search in name.casefold() or search in client or search in path.casefold()


async def _close(ending: list[Socket]) -> None:
    for start in range(0, len(ending), CLOSED_AT_ONCE):
        if start:
            await asyncio.sleep(PAUSE_SECONDS)
        some = ending[start : start + CLOSED_AT_ONCE]
        await asyncio.gather(*(socket.close(POLICY, REASON) for socket in some), return_exceptions=True)

"""The groups that this process is in, as an operator sees them: on any channel layer that is watched here."""

from __future__ import annotations

import asyncio
import heapq
from collections import Counter
from collections.abc import Sequence
from typing import Any, Callable

from .canary import Canaries

PORTION = 2000  # memberships looked at before others have their turn: about a millisecond

Row = tuple[str, str, int, "int | None"]
"""Name, alias of its layer, members here, offset of its last event if the layer has one."""


class OpenGroups:
    """What this process says of the groups on the layers that ``canaries`` watch."""

    def __init__(self, canaries: Canaries) -> None:
        self.canaries = canaries

    async def page(self, search: str = "", after: Sequence[str] = (), limit: int = 50) -> dict[str, Any]:
        """Groups in the order of their names, of those that fit and come later than ``after`` (name, alias)."""
        rows = [row for row in await self._rows() if search.casefold() in row[0].casefold()]
        later = heapq.nsmallest(limit, (row for row in rows if not after or row[:2] > tuple(after)))
        return {"fitting": len(rows), "rows": later, "more": len(later) == limit}

    def members(self, alias: str, name: str) -> Callable[[str], bool]:
        """Whether a channel of this process is in the group ``name`` on the layer ``alias``."""
        if alias in self.canaries.layers:
            group = self.canaries.layers[alias].hub().groups.get(name)
            return group.members.__contains__ if group else lambda _: False
        watched = [canary.watched for canary in self.canaries.canaries if canary.watched.alias == alias]
        return lambda channel: any(each.is_member(name, channel) for each in watched)

    async def _rows(self) -> list[Row]:
        rows: list[Row] = []
        for alias, layer in self.canaries.layers.items():
            for name, group in list(layer.hub().groups.items()):
                rows.append(
                    (name, alias, len(group.members), group.position.offset if group.position else None)
                )
        for canary in self.canaries.canaries:
            members: Counter[str] = Counter()
            for number, (name, _) in enumerate(canary.watched.memberships(), 1):
                members[name] += name != canary.group
                if not number % PORTION:
                    await asyncio.sleep(0)
            rows += [(name, canary.watched.alias, count, None) for name, count in members.items() if count]
        return rows

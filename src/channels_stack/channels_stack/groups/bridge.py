"""Both layers hear each other while one replaces the other: this one, and channels_redis' publish and subscribe layer.

During a rollout from the one to the other, or back, processes of both serve sockets of the same groups. With ``bridge``, a
process subscribes to the name of a group on the other layer too. Publishing counts in Redis who is subscribed to which name,
in the script that it runs anyway: as long as the other name has more subscribers, processes of the other layer are there, and
the message is published under it as well. Nothing is polled and nothing is remembered: with the last process of the other layer
the copies end.
"""

from __future__ import annotations

from . import wire
from .group import Group
from .names import Names


class Bridge:
    """The groups of one event loop, by their names on the other layer."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._groups: dict[str, Group] = {}
        self._before = ("", b"")  # name and data of what arrived last

    def begin(self, group: Group) -> str:
        """``group`` has a member; the name to subscribe to, before its own: who is under one alone counts as the other layer."""
        name = self._names.other(group.name)
        self._groups[name] = group
        return name

    def end(self, group: Group) -> str:
        """It has none any more; the name to unsubscribe from, after its own."""
        name = self._names.other(group.name)
        del self._groups[name]
        return name

    def arrived(self, name: str, data: bytes) -> tuple[Group, bytes] | None:
        """The group to which a process of the other layer has sent, and the event's body; None when it is nothing of the kind.

        To be called with everything that arrives: a copy that our own publishing has made follows on its original at once.
        """
        (name_before, before), self._before = self._before, (name, data)
        group = self._groups.get(name)
        if group is None:
            return None
        body = wire.MESSAGE + data
        if name_before == group.published and wire.body(before) == body:
            return None
        return group, body

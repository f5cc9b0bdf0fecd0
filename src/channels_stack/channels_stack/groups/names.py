"""The names that the layer uses in Redis: keys, and the channels of publish and subscribe.

Group and channel names are made of letters, digits and ``-_.`` only, so that a colon always ends a part.
"""

from __future__ import annotations


class Names:
    """All names below ``prefix``: publish and subscribe ignores the number of the database, so nothing else separates
    two projects that share a Redis."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix

    def group(self, group: str) -> str:
        """Where the events of a group are published."""
        return f"{self.prefix}group:{group}"

    def other(self, group: str) -> str:
        """The same on channels_redis' publish and subscribe layer (``bridge``)."""
        return f"{self.prefix}__group__{group}"

    def is_others(self, channel: str) -> bool:
        """Whether ``channel`` was made by that layer: it then is itself where its messages are published."""
        return channel.startswith(f"{self.prefix}specific.")

    def inbox(self, client: str) -> str:
        """Where what is for one process (exactly: one event loop of it) is published."""
        return f"{self.prefix}inbox:{client}"

    def position(self, group: str) -> str:
        """Key of the hash with a group's epoch, the offset of its last event and that event's id."""
        return f"{self.prefix}position:{group}"

    def history(self, group: str) -> str:
        """Key of the list with a group's last events."""
        return f"{self.prefix}history:{group}"

    def queue(self, channel: str) -> str:
        """Key of the list with what waits in a channel that any process may receive from."""
        return f"{self.prefix}queue:{channel}"

    def wake(self, channel: str) -> str:
        """Where it is published that something waits in such a channel."""
        return f"{self.prefix}wake:{channel}"

    def sent(self, identifier: str) -> str:
        """Key that exists while a repeated attempt to send the same thing may still come."""
        return f"{self.prefix}sent:{identifier}"

    def presence(self, group: str) -> str:
        """Key of the hash with who is present in a group."""
        return f"{self.prefix}presence:{group}"

    def holders(self, group: str) -> str:
        """Key of the set with which process holds whom present in a group."""
        return f"{self.prefix}holders:{group}"

    def attending(self, group: str) -> str:
        """Key of the hash with the processes that have clients present in a group."""
        return f"{self.prefix}attending:{group}"

    def alive(self, client: str) -> str:
        """Key that exists while a process with clients present is alive."""
        return f"{self.prefix}alive:{client}"

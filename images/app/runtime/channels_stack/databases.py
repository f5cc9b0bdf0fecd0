"""No thread hop for a message while the process has never opened a database connection.

Since 4.2 Channels' async consumers go to a thread before each message to close old database connections:
about a third of the work of an empty job. Before the first connection there is nothing to close.
"""

from __future__ import annotations

from typing import Any

_opened = False


def skip_needless_hops() -> None:
    """Let Channels' consumers go to the thread only once a connection was opened. To be called after django.setup()."""
    import channels.consumer
    from django.db import connections
    from django.db.backends.signals import connection_created

    stock = getattr(channels.consumer, "aclose_old_connections", None)
    if stock is None:  # Channels before 4.2
        return
    connection_created.connect(_note, dispatch_uid="channels_stack.databases")
    if any(connection.connection is not None for connection in connections.all()):
        _note()

    async def close_if_any() -> None:
        if _opened:
            await stock()

    channels.consumer.aclose_old_connections = close_if_any


def _note(**_: Any) -> None:
    global _opened
    _opened = True

"""Redis connections for code that runs on any event loop, and on several in one process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from typing import Any
from weakref import WeakKeyDictionary

import redis.asyncio
from redis.exceptions import NoScriptError

from .script import Script

Clients = AsyncGenerator[Any, None]


class Connections:
    """One pool of connections to ``host`` for each event loop, closed when the loop is.

    ``host`` is an address, a pair (host, port), or keywords of redis-py with the address under "address".
    """

    def __init__(self, host: Any) -> None:
        self.options = _options(host)
        self.clients: WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Any, Clients]] = WeakKeyDictionary()

    async def client(self) -> Any:
        """The client of the running event loop."""
        known = self.clients.get(asyncio.get_running_loop())
        if known is not None:
            return known[0]
        # asyncio.run and async_to_sync close asynchronous generators before they close their loop: so this one
        # closes the connections of a loop that serves a single call.
        lives = self._live()
        client = await lives.__anext__()
        self.clients[asyncio.get_running_loop()] = client, lives
        return client

    async def run(self, script: Script, keys: list[Any], arguments: list[Any]) -> Any:
        """Let Redis run ``script``; its answer."""
        client = await self.client()
        try:
            return await client.execute_command("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except NoScriptError:  # a Redis that is new, or has been restarted
            return await client.execute_command("EVAL", script.text, len(keys), *keys, *arguments)

    def dedicated(self, **options: Any) -> Any:
        """A connection of its own, outside of the pool, with ``options`` over those of the others; not connected yet."""
        return self._pool(**options).make_connection()

    async def close(self) -> None:
        """Close the connections of the running event loop. A later call opens new ones."""
        known = self.clients.pop(asyncio.get_running_loop(), None)
        if known is not None:
            await known[1].aclose()

    def _pool(self, **more: Any) -> redis.asyncio.ConnectionPool:
        options = {**self.options, **more}
        address = options.pop("address", None)
        make = redis.asyncio.ConnectionPool
        return make.from_url(address, **options) if address else make(**options)

    async def _live(self) -> Clients:
        pool = self._pool()
        try:
            yield redis.asyncio.Redis(connection_pool=pool)
        finally:
            with contextlib.suppress(RuntimeError):
                self.clients.pop(asyncio.get_running_loop(), None)
            await pool.disconnect()


def _options(host: Any) -> dict[str, Any]:
    if isinstance(host, dict):
        return host
    if isinstance(host, (tuple, list)):
        return {"host": host[0], "port": host[1]}
    return {"address": host}

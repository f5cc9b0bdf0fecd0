"""A bounded number of threads for the sync code of consumers.

Without it all sync code of a process, a whole SyncConsumer or what async code does through
``database_sync_to_async``, shares one thread, and so does Channels' own look at old database connections before
each message: one consumer that waits holds up every other. Here each socket is given one of a few threads for
its whole life, so that its own sync code still runs in order and on one thread, and a process holds at most one
database connection for each thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Iterator

from asgiref.sync import SyncToAsync, ThreadSensitiveContext

from ..asgi.types import App, Receive, Scope, Send


class Threads:
    """At most ``count`` threads; each starts when it is first needed, and stays. For one event loop."""

    def __init__(self, count: int) -> None:
        self._threads = [_Thread() for _ in range(count)]

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Thread-sensitive sync code of the current task, and of tasks it starts, runs on the least used thread."""
        thread = min(self._threads, key=lambda thread: thread.users)
        thread.users += 1
        token = SyncToAsync.thread_sensitive_context.set(thread.context)
        try:
            yield
        finally:
            SyncToAsync.thread_sensitive_context.reset(token)
            thread.users -= 1

    def for_sockets(self, app: App) -> App:
        """Wrap ``app``: each of its websockets has one thread. Of pages, ``slots`` sees to it."""

        async def socket(scope: Scope, receive: Receive, send: Send) -> None:
            with self.one():
                await app(scope, receive, send)

        def threaded(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            serve = socket if scope["type"] == "websocket" else app
            return serve(scope, receive, send)

        return threaded


class _Thread:
    """asgiref makes one thread for each context and keeps it for as long as the context lives: for ever.

    The context is never entered: on leaving it asgiref would end the thread, or refuse what a task that outlives
    its socket still has to save.
    """

    def __init__(self) -> None:
        self.context = ThreadSensitiveContext()
        self.users = 0

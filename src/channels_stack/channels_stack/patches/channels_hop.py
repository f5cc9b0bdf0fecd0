"""No hop to a thread before each message where that would find nothing to do.

Since 4.2 Channels' async consumers go to their thread before every message, to close old database connections: half of the
work of a message that only passes through. The event loop can see whether anything is to be closed there: connections
belong to threads, Django says when one is opened, and what ``close_old_connections`` goes by are plain attributes. They
are read here, never written; whatever is unknown goes the stock way.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Awaitable
from concurrent.futures import Executor
from importlib import import_module
from typing import Any, Callable

from asgiref.sync import AsyncToSync, SyncToAsync

from .patch import Patch

PATCH = Patch(
    package="channels",
    versions="4.2 to 4.3",
    why="consumers go to a thread before each message to close old database connections, also where there is none",
    without="each message of a consumer costs a change of threads",
    upstream="https://github.com/django/channels/pull/2090",
)
NAME = "aclose_old_connections"
OTHERS = ("channels.generic.http", "channels.generic.websocket", "channels.db")
"""Other modules than ``channels.consumer`` that may have imported it by name."""

_opened: weakref.WeakKeyDictionary[threading.Thread, list[weakref.ref[Any]]] = weakref.WeakKeyDictionary()
"""What each thread has opened a connection with: one of Django's wrappers for each database, which may be closed by now."""
_all: tuple[weakref.ref[Any], ...] = ()  # the same of all threads together
_noting = threading.Lock()


def apply() -> None:
    """Let consumers hop only where it does something. To be called after ``django.setup()``; a second call changes nothing."""
    import channels.consumer
    import channels.db
    from django.db.backends.signals import connection_created

    if not hasattr(channels.db, NAME):  # Channels before 4.2
        return
    connection_created.connect(_note, dispatch_uid=__name__)
    others = [module for module in map(import_module, OTHERS) if hasattr(module, NAME)]
    for module in (channels.consumer, *others):
        PATCH.replace(module, NAME, skipping, arguments=0, uses=("close_old_connections",))


def skipping(stock: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    """STOCK, called only where the thread of the running task has a connection that it would touch."""

    async def aclose_old_connections() -> None:
        if has_work():
            await stock()

    return aclose_old_connections


def has_work() -> bool:
    """Whether ``close_old_connections`` would do anything on the thread of the running task; True where that is unknown."""
    if not any(map(_is_open, _all)):
        return False  # nearly always, where connections go back to a pool, and cheap
    # The order in which asgiref looks for the thread.
    if getattr(AsyncToSync.executors, "current", None):
        return True  # code that waits in `async_to_sync` lends its thread
    context = SyncToAsync.thread_sensitive_context.get(None)
    executor: Executor | None
    if context is not None:
        executor = SyncToAsync.context_to_thread_executor.get(context)
        if executor is None:
            return False  # no thread has been needed so far
    elif getattr(AsyncToSync, "loop_thread_executors", None):
        return True
    else:
        executor = SyncToAsync.single_thread_executor
    threads = getattr(executor, "_threads", None)
    if threads is None:
        return True
    for thread in tuple(threads):
        for reference in _opened.get(thread, ()):
            connection = reference()
            if connection is not None and is_touched(connection):
                return True
    return False


def is_touched(connection: Any) -> bool:
    """Whether ``close_if_unusable_or_obsolete`` of CONNECTION, perhaps another thread's, would do anything."""
    from django.db.backends.base.base import BaseDatabaseWrapper

    if connection.connection is None:
        return False
    stock = BaseDatabaseWrapper.close_if_unusable_or_obsolete
    if type(connection).close_if_unusable_or_obsolete is not stock:
        return True
    return bool(
        connection.errors_occurred
        or (connection.close_at is not None and time.monotonic() >= connection.close_at)
        # It was used since the last look: its health is to be checked again before its next use. Django 4.1.
        or (getattr(connection, "health_check_enabled", False) and connection.health_check_done)
        or connection.autocommit != connection.settings_dict["AUTOCOMMIT"]
    )


def _is_open(reference: weakref.ref[Any]) -> bool:
    connection = reference()
    return connection is not None and connection.connection is not None


def _note(connection: Any, **_: Any) -> None:
    """CONNECTION was opened in this thread."""
    global _all
    opened = weakref.ref(connection)
    with _noting:
        known = _opened.setdefault(threading.current_thread(), [])
        if opened not in known:
            known[:] = [*(reference for reference in known if reference() is not None), opened]
            _all = (*(reference for reference in _all if reference() is not None), opened)
